/*
 * A header list that is accepted means, read again as HTTP/1.1, the same
 * request: method, target, host, fields, framing; and one head, with nothing
 * behind it.  The same for responses and trailers.  Written back as a list, it
 * is that list.
 *
 * Input: a byte of flags, then fields as length, length, name, value.
 */
#include <assert.h>
#include <stdint.h>

#include "http/h2map.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct h2_list list;
static struct h1_head head;

static void
read_list(struct rd *r)
{
	h2_list_reset(&list);
	while (r->n > 0) {
		size_t name_n = rd_u8(r), value_n = rd_u8(r);
		struct view name = rd_view(r, MIN(name_n, r->n));
		struct view value = rd_view(r, MIN(value_n, r->n));

		if (!h2_list_add(&list, name, value))
			return;
	}
}

static struct view
nth(size_t i, bool value)
{
	const char *at = list.bytes.p + list.v[i].at;

	return value
		   ? (struct view) { at + list.v[i].name_n, list.v[i].value_n }
		   : (struct view) { at, list.v[i].name_n };
}

/* The only value of that name; p == NULL when it is not there. */
static struct view
value_of(const char *name)
{
	for (size_t i = 0; i < list.n; i++)
		if (view_eq(nth(i, false), view_of(name)))
			return nth(i, true);
	return (struct view) { NULL, 0 };
}

/* Every field of the list that is no framing, host or cookie, in order. */
static void
check_fields(const struct h1_head *h, bool request)
{
	size_t j = 0;

	for (size_t i = 0; i < list.n; i++) {
		struct view name = nth(i, false);

		if (name.p[0] == ':' || view_eq(name, VIEW("content-length")) ||
		    (request && (view_eq(name, VIEW("host")) ||
				    view_eq(name, VIEW("cookie")))))
			continue;
		while (
		    j < h->n_fields &&
		    (view_eq(h->fields[j].name, VIEW("content-length")) ||
			view_eq(h->fields[j].name, VIEW("transfer-encoding")) ||
			(request &&
			    (view_eq(h->fields[j].name, VIEW("host")) ||
				view_eq(h->fields[j].name, VIEW("cookie"))))))
			j++;
		assert(j < h->n_fields);
		assert(view_eq(h->fields[j].name, name));
		assert(view_eq(h->fields[j].value, nth(i, true)));
		j++;
	}
}

static void
check_back(void)
{
	AUTO_BUF struct buf names = BUF_INIT(H2_NAMES_MAX);
	static struct h1_field v[H2_FIELDS_MAX];
	struct err e;
	ssize_t n = h2_from_request(&head, VIEW("https"), v, &names, &e);

	if (n < 0)
		return;
	assert(view_eq(v[0].value, head.method));
	assert(view_eq(v[2].value, head.host));
	assert(view_eq(v[3].value, head.target));
}

static void
try_request(bool end)
{
	AUTO_BUF struct buf out = BUF_INIT(H1_REQUEST_HEAD_MAX);
	struct h1_refusal refusal;
	size_t scanned = 0;
	bool chunked;
	struct err e;
	struct view host;

	if (h2_request_head(&list, VIEW("https"), end, &chunked, &out, &e) < 0)
		return;
	assert(h1_head_end(buf_view(&out), H1_REQUEST_HEAD_MAX + 1, &scanned,
		   &e) == (ssize_t)out.n);
	/* It may be stricter still, and refuses then. */
	if (h1_parse_request(buf_view(&out), &head, &refusal, &e) < 0)
		return;
	assert(view_eq(head.method, value_of(":method")));
	assert(view_eq(head.target, value_of(":path")));
	host = value_of(":authority");
	assert(view_eq(head.host, host.p != NULL ? host : value_of("host")));
	assert(head.minor == 1 && !head.upgrade && head.keep_alive);
	assert(chunked == (head.framing == H1_BODY_CHUNKED));
	assert(!end || head.framing == H1_BODY_NONE ||
	       (head.framing == H1_BODY_LENGTH && head.content_length == 0));
	assert(end || head.framing != H1_BODY_NONE);
	check_fields(&head, true);
	check_back();
}

static void
try_response(bool end, struct view method)
{
	AUTO_BUF struct buf out = BUF_INIT(H1_RESPONSE_HEAD_MAX);
	enum h1_framing framing;
	size_t scanned = 0;
	unsigned status;
	uint64_t length;
	struct err e;

	if (h2_response_head(
		&list, method, end, &status, &framing, &length, &out, &e) < 0)
		return;
	assert(h1_head_end(buf_view(&out), H1_RESPONSE_HEAD_MAX + 1, &scanned,
		   &e) == (ssize_t)out.n);
	if (h1_parse_response(buf_view(&out), method, &head, &e) < 0)
		return;
	assert(head.status == status && head.framing == framing);
	assert(framing != H1_BODY_LENGTH || head.content_length == length);
	check_fields(&head, false);
}

static void
try_trailers(void)
{
	AUTO_BUF struct buf out = BUF_INIT(H2_LIST_MAX),
			    back = BUF_INIT(H2_LIST_MAX);
	struct err e;

	if (h2_trailer_lines(&list, &out, &e) < 0)
		return;
	buf_puts(&out, "\r\n");
	if (h1_parse_trailers(buf_view(&out), &head, &e) < 0)
		return;
	h1_write_chunk_last(&head, &back);
	assert(view_eq(buf_view(&out), view_slice(buf_view(&back), 3, back.n)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rd r = rd_of((struct view) { (const char *)p, n });
	uint8_t flags = rd_u8(&r);

	read_list(&r);
	if (list.over)
		return 0;
	switch (flags >> 1 & 3) {
	case 0:
		try_request(flags & 1);
		break;
	case 1:
		try_response(flags & 1, VIEW("GET"));
		break;
	case 2:
		try_response(flags & 1, VIEW("HEAD"));
		break;
	default:
		try_trailers();
	}
	return 0;
}
