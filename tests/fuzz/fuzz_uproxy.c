/*
 * The upstream proxy's answer: however it is cut, the same bytes are taken,
 * never one behind the first empty line, and never more than the bound.
 */
#include <assert.h>

#include "http/uproxy.h"

struct outcome {
	ssize_t taken;
	unsigned status;
};

static struct outcome
feed(struct view in, size_t step)
{
	struct uproxy_answer a;
	struct outcome o = { 0, 0 };
	bool done = false;
	struct err e;

	uproxy_answer_init(&a);
	while (in.n > 0 && !done) {
		struct view piece = view_slice(in, 0, step);
		ssize_t n = uproxy_answer_feed(&a, piece, &done, &e);

		if (n < 0) {
			o.taken = -1;
			break;
		}
		assert(done ? (size_t)n <= piece.n : (size_t)n == piece.n);
		o.taken += n;
		in = view_slice(in, (size_t)n, in.n);
	}
	if (done)
		o.status = a.status;
	uproxy_answer_fini(&a);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, n };
	struct outcome whole = feed(in, n > 0 ? n : 1), byte = feed(in, 1),
		       odd = feed(in, 7);
	size_t end = 0;

	assert(whole.taken == byte.taken && whole.status == byte.status);
	assert(whole.taken == odd.taken && whole.status == odd.status);
	if (whole.status == 0)
		return 0;
	assert(whole.status >= 200 && whole.taken <= UPROXY_HEAD_MAX);
	while (end + 4 <= n && memcmp(p + end, "\r\n\r\n", 4) != 0)
		end++;
	assert((size_t)whole.taken == end + 4);
	return 0;
}
