#include "test.h"

#include "http/h2map.h"

enum { OUT = 4 * H1_REQUEST_HEAD_MAX };

/* "name: value\n..." as a list; a pseudo name begins with its colon. */
static void
list(struct h2_list *l, const char *text)
{
	h2_list_reset(l);
	while (*text != '\0') {
		const char *sep = strstr(text, ": "), *end = strchr(text, '\n');

		(void)h2_list_add(l,
		    (struct view) { text, (size_t)(sep - text) },
		    (struct view) { sep + 2, (size_t)(end - sep - 2) });
		text = end + 1;
	}
}

static int
request(const char *text, bool end, struct buf *out)
{
	static struct h2_list l;
	struct err e;
	bool chunked;
	int rc;

	list(&l, text);
	buf_reset(out);
	rc = h2_request_head(&l, VIEW("https"), end, &chunked, out, &e);
	h2_list_fini(&l);
	return rc;
}

#define LINE ":method: GET\n:scheme: https\n:authority: a.test\n:path: /x?y\n"

TEST(h2map, writes_a_request_head)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT);

	CHECK_INT(request(LINE "accept: */*\n", true, &out), ==, 0);
	CHECK_VIEW(buf_view(&out), "GET /x?y HTTP/1.1\r\nhost: a.test\r\n"
				   "accept: */*\r\n\r\n");
	CHECK_INT(request(LINE, false, &out), ==, 0);
	CHECK_VIEW(buf_view(&out), "GET /x?y HTTP/1.1\r\nhost: a.test\r\n"
				   "transfer-encoding: chunked\r\n\r\n");
	CHECK_INT(request(LINE "content-length: 5\n", false, &out), ==, 0);
	CHECK_VIEW(buf_view(&out), "GET /x?y HTTP/1.1\r\nhost: a.test\r\n"
				   "content-length: 5\r\n\r\n");
}

#define SOCKET \
	":method: CONNECT\n:protocol: websocket\n:scheme: https\n" \
	":authority: a.test\n:path: /x\n"

static int
websocket(const char *text, bool end, struct buf *out)
{
	static struct h2_list l;
	struct err e;
	int rc;

	list(&l, text);
	buf_reset(out);
	rc = h2_websocket_head(&l, VIEW("https"), end, VIEW("k=="), out, &e);
	h2_list_fini(&l);
	return rc;
}

TEST(h2map, an_extended_connect_is_an_upgrade)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT);
	static const char *const bad[] = { SOCKET "content-length: 0\n",
		SOCKET "sec-websocket-key: a\n", SOCKET "upgrade: websocket\n",
		":method: GET\n" SOCKET, LINE ":protocol: websocket\n",
		":method: CONNECT\n:protocol: connect-udp\n:scheme: https\n"
		":authority: a.test\n:path: /x\n",
		":method: CONNECT\n:protocol: websocket\n:scheme: http\n"
		":authority: a.test\n:path: /x\n" };

	CHECK_INT(websocket(SOCKET "x: y\n", false, &out), ==, 0);
	CHECK_VIEW(buf_view(&out),
	    "GET /x HTTP/1.1\r\nhost: a.test\r\nupgrade: websocket\r\n"
	    "connection: upgrade\r\nsec-websocket-key: k==\r\nx: y\r\n\r\n");
	CHECK_INT(websocket(SOCKET, true, &out), ==, -1);
	CHECK_INT(request(SOCKET, false, &out), ==, -1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(websocket(bad[i], false, &out), ==, -1);
}

TEST(h2map, two_hundred_is_what_agrees_to_a_websocket)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT);
	struct h2_list l = { 0 };
	struct err e;
	bool agreed;

	list(&l, ":status: 200\nx: y\n");
	CHECK_INT(h2_websocket_answer(&l, false, VIEW("a="), &agreed, &out, &e),
	    ==, 0);
	CHECK(agreed);
	CHECK_VIEW(buf_view(&out),
	    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
	    "connection: upgrade\r\nsec-websocket-accept: a=\r\nx: y\r\n\r\n");
	CHECK_INT(h2_websocket_answer(&l, true, VIEW("a="), &agreed, &out, &e),
	    ==, -1);
	list(&l, ":status: 200\nsec-websocket-accept: b=\n");
	CHECK_INT(h2_websocket_answer(&l, false, VIEW("a="), &agreed, &out, &e),
	    ==, -1);
	list(&l, ":status: 403\n");
	CHECK_INT(h2_websocket_answer(&l, false, VIEW("a="), &agreed, &out, &e),
	    ==, 0);
	CHECK(!agreed);
	h2_list_fini(&l);
}

