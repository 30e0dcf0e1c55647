/*
 * Masking does not depend on how the bytes came: whole, or in pieces; no value
 * is left, nor what of its other forms depends on it alone; nothing else
 * changes.  The first byte is the size of the pieces and the form that is put
 * into the text, the next two say which value there is besides the fixed one.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "secrets/impl.h"
#include "secrets/reflect.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { TEXT_MAX = 4096 };

static size_t
mask(const struct reflect *r, struct view in, size_t step, char *out)
{
	static char held[TEXT_MAX];
	size_t n = 0, done = 0, safe = 0;

	for (size_t i = 0; i < in.n; i += step) {
		size_t piece = MIN(step, in.n - i);

		memcpy(held + n, in.p + i, piece);
		n += piece;
		(void)reflect_mask(r, held, n, i + piece == in.n, &safe);
		assert(safe <= n);
		memcpy(out + done, held, safe);
		done += safe;
		memmove(held, held + safe, n - safe);
		n -= safe;
	}
	assert(n == 0);
	return done;
}

/*
 * Basic and its like: the value behind `lead` bytes of the text and before two
 * more.  What is told of it: the characters of which each bit is the value's.
 */
static struct view
put_base64(struct buf *b, struct view value, struct view text, size_t lead)
{
	AUTO_BUF struct buf plain = BUF_INIT(256);
	size_t from = b->n, first = (8 * lead + 5) / 6;
	size_t end = 8 * (lead + value.n) / 6;

	buf_put(&plain, view_slice(text, 0, lead));
	buf_put(&plain, value);
	buf_put(&plain, view_slice(text, 0, 2));
	base64_encode(buf_view(&plain), b);
	return view_slice(buf_view(b), from + first, from + end);
}

/* `text` with the value in some form at its middle; what must not be left. */
static struct view
put_text(struct buf *b, struct view text, struct view value, unsigned form,
    size_t lead)
{
	size_t from;

	buf_put(b, view_slice(text, 0, text.n / 2));
	from = b->n;
	if (form == 1)
		return put_base64(b, value, text, lead);
	if (form == 2) {
		pct_encode(value, PCT_UNRESERVED, b);
		return view_slice(buf_view(b), from, b->n);
	}
	if (form == 3) {
		json_quote(b, value);
		return view_slice(buf_view(b), from + 1, b->n - 1);
	}
	return value;
}

static void
check(struct creds *c, struct view in, size_t step, struct view gone)
{
	static char whole[TEXT_MAX], parts[TEXT_MAX];
	const struct view never[] = { c->v[0].value, c->v[1].value, gone };
	struct reflect *r = NULL;
	struct err e;
	size_t a, b;
	int rc = reflect_new(c, NULL, &r, &e);

	assert(rc == 0 && r != NULL);
	a = mask(r, in, in.n, whole);
	b = mask(r, in, step, parts);
	assert(a == in.n && b == in.n);
	assert(memcmp(whole, parts, a) == 0);
	for (size_t i = 0; i < in.n; i++)
		assert(whole[i] == in.p[i] || whole[i] == '*');
	/* A value of nothing but stars is its own mask. */
	for (size_t k = 0; k < ARRAY_LEN(never); k++)
		if (never[k].n >= REFLECT_MIN &&
		    memchr(never[k].p, '*', never[k].n) == NULL)
			assert(
			    memmem(whole, a, never[k].p, never[k].n) == NULL);
	reflect_free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cred v[2] = { { .value = VIEW("abcabcabd") } };
	struct creds c = { .v = v, .n = 2 };
	AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
	struct view in, gone;
	size_t len;

	if (n < 12 || n - 3 > TEXT_MAX / 2)
		return 0;
	len = 8u + p[1] % 32u;
	in = (struct view) { (const char *)p + 3, n - 3 };
	v[1].value = view_slice(in, p[2], p[2] + len);
	if (v[1].value.n == 0)
		v[1].value = VIEW("another-one");
	(void)buf_reserve(&text, TEXT_MAX); /* `gone` points into it */
	gone = put_text(&text, in, v[1].value, p[0] >> 6, p[2] % 3u);
	if (v[1].value.n < REFLECT_MIN)
		gone.n = 0;
	buf_put(&text, view_slice(in, in.n / 2, in.n));
	assert(!text.full);
	check(&c, buf_view(&text), 1u + p[0] % 64u, gone);
	return 0;
}
