#include "proxy/ops.h"
#include "test.h"

static const struct policy_treatment strict = { .strict_tool_names = true };

static int
take(const struct ops_reader *r, const char *method, const char *query,
    const char *body, struct ops *o, struct err *e)
{
	struct ops_request in = { view_of(method), view_of(query),
		view_of(body), &strict, NULL };

	return r->read(o, &in, e);
}

TEST(ops, knows_media_types)
{
	static const struct {
		const char *value;
		bool json;
	} rows[] = {
		{ "application/json", true },
		{ "Application/JSON ; Charset=\"UTF-8\"", true },
		{ "application/json; charset=utf-8; x=y", true },
		{ "application/json; charset=utf-16", false },
		{ "application/json; charset=utf-8; charset=utf-7", false },
		{ "application/jsonp", false },
		{ "text/plain", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(ops_media_type(
			      view_of(rows[i].value), VIEW("application/json")),
		    ==, rows[i].json);
}

TEST(ops, every_protocol_judged_by_operation_has_a_reader_or_is_not_enforced)
{
	CHECK(ops_reader(POLICY_PROTO_MCP) == &ops_mcp);
	CHECK(ops_reader(POLICY_PROTO_JSON_RPC) == &ops_json_rpc);
	CHECK(ops_reader(POLICY_PROTO_GRAPHQL) == &ops_graphql);
	CHECK(ops_reader(POLICY_PROTO_REST) == NULL);
}

TEST(ops, mcp_gives_tools_parameters_and_ids)
{
	AUTO_OPS struct ops o = { 0 };
	struct err e;

	CHECK_INT(take(&ops_mcp, "POST", "",
		      "[{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":"
		      "\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":"
		      "{\"p\":[1,2]}}},{\"jsonrpc\":\"2.0\",\"id\":7,"
		      "\"result\":{}},{\"jsonrpc\":\"2.0\",\"method\":"
		      "\"notifications/initialized\"}]",
		      &o, &e),
	    ==, 0);
	CHECK(o.batch);
	CHECK_INT(o.n, ==, 3);
	CHECK_VIEW(o.v[0].operation, "tools/call");
	CHECK_VIEW(o.v[0].tool, "t");
	CHECK_VIEW(o.v[0].id, "\"x\"");
	CHECK_INT(o.v[0].op.n_params, ==, 3);
	CHECK_VIEW(o.v[0].op.params[2].name, "arguments.p");
	CHECK_VIEW(o.v[0].op.params[2].value, "2");
	CHECK(o.v[1].free);
	CHECK_INT(o.v[2].id.n, ==, 0);
}

TEST(ops, mcp_fields_say_what_the_body_says)
{
	static const struct {
		const char *name, *value;
		int r;
	} rows[] = {
		{ "Mcp-Method", "tools/call", 0 },
		{ "mcp-method", "tools/list", -1 },
		{ "MCP-Name", "t", 0 },
		{ "Mcp-Name", "u", -1 },
		{ "Mcp-Name", "=?base64?dQ==?=", -1 },
		{ "Mcp-Session-Id", "x", 0 },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_OPS struct ops o = { 0 };
		struct h1_head h = { .n_fields = 1 };
		struct ops_request in = { VIEW("POST"), VIEW(""),
			VIEW("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
			     "\"tools/call\",\"params\":{\"name\":\"t\"}}"),
			&strict, &h };

		h.fields[0] = (struct h1_field) { view_of(rows[i].name),
			view_of(rows[i].value) };
		CHECK_INT(ops_mcp.read(&o, &in, &e), ==, rows[i].r);
	}
}

TEST(ops, mcp_streams_and_ends_have_no_body)
{
	AUTO_OPS struct ops get = { 0 }, gone = { 0 }, odd = { 0 },
			    none = { 0 };
	struct err e;

	CHECK_INT(take(&ops_mcp, "GET", "", "", &get, &e), ==, 0);
	CHECK_INT(get.n, ==, 0);
	CHECK_INT(take(&ops_mcp, "DELETE", "", "", &gone, &e), ==, 0);
	CHECK_INT(take(&ops_mcp, "GET", "", "{}", &odd, &e), ==, -1);
	CHECK_INT(take(&ops_mcp, "POST", "", "", &none, &e), ==, -1);
}

TEST(ops, json_rpc_takes_no_answers_from_a_client)
{
	AUTO_OPS struct ops call = { 0 }, answer = { 0 };
	struct err e;

	CHECK_INT(take(&ops_json_rpc, "POST", "",
		      "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":[1]}",
		      &call, &e),
	    ==, 0);
	CHECK_VIEW(call.v[0].op.params[0].name, "0");
	CHECK_INT(
	    take(&ops_json_rpc, "POST", "",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}", &answer, &e),
	    ==, -1);
	CHECK_STR(e.text,
	    "JSON-RPC response frames are not permitted from client to "
	    "server");
}

TEST(ops, graphql_describes_its_operations)
{
	AUTO_OPS struct ops post = { 0 }, get = { 0 }, id = { 0 };
	struct err e;

	CHECK_INT(take(&ops_graphql, "POST", "",
		      "[{\"query\":\"mutation M {a}\"},{\"query\":\"{b}\"}]",
		      &post, &e),
	    ==, 0);
	CHECK_VIEW(post.v[0].operation, "mutation M");
	CHECK_VIEW(post.v[1].operation, "query");
	CHECK_VIEW(post.v[1].op.fields[0], "b");
	CHECK_INT(
	    take(&ops_graphql, "GET", "query=%7Ba%7D", "", &get, &e), ==, 0);
	CHECK_INT(take(&ops_graphql, "GET", "id=ab", "", &id, &e), ==, 0);
	CHECK_VIEW(id.v[0].operation, "persisted ab");
	CHECK_VIEW(id.v[0].op.persisted, "ab");
}
