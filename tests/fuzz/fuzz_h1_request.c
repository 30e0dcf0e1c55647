/*
 * A request head that is accepted, written out again and read back is the same
 * message, to a lax receiver too, and writing it once more gives the same
 * bytes. Where the head ends does not depend on how it arrived.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "h1_same.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static ssize_t
end_by_steps(struct view in, size_t step)
{
	size_t scanned = 0, at = 0;
	ssize_t end = 0;
	struct err e;

	while (end == 0 && at < in.n) {
		at = MIN(in.n, at + step);
		end = h1_head_end(
		    view_slice(in, 0, at), H1_REQUEST_HEAD_MAX, &scanned, &e);
	}
	return end;
}

static void
check_same(const struct h1_head *a, const struct h1_head *b)
{
	assert(view_eq(a->method, b->method));
	assert(view_eq(a->target, b->target));
	assert(a->minor == b->minor && a->framing == b->framing);
	assert(a->has_length == b->has_length);
	assert(a->content_length == b->content_length);
	assert(view_eq(a->host, b->host));
	h1_check_fields(a, b);
}

static void
write_out(const struct h1_head *h, struct buf *out)
{
	struct h1_write w = {
		.target = h->target, .host = h->host, .close = !h->keep_alive
	};
	struct err e;
	int rc = h1_write_request(h, &w, out, &e);

	assert(rc == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf once = BUF_INIT(4 * H1_REQUEST_HEAD_MAX);
	AUTO_BUF struct buf twice = BUF_INIT(4 * H1_REQUEST_HEAD_MAX);
	static struct h1_head a, b;
	struct view in = { (const char *)p, n };
	struct h1_refusal r;
	ssize_t end;
	struct err e;
	int rc;

	end = end_by_steps(in, n > 0 ? n : 1);
	assert(end == end_by_steps(in, 1) && end == end_by_steps(in, 7));
	if (end <= 0 ||
	    h1_parse_request(view_slice(in, 0, (size_t)end), &a, &r, &e) < 0)
		return 0;
	write_out(&a, &once);
	h1_check_lax(buf_view(&once), &a);
	rc = h1_parse_request(buf_view(&once), &b, &r, &e);
	/* Connection may be one field more than was parsed. */
	if (rc < 0 && r.status == 431)
		return 0;
	assert(rc == 0);
	check_same(&a, &b);
	write_out(&b, &twice);
	assert(view_eq(buf_view(&once), buf_view(&twice)));
	return 0;
}
