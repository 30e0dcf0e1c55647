#include "test.h"

#include "http/h1.h"

static struct h1_head head;

static int
request(const char *text, unsigned *status)
{
	struct h1_refusal r = { 0 };
	struct err e = { 0 };
	size_t scanned = 0;
	ssize_t n =
	    h1_head_end(view_of(text), H1_REQUEST_HEAD_MAX, &scanned, &e);

	*status = 400;
	if (n < 0)
		return -1;
	if (n == 0)
		fail_msg("\"%s\" is not whole", text);
	if (h1_parse_request(
		(struct view) { text, (size_t)n }, &head, &r, &e) == 0)
		return 0;
	*status = r.status;
	if (e.text[0] == '\0' || r.status == 0)
		fail_msg("\"%s\" was refused without a reason", text);
	return -1;
}

static int
response(const char *text, const char *method)
{
	struct err e = { 0 };
	size_t scanned = 0;
	ssize_t n =
	    h1_head_end(view_of(text), H1_RESPONSE_HEAD_MAX, &scanned, &e);

	if (n < 0)
		return -1;
	if (n == 0)
		fail_msg("\"%s\" is not whole", text);
	return h1_parse_response(
	    (struct view) { text, (size_t)n }, view_of(method), &head, &e);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

struct refused {
	unsigned status;
	const char *text;
};

static void
check_refused(const struct refused *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned status;

		if (request(v[i].text, &status) == 0)
			fail_msg("\"%s\" was accepted", v[i].text);
		if (status != v[i].status)
			fail_msg("\"%s\": %u, want %u", v[i].text, status,
			    v[i].status);
	}
}

/* A22, X-67, X-42, X-43 */
TEST(h1_head, refuses_names_and_values)
{
	static const struct refused rows[] = {
		/* names */
		{ 400, POST "Content-Length : 5\r\n\r\n" },
		{ 400, POST " Content-Length: 5\r\n\r\n" },
		{ 400, GET "X: a\r\n folded\r\n\r\n" },
		{ 400, GET "X: a\r\n\tfolded\r\n\r\n" },
		{ 400, GET ": a\r\n\r\n" },
		{ 400, GET "nocolon\r\n\r\n" },
		{ 400, GET "b\x0b: a\r\n\r\n" },
		{ 400, GET "b\xc3\xa9: a\r\n\r\n" },
		{ 400, GET "a b: c\r\n\r\n" },
		/* values */
		{ 400, GET "X-Injected: value\nEvil: header\r\n\r\n" },
		{ 400, GET "X: a\rb\r\n\r\n" },
		{ 400, GET "X: a\x01\r\n\r\n" },
		{ 400, GET "X: a\x7f\r\n\r\n" },
		{ 400, GET "X: \xc0\xaf\r\n\r\n" },
		{ 400, GET "X: \xed\xa0\x80\r\n\r\n" },
	};

	check_refused(rows, ARRAY_LEN(rows));
}

