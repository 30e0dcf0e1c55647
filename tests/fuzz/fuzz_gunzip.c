/*
 * A body is the same whether it comes whole or in pieces, and never more than
 * there is room for.  The first byte is the size of the pieces.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "inspect/gunzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { ROOM = 1 << 18 };

/* 1: whole, 0: more must come, -1 no such stream. */
static int
unpack(struct view in, size_t step, struct buf *out)
{
	struct gunzip *z = gunzip_new();
	struct err e;
	int r = 0;

	for (size_t i = 0; i < in.n && r == 0; i += step)
		r = gunzip_feed(
		    z, view_slice(in, i, MIN(i + step, in.n)), out, &e);
	if (r == 0)
		r = gunzip_whole(z) ? 1 : 0;
	gunzip_free(z);
	assert(out->n <= ROOM);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf whole = BUF_INIT(ROOM), parts = BUF_INIT(ROOM);
	struct view in;
	int r;

	if (n < 2)
		return 0;
	in = (struct view) { (const char *)p + 1, n - 1 };
	r = unpack(in, in.n, &whole);
	assert(unpack(in, 1u + p[0] % 64u, &parts) == r);
	if (r >= 0)
		assert(
		    whole.n == parts.n &&
		    (whole.n == 0 || memcmp(whole.p, parts.p, whole.n) == 0));
	return 0;
}