TEST(h2map, joins_cookies)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT);

	CHECK_INT(request(LINE "cookie: a=1\nx: y\ncookie: b=2\n", true, &out),
	    ==, 0);
	CHECK_VIEW(buf_view(&out), "GET /x?y HTTP/1.1\r\nhost: a.test\r\n"
				   "cookie: a=1; b=2\r\nx: y\r\n\r\n");
}

TEST(h2map, refuses_what_could_be_read_otherwise)
{
	static const char *const bad[] = {
		"x: y\n",
		":method: GET\n",
		LINE ":path: /\n",
		"x: y\n" LINE,
		LINE ":status: 200\n",
		LINE ":protocol: x\n",
		LINE "x: a\rb\n",
		LINE "x:  a\n",
		LINE "x: a \n",
		LINE "X: a\n",
		LINE "x y: a\n",
		LINE "connection: close\n",
		LINE "transfer-encoding: chunked\n",
		LINE "te: gzip\n",
		LINE "upgrade: h2c\n",
		LINE "keep-alive: 1\n",
		LINE "proxy-connection: close\n",
		LINE "http2-settings: A\n",
		LINE "content-length: 5\n", /* with the end */
		LINE "content-length: 0\ncontent-length: 0\n",
		LINE "content-length: +0\n",
		LINE "host: b.test\n",
		LINE "host: a.test\nhost: a.test\n",
		":method: GET\n:scheme: http\n:authority: a\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: a\n:path: x\n",
		":method: GET\n:scheme: https\n:authority: a\n:path: /a b\n",
		":method: GET\n:scheme: https\n:authority: a\n:path: /#\n",
		":method: GE T\n:scheme: https\n:authority: a\n:path: /\n",
		":method: CONNECT\n:scheme: https\n:authority: a\n:path: /\n",
		":method: GET\n:scheme: https\n:authority: \n:path: /\n",
		":method: GET\n:scheme: https\n:path: /\n",
	};
	AUTO_BUF struct buf out = BUF_INIT(OUT);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (request(bad[i], true, &out) != -1)
			fail_msg("\"%s\" was accepted", bad[i]);
	CHECK_INT(request(LINE "host: A.test\n", true, &out), ==, 0);
	CHECK_INT(request(LINE "te: trailers\n", true, &out), ==, 0);
}

TEST(h2map, bounds_a_list)
{
	static struct h2_list l;
	static char big[H2_LIST_MAX];

	h2_list_reset(&l);
	for (size_t i = 0; i < H2_FIELDS_MAX; i++)
		CHECK(h2_list_add(&l, VIEW("x"), VIEW("y")));
	CHECK(!h2_list_add(&l, VIEW("x"), VIEW("y")) && l.over);
	h2_list_reset(&l);
	memset(big, 'a', sizeof(big));
	CHECK(!h2_list_add(&l, VIEW("x"), (struct view) { big, sizeof(big) }));
	CHECK(l.over);
	h2_list_fini(&l);
}

static int
response(const char *text, const char *method, bool end, struct buf *out)
{
	static struct h2_list l;
	enum h1_framing framing;
	unsigned status;
	uint64_t length;
	struct err e;
	int rc;

	list(&l, text);
	buf_reset(out);
	rc = h2_response_head(
	    &l, view_of(method), end, &status, &framing, &length, out, &e);
	h2_list_fini(&l);
	return rc;
}

