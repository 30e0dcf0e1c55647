/*
 * reflect: many patterns at once, after Wu and Manber (1994).
 *
 * A window of the length of the shortest pattern slides over the text.  Its
 * last two bytes say how far it may move at the least before any pattern can
 * end there; only where they say 0 are the patterns with that ending compared.
 */
#include "secrets/reflect.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "secrets/impl.h"

enum { TABLE = 1 << 12, FORMS = 6 };

struct pattern {
	struct view text;
	uint16_t next; /* with the same ending; 0: none.  Counted from 1 */
};

struct reflect {
	struct locked mem;
	struct pattern *v;
	size_t n, min, max;
	uint8_t shift[TABLE];
	uint16_t first[TABLE]; /* counted from 1; 0: none */
};

static unsigned
hash(const char *p)
{
	return ((unsigned char)p[0] << 4 ^ (unsigned char)p[1]) & (TABLE - 1);
}

/* --- forms ---------------------------------------------------------------- */

/* The characters of base64 that depend on `v` alone when `lead` bytes of
 * something else stand before it, and anything after. */
static void
put_base64(struct view v, unsigned lead, struct buf *out)
{
	static const unsigned skip[] = { 0, 2, 3 };
	AUTO_RW_OUT struct buf plain = BUF_INIT(0), text = BUF_INIT(0);
	size_t whole = (v.n + lead) * 8 / 6;

	rw_out_init(&plain, v.n + lead);
	rw_out_init(&text, (v.n + lead + 2) / 3 * 4);
	for (unsigned i = 0; i < lead; i++)
		buf_putc(&plain, 0);
	buf_put(&plain, v);
	base64_encode(buf_view(&plain), &text);
	buf_put(out, view_slice(buf_view(&text), skip[lead], whole));
}

static void
put_form(struct view v, unsigned form, struct buf *out)
{
	size_t from = out->n;

	switch (form) {
	case 0:
	case 1:
	case 2:
		put_base64(v, form, out);
		return;
	case 3:
		pct_encode(v, PCT_UNRESERVED, out);
		break;
	case 4:
		json_quote(out, v);
		/* Without the quotes. */
		if (out->n > from + 2 && !out->full) {
			memmove(out->p + from, out->p + from + 1,
			    out->n - from - 2);
			out->n -= 2;
		}
		break;
	default:
		buf_put(out, v);
		return;
	}
	/* A form that is the value itself. */
	if (view_eq(view_slice(buf_view(out), from, out->n), v))
		rw_cut(out, from);
}

static void
add(struct reflect *r, struct view text)
{
	if (text.n < REFLECT_MIN)
		return;
	r->v[r->n++].text = text;
	r->min = r->n == 1 ? text.n : MIN(r->min, text.n);
	r->max = MAX(r->max, text.n);
}

/* --- tables --------------------------------------------------------------- */

static void
index_all(struct reflect *r)
{
	/* Longer jumps than a byte can tell are not needed. */
	r->min = MIN(r->min, (size_t)200);
	memset(r->shift, (int)(r->min - 1), sizeof(r->shift));
	for (size_t i = 0; i < r->n; i++) {
		const char *p = r->v[i].text.p;
		unsigned last = hash(p + r->min - 2);

		for (size_t k = 0; k + 2 <= r->min; k++) {
			uint8_t *s = &r->shift[hash(p + k)];

			*s = (uint8_t)MIN((size_t)*s, r->min - 2 - k);
		}
		r->v[i].next = r->first[last];
		r->first[last] = (uint16_t)(i + 1);
	}
}

static size_t
room_of(const struct creds *c)
{
	size_t room = 0;

	for (size_t i = 0; c != NULL && i < c->n; i++)
		room += c->v[i].value.n * 15 + 32;
	return room;
}

