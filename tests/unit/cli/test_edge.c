/* The browser's post, and the token (cli spec 20.6, W1 to W7). */
#include "test.h"

#include "base/mem.h"
#include "cli/edge.h"

static const struct edge_expect want = { "https://gateway.example.com",
	"ABC-1234" };

static struct {
	struct buf out;
	char *token;
} w = { .out = BUF_INIT(8192) };

static enum edge_outcome
say(const char *request)
{
	buf_reset(&w.out);
	edge_token_free(&w.token);
	return edge_callback(view_of(request), &want, &w.out, &w.token);
}

#define HEAD(method, path, origin) \
	method " " path " HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: " origin \
	       "\r\n"
#define POST(origin, n, body) \
	HEAD("POST", "/callback", origin) "Content-Length: " n "\r\n\r\n" body
#define HOME "https://gateway.example.com"
#define BODY "{\"token\":\"test-jwt-123\",\"code\":\"ABC-1234\"}"

TEST(edge, takes_the_token_from_the_right_origin)
{
	CHECK_INT(say(POST(HOME, "42", BODY)), ==, EDGE_TOKEN);
	CHECK_STR(w.token, "test-jwt-123");
	CHECK_HAS(buf_str(&w.out), "HTTP/1.1 200 ");
	CHECK_HAS(buf_str(&w.out), "Access-Control-Allow-Origin: " HOME "\r\n");
	CHECK_HAS(buf_str(&w.out), "{\"ok\":true}");
	CHECK(strstr(buf_str(&w.out), "*") == NULL);
	edge_token_free(&w.token);
	buf_fini(&w.out);
	w.out = (struct buf)BUF_INIT(8192);
}

TEST(edge, waits_for_the_rest_of_a_request)
{
	static const char all[] = POST(HOME, "42", BODY);
	AUTO_BUF struct buf out = BUF_INIT(8192);

	for (size_t n = 0; n + 1 < sizeof(all); n++) {
		struct view v = { all, n };

		CHECK_INT(
		    edge_callback(v, &want, &out, &w.token), ==, EDGE_MORE);
		CHECK_INT(out.n, ==, 0);
	}
}

TEST(edge, refuses_as_the_table_says)
{
	static const struct {
		const char *request, *answer;
		enum edge_outcome outcome;
	} rows[] = {
		{ POST("https://evil.example.com", "42", BODY), "403 ",
		    EDGE_STRANGER },
		{ POST("https://evil.example.com", "42", BODY),
		    "origin not allowed", EDGE_STRANGER },
		{ "POST /callback HTTP/1.1\r\nHost: x\r\nContent-Length: "
		  "42\r\n\r\n" BODY,
		    "origin not allowed", EDGE_STRANGER },
		{ POST(HOME, "44",
		      "{\"token\":\"test-jwt-123\",\"code\":\"WRONG-CODE\"}"),
		    "confirmation code mismatch", EDGE_OVER },
		{ POST(HOME, "2", "{}"), "missing token or code", EDGE_OVER },
		{ POST(HOME, "0", ""), "missing token or code", EDGE_OVER },
		{ POST(HOME, "4", "nope"), "missing token or code", EDGE_OVER },
		{ POST(HOME, "28", "{\"token\":1,\"code\":\"ABC-1234\"}"),
		    "missing token or code", EDGE_OVER },
		{ POST(HOME, "36",
		      "{\"token\":\"a\\r\\nb\",\"code\":\"ABC-1234\"}"),
		    "invalid edge token value", EDGE_OVER },
		{ POST(HOME, "65537", ""), "invalid request body", EDGE_OVER },
		{ HEAD("POST", "/callback",
		      HOME) "Transfer-Encoding: chunked\r\n\r\n",
		    "invalid request body", EDGE_OVER },
		{ HEAD("OPTIONS", "/callback", HOME) "\r\n", "204 ",
		    EDGE_GO_ON },
		{ HEAD("GET", "/callback", HOME) "\r\n", "method not allowed",
		    EDGE_GO_ON },
		{ HEAD("POST", "/", HOME) "\r\n", "404 ", EDGE_GO_ON },
		{ HEAD("POST", "/callback/x", HOME) "\r\n", "404 ",
		    EDGE_GO_ON },
		{ "POST /callback HTTP/1.1\r\nHost : x\r\n\r\n", "400 ",
		    EDGE_GO_ON },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (say(rows[i].request) != rows[i].outcome)
			fail_msg("row %zu: another outcome", i);
		CHECK_HAS(buf_str(&w.out), rows[i].answer);
		CHECK(w.token == NULL);
	}
	buf_fini(&w.out);
	w.out = (struct buf)BUF_INIT(8192);
}

TEST(edge, knows_the_origin_of_an_endpoint)
{
	AUTO_FREE char *a = edge_origin("https://h.example.com:8080/some/path");

	CHECK_STR(a, "https://h.example.com:8080");
	CHECK(edge_origin("gateway.example.com") == NULL);
	CHECK(edge_origin("https://") == NULL);
	CHECK(edge_origin("https://user@h.example.com") == NULL);
}

TEST(edge, makes_codes_of_two_parts)
{
	char first[EDGE_CODE_SIZE], code[EDGE_CODE_SIZE];
	bool differ = false;

	edge_code(first);
	for (unsigned i = 0; i < 10; i++) {
		edge_code(code);
		CHECK_INT(strlen(code), ==, 8);
		CHECK_INT(code[3], ==, '-');
		CHECK_INT(
		    strspn(code, "ABCDEFGHJKLMNPQRSTUVWXYZ23456789-"), ==, 8);
		differ |= strcmp(first, code) != 0;
	}
	CHECK(differ);
}

TEST(edge, reads_when_a_token_ends)
{
	/* {"alg":"none"} and {"exp":1700000000}, {"exp":"x"}, {} */
	int64_t at = 0;

	CHECK(edge_token_expiry(
	    VIEW("eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.sig"), &at));
	CHECK_INT(at, ==, 1700000000);
	CHECK(!edge_token_expiry(VIEW("a.eyJleHAiOiJ4In0.b"), &at));
	CHECK(!edge_token_expiry(VIEW("a.e30.b"), &at));
	CHECK(!edge_token_expiry(VIEW("a.b.c"), &at));
	CHECK(!edge_token_expiry(VIEW("a.eyJleHAiOjE3MDAwMDAwMDB9"), &at));
	CHECK(!edge_token_expiry(VIEW("opaque"), &at));
	CHECK(!edge_token_valid(VIEW("a b")));
	CHECK(!edge_token_valid(VIEW("a\r\nX: y")));
	CHECK(!edge_token_valid(VIEW("a;b")));
	CHECK(!edge_token_valid(VIEW("")));
	CHECK(edge_token_valid(VIEW("a.b-c_d~e+f/g=")));
}
