/*
 * Masking does not depend on how the bytes came: whole, or in pieces; no value
 * is left; nothing else changes.  The first byte is the size of the pieces,
 * the next two say which value there is besides the fixed one.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static char whole[TEXT_MAX], parts[TEXT_MAX];
	struct cred v[2] = { { .value = VIEW("abcabcabd") } };
	struct creds c = { .v = v, .n = 2 };
	struct reflect *r = NULL;
	struct view in;
	struct err e;
	size_t len, step, a, b;
	int rc;

	if (n < 12 || n - 3 > TEXT_MAX)
		return 0;
	step = 1u + p[0] % 64u;
	len = 8u + p[1] % 32u;
	in = (struct view) { (const char *)p + 3, n - 3 };
	v[1].value = view_slice(in, p[2], p[2] + len);
	if (v[1].value.n == 0)
		v[1].value = VIEW("another-one");
	rc = reflect_new(&c, &r, &e);
	assert(rc == 0 && r != NULL);
	a = mask(r, in, in.n, whole);
	b = mask(r, in, step, parts);
	assert(a == in.n && b == in.n);
	assert(memcmp(whole, parts, a) == 0);
	for (size_t i = 0; i < in.n; i++)
		assert(whole[i] == in.p[i] || whole[i] == '*');
	/* A value of nothing but stars is its own mask. */
	for (size_t k = 0; k < 2; k++)
		if (v[k].value.n >= REFLECT_MIN &&
		    memchr(v[k].value.p, '*', v[k].value.n) == NULL)
			assert(memmem(whole, a, v[k].value.p, v[k].value.n) ==
			       NULL);
	reflect_free(r);
	return 0;
}
