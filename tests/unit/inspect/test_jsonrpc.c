#include "inspect/jsonrpc.h"
#include "test.h"

static int
parse(const char *text, struct err *e)
{
	AUTO_JSONRPC struct jsonrpc m = { 0 };

	return jsonrpc_parse(view_of(text), &m, e);
}

TEST(jsonrpc, takes_calls_notifications_and_batches)
{
	AUTO_JSONRPC struct jsonrpc m = { 0 };
	struct err e;

	CHECK_INT(jsonrpc_parse(
		      VIEW("[{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":1,"
			   "\"params\":{\"x\":1}},"
			   "{\"jsonrpc\":\"2.0\",\"method\":\"b\"},"
			   "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":\"q\"},"
			   "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":"
			   "{\"code\":-32700,\"message\":\"m\"}}]"),
		      &m, &e),
	    ==, 0);
	CHECK(m.batch);
	CHECK_INT(m.n, ==, 4);
	CHECK_INT(m.v[0].kind, ==, JSONRPC_REQUEST);
	CHECK_VIEW(m.v[0].method, "a");
	CHECK_INT(m.v[1].kind, ==, JSONRPC_NOTIFICATION);
	CHECK_INT(m.v[2].kind, ==, JSONRPC_RESPONSE);
	CHECK(m.v[3].error != NULL);
}

TEST(jsonrpc, refuses_what_is_not_version_2)
{
#define V "\"jsonrpc\":\"2.0\","
	static const char *const bad[] = { "1", "[]", "[1]", "{}",
		"{\"method\":\"a\",\"id\":1}",
		"{\"jsonrpc\":2.0,\"method\":\"a\"}",
		"{\"jsonrpc\":\"1.0\",\"method\":\"a\"}", "{" V "\"method\":1}",
		"{" V "\"method\":\"\"}",
		"{" V "\"method\":\"a\",\"params\":1}",
		"{" V "\"method\":\"a\",\"params\":null}",
		"{" V "\"method\":\"a\",\"id\":1.5}",
		"{" V "\"method\":\"a\",\"id\":{}}",
		"{" V "\"method\":\"a\",\"id\":true}",
		"{" V "\"method\":\"a\",\"result\":1,\"id\":1}",
		"{" V "\"id\":1}", "{" V "\"result\":1}",
		"{" V "\"result\":1,\"error\":{},\"id\":1}",
		"{" V "\"error\":{},\"id\":1}", "{" V "\"error\":1,\"id\":1}",
		"{" V "\"result\":1,\"id\":1,\"params\":[]}",
		/* A38: which of the two does the server act on? */
		"{" V "\"method\":\"a\",\"method\":\"b\"}",
		"{" V "\"method\":\"a\",\"Method\":\"b\"}",
		"{" V "\"method\":\"a\",\"param\xc5\xbf\":{}}",
		"[{" V "\"method\":\"a\"},{\"method\":\"b\"}]" };
#undef V
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(parse(bad[i], &e), ==, -1);
}

TEST(jsonrpc, bounds_a_batch)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct err e;

	buf_putc(&b, '[');
	for (int i = 0; i <= JSONRPC_BATCH_MAX; i++) {
		if (i > 0)
			buf_putc(&b, ',');
		buf_puts(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"a\"}");
		if (i == JSONRPC_BATCH_MAX - 1) {
			AUTO_BUF struct buf fits = BUF_INIT(1 << 20);

			buf_put(&fits, buf_view(&b));
			buf_putc(&fits, ']');
			CHECK_INT(parse(buf_str(&fits), &e), ==, 0);
		}
	}
	buf_putc(&b, ']');
	CHECK_INT(parse(buf_str(&b), &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
}
