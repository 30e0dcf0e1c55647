/*
 * What the chunked decoder gives, and where it stops, does not depend on how
 * the peer split its writes; and it never reads past the end of the body.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct outcome {
	struct buf body;
	size_t consumed; /* up to the fault, or to the end */
	bool refused, done;
};

static void
decode(struct view in, size_t step, struct outcome *o)
{
	struct h1_chunk c;
	size_t at = 0, end = MIN(step, in.n);
	struct view body;
	struct err e;

	*o = (struct outcome) { .body = BUF_INIT(1 << 22) };
	h1_chunk_init(&c);
	while (!c.done) {
		ssize_t n =
		    h1_chunk_feed(&c, view_slice(in, at, end), &body, &e);

		if (n < 0) {
			o->refused = true;
			return;
		}
		assert((size_t)n <= end - at);
		buf_put(&o->body, body);
		at += (size_t)n;
		if (at == in.n)
			break;
		if (at == end)
			end = MIN(in.n, end + step);
	}
	o->consumed = at;
	o->done = c.done;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const size_t steps[] = { 1, 2, 3, 17 };
	struct view in = { (const char *)p, n };
	struct outcome whole, split;

	decode(in, n > 0 ? n : 1, &whole);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		decode(in, steps[i], &split);
		assert(whole.refused == split.refused);
		assert(whole.done == split.done);
		assert(whole.consumed == split.consumed);
		assert(view_eq(buf_view(&whole.body), buf_view(&split.body)));
		buf_fini(&split.body);
	}
	if (whole.done) {
		/* The same without what follows: nothing of it was needed. */
		decode(view_slice(in, 0, whole.consumed), n, &split);
		assert(split.done && split.consumed == whole.consumed);
		buf_fini(&split.body);
	}
	buf_fini(&whole.body);
	return 0;
}
