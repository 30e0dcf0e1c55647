#include "test.h"

#include "http/h1.h"

static struct h1_head head;

static void
parse_request(const char *text)
{
	struct h1_refusal r;
	struct err e;

	if (h1_parse_request(view_of(text), &head, &r, &e) < 0)
		fail_msg("%s", e.text);
}

static void
parse_response(const char *text, const char *method)
{
	struct err e;

	if (h1_parse_response(view_of(text), view_of(method), &head, &e) < 0)
		fail_msg("%s", e.text);
}

/* */
TEST(h1_write, request_drops_hop_by_hop_and_writes_framing_once)
{
	const struct h1_field via = { VIEW("Via"),
		VIEW("1.1 openshell-sandbox") };
	struct h1_write w = { .target = VIEW("/api"),
		.host = VIEW("real:81"),
		.extra = &via,
		.n_extra = 1,
		.close = true };
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct err e;

	parse_request("POST http://real:81/api HTTP/1.1\r\nHost: other\r\n"
		      "Accept: */*\r\nProxy-Authorization: Basic x\r\n"
		      "Proxy-Connection: keep-alive\r\nContent-Length: 3\r\n"
		      "Connection: x-hop, TE\r\nX-Hop: 1\r\nTE: trailers\r\n"
		      "Keep-Alive: 5\r\nExpect: 100-continue\r\n"
		      "content-length: 3\r\nX-End:  kept \r\n\r\n");
	CHECK_INT(h1_write_request(&head, &w, &out, &e), ==, 0);
	CHECK_STR(buf_str(&out),
	    "POST /api HTTP/1.1\r\nHost: real:81\r\nAccept: */*\r\n"
	    "X-End: kept\r\nContent-Length: 3\r\n"
	    "Via: 1.1 openshell-sandbox\r\nConnection: close\r\n\r\n");
}

TEST(h1_write, keeps_a_validated_upgrade)
{
	struct h1_write w = {
		.target = VIEW("/"), .host = VIEW("a"), .upgrade = true
	};
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct err e;

	parse_request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		      "Connection: keep-alive, Upgrade\r\n\r\n");
	CHECK_INT(h1_write_request(&head, &w, &out, &e), ==, 0);
	CHECK_STR(buf_str(&out), "GET / HTTP/1.1\r\nHost: a\r\n"
				 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
				 "\r\n");
}

TEST(h1_write, http_1_0_keeps_its_version)
{
	struct h1_write w = { .target = VIEW("/"), .host = VIEW("a") };
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct err e;

	parse_request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	CHECK_INT(h1_write_request(&head, &w, &out, &e), ==, 0);
	CHECK_STR(buf_str(&out), "GET / HTTP/1.0\r\nHost: a\r\n"
				 "Connection: keep-alive\r\n\r\n");
}

/* A32: a value put in after parsing must not open a second field. */
TEST(h1_write, refuses_bytes_that_would_break_the_head)
{
	struct h1_write w = { .target = VIEW("/"), .host = VIEW("a") };
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct err e;

	parse_request("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
	head.fields[1].value = VIEW("y\r\nEvil: 1");
	CHECK_INT(h1_write_request(&head, &w, &out, &e), ==, -1);
	head.fields[1].value = VIEW("secret");
	w.target = VIEW("/ HTTP/1.1\r\nEvil: 1\r\n");
	CHECK_INT(h1_write_request(&head, &w, &out, &e), ==, -1);
	w.target = VIEW("/");
	buf_reset(&out);
	CHECK_INT(h1_write_request(&head, &w, &out, &e), ==, 0);
	CHECK_HAS(buf_str(&out), "\r\nX: secret\r\n");
	out.max = out.n + 4;
	CHECK_INT(h1_write_request(&head, &w, &out, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
}

TEST(h1_write, responses)
{
	static const struct {
		const char *in, *method, *want;
		bool close, bare;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nConnection: close, x\r\nX: 1\r\n"
		  "Proxy-Authenticate: y\r\n\r\n",
		    "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
		    false, false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\n", "GET",
		    "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n",
		    false, false },
		{ "HTTP/1.1 200\r\nTransfer-Encoding: CHUNKED\r\n"
		  "Trailer: x\r\n\r\n",
		    "GET",
		    "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n"
		    "Connection: close\r\n\r\n",
		    true, false },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
		    false, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "HEAD",
		    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", false,
		    false },
		{ "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "GET",
		    "HTTP/1.1 204 No\r\n\r\n", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct h1_write w = { .close = rows[i].close,
			.bare = rows[i].bare };
		AUTO_BUF struct buf out = BUF_INIT(4096);
		struct err e;

		parse_response(rows[i].in, rows[i].method);
		CHECK_INT(h1_write_response(&head, &w, &out, &e), ==, 0);
		CHECK_STR(buf_str(&out), rows[i].want);
	}
}

TEST(h1_write, chunk_sizes)
{
	AUTO_BUF struct buf out = BUF_INIT(4096);

	h1_write_chunk_head(&out, 1);
	h1_write_chunk_head(&out, 0x1000a);
	h1_write_chunk_head(&out, UINT64_MAX);
	CHECK_STR(buf_str(&out), "1\r\n1000a\r\nffffffffffffffff\r\n");
}

TEST(h1_write, simple_response_is_tamed)
{
	const struct h1_field policy = { VIEW("X-OpenShell-Policy"),
		VIEW("git\r\nEvil: 1") };
	AUTO_BUF struct buf out = BUF_INIT(4096);

	h1_simple_response(
	    &out, 403, VIEW("application/json"), &policy, 1, VIEW("{}"), true);
	CHECK_STR(buf_str(&out),
	    "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
	    "Content-Length: 2\r\nX-OpenShell-Policy: git??Evil: 1\r\n"
	    "Connection: close\r\n\r\n{}");
	buf_reset(&out);
	h1_simple_response(
	    &out, 502, (struct view) { NULL, 0 }, NULL, 0, VIEW(""), false);
	CHECK_STR(buf_str(&out),
	    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
}