TEST(h2map, writes_a_response_head)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT);

	CHECK_INT(response(":status: 200\nx: y\n", "GET", false, &out), ==, 0);
	CHECK_VIEW(buf_view(&out), "HTTP/1.1 200 OK\r\nx: y\r\n"
				   "transfer-encoding: chunked\r\n\r\n");
	CHECK_INT(response(":status: 204\n", "GET", true, &out), ==, 0);
	CHECK_VIEW(buf_view(&out), "HTTP/1.1 204 No Content\r\n\r\n");
	CHECK_INT(
	    response(":status: 200\ncontent-length: 9\n", "HEAD", true, &out),
	    ==, 0);
	CHECK_VIEW(
	    buf_view(&out), "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
	CHECK_INT(response(":status: 100\n", "GET", false, &out), ==, 0);
	CHECK_VIEW(buf_view(&out), "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST(h2map, refuses_bad_responses)
{
	static const char *const bad[] = { "x: y\n", ":status: 20\n",
		":status: 2000\n", ":status: 099\n", ":status: +20\n",
		":status: 101\n", ":status: 100\n", /* with the end */
		":status: 200\n:status: 200\n", ":status: 200\n:path: /\n",
		":status: 200\nconnection: close\n",
		":status: 200\ncontent-length: 9\n", /* with the end */
		":status: 200\nx: a\rb\n" };
	AUTO_BUF struct buf out = BUF_INIT(OUT);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (response(bad[i], "GET", true, &out) != -1)
			fail_msg("\"%s\" was accepted", bad[i]);
}

TEST(h2map, trailers_cannot_frame_or_log_in)
{
	AUTO_BUF struct buf out = BUF_INIT(OUT);
	static struct h2_list l;
	struct err e;

	list(&l, "grpc-status: 0\ncontent-length: 5\nauthorization: b\n"
		 "set-cookie: a\nx-sum: 1\n");
	CHECK_INT(h2_trailer_lines(&l, &out, &e), ==, 0);
	CHECK_VIEW(buf_view(&out), "grpc-status: 0\r\nx-sum: 1\r\n");
	list(&l, ":status: 200\n");
	CHECK_INT(h2_trailer_lines(&l, &out, &e), ==, -1);
	list(&l, "transfer-encoding: chunked\n");
	CHECK_INT(h2_trailer_lines(&l, &out, &e), ==, -1);
	h2_list_fini(&l);
}

static bool
has(const struct h1_field *v, ssize_t n, const char *name, const char *value)
{
	for (ssize_t i = 0; i < n; i++)
		if (view_eq(v[i].name, view_of(name)) &&
		    view_eq(v[i].value, view_of(value)))
			return true;
	return false;
}

TEST(h2map, lists_a_request)
{
	static struct h1_head h;
	struct h1_field v[H2_FIELDS_MAX];
	AUTO_BUF struct buf names = BUF_INIT(H2_NAMES_MAX);
	struct h1_refusal r;
	struct err e;
	ssize_t n;

	CHECK_INT(
	    h1_parse_request(
		VIEW("POST /a.B/C HTTP/1.1\r\nHost: h.test\r\n"
		     "Content-Type: application/grpc\r\nTE: x\r\n"
		     "Connection: X-Gone\r\nTransfer-Encoding: chunked\r\n"
		     "\r\n"),
		&h, &r, &e),
	    ==, 0);
	n = h2_from_request(&h, VIEW("https"), v, &names, &e);
	CHECK_INT(n, ==, 6);
	CHECK(has(v, n, ":method", "POST") && has(v, n, ":path", "/a.B/C") &&
	      has(v, n, ":authority", "h.test") &&
	      has(v, n, ":scheme", "https") && has(v, n, "te", "trailers") &&
	      has(v, n, "content-type", "application/grpc"));
}

TEST(h2map, lists_an_upgrade_to_websocket_and_no_other)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
		"Connection: upgrade\r\nSec-WebSocket-Key: k\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
		"Connection: upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: tls/1.0\r\n"
		"Connection: upgrade\r\n\r\n"
	};
	static struct h1_head h;
	struct h1_field v[H2_FIELDS_MAX];
	struct h1_refusal r;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_BUF struct buf names = BUF_INIT(H2_NAMES_MAX);
		ssize_t n;

		CHECK_INT(
		    h1_parse_request(view_of(texts[i]), &h, &r, &e), ==, 0);
		n = h2_from_request(&h, VIEW("https"), v, &names, &e);
		CHECK_INT(n, ==, i == 0 ? 5 : -1);
		if (i == 0)
			CHECK(has(v, n, ":method", "CONNECT") &&
			      has(v, n, ":protocol", "websocket"));
	}
}
