/*
 * Which events a stream gives does not depend on how it was split, and the
 * stream that is written from them gives the same events.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "inspect/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int
rewrite(struct view text, size_t step, size_t max, struct buf *out)
{
	struct sse s;
	struct sse_event ev;
	struct err e;
	bool ready;
	int r = 0;

	sse_init(&s, max);
	for (size_t at = 0; at < text.n && r == 0;) {
		ssize_t used =
		    sse_feed(&s, view_slice(text, at, MIN(at + step, text.n)),
			&ready, &ev, &e);

		if (used < 0) {
			r = -1;
			break;
		}
		assert(used > 0);
		at += (size_t)used;
		if (ready)
			sse_write(out, &ev);
	}
	sse_fini(&s);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf whole = BUF_INIT(1 << 24);
	static const size_t steps[] = { 1, 2, 7 };
	struct view in = { (const char *)p, n };
	size_t max = n > 0 ? 64u + p[0] : 64;
	int r = rewrite(in, n + 1, max, &whole);

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		AUTO_BUF struct buf split = BUF_INIT(1 << 24);

		assert(rewrite(in, steps[i], max, &split) == r);
		assert(view_eq(buf_view(&whole), buf_view(&split)));
	}
	if (r == 0) {
		AUTO_BUF struct buf again = BUF_INIT(1 << 24);

		/* A line may be longer by the blank behind its colon. */
		assert(rewrite(buf_view(&whole), n + 1, max + 16, &again) == 0);
		assert(view_eq(buf_view(&whole), buf_view(&again)));
	}
	return 0;
}