/* A22, X-37, X-38, X-40, X-41 */
TEST(h1_head, refuses_a_body_whose_end_is_in_doubt)
{
	static const struct refused rows[] = {
		/* transfer codings */
		{ 501, POST "Transfer-Encoding: chunkedx\r\n\r\n" },
		{ 501, POST "Transfer-Encoding: xchunked\r\n\r\n" },
		{ 501, POST "Transfer-Encoding: gzip\r\n\r\n" },
		{ 400, POST "Transfer-Encoding: \x0b"
			    "chunked\r\n\r\n" },
		{ 400, POST "Transfer-Encoding:\r\n\r\n" },
		{ 400, POST "Transfer-Encoding: gzip, chunked\r\n\r\n" },
		{ 400, POST "Transfer-Encoding: chunked, identity\r\n\r\n" },
		{ 400, POST "Transfer-Encoding: chunked\r\n"
			    "Transfer-Encoding: chunked\r\n\r\n" },
		{ 400,
		    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
		/* lengths */
		{ 400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked"
			    "\r\n\r\n" },
		{ 400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5"
			    "\r\n\r\n" },
		{ 400, POST "Content-Length: 0\r\nContent-Length: 50\r\n\r\n" },
		{ 400, POST "Content-Length: abc\r\n\r\n" },
		{ 400, POST "Content-Length: 42\r\nContent-Length: abc"
			    "\r\n\r\n" },
		{ 400, POST "Content-Length: +5\r\n\r\n" },
		{ 400, POST "Content-Length: -5\r\n\r\n" },
		{ 400, POST "Content-Length: 0x5\r\n\r\n" },
		{ 400, POST "Content-Length: 5, 6\r\n\r\n" },
		{ 400, POST "Content-Length: 5,\r\n\r\n" },
		{ 400, POST "Content-Length:\r\n\r\n" },
		{ 400, POST "Content-Length: 1000000000000000000\r\n\r\n" },
	};

	check_refused(rows, ARRAY_LEN(rows));
}

TEST(h1_head, refuses_request_lines)
{
	static const struct refused rows[] = {
		{ 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" },
		{ 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET /\r\nHost: a\r\n\r\n" },
		{ 400, "GET / http/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1x\r\nHost: a\r\n\r\n" },
		{ 400, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n" },
		{ 505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n" },
		{ 505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n" },
		{ 400, "PRI * HTTP/2.0\r\n\r\n" },
		{ 501, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n"
		       "Host: a\r\n\r\n" },
	};

	check_refused(rows, ARRAY_LEN(rows));
}

/* A25, A28 */
TEST(h1_head, refuses_methods_hosts_and_upgrades)
{
	static const struct refused rows[] = {
		/* methods */
		{ 405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 405, "TRACK / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 405, "trace / HTTP/1.1\r\nHost: a\r\n\r\n" },
		/* hosts */
		{ 400, "GET / HTTP/1.1\r\n\r\n" },
		{ 400, GET "Host: a\r\n\r\n" },
		{ 400, GET "host: b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
		{ 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n" },
		/* other protocols, other expectations */
		{ 400, GET "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n" },
		{ 400, GET "HTTP2-Settings: AAMAAABkAAQ\r\n\r\n" },
		{ 400, POST "Expect: 200-ok\r\n\r\n" },
		{ 400, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
		       "Content-Length: 5\r\n\r\n" },
		{ 400, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n" },
	};

	check_refused(rows, ARRAY_LEN(rows));
}

TEST(h1_head, reads_a_request)
{
	unsigned s;

	CHECK_INT(
	    request("POST /a/b?c HTTP/1.1\r\nHost: API.example.com:443\r\n"
		    "X-Empty:\r\nx-Trim: \t v w \t\r\n"
		    "Content-Length: 42\r\nContent-Length: 42\r\n\r\nbody",
		&s),
	    ==, 0);
	CHECK_VIEW(head.method, "POST");
	CHECK_VIEW(head.target, "/a/b?c");
	CHECK_INT(head.minor, ==, 1);
	CHECK_INT(head.n_fields, ==, 5);
	CHECK_VIEW(head.host, "API.example.com:443");
	CHECK_VIEW(h1_find(&head, VIEW("X-TRIM"))->value, "v w");
	CHECK_INT(h1_find(&head, VIEW("x-empty"))->value.n, ==, 0);
	CHECK(h1_find(&head, VIEW("absent")) == NULL);
	CHECK_INT(head.framing, ==, H1_BODY_LENGTH);
	CHECK_INT(head.content_length, ==, 42);
	CHECK(head.keep_alive && !head.upgrade && !head.expect_continue);
}

/* */
TEST(h1_head, request_framing)
{
	unsigned s;

	CHECK_INT(request(POST "Content-Length: 42\r\n\r\n", &s), ==, 0);
	CHECK_INT(head.framing, ==, H1_BODY_LENGTH);
	CHECK_INT(request(POST "Content-Length: 7, 7\r\n\r\n", &s), ==, 0);
	CHECK_INT(head.content_length, ==, 7);
	CHECK_INT(
	    request(POST "Transfer-Encoding: Chunked\r\n\r\n", &s), ==, 0);
	CHECK_INT(head.framing, ==, H1_BODY_CHUNKED);
	CHECK_INT(request(GET "\r\n", &s), ==, 0);
	CHECK_INT(head.framing, ==, H1_BODY_NONE);
	CHECK_INT(
	    request(POST "Content-Length: 999999999999999999\r\n\r\n", &s), ==,
	    0);
	CHECK_INT(request("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
			  "Content-Length: 0\r\n\r\n",
		      &s),
	    ==, 0);
	CHECK_INT(head.framing, ==, H1_BODY_NONE);
}

TEST(h1_head, connection_options)
{
	unsigned s;

	CHECK_INT(request(GET "Connection: foo, Close\r\n\r\n", &s), ==, 0);
	CHECK(!head.keep_alive);
	CHECK_INT(request("GET / HTTP/1.0\r\n\r\n", &s), ==, 0);
	CHECK(!head.keep_alive && head.n_host == 0);
	CHECK_INT(
	    request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &s), ==,
	    0);
	CHECK(head.keep_alive);
	CHECK_INT(request(GET "Connection: keep-alive\r\n"
			      "Connection: Upgrade\r\nUpgrade: websocket\r\n"
			      "\r\n",
		      &s),
	    ==, 0);
	CHECK(head.upgrade && head.keep_alive);
	CHECK_INT(request(GET "Upgrade: websocket\r\n\r\n", &s), ==, 0);
	CHECK(!head.upgrade);
	CHECK_INT(request(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n"
			       "\r\n",
		      &s),
	    ==, 0);
	CHECK(head.expect_continue);
}

TEST(h1_head, hop_by_hop)
{
	unsigned s;

	CHECK_INT(
	    request(
		GET "Connection: X-Secret, host, content-length\r\n\r\n", &s),
	    ==, 0);
	CHECK(h1_hop_by_hop(&head, VIEW("x-secret")));
	CHECK(h1_hop_by_hop(&head, VIEW("Proxy-Authorization")));
	CHECK(h1_hop_by_hop(&head, VIEW("TE")));
	CHECK(h1_hop_by_hop(&head, VIEW("keep-alive")));
	CHECK(!h1_hop_by_hop(&head, VIEW("Host")));
	CHECK(!h1_hop_by_hop(&head, VIEW("Content-Length")));
	CHECK(!h1_hop_by_hop(&head, VIEW("Accept")));
}

TEST(h1_head, bounds_the_number_of_fields)
{
	AUTO_BUF struct buf b = BUF_INIT(H1_REQUEST_HEAD_MAX);
	unsigned s;

	buf_puts(&b, GET);
	for (int i = 1; i < H1_FIELDS_MAX; i++)
		buf_puts(&b, "a: b\r\n");
	buf_puts(&b, "\r\n");
	CHECK_INT(request(buf_str(&b), &s), ==, 0);
	b.n -= 2;
	buf_puts(&b, "a: b\r\n\r\n");
	CHECK_INT(request(buf_str(&b), &s), ==, -1);
	CHECK_INT(s, ==, 431);
}

TEST(h1_head, bounds_the_target)
{
	AUTO_BUF struct buf b = BUF_INIT(H1_REQUEST_HEAD_MAX);
	unsigned s;

	buf_puts(&b, "GET /");
	for (int i = 0; i < H1_TARGET_MAX; i++)
		buf_putc(&b, 'a');
	buf_puts(&b, " HTTP/1.1\r\nHost: a\r\n\r\n");
	CHECK_INT(request(buf_str(&b), &s), ==, -1);
	CHECK_INT(s, ==, 414);
}

/* whichever way it arrives, the head ends at the same place. */
TEST(h1_head, end_is_found_however_bytes_arrive)
{
	static const char text[] = GET "X: y\r\n\r\nGET /2 HTTP/1.1\r\n\r\n";
	size_t want = sizeof(GET "X: y\r\n\r\n") - 1;
	struct err e;

	for (size_t step = 1; step <= sizeof(text); step++) {
		size_t scanned = 0, n = 0;
		ssize_t end = 0;

		while (end == 0 && n < sizeof(text) - 1) {
			n = MIN(n + step, sizeof(text) - 1);
			end = h1_head_end((struct view) { text, n },
			    H1_REQUEST_HEAD_MAX, &scanned, &e);
		}
		CHECK_INT(end, ==, want);
		CHECK_INT(h1_head_end((struct view) { text, n },
			      H1_REQUEST_HEAD_MAX, &scanned, &e),
		    ==, want);
	}
}

TEST(h1_head, end_is_bounded)
{
	static char text[300];
	size_t scanned = 0;
	struct err e;

	memset(text, 'a', sizeof(text));
	CHECK_INT(
	    h1_head_end((struct view) { text, 255 }, 256, &scanned, &e), ==, 0);
	CHECK_INT(h1_head_end((struct view) { text, 256 }, 256, &scanned, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	memcpy(text + 252, "\r\n\r\n", 4);
	scanned = 0;
	CHECK_INT(h1_head_end((struct view) { text, 300 }, 256, &scanned, &e),
	    ==, 256);
	scanned = 0;
	CHECK_INT(h1_head_end(VIEW("\n"), 256, &scanned, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_PROTO);
}

TEST(h1_head, response_framing)
{
	static const struct {
		const char *text, *method;
		enum h1_framing framing;
		bool keep_alive;
	} rows[] = {
		/* */
		{ "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "GET",
		    H1_BODY_UNTIL_CLOSE, false },
		{ "HTTP/1.1 200 OK\r\n\r\n", "GET", H1_BODY_UNTIL_CLOSE,
		    false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "HEAD",
		    H1_BODY_NONE, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET",
		    H1_BODY_LENGTH, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    "GET", H1_BODY_CHUNKED, true },
		{ "HTTP/1.1 204\r\n\r\n", "GET", H1_BODY_NONE, true },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		    "GET", H1_BODY_NONE, true },
		{ "HTTP/1.1 100 Continue\r\n\r\n", "POST", H1_BODY_NONE, true },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET",
		    H1_BODY_LENGTH, false },
		{ "HTTP/1.1 200 \xe9t\xe9\r\nX: \xe9\r\nContent-Length: 0\r\n"
		  "\r\n",
		    "GET", H1_BODY_LENGTH, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (response(rows[i].text, rows[i].method) < 0)
			fail_msg("\"%s\" was refused", rows[i].text);
		CHECK_INT(head.framing, ==, rows[i].framing);
		CHECK_INT(head.keep_alive, ==, rows[i].keep_alive);
	}
}

TEST(h1_head, refuses_responses)
{
	static const char *const bad[] = {
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"HTTP/1.1 200 O\x01K\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n"
		"\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
		"HTTP/1.1 200 OK\nX: y\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (response(bad[i], "GET") == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
}
