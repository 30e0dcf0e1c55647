#include "inspect/mcp.h"
#include "inspect/mcp_tools.h"
#include "inspect/toolbook.h"
#include "test.h"

#define V "{\"jsonrpc\":\"2.0\","
#define CALL(name) \
	V "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"" name \
	  "\"}}"

static int
parse(const char *text, enum mcp_from from, bool strict, struct err *e)
{
	AUTO_MCP struct mcp m = { 0 };

	return mcp_parse(view_of(text), from, strict, &m, e);
}

TEST(mcp, takes_the_known_methods)
{
	static const char *const good[] = {
		V "\"id\":0,\"method\":\"initialize\",\"params\":{"
		  "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},"
		  "\"clientInfo\":{\"name\":\"x\",\"version\":\"1\"}}}",
		V "\"method\":\"notifications/initialized\"}",
		V "\"id\":1,\"method\":\"ping\"}",
		V "\"id\":\"a\",\"method\":\"tools/list\",\"params\":{"
		  "\"cursor\":\"c\",\"_meta\":{\"progressToken\":1}}}",
		CALL("read_file"),
		V "\"id\":1,\"method\":\"resources/read\",\"params\":{"
		  "\"uri\":\"file:///x\"}}",
		V "\"method\":\"notifications/cancelled\",\"params\":{"
		  "\"requestId\":7}}",
		V "\"id\":1,\"result\":{}}",
		V "\"id\":1,\"method\":\"vendor/own\",\"params\":[1]}",
		"[" V "\"id\":1,\"method\":\"ping\"}," CALL("a") "]",
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK_INT(parse(good[i], MCP_FROM_CLIENT, true, &e), ==, 0);
}

TEST(mcp, refuses_what_the_schema_refuses)
{
	static const char *const bad[] = {
		V "\"id\":0,\"method\":\"initialize\",\"params\":{"
		  "\"protocolVersion\":1,\"capabilities\":{},"
		  "\"clientInfo\":{}}}",
		V "\"id\":0,\"method\":\"initialize\"}",
		"[" V "\"id\":0,\"method\":\"initialize\",\"params\":{"
		"\"protocolVersion\":\"1\",\"capabilities\":{},"
		"\"clientInfo\":{}}}]",
		V "\"method\":\"tools/list\"}",
		V "\"id\":1,\"method\":\"notifications/initialized\"}",
		V "\"id\":null,\"method\":\"ping\"}",
		V "\"id\":1,\"method\":\"tools/call\",\"params\":[\"a\"]}",
		V "\"id\":1,\"method\":\"tools/call\",\"params\":{}}",
		V "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		  "\"a\",\"arguments\":[]}}",
		V "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		  "\"a\",\"Name\":\"b\"}}",
		V "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		  "\"a\",\"_meta\":1}}",
		V "\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{"
		  "\"messages\":[],\"maxTokens\":1}}",
		V "\"id\":1,\"result\":[]}",
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(parse(bad[i], MCP_FROM_CLIENT, true, &e), ==, -1);
	CHECK_INT(parse(V "\"id\":1,\"method\":\"tools/list\"}",
		      MCP_FROM_SERVER, true, &e),
	    ==, -1);
	CHECK_INT(parse(V "\"id\":1,\"method\":\"roots/list\"}",
		      MCP_FROM_SERVER, true, &e),
	    ==, 0);
}

/* A38: a name that only looks like an allowed one. */
TEST(mcp, lets_no_homoglyph_pass_as_a_strict_name)
{
	static const char *const bad[] = { CALL(""),
		CALL("r\xd0\xb5"
		     "ad"),
		CALL("read "), CALL("read\\u0000"), CALL("re/ad"),
		CALL("\xef\xbd\x92"
		     "ead"),
		CALL("read\\u200b") };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(parse(bad[i], MCP_FROM_CLIENT, true, &e), ==, -1);
	CHECK_INT(parse(CALL("r\xd0\xb5"
			     "ad"),
		      MCP_FROM_CLIENT, false, &e),
	    ==, 0);
	CHECK_INT(parse(CALL("a\\u0007"), MCP_FROM_CLIENT, false, &e), ==, -1);
}

TEST(mcp, gives_the_tool)
{
	AUTO_MCP struct mcp m = { 0 };
	struct err e;

	CHECK_INT(
	    mcp_parse(VIEW(CALL("\\u0061b")), MCP_FROM_CLIENT, true, &m, &e),
	    ==, 0);
	CHECK(m.v[0].known);
	CHECK_VIEW(m.v[0].tool, "ab");
}

/* ---- tools/list --------------------------------------------------------- */

struct seen {
	unsigned char digest[4][SHA256_SIZE];
	size_t n;
};

static bool
keep_but_b(void *arg, struct view name, const unsigned char digest[SHA256_SIZE])
{
	struct seen *s = arg;

	memcpy(s->digest[s->n++], digest, SHA256_SIZE);
	return !view_eq(name, VIEW("b"));
}

static void
list(
    const char *text, struct buf *out, struct mcp_listing *done, struct seen *s)
{
	AUTO_MCP struct mcp m = { 0 };
	struct err e;

	*s = (struct seen) { .n = 0 };
	CHECK_INT(
	    mcp_parse(view_of(text), MCP_FROM_SERVER, true, &m, &e), ==, 0);
	CHECK_INT(
	    mcp_list_tools(&m, true, keep_but_b, s, out, done, &e), ==, 0);
}

TEST(mcp_tools, takes_out_what_is_not_wanted_and_leaves_the_rest)
{
	AUTO_BUF struct buf out = BUF_INIT(10000);
	struct mcp_listing done;
	struct seen s;

	list(V "\"id\":1, \"result\":{\"x\": 1e2,\"tools\":[ {\"name\":\"a\"} ,"
	       "{\"name\":\"b\"},{\"name\" : \"c\"}],\"nextCursor\":\"n\"}}",
	    &out, &done, &s);
	CHECK_STR(buf_str(&out),
	    V "\"id\":1, \"result\":{\"x\": 1e2,\"tools\":[{\"name\":\"a\"},"
	      "{\"name\" : \"c\"}],\"nextCursor\":\"n\"}}");
	CHECK_INT(done.kept, ==, 2);
	CHECK_INT(done.removed, ==, 1);
}

TEST(mcp_tools, takes_out_what_a_reader_may_take_for_another)
{
	AUTO_BUF struct buf out = BUF_INIT(10000);
	struct mcp_listing done;
	struct seen s;

	list(V "\"id\":1,\"result\":{\"tools\":[1,{},{\"name\":2},"
	       "{\"name\":\"\xd0\xb0\"},{\"name\":\"a\",\"Description\":\"\"},"
	       "{\"name\":\"c\"},{\"name\":\"c\",\"description\":\"evil\"}]}}",
	    &out, &done, &s);
	CHECK_STR(buf_str(&out),
	    V "\"id\":1,\"result\":{\"tools\":[{\"name\":\"c\"}]}}");
	CHECK_INT(done.removed, ==, 6);
}

TEST(mcp_tools, leaves_other_answers_as_they_are)
{
	static const char *const same[] = {
		V "\"id\":1,\"result\":{\"content\":[{\"name\":\"b\"}]}}",
		V "\"id\":1,\"result\":{\"tools\":{\"name\":\"b\"}}}",
		V "\"id\":1,\"error\":{\"code\":1,\"message\":\"\"}}",
		V "\"id\":1,\"result\":{\"tools\":[]}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		AUTO_BUF struct buf out = BUF_INIT(10000);
		struct mcp_listing done;
		struct seen s;

		list(same[i], &out, &done, &s);
		CHECK_STR(buf_str(&out), same[i]);
	}
}

TEST(mcp_tools, digests_what_a_definition_says_not_how)
{
	AUTO_BUF struct buf out = BUF_INIT(10000);
	struct mcp_listing done;
	struct seen s;

	list(V "\"id\":1,\"result\":{\"tools\":["
	       "{\"name\":\"a\",\"description\":\"d\",\"inputSchema\":{\"x\":1,"
	       "\"y\":[1,2]}},"
	       "{\"inputSchema\":{ \"y\":[1.0,2],\"x\":1},\"_meta\":{},"
	       "\"description\":\"\\u0064\",\"name\":\"c\"},"
	       "{\"name\":\"d\",\"description\":\"d\",\"inputSchema\":{\"x\":1,"
	       "\"y\":[2,1]}},"
	       "{\"name\":\"e\",\"description\":\"d \",\"inputSchema\":{\"x\":1"
	       ",\"y\":[1,2]}}]}}",
	    &out, &done, &s);
	CHECK_INT(s.n, ==, 4);
	CHECK_INT(memcmp(s.digest[0], s.digest[1], SHA256_SIZE), ==, 0);
	CHECK_INT(memcmp(s.digest[0], s.digest[2], SHA256_SIZE), !=, 0);
	CHECK_INT(memcmp(s.digest[0], s.digest[3], SHA256_SIZE), !=, 0);
}

TEST(toolbook, holds_a_tool_that_changed_until_a_later_policy)
{
	static const unsigned char one[SHA256_SIZE] = { 1 };
	static const unsigned char two[SHA256_SIZE] = { 2 };
	struct toolbook *b = toolbook_new();
	struct view s = VIEW("h:443/mcp"), t = VIEW("read");

	CHECK(!toolbook_held(b, s, t, 1));
	CHECK_INT(toolbook_see(b, s, t, one, 1), ==, TOOL_FIRST);
	CHECK_INT(toolbook_see(b, s, t, one, 2), ==, TOOL_SAME);
	CHECK_INT(toolbook_see(b, s, t, two, 2), ==, TOOL_CHANGED);
	CHECK(toolbook_held(b, s, t, 2));
	CHECK(!toolbook_held(b, VIEW("h:444/mcp"), t, 2));
	/* The first definition again. */
	CHECK_INT(toolbook_see(b, s, t, one, 2), ==, TOOL_SAME);
	CHECK(!toolbook_held(b, s, t, 2));
	CHECK_INT(toolbook_see(b, s, t, two, 2), ==, TOOL_CHANGED);
	CHECK_INT(toolbook_see(b, s, t, two, 2), ==, TOOL_CHANGED);
	/* The owner set a policy after that. */
	CHECK(!toolbook_held(b, s, t, 3));
	CHECK_INT(toolbook_see(b, s, t, two, 3), ==, TOOL_ACCEPTED);
	CHECK_INT(toolbook_see(b, s, t, two, 3), ==, TOOL_SAME);
	CHECK_INT(toolbook_see(b, s, t, one, 3), ==, TOOL_CHANGED);
	toolbook_free(b);
}

TEST(toolbook, is_bounded)
{
	static const unsigned char one[SHA256_SIZE] = { 1 };
	struct toolbook *b = toolbook_new();
	char name[16];

	for (unsigned i = 0; i < TOOLBOOK_MAX; i++) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		CHECK_INT(toolbook_see(b, VIEW("s"), view_of(name), one, 1), ==,
		    TOOL_FIRST);
	}
	CHECK_INT(
	    toolbook_see(b, VIEW("s"), VIEW("x"), one, 1), ==, TOOL_NO_ROOM);
	CHECK_INT(
	    toolbook_see(b, VIEW("s"), VIEW("t0"), one, 1), ==, TOOL_SAME);
	toolbook_free(b);
}
