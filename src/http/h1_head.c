/*
 * h1_head: parser of message heads, RFC 9112 sections 2 to 6.
 *
 * Strict on purpose: whatever two implementations could read differently is
 * refused, because a proxy laxer than the server behind it is a smuggling
 * hole.  Everything is a view into the caller's bytes; nothing is allocated.
 */
#include "http/h1.h"

#include <string.h>

#include "http/h1_chars.h"
#include "http/target.h"

ssize_t
h1_head_end(struct view in, size_t max, size_t *scanned, struct err *e)
{
	size_t limit = MIN(in.n, max);
	size_t at = MIN(*scanned, limit);

	while (at < limit) {
		const char *lf = memchr(in.p + at, '\n', limit - at);

		if (lf == NULL) {
			at = limit;
			break;
		}
		at = (size_t)(lf - in.p) + 1;
		if (at < 2 || lf[-1] != '\r')
			return err_set(e, ERR_PROTO,
			    "head holds a line feed without carriage return");
		if (at >= 4 && memcmp(lf - 3, "\r\n\r", 3) == 0) {
			*scanned = at - 1; /* asked again, found again */
			return (ssize_t)at;
		}
	}
	*scanned = at;
	if (limit == max)
		return err_set(
		    e, ERR_LIMIT, "head is longer than %zu bytes", max);
	return 0;
}

/* 0, or -1 at the end: the next line without its CRLF. */
static int
next_line(struct view *rest, struct view *line)
{
	const char *cr;

	if (rest->n == 0)
		return -1;
	cr = memchr(rest->p, '\r', rest->n);
	if (cr == NULL || (size_t)(cr - rest->p) + 1 >= rest->n ||
	    cr[1] != '\n')
		return -1;
	*line = (struct view) { rest->p, (size_t)(cr - rest->p) };
	*rest = view_slice(*rest, line->n + 2, rest->n);
	return 0;
}

static bool
valid_utf8(struct view v)
{
	const unsigned char *p = (const unsigned char *)v.p;

	for (size_t i = 0; i < v.n;) {
		size_t more = p[i] < 0x80                    ? 0
			      : p[i] >= 0xc2 && p[i] <= 0xdf ? 1
			      : (p[i] & 0xf0) == 0xe0        ? 2
			      : p[i] >= 0xf0 && p[i] <= 0xf4 ? 3
							     : 9;

		if (more >= v.n - i)
			return false;
		for (size_t j = 1; j <= more; j++)
			if ((p[i + j] & 0xc0) != 0x80)
				return false;
		if ((p[i] == 0xe0 && p[i + 1] < 0xa0) ||
		    (p[i] == 0xed && p[i + 1] > 0x9f) ||
		    (p[i] == 0xf0 && p[i + 1] < 0x90) ||
		    (p[i] == 0xf4 && p[i + 1] > 0x8f))
			return false;
		i += more + 1;
	}
	return true;
}

enum { FIELD_OK, FIELD_BAD, FIELD_TOO_MANY };

/* The field lines up to the empty line, which ends `rest`. */
static int
parse_fields(struct view rest, bool utf8, struct h1_head *h, struct err *e)
{
	struct view line;

	for (;;) {
		struct view name, value;
		ssize_t colon;

		if (next_line(&rest, &line) < 0) {
			(void)err_set(e, ERR_PROTO, "head holds a bare CR");
			return FIELD_BAD;
		}
		if (line.n == 0)
			break;
		colon = view_find(line, ':');
		name = view_slice(line, 0, colon < 0 ? 0 : (size_t)colon);
		/* Also refuses obs-fold and a blank before the colon. */
		if (name.n == 0 || !h1_all(name, CH_TOKEN)) {
			(void)err_set(e, ERR_PROTO, "malformed field name");
			return FIELD_BAD;
		}
		value = view_trim(view_slice(line, name.n + 1, line.n));
		if (!h1_all(value, CH_VALUE)) {
			(void)err_set(
			    e, ERR_PROTO, "field value holds a control byte");
			return FIELD_BAD;
		}
		if (utf8 && !valid_utf8(value)) {
			(void)err_set(e, ERR_PROTO, "field value is not UTF-8");
			return FIELD_BAD;
		}
		if (h->n_fields == H1_FIELDS_MAX) {
			(void)err_set(
			    e, ERR_LIMIT, "more than %d fields", H1_FIELDS_MAX);
			return FIELD_TOO_MANY;
		}
		h->fields[h->n_fields++] = (struct h1_field) { name, value };
	}
	if (rest.n != 0) {
		(void)err_set(e, ERR_PROTO, "bytes follow the head");
		return FIELD_BAD;
	}
	return FIELD_OK;
}

