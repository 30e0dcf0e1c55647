/*
 * h1_write: message heads out of what was parsed, and our own responses.
 *
 * The only way a head leaves the proxy.  Each field is written in one form,
 * framing is written once from the parsed framing, and every byte is checked
 * on the way out too, since values may have been replaced after parsing.
 */
#include "http/h1.h"

#include "http/h1_chars.h"

static void
put_field(struct buf *out, struct view name, struct view value)
{
	buf_put(out, name);
	buf_put(out, VIEW(": "));
	buf_put(out, value);
	buf_put(out, VIEW("\r\n"));
}

static int
put_checked(struct buf *out, struct view name, struct view value, struct err *e)
{
	if (name.n == 0 || !h1_all(name, CH_TOKEN) || !h1_all(value, CH_VALUE))
		return err_set(e, ERR_INVALID,
		    "field holds a byte that would break the head");
	put_field(out, name, value);
	return 0;
}

static void
put_u64(struct buf *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	buf_put(out, (struct view) { digits + at, sizeof(digits) - at });
}

static bool
is_framing(struct view name)
{
	return view_eq_nocase(name, VIEW("content-length")) ||
	       view_eq_nocase(name, VIEW("transfer-encoding"));
}

/* Fields that h1_write_* itself writes, or that end here. */
static bool
is_dropped(const struct h1_head *h, struct view name)
{
	return is_framing(name) ||
	       (h->is_request && (view_eq_nocase(name, VIEW("host")) ||
				     view_eq_nocase(name, VIEW("expect")))) ||
	       h1_hop_by_hop(h, name);
}

/* Whether Content-Length is written, RFC 9110 section 8.6. */
static bool
tells_length(const struct h1_head *h)
{
	if (h->framing == H1_BODY_LENGTH)
		return true;
	/* A HEAD or 304 answer tells the length it would have had; 1xx and
	 * 204 must not. */
	return h->framing == H1_BODY_NONE && h->has_length &&
	       (h->is_request || (h->status >= 200 && h->status != 204));
}

static void
put_framing(const struct h1_head *h, const struct h1_write *w, struct buf *out)
{
	if (w->bare && !h->is_request)
		return;
	if (h->framing == H1_BODY_CHUNKED)
		buf_put(out, VIEW("Transfer-Encoding: chunked\r\n"));
	if (!tells_length(h))
		return;
	buf_put(out, VIEW("Content-Length: "));
	put_u64(out, h->content_length);
	buf_put(out, VIEW("\r\n"));
}

static int
put_tail(const struct h1_head *h, const struct h1_write *w, struct buf *out,
    struct err *e)
{
	bool close =
	    w->close ||
	    (!h->is_request && (w->bare || h->framing == H1_BODY_UNTIL_CLOSE));

	for (size_t i = 0; i < h->n_fields; i++) {
		const struct h1_field *f = &h->fields[i];
		bool upgrade =
		    w->upgrade && view_eq_nocase(f->name, VIEW("upgrade"));

		if ((upgrade || !is_dropped(h, f->name)) &&
		    put_checked(out, f->name, f->value, e) < 0)
			return -1;
	}
	put_framing(h, w, out);
	for (size_t i = 0; i < w->n_extra; i++)
		if (put_checked(out, w->extra[i].name, w->extra[i].value, e) <
		    0)
			return -1;
	if (w->upgrade)
		buf_put(out, VIEW("Connection: Upgrade\r\n"));
	else if (close)
		buf_put(out, VIEW("Connection: close\r\n"));
	else if (h->is_request && h->minor == 0)
		buf_put(out, VIEW("Connection: keep-alive\r\n"));
	buf_put(out, VIEW("\r\n"));
	if (out->full)
		return err_set(e, ERR_LIMIT, "head does not fit");
	return 0;
}

int
h1_write_request(const struct h1_head *h, const struct h1_write *w,
    struct buf *out, struct err *e)
{
	if (w->target.n == 0 || !h1_all(w->target, CH_TARGET) ||
	    h->method.n == 0 || !h1_all(h->method, CH_TOKEN))
		return err_set(e, ERR_INVALID,
		    "request line holds a byte that would break it");
	buf_put(out, h->method);
	buf_putc(out, ' ');
	buf_put(out, w->target);
	buf_put(
	    out, h->minor == 1 ? VIEW(" HTTP/1.1\r\n") : VIEW(" HTTP/1.0\r\n"));
	if (w->host.p != NULL && put_checked(out, VIEW("Host"), w->host, e) < 0)
		return -1;
	return put_tail(h, w, out, e);
}

int
h1_write_response(const struct h1_head *h, const struct h1_write *w,
    struct buf *out, struct err *e)
{
	if (!h1_all(h->reason, CH_VALUE))
		return err_set(
		    e, ERR_INVALID, "reason phrase holds a control byte");
	buf_put(out, VIEW("HTTP/1.1 "));
	put_u64(out, h->status);
	buf_putc(out, ' ');
	buf_put(out, h->reason);
	buf_put(out, VIEW("\r\n"));
	return put_tail(h, w, out, e);
}

void
h1_write_chunk_head(struct buf *out, uint64_t n)
{
	static const char hex[] = "0123456789abcdef";
	char digits[16];
	size_t at = sizeof(digits);

	do {
		digits[--at] = hex[n & 15];
		n >>= 4;
	} while (n > 0);
	buf_put(out, (struct view) { digits + at, sizeof(digits) - at });
	buf_put(out, VIEW("\r\n"));
}

void
h1_write_chunk_last(const struct h1_head *trailers, struct buf *out)
{
	buf_put(out, VIEW("0\r\n"));
	for (size_t i = 0; i < trailers->n_fields; i++)
		if (h1_trailer_may(trailers->fields[i].name))
			put_field(out, trailers->fields[i].name,
			    trailers->fields[i].value);
	buf_put(out, VIEW("\r\n"));
}

const char *
h1_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{ 100, "Continue" },
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* Policy names reach X-OpenShell-Policy; a CR LF in one must not. */
static void
put_tamed(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		buf_putc(
		    out, h1_chars[c] & CH_VALUE && c < 0x80 ? (char)c : '?');
	}
}

void
h1_simple_response(struct buf *out, unsigned status, struct view content_type,
    const struct h1_field *extra, size_t n_extra, struct view body, bool close)
{
	buf_printf(out, "HTTP/1.1 %u %s\r\n", status, h1_reason(status));
	if (content_type.p != NULL)
		put_field(out, VIEW("Content-Type"), content_type);
	buf_put(out, VIEW("Content-Length: "));
	put_u64(out, body.n);
	buf_put(out, VIEW("\r\n"));
	for (size_t i = 0; i < n_extra; i++) {
		put_tamed(out, extra[i].name);
		buf_put(out, VIEW(": "));
		put_tamed(out, extra[i].value);
		buf_put(out, VIEW("\r\n"));
	}
	if (close)
		buf_put(out, VIEW("Connection: close\r\n"));
	buf_put(out, VIEW("\r\n"));
	buf_put(out, body);
}
