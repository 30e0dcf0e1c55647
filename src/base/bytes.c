#include "base/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static unsigned char
ascii_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

bool
view_eq_nocase_n(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && ascii_lower((unsigned char)a[i]) !=
					ascii_lower((unsigned char)b[i]))
			return false;
	return true;
}

bool
view_starts(struct view v, struct view prefix)
{
	return v.n >= prefix.n &&
	       view_eq((struct view) { v.p, prefix.n }, prefix);
}

bool
view_ends(struct view v, struct view suffix)
{
	return v.n >= suffix.n &&
	       view_eq(
		   (struct view) { v.p + (v.n - suffix.n), suffix.n }, suffix);
}

int
view_cmp(struct view a, struct view b)
{
	size_t n = MIN(a.n, b.n);
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

ssize_t
view_find(struct view v, char c)
{
	const char *at = v.n > 0 ? memchr(v.p, c, v.n) : NULL;

	return at != NULL ? at - v.p : -1;
}

struct view
view_trim(struct view v)
{
	while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t')) {
		v.p++;
		v.n--;
	}
	while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

struct view
view_slice(struct view v, size_t from, size_t to)
{
	from = MIN(from, v.n);
	to = MAX(from, MIN(to, v.n));
	return (struct view) { v.p + from, to - from };
}

struct view
view_cut(struct view v, char sep, struct view *rest)
{
	ssize_t at = view_find(v, sep);

	if (at < 0) {
		*rest = (struct view) { NULL, 0 };
		return v;
	}
	*rest = view_slice(v, (size_t)at + 1, v.n);
	return view_slice(v, 0, (size_t)at);
}

bool
view_u64(struct view v, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9' ||
		    __builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(v.p[i] - '0'), &n) ||
		    n > max)
			return false;
	}
	*out = n;
	return true;
}

char *
view_dup(struct view v)
{
	return mem_strndup(v.p, v.n);
}

void
buf_fini(struct buf *b)
{
	free(b->p);
	*b = (struct buf) { .max = b->max };
}

void
buf_fini_at(struct buf *b)
{
	buf_fini(b);
}

void
buf_reset(struct buf *b)
{
	b->n = 0;
	b->full = false;
}

bool
buf_reserve(struct buf *b, size_t n)
{
	size_t want, cap;

	if (b->full || n > b->max - b->n) { /* invariant: n <= max */
		b->full = true;
		return false;
	}
	want = b->n + n + 1; /* one for the NUL of buf_str */
	if (want <= b->cap)
		return true;
	/* Doubled, so that bytes put one by one cost O(n) in all, but never
	 * beyond what max can fill. */
	cap = MAX(b->cap, (size_t)64);
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	if (cap > b->max && b->max < SIZE_MAX)
		cap = MAX(want, b->max + 1);
	b->p = mem_realloc(b->p, cap, 1);
	b->cap = cap;
	return true;
}

void
buf_put(struct buf *b, struct view v)
{
	if (!buf_reserve(b, v.n) || v.n == 0)
		return;
	memcpy(b->p + b->n, v.p, v.n);
	b->n += v.n;
}

void
buf_putc(struct buf *b, char c)
{
	buf_put(b, (struct view) { &c, 1 });
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_put(b, view_of(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n < sizeof(small)) {
		buf_put(b, (struct view) { small, (size_t)n });
		return;
	}
	if (!buf_reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void
buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n -= n;
	if (b->n > 0 && n > 0)
		memmove(b->p, b->p + n, b->n);
}

const char *
buf_str(struct buf *b)
{
	bool was_full = b->full;

	b->full = false;
	if (b->cap <= b->n)
		b->p = mem_realloc(b->p, b->n + 1, 1), b->cap = b->n + 1;
	b->full = was_full;
	b->p[b->n] = '\0';
	return b->p;
}

/* Length of the UTF-8 sequence at p (1 for ASCII), or 0 when malformed. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80                             ? 1
		     : (p[0] & 0xe0) == 0xc0 && p[0] >= 0xc2 ? 2
		     : (p[0] & 0xf0) == 0xe0                 ? 3
		     : (p[0] & 0xf8) == 0xf0 && p[0] <= 0xf4 ? 4
							     : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/*
 * What changes how text around it reads: bidirectional controls, separators
 * of lines, signs without width.  As `deceives` of audit/event.c.
 */
static bool
misleads(const unsigned char *p, size_t len)
{
	if (len == 2)
		return p[0] == 0xd8 && p[1] == 0x9c; /* U+061C */
	if (len != 3)
		return false;
	if (p[0] == 0xef)
		return p[1] == 0xbb && p[2] == 0xbf; /* U+FEFF */
	if (p[0] != 0xe2)
		return false;
	return (p[1] == 0x80 && ((p[2] >= 0x8b && p[2] <= 0x8f) ||
				    (p[2] >= 0xa8 && p[2] <= 0xae))) ||
	       (p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf);
}

void
buf_put_escaped(struct buf *b, struct view v)
{
	const unsigned char *p = (const unsigned char *)v.p;

	for (size_t i = 0; i < v.n;) {
		size_t len = utf8_len(p + i, v.n - i);
		/* C1 controls (U+0080..U+009F) drive terminals too. */
		bool c1 = len == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0;

		if (len == 0 || c1 || misleads(p + i, len) ||
		    (len == 1 && (p[i] < 0x20 || p[i] == 0x7f))) {
			buf_printf(b, "\\x%02x", p[i]);
			i++;
			continue;
		}
		buf_put(b, (struct view) { v.p + i, len });
		i += len;
	}
}

static const unsigned char *
rd_take(struct rd *r, size_t n)
{
	const unsigned char *p = r->p;

	if (r->bad || n > r->n) {
		r->bad = true;
		r->n = 0;
		return NULL;
	}
	r->p += n;
	r->n -= n;
	return p;
}

uint8_t
rd_u8(struct rd *r)
{
	const unsigned char *p = rd_take(r, 1);

	return p != NULL ? p[0] : 0;
}

uint16_t
rd_be16(struct rd *r)
{
	const unsigned char *p = rd_take(r, 2);

	return p != NULL ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t
rd_be24(struct rd *r)
{
	const unsigned char *p = rd_take(r, 3);

	return p != NULL ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]
			 : 0;
}

uint32_t
rd_be32(struct rd *r)
{
	const unsigned char *p = rd_take(r, 4);

	return p != NULL ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
			       (uint32_t)p[2] << 8 | p[3]
			 : 0;
}

struct view
rd_view(struct rd *r, size_t n)
{
	const unsigned char *p = rd_take(r, n);

	return p != NULL ? (struct view) { (const char *)p, n }
			 : (struct view) { NULL, 0 };
}

struct rd
rd_sub(struct rd *r, size_t n)
{
	const unsigned char *p = rd_take(r, n);

	return (struct rd) { p, p != NULL ? n : 0, p == NULL };
}