const struct h1_field *
h1_find(const struct h1_head *h, struct view name)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (view_eq_nocase(h->fields[i].name, name))
			return &h->fields[i];
	return NULL;
}

bool
h1_is_websocket(const struct h1_head *h)
{
	const struct h1_field *up = h1_find(h, VIEW("upgrade"));

	return h->upgrade && up != NULL &&
	       view_eq_nocase(up->value, VIEW("websocket"));
}

bool
h1_list_has(const struct h1_head *h, struct view name, struct view item)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		struct view rest = h->fields[i].value;

		if (!view_eq_nocase(h->fields[i].name, name))
			continue;
		while (rest.p != NULL)
			if (view_eq_nocase(
				view_trim(view_cut(rest, ',', &rest)), item))
				return true;
	}
	return false;
}

bool
h1_hop_by_hop(const struct h1_head *h, struct view name)
{
	static const struct view always[] = { VIEW("connection"),
		VIEW("keep-alive"), VIEW("te"), VIEW("trailer"),
		VIEW("upgrade"), VIEW("http2-settings") };
	static const struct view framing[] = { VIEW("content-length"),
		VIEW("transfer-encoding"), VIEW("host") };

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (view_eq_nocase(name, always[i]))
			return true;
	if (name.n >= 6 &&
	    view_eq_nocase(view_slice(name, 0, 6), VIEW("proxy-")))
		return true;
	/* Attack: `Connection: host` to have a field dropped that policy and
	 * framing were judged by. */
	for (size_t i = 0; i < ARRAY_LEN(framing); i++)
		if (view_eq_nocase(name, framing[i]))
			return false;
	return h1_list_has(h, VIEW("connection"), name);
}

/* 1*18DIGIT, or a list of equal ones (RFC 9110 section 8.6). */
static bool
parse_length(struct view list, bool *seen, uint64_t *length)
{
	while (list.p != NULL) {
		struct view item = view_trim(view_cut(list, ',', &list));
		uint64_t n;

		if (item.n > 18 || !view_u64(item, UINT64_MAX, &n))
			return false;
		if (*seen && n != *length)
			return false;
		*seen = true;
		*length = n;
	}
	return true;
}

/*
 * What Content-Length and Transfer-Encoding say, RFC 9112 section 6.  Returns
 * 0 or the status that refuses a request (a response is refused with any).
 */
static unsigned
parse_framing(struct h1_head *h, bool *chunked, struct err *e)
{
	size_t n_te = 0;

	for (size_t i = 0; i < h->n_fields; i++) {
		const struct h1_field *f = &h->fields[i];

		if (view_eq_nocase(f->name, VIEW("content-length"))) {
			if (!parse_length(
				f->value, &h->has_length, &h->content_length)) {
				(void)err_set(e, ERR_PROTO,
				    "malformed or contradictory "
				    "Content-Length");
				return 400;
			}
		} else if (view_eq_nocase(f->name, VIEW("transfer-encoding"))) {
			n_te++;
			if (!view_eq_nocase(f->value, VIEW("chunked"))) {
				(void)err_set(e, ERR_PROTO,
				    "Transfer-Encoding is not chunked");
				/* A list that names chunked is an attack on
				 * whoever reads it otherwise; another single
				 * coding is only unknown. */
				return h1_all(f->value, CH_TOKEN) &&
					       f->value.n > 0
					   ? 501
					   : 400;
			}
		}
	}
	if (n_te > 1 || (n_te == 1 && (h->has_length || h->minor == 0))) {
		(void)err_set(e, ERR_PROTO,
		    n_te > 1        ? "repeated Transfer-Encoding"
		    : h->has_length ? "both Content-Length and "
				      "Transfer-Encoding"
				    : "Transfer-Encoding in HTTP/1.0");
		return 400;
	}
	*chunked = n_te == 1;
	return 0;
}

static void
parse_connection(struct h1_head *h)
{
	bool close = h1_list_has(h, VIEW("connection"), VIEW("close"));

	h->keep_alive =
	    !close && (h->minor == 1 || h1_list_has(h, VIEW("connection"),
					    VIEW("keep-alive")));
	h->upgrade = h->minor == 1 &&
		     h1_list_has(h, VIEW("connection"), VIEW("upgrade")) &&
		     h1_find(h, VIEW("upgrade")) != NULL;
}