/* What `over` has too is there already. */
static void
put_all(struct reflect *r, const struct creds *c, const struct creds *over,
    struct buf *text)
{
	for (size_t i = 0; c != NULL && i < c->n; i++) {
		struct view value = c->v[i].value;
		const struct cred *same =
		    creds_key(over, (struct view) { 0 }, c->v[i].key);

		if (value.n < REFLECT_MIN ||
		    (same != NULL && view_eq(same->value, value)))
			continue;
		for (unsigned form = 0; form < FORMS; form++) {
			size_t from = text->n;

			put_form(value, form, text);
			add(r, view_slice(buf_view(text), from, text->n));
		}
	}
}

int
reflect_new(const struct creds *c, const struct creds *before,
    struct reflect **out, struct err *e)
{
	struct reflect *r;
	struct buf text;
	size_t room = room_of(c) + room_of(before), n = 0;

	*out = NULL;
	if (room == 0)
		return 0;
	r = NEW(struct reflect);
	if (locked_new(room, &r->mem, e) < 0) {
		free(r);
		return -1;
	}
	n += c != NULL ? c->n : 0;
	n += before != NULL ? before->n : 0;
	r->v = mem_calloc(n * FORMS, sizeof(*r->v));
	text = (struct buf) { .p = r->mem.p, .cap = room, .max = room };
	put_all(r, c, NULL, &text);
	put_all(r, before, c, &text);
	if (r->n == 0) {
		reflect_free(r);
		return 0;
	}
	index_all(r);
	*out = r;
	return 0;
}

void
reflect_free(struct reflect *r)
{
	if (r == NULL)
		return;
	locked_free(&r->mem);
	free(r->v);
	free(r);
}

/* --- search --------------------------------------------------------------- */

/* Length of the longest pattern at `at`, or 0.  *cut: one begins here that v
 * does not hold whole. */
static size_t
match(const struct reflect *r, struct view v, size_t at, bool *cut)
{
	const char *window = v.p + at;
	size_t best = 0;

	for (unsigned i = r->first[hash(window + r->min - 2)]; i != 0;
	     i = r->v[i - 1].next) {
		struct view t = r->v[i - 1].text;
		size_t n = MIN(t.n, v.n - at);

		if (memcmp(window, t.p, n) != 0)
			continue;
		if (n < t.n)
			*cut = true;
		else
			best = MAX(best, n);
	}
	return best;
}

/* Whether some pattern begins with these bytes, which are fewer than min. */
static bool
begins(const struct reflect *r, struct view v)
{
	for (size_t i = 0; i < r->n; i++)
		if (memcmp(r->v[i].text.p, v.p, v.n) == 0)
			return true;
	return false;
}

/*
 * The next occurrence from *at on: its length, at *at.  0: none; *at is then
 * where one may begin that is not whole yet (unless nothing follows: `last`),
 * or the end.
 */
static size_t
next(const struct reflect *r, struct view v, bool last, size_t *at)
{
	size_t i = *at;

	while (v.n - i >= r->min) {
		unsigned shift = r->shift[hash(v.p + i + r->min - 2)];
		bool cut = false;
		size_t n;

		if (shift > 0) {
			i += MIN((size_t)shift, v.n - i);
			continue;
		}
		n = match(r, v, i, &cut);
		*at = i;
		/* Of two, the longer may still come whole. */
		if (cut && !last)
			return 0;
		if (n > 0)
			return n;
		i++;
	}
	if (last)
		i = v.n;
	while (i < v.n && !begins(r, view_slice(v, i, v.n)))
		i++;
	*at = i;
	return 0;
}

size_t
reflect_mask(
    const struct reflect *r, char *p, size_t n, bool last, size_t *safe)
{
	struct view v = { p, n };
	size_t count = 0, at = 0, len;

	while ((len = next(r, v, last, &at)) > 0) {
		memset(p + at, '*', len);
		at += len;
		count++;
	}
	*safe = at;
	return count;
}

bool
reflect_has(const struct reflect *r, struct view v)
{
	size_t at = 0;

	return next(r, v, true, &at) > 0;
}
