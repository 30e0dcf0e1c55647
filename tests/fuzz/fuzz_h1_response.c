/*
 * A response head that is accepted, written out again and read back is the same
 * message, framed in the same way, to a lax receiver too.  The first byte
 * chooses the request's method.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "h1_same.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
write_out(const struct h1_head *h, bool bare, struct buf *out)
{
	struct h1_write w = { .close = !h->keep_alive, .bare = bare };
	struct err e;
	int rc = h1_write_response(h, &w, out, &e);

	assert(rc == 0);
}

static void
check_same(const struct h1_head *a, const struct h1_head *b)
{
	assert(a->status == b->status && view_eq(a->reason, b->reason));
	assert(a->framing == b->framing && a->keep_alive == b->keep_alive);
	if (a->framing == H1_BODY_LENGTH)
		assert(a->content_length == b->content_length);
	h1_check_fields(a, b);
}

/* To an HTTP/1.0 client: nothing tells the length but the end. */
static void
check_bare(const struct h1_head *a, struct view method)
{
	AUTO_BUF struct buf out = BUF_INIT(4 * H1_RESPONSE_HEAD_MAX);
	struct h1_head as_sent = *a;
	static struct h1_head b;
	struct err e;

	write_out(a, true, &out);
	as_sent.framing = H1_BODY_NONE;
	h1_check_lax(buf_view(&out), &as_sent);
	if (h1_parse_response(buf_view(&out), method, &b, &e) < 0) {
		assert(e.code == ERR_LIMIT); /* Connection, as below */
		return;
	}
	assert(!b.keep_alive && !b.has_length);
	assert(b.framing == (a->framing == H1_BODY_NONE ? H1_BODY_NONE
							: H1_BODY_UNTIL_CLOSE));
	h1_check_fields(a, &b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf once = BUF_INIT(4 * H1_RESPONSE_HEAD_MAX);
	AUTO_BUF struct buf twice = BUF_INIT(4 * H1_RESPONSE_HEAD_MAX);
	static struct h1_head a, b;
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
	check_bare(&a, method);
	write_out(&a, false, &once);
	h1_check_lax(buf_view(&once), &a);
	rc = h1_parse_response(buf_view(&once), method, &b, &e);
	if (rc < 0 && e.code == ERR_LIMIT)
		return 0; /* Connection was one field too many */
	assert(rc == 0);
	check_same(&a, &b);
	write_out(&b, false, &twice);
	assert(view_eq(buf_view(&once), buf_view(&twice)));
	return 0;
}