/* Outside: 0 with *minor, else the status that refuses it. */
static unsigned
parse_version(struct view v, unsigned *minor)
{
	if (v.n != 8 || !view_starts(v, VIEW("HTTP/")) || v.p[5] < '0' ||
	    v.p[5] > '9' || v.p[6] != '.' || v.p[7] < '0' || v.p[7] > '9')
		return 400;
	if (v.p[5] != '1' || v.p[7] > '1')
		return 505;
	*minor = v.p[7] == '1';
	return 0;
}

static int
refuse(struct h1_refusal *r, unsigned status, struct err *e, const char *why)
{
	r->status = status;
	return err_set(e,
	    status == 414 || status == 431 ? ERR_LIMIT : ERR_PROTO, "%s", why);
}

static int
parse_request_line(
    struct view line, struct h1_head *h, struct h1_refusal *r, struct err *e)
{
	struct view rest, version;
	unsigned status;

	if (view_eq(line, VIEW("PRI * HTTP/2.0")))
		return refuse(r, 400, e, "HTTP/2 is not spoken here");
	h->method = view_cut(line, ' ', &rest);
	h->target = view_cut(rest, ' ', &version);
	if (h->method.n == 0 || !h1_all(h->method, CH_TOKEN))
		return refuse(r, 400, e, "malformed method");
	if (h->method.n > H1_METHOD_MAX)
		return refuse(r, 501, e, "method is too long");
	if (rest.p == NULL || version.p == NULL)
		return refuse(r, 400, e, "malformed request line");
	if (h->target.n > H1_TARGET_MAX)
		return refuse(r, 414, e, "request-target is too long");
	if (h->target.n == 0 || !h1_all(h->target, CH_TARGET))
		return refuse(r, 400, e,
		    "request-target is empty or holds a byte it must not");
	status = parse_version(version, &h->minor);
	if (status != 0)
		return refuse(r, status, e, "not HTTP/1.0 or HTTP/1.1");
	/* Method names are case-sensitive, servers are not always. */
	if (view_eq_nocase(h->method, VIEW("TRACE")) ||
	    view_eq_nocase(h->method, VIEW("TRACK")))
		return refuse(r, 405, e, "method is not offered");
	return 0;
}

static int
check_host(struct h1_head *h, struct h1_refusal *r, struct err *e)
{
	struct authority a;

	for (size_t i = 0; i < h->n_fields; i++) {
		if (!view_eq_nocase(h->fields[i].name, VIEW("host")))
			continue;
		h->n_host++;
		h->host = h->fields[i].value;
	}
	if (h->n_host != 1)
		h->host = (struct view) { NULL, 0 };
	if (h->n_host > 1)
		return refuse(r, 400, e, "repeated Host");
	if (h->n_host == 0 && h->minor == 1)
		return refuse(r, 400, e, "Host is missing");
	/* Any default port: only the form is judged here. */
	if (h->n_host == 1 && authority_parse(h->host, 80, &a, e) < 0) {
		r->status = 400;
		return err_wrap(e, "malformed Host");
	}
	return 0;
}

static int
check_expect(struct h1_head *h, struct h1_refusal *r, struct err *e)
{
	bool seen = false;

	for (size_t i = 0; i < h->n_fields; i++) {
		if (!view_eq_nocase(h->fields[i].name, VIEW("expect")))
			continue;
		if (seen ||
		    !view_eq_nocase(h->fields[i].value, VIEW("100-continue")))
			return refuse(r, 400, e, "unknown Expect");
		seen = true;
	}
	h->expect_continue = seen && h->minor == 1;
	return 0;
}

int
h1_parse_request(struct view head, struct h1_head *out,
    struct h1_refusal *refusal, struct err *e)
{
	struct h1_head *h = out;
	bool chunked = false;
	struct view line;
	unsigned status;
	int rc;

