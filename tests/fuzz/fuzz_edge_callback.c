/*
 * fuzz_edge_callback: whatever is posted, an answer is one whole response that
 * names no origin but the gateway's, the same however the bytes came; a token
 * comes out only behind the right code, and fits a header field.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/edge.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct edge_expect want = { "https://g.example", "ABC-2345" };

static void
check_answer(const struct buf *out)
{
	struct h1_head h;
	size_t scanned = 0;
	struct err e;
	ssize_t n =
	    h1_head_end(buf_view(out), H1_RESPONSE_HEAD_MAX, &scanned, &e);
	const struct h1_field *f;

	assert(!out->full && n > 0);
	assert(h1_parse_response(view_slice(buf_view(out), 0, (size_t)n),
		   VIEW("POST"), &h, &e) == 0);
	f = h1_find(&h, VIEW("access-control-allow-origin"));
	assert(f != NULL && view_eq(f->value, view_of(want.origin)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view all = { (const char *)p, n };
	AUTO_BUF struct buf out = BUF_INIT(8192), early = BUF_INIT(8192);
	AUTO_TOKEN char *token = NULL, *other = NULL;
	enum edge_outcome o = edge_callback(all, &want, &out, &token);
	int64_t at;

	assert((o == EDGE_MORE) == (out.n == 0));
	assert((o == EDGE_TOKEN) == (token != NULL));
	if (o != EDGE_MORE)
		check_answer(&out);
	if (token != NULL) {
		assert(edge_token_valid(view_of(token)));
		assert(memmem(p, n, want.code, 8) != NULL);
	}
	(void)edge_token_expiry(all, &at);
	/* The first answer there is, is the answer. */
	for (size_t i = 0; i < n && i < 512; i++) {
		enum edge_outcome first =
		    edge_callback(view_slice(all, 0, i), &want, &early, &other);

		if (first == EDGE_MORE)
			continue;
		assert(first == o && view_eq(buf_view(&early), buf_view(&out)));
		break;
	}
	return 0;
}
