/*
 * A response head that is accepted, written out again and read back frames the
 * body in the same way.  The first byte chooses the request's method.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf once = BUF_INIT(4 * H1_RESPONSE_HEAD_MAX);
	AUTO_BUF struct buf twice = BUF_INIT(4 * H1_RESPONSE_HEAD_MAX);
	static struct h1_head a, b;
	struct h1_write w = { 0 };
	struct view in, method;
	size_t scanned = 0;
	struct err e;
	ssize_t end;
	int rc;

	if (n == 0)
		return 0;
	method = p[0] & 1 ? VIEW("HEAD") : VIEW("GET");
	in = (struct view) { (const char *)p + 1, n - 1 };
	end = h1_head_end(in, H1_RESPONSE_HEAD_MAX, &scanned, &e);
	if (end <= 0 || h1_parse_response(
			    view_slice(in, 0, (size_t)end), method, &a, &e) < 0)
		return 0;
	w.close = !a.keep_alive;
	rc = h1_write_response(&a, &w, &once, &e);
	assert(rc == 0);
	rc = h1_parse_response(buf_view(&once), method, &b, &e);
	if (rc < 0 && e.code == ERR_LIMIT)
		return 0; /* Connection was one field too many */
	assert(rc == 0);
	assert(a.status == b.status && a.framing == b.framing);
	assert(view_eq(a.reason, b.reason));
	assert(a.keep_alive == b.keep_alive);
	if (a.framing == H1_BODY_LENGTH)
		assert(a.content_length == b.content_length);
	rc = h1_write_response(&b, &w, &twice, &e);
	assert(rc == 0);
	assert(view_eq(buf_view(&once), buf_view(&twice)));
	return 0;
}