	/* The field array is filled from the front; clearing it costs more
	 * than the parsing. */
	memset(h, 0, offsetof(struct h1_head, fields));
	memset((char *)h + offsetof(struct h1_head, n_fields), 0,
	    sizeof(*h) - offsetof(struct h1_head, n_fields));
	h->is_request = true;
	refusal->status = 400;
	if (next_line(&head, &line) < 0)
		return err_set(e, ERR_PROTO, "malformed request line");
	if (parse_request_line(line, h, refusal, e) < 0)
		return -1;
	rc = parse_fields(head, true, h, e);
	if (rc != FIELD_OK) {
		refusal->status = rc == FIELD_TOO_MANY ? 431 : 400;
		return -1;
	}
	status = parse_framing(h, &chunked, e);
	if (status != 0) {
		refusal->status = status;
		return -1;
	}
	if (check_host(h, refusal, e) < 0 || check_expect(h, refusal, e) < 0)
		return -1;
	parse_connection(h);
	if (h1_find(h, VIEW("http2-settings")) != NULL ||
	    h1_list_has(h, VIEW("upgrade"), VIEW("h2c")))
		return refuse(refusal, 400, e, "h2c is not spoken here");
	/* RFC 9110 section 9.3.6: what follows CONNECT is the tunnel. */
	if (view_eq(h->method, VIEW("CONNECT"))) {
		if (chunked || (h->has_length && h->content_length > 0))
			return refuse(refusal, 400, e, "CONNECT with a body");
		h->framing = H1_BODY_NONE;
	} else if (chunked) {
		h->framing = H1_BODY_CHUNKED;
	} else {
		h->framing = h->has_length ? H1_BODY_LENGTH : H1_BODY_NONE;
	}
	return 0;
}

/* "HTTP/1.1 200 OK"; the blank before an absent reason may lack, as it does
 * from many servers. */
static int
parse_status_line(struct view line, struct h1_head *h, struct err *e)
{
	struct view rest, code, version = view_cut(line, ' ', &rest);
	uint64_t n;

	if (parse_version(version, &h->minor) != 0)
		return err_set(
		    e, ERR_PROTO, "response is not HTTP/1.0 or HTTP/1.1");
	code = view_cut(rest, ' ', &h->reason);
	if (code.n != 3 || !view_u64(code, 999, &n) || n < 100)
		return err_set(e, ERR_PROTO, "malformed status code");
	if (!h1_all(h->reason, CH_VALUE))
		return err_set(
		    e, ERR_PROTO, "reason phrase holds a control byte");
	h->status = (unsigned)n;
	return 0;
}

int
h1_parse_response(
    struct view head, struct view method, struct h1_head *out, struct err *e)
{
	struct h1_head *h = out;
	bool chunked = false;
	struct view line;

	memset(h, 0, offsetof(struct h1_head, fields));
	memset((char *)h + offsetof(struct h1_head, n_fields), 0,
	    sizeof(*h) - offsetof(struct h1_head, n_fields));
	if (next_line(&head, &line) < 0)
		return err_set(e, ERR_PROTO, "malformed status line");
	if (parse_status_line(line, h, e) < 0 ||
	    parse_fields(head, false, h, e) != FIELD_OK ||
	    parse_framing(h, &chunked, e) != 0)
		return -1;
	parse_connection(h);
	/* RFC 9112 section 6.3 rules 1 to 8, in its order. */
	if (view_eq(method, VIEW("HEAD")) || h->status < 200 ||
	    h->status == 204 || h->status == 304) {
		h->framing = H1_BODY_NONE;
	} else if (chunked) {
		h->framing = H1_BODY_CHUNKED;
	} else if (h->has_length) {
		h->framing = H1_BODY_LENGTH;
	} else {
		h->framing = H1_BODY_UNTIL_CLOSE;
		h->keep_alive = false;
	}
	return 0;
}

int
h1_parse_trailers(struct view lines, struct h1_head *out, struct err *e)
{
	out->n_fields = 0;
	out->is_request = false;
	return parse_fields(lines, false, out, e) == FIELD_OK ? 0 : -1;
}

bool
h1_trailer_may(struct view name)
{
	static const struct view never[] = { VIEW("age"), VIEW("authorization"),
		VIEW("cache-control"), VIEW("connection"),
		VIEW("content-encoding"), VIEW("content-length"),
		VIEW("content-range"), VIEW("content-type"), VIEW("cookie"),
		VIEW("date"), VIEW("expect"), VIEW("expires"),
		VIEW("forwarded"), VIEW("host"), VIEW("http2-settings"),
		VIEW("keep-alive"), VIEW("location"), VIEW("max-forwards"),
		VIEW("pragma"), VIEW("range"), VIEW("retry-after"),
		VIEW("set-cookie"), VIEW("te"), VIEW("trailer"),
		VIEW("transfer-encoding"), VIEW("upgrade"), VIEW("vary"),
		VIEW("via"), VIEW("warning"), VIEW("www-authenticate") };
	static const struct view prefixes[] = { VIEW("proxy-"), VIEW("if-"),
		VIEW("x-forwarded-"), VIEW("x-openshell-"), VIEW("sec-") };

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (view_eq_nocase(name, never[i]))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (view_eq_nocase(
			view_slice(name, 0, prefixes[i].n), prefixes[i]))
			return false;
	return true;
}
