/* Operations inside requests: MCP, JSON-RPC, GraphQL, gRPC, WebSocket text. */
#include "fixture.h"

#define ONE(endpoints) \
	"version: 1\nnetwork_policies: {p: {endpoints: [" endpoints \
	"], binaries: [{path: /c}]}}\n"
#define H "{host: h.com, port: 1, "

struct op_vector {
	const char *policy;
	struct policy_op op;
	const char *path; /* NULL: "/" */
	bool allow;
	const char *reason;
};

static void
check_op(const struct op_vector *v)
{
	struct snapshot *s = must_compile_ahead("op", v->policy);
	struct policy_who who = who_is("/c");
	struct policy_request r = { .path = view_of(
					v->path != NULL ? v->path : "/") };
	struct policy_verdict out;
	struct policy_reason why;

	policy_decide_op(s, &who, VIEW("h.com"), 1, &r, &v->op, &out, &why);
	if (out.allow != v->allow)
		fail_msg("%s: %.*s %.*s: %s (%s)", v->policy,
		    (int)v->op.method.n,
		    v->op.method.n > 0 ? v->op.method.p : "", (int)v->op.name.n,
		    v->op.name.n > 0 ? v->op.name.p : "",
		    out.allow ? "allowed" : "denied", why.text);
	CHECK_INT(why.text[0] == '\0', ==, out.allow);
	if (v->reason != NULL && strstr(why.text, v->reason) == NULL)
		fail_msg("'%s' lacks '%s'", why.text, v->reason);
	snapshot_unref(s);
}

static void
check_ops(const struct op_vector *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_op(&v[i]);
}

#define P(...) ((const struct policy_param[]) { __VA_ARGS__ })
#define PARAM(k, v) \
	{ \
		VIEW(k), VIEW(v) \
	}
#define CALL(m, n, ...) \
	{ \
		.kind = POLICY_OP_CALL, .method = VIEW(m), .n_params = (n), \
		.params = P(__VA_ARGS__) \
	}
#define BARE(m) \
	{ \
		.kind = POLICY_OP_CALL, .method = VIEW(m) \
	}
#define TOOL(t) CALL("tools/call", 1, PARAM("name", t))

#define RPC \
	ONE(H "protocol: json-rpc, rules: [{allow: {method: eth_call}}, " \
	      "{allow: {method: net_version}}], deny_rules: [{method: " \
	      "net_version}]}")
#define ANY_RPC \
	ONE(H "protocol: json-rpc, rules: [{allow: {method: '*'}}], " \
	      "deny_rules: [{method: admin}]}")

TEST(operations, json_rpc)
{
	const struct op_vector v[] = {
		{ RPC, BARE("eth_call"), NULL, true, NULL },
		{ RPC, BARE("ETH_CALL"), NULL, false,
		    "ETH_CALL not permitted by policy" },
		{ RPC, BARE("net_version"), NULL, false,
		    "net_version blocked by deny rule" },
		{ RPC, BARE(""), NULL, false, NULL },
		{ ANY_RPC, BARE("x"), NULL, true, NULL },
		{ ANY_RPC, BARE("admin"), NULL, false, "blocked" },
		/* without rules for it, another protocol's operation */
		{ ANY_RPC, { .kind = POLICY_OP_TEXT }, NULL, false,
		    "operation of another protocol" },
	};

	check_ops(v, ARRAY_LEN(v));
}

#define MCP(rules, more) ONE(H "protocol: mcp, rules: [" rules "]" more "}")
#define TOOLS \
	MCP("{allow: {method: initialize}}, {allow: {method: tools/call, " \
	    "tool: get_me}}, {allow: {method: tools/call, tool: {any: [list, " \
	    "'find_*']}}}, {allow: {method: tools/list}}", \
	    ", deny_rules: [{method: tools/call, tool: 'find_secret*'}]")
#define ARGS \
	MCP("{allow: {method: tools/call, tool: read, params: {arguments: " \
	    "{path: '/srv/project/**', mode: {any: [r, text]}}}}}", \
	    ", deny_rules: [{params: {arguments: {path: '**/.git/**'}}}]")
#define ALL "mcp: {allow_all_known_mcp_methods: true}"
#define ALL_PLAIN ONE(H "protocol: mcp, " ALL "}")
#define ALL_TOOLS MCP("{allow: {method: tools/call, tool: a}}", ", " ALL)
#define ALL_PROMPT \
	MCP("{allow: {method: prompts/get, params: {name: a}}}", ", " ALL)
#define LAX MCP("{allow: {method: '*'}}", ", mcp: {strict_tool_names: false}")
#define GLOB MCP("{allow: {method: 'tools/*'}}", "")

TEST(operations, mcp)
{
	const struct op_vector v[] = {
		{ TOOLS, BARE("initialize"), NULL, true, NULL },
		{ TOOLS, BARE("ping"), NULL, false,
		    "ping not permitted by policy" },
		{ TOOLS, BARE("tools/list"), NULL, true, NULL },
		{ TOOLS, TOOL("get_me"), NULL, true, NULL },
		{ TOOLS, TOOL("get_you"), NULL, false,
		    "tools/call get_you not permitted by policy" },
		{ TOOLS, TOOL("list"), NULL, true, NULL },
		{ TOOLS, TOOL("find_it"), NULL, true, NULL },
		{ TOOLS, TOOL("find_secrets"), NULL, false,
		    "tools/call find_secrets blocked by deny rule" },
		{ TOOLS, BARE("tools/call"), NULL, false,
		    "needs one params.name" },
		{ TOOLS,
		    CALL("tools/call", 2, PARAM("name", "get_me"),
			PARAM("name", "list")),
		    NULL, false, "needs one params.name" },
		{ TOOLS, TOOL("a b"), NULL, false, "strict_tool_names" },
		{ TOOLS, TOOL(""), NULL, false, "strict_tool_names" },
		{ LAX, TOOL("a b"), NULL, true, NULL },
		{ GLOB, TOOL("x"), NULL, true, NULL },
		{ GLOB, BARE("tools/list"), NULL, true, NULL },
		{ GLOB, BARE("prompts/list"), NULL, false, NULL },
		{ GLOB, BARE("tools/a/b"), NULL, false, NULL },
		{ ALL_PLAIN, BARE("anything/at/all"), NULL, true, NULL },
		{ ALL_PLAIN, TOOL("x"), NULL, true, NULL },
		{ ALL_TOOLS, BARE("prompts/list"), NULL, true, NULL },
		{ ALL_TOOLS, TOOL("a"), NULL, true, NULL },
		{ ALL_TOOLS, TOOL("b"), NULL, false, "not permitted" },
		/* a prompt's name is not a tool's */
		{ ALL_PROMPT, TOOL("b"), NULL, true, NULL },
	};

	check_ops(v, ARRAY_LEN(v));
}

TEST(operations, mcp_arguments)
{
	const struct op_vector v[] = {
		{ ARGS,
		    CALL("tools/call", 3, PARAM("name", "read"),
			PARAM("arguments.path", "/srv/project/a/b"),
			PARAM("arguments.mode", "r")),
		    NULL, true, NULL },
		{ ARGS,
		    CALL("tools/call", 3, PARAM("name", "read"),
			PARAM("arguments.path", "/etc/passwd"),
			PARAM("arguments.mode", "r")),
		    NULL, false, "not permitted" },
		/* missing, or one of several */
		{ ARGS,
		    CALL("tools/call", 2, PARAM("name", "read"),
			PARAM("arguments.path", "/srv/project/a")),
		    NULL, false, NULL },
		{ ARGS,
		    CALL("tools/call", 4, PARAM("name", "read"),
			PARAM("arguments.path", "/srv/project/a"),
			PARAM("arguments.path", "/etc/passwd"),
			PARAM("arguments.mode", "r")),
		    NULL, false, NULL },
		/* to refuse, one of several is enough */
		{ ARGS,
		    CALL("tools/call", 4, PARAM("name", "read"),
			PARAM("arguments.path", "/srv/project/a"),
			PARAM("arguments.path", "/srv/project/.git/config"),
			PARAM("arguments.mode", "text")),
		    NULL, false, "blocked by deny rule" },
		/* in any case of its letters, which is no way to be allowed */
		{ ARGS,
		    CALL("tools/call", 4, PARAM("name", "read"),
			PARAM("arguments.path", "/srv/project/a"),
			PARAM("arguments.mode", "r"),
			PARAM("arguments.Path", "/srv/project/.git/config")),
		    NULL, false, "blocked by deny rule" },
		{ ARGS,
		    CALL("tools/call", 3, PARAM("name", "read"),
			PARAM("arguments.Path", "/srv/project/a"),
			PARAM("arguments.mode", "r")),
		    NULL, false, "not permitted" },
	};

	check_ops(v, ARRAY_LEN(v));
}

#define F(...) ((const struct view[]) { __VA_ARGS__ })
#define GQL(t, nm, n, ...) \
	{ \
		.kind = POLICY_OP_GRAPHQL, .type = VIEW(t), .name = VIEW(nm), \
		.n_fields = (n), .fields = F(__VA_ARGS__) \
	}
#define HASH(id) \
	{ \
		.kind = POLICY_OP_GRAPHQL, .persisted = VIEW(id) \
	}
#define G(more) ONE(H "protocol: graphql, " more "}")
#define RULES \
	G("rules: [{allow: {operation_type: query, fields: [viewer, " \
	  "'repo*']}}, {allow: {operation_type: mutation, operation_name: " \
	  "'Add*', fields: [addStar]}}], deny_rules: [{fields: " \
	  "[repoSecrets]}, {operation_name: Bad}]")
#define REGISTERED \
	G("access: read-only, persisted_queries: allow_registered, " \
	  "graphql_persisted_queries: {q1: {operation_type: query, " \
	  "operation_name: Q, fields: [viewer]}, m1: {operation_type: " \
	  "mutation}}, deny_rules: [{fields: [secret]}]")
#define UNREGISTERED \
	G("access: full, graphql_persisted_queries: {q1: {operation_type: " \
	  "query}}")

TEST(operations, graphql)
{
	const struct op_vector v[] = {
		{ RULES, GQL("query", "", 1, VIEW("viewer")), NULL, true,
		    NULL },
		{ RULES,
		    GQL("query", "X", 2, VIEW("viewer"), VIEW("repository")),
		    NULL, true, NULL },
		/* every root field, to allow */
		{ RULES, GQL("query", "", 2, VIEW("viewer"), VIEW("user")),
		    NULL, false, "GraphQL operation not permitted by policy" },
		/* one, to refuse */
		{ RULES,
		    GQL("query", "", 2, VIEW("viewer"), VIEW("repoSecrets")),
		    NULL, false,
		    "GraphQL operation blocked by endpoint policy" },
		{ RULES, GQL("query", "Bad", 1, VIEW("viewer")), NULL, false,
		    "blocked by endpoint policy" },
		{ RULES, GQL("mutation", "AddStar", 1, VIEW("addStar")), NULL,
		    true, NULL },
		{ RULES, GQL("mutation", "", 1, VIEW("addStar")), NULL, false,
		    NULL },
		{ RULES, GQL("mutation", "AddX", 1, VIEW("viewer")), NULL,
		    false, NULL },
		{ RULES, GQL("subscription", "", 1, VIEW("viewer")), NULL,
		    false, NULL },
		{ RULES, GQL("", "", 1, VIEW("viewer")), NULL, false, NULL },
		{ G("access: read-only"), GQL("query", "", 1, VIEW("a")), NULL,
		    true, NULL },
		{ G("access: read-only"), GQL("mutation", "", 1, VIEW("a")),
		    NULL, false, NULL },
		{ G("access: read-write"), GQL("mutation", "", 1, VIEW("a")),
		    NULL, true, NULL },
		{ G("access: read-write"),
		    GQL("subscription", "", 1, VIEW("a")), NULL, false, NULL },
		{ G("access: full"), GQL("subscription", "", 1, VIEW("a")),
		    NULL, true, NULL },
	};

	check_ops(v, ARRAY_LEN(v));
}

TEST(operations, graphql_persisted)
{
	const struct op_vector v[] = {
		{ REGISTERED, HASH("q1"), NULL, true, NULL },
		{ REGISTERED, HASH("m1"), NULL, false, "not permitted" },
		{ REGISTERED, HASH("q2"), NULL, false,
		    "GraphQL persisted query is not registered" },
		{ UNREGISTERED, HASH("q1"), NULL, false, "not registered" },
		/* what the client says of it is not asked */
		{ REGISTERED,
		    { .kind = POLICY_OP_GRAPHQL,
			.persisted = VIEW("m1"),
			.type = VIEW("query") },
		    NULL, false, "not permitted" },
	};

	check_ops(v, ARRAY_LEN(v));
}

#define RPC_CALL(s, m) \
	{ \
		.kind = POLICY_OP_GRPC, .service = VIEW(s), .method = VIEW(m) \
	}
#define GRPC(more) ONE(H "protocol: grpc, " more "}")
#define GREETER \
	GRPC("rules: [{allow: {service: hello.Greeter, rpc: 'Say*'}}, " \
	     "{allow: {service: 'util.*'}}, {allow: {service: '**.Health', " \
	     "rpc: Check}}], deny_rules: [{service: hello.Greeter, rpc: " \
	     "SayBye}, {rpc: Shutdown}]")

TEST(operations, grpc)
{
	const struct op_vector v[] = {
		{ GREETER, RPC_CALL("hello.Greeter", "SayHello"), NULL, true,
		    NULL },
		{ GREETER, RPC_CALL("hello.Greeter", "SayBye"), NULL, false,
		    "hello.Greeter/SayBye blocked by deny rule" },
		{ GREETER, RPC_CALL("hello.Greeter", "List"), NULL, false,
		    "hello.Greeter/List not permitted by policy" },
		{ GREETER, RPC_CALL("hello.greeter", "SayHello"), NULL, false,
		    NULL },
		{ GREETER, RPC_CALL("util.Echo", "Any"), NULL, true, NULL },
		{ GREETER, RPC_CALL("util.Echo", "Shutdown"), NULL, false,
		    "blocked" },
		{ GREETER, RPC_CALL("util.v1.Echo", "Any"), NULL, false, NULL },
		{ GREETER, RPC_CALL("grpc.v1.Health", "Check"), NULL, true,
		    NULL },
		{ GREETER, RPC_CALL("grpc.v1.Health", "Watch"), NULL, false,
		    NULL },
		{ GRPC("access: full"), RPC_CALL("a.b.C", "D"), NULL, true,
		    NULL },
		{ GRPC("rules: [{allow: {service: '*'}}]"),
		    RPC_CALL("a.B", "D"), NULL, false, NULL },
		{ GRPC("rules: [{allow: {service: '*'}}]"), RPC_CALL("B", "D"),
		    NULL, true, NULL },
		{ GRPC("rules: [{allow: {service: '*', rpc: '*'}}]"),
		    RPC_CALL("B", "D"), NULL, true, NULL },
	};

	check_ops(v, ARRAY_LEN(v));
}

#define TEXT \
	{ \
		.kind = POLICY_OP_TEXT \
	}
#define WS(more) ONE(H "protocol: websocket, " more "}")
#define CHAT \
	WS("rules: [{allow: {method: GET, path: '/**'}}, {allow: {method: " \
	   "websocket_text, path: '/chat/**'}}], deny_rules: [{method: " \
	   "WEBSOCKET_TEXT, path: /chat/locked}]")
#define WS_GQL \
	WS("rules: [{allow: {method: GET, path: '/**'}}, {allow: " \
	   "{operation_type: subscription, fields: [news]}}]")

TEST(operations, websocket_messages)
{
	const struct op_vector v[] = {
		{ CHAT, TEXT, "/chat/a", true, NULL },
		{ CHAT, TEXT, "/chat/locked", false,
		    "WEBSOCKET_TEXT /chat/locked blocked by deny rule" },
		{ CHAT, TEXT, "/other", false,
		    "WEBSOCKET_TEXT /other not permitted by policy" },
		{ WS("access: read-only"), TEXT, NULL, false, NULL },
		{ WS("access: read-write"), TEXT, NULL, true, NULL },
		{ WS("access: full"), TEXT, NULL, true, NULL },
		{ WS_GQL, GQL("subscription", "", 1, VIEW("news")), NULL, true,
		    NULL },
		{ WS_GQL, GQL("subscription", "", 1, VIEW("x")), NULL, false,
		    NULL },
		{ WS_GQL, TEXT, NULL, false, "another protocol" },
		{ CHAT, GQL("query", "", 0, VIEW("")), "/chat/a", false,
		    "another protocol" },
		/* a GraphQL endpoint takes them over a WebSocket, too */
		{ G("access: full"), GQL("subscription", "", 1, VIEW("a")),
		    NULL, true, NULL },
	};

	check_ops(v, ARRAY_LEN(v));
}

/* A plain REST rule says nothing of messages, however wide it is. */
TEST(operations, rest_rules_admit_no_messages)
{
	const struct op_vector v[] = {
		{ ONE(H "protocol: rest, access: full}, " H
			"protocol: websocket, path: /ws, access: read-only}"),
		    TEXT, "/ws", false, "not permitted" },
		{ ONE(H "protocol: rest, access: full}"), TEXT, "/ws", false,
		    "another protocol" },
	};

	check_ops(v, ARRAY_LEN(v));
}

/* Rules unite and deny rules outweigh across policies; each by its path. */
TEST(operations, across_policies)
{
	static const char text[] =
	    "version: 1\n"
	    "network_policies:\n"
	    "  a: {endpoints: [" H "protocol: mcp, path: /mcp, rules: [{allow: "
	    "{method: tools/call, tool: one}}]}], binaries: [{path: /c}]}\n"
	    "  b: {endpoints: [" H "protocol: mcp, path: /mcp, rules: [{allow: "
	    "{method: tools/call, tool: two}}], deny_rules: [{tool: one}]}], "
	    "binaries: [{path: /d}]}\n"
	    "  c: {endpoints: [" H "protocol: mcp, path: /other, rules: "
	    "[{allow: {method: '*'}}]}], binaries: [{path: /c}]}\n";
	struct snapshot *s = must_compile_ahead("across", text);
	struct policy_request r = { .path = VIEW("/mcp") };
	struct policy_op one = TOOL("one"), two = TOOL("two");
	struct policy_who c = who_is("/c"), cd = who_is("/c < /d");
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_op(s, &c, VIEW("h.com"), 1, &r, &one, &v, &why);
	CHECK(v.allow);
	CHECK_STR(v.policy, "a");
	CHECK_INT(v.rule, ==, 0);
	policy_decide_op(s, &c, VIEW("h.com"), 1, &r, &two, &v, &why);
	CHECK(!v.allow);
	policy_decide_op(s, &cd, VIEW("h.com"), 1, &r, &two, &v, &why);
	CHECK(v.allow);
	CHECK_STR(v.policy, "b");
	policy_decide_op(s, &cd, VIEW("h.com"), 1, &r, &one, &v, &why);
	CHECK(!v.allow && v.by_deny_rule);
	CHECK_STR(v.policy, "b");
	r.path = VIEW("/nowhere");
	policy_decide_op(s, &c, VIEW("h.com"), 1, &r, &one, &v, &why);
	CHECK(!v.allow);
	CHECK_STR(why.text, "request denied by policy");
	snapshot_unref(s);
}

/* Rules are found by their literals: none may be missed, in any order. */
TEST(operations, among_many_rules)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	struct policy_who who = who_is("/c");
	struct policy_request r = { .path = VIEW("/") };
	struct policy_verdict v;
	struct policy_reason why;
	struct snapshot *s;

	buf_puts(&b, "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
		     "    - host: h.com\n      port: 1\n      protocol: mcp\n"
		     "      rules:\n");
	for (unsigned i = 0; i < 500; i++)
		buf_printf(&b,
		    "      - allow: {method: tools/call, tool: tool%u}\n", i);
	buf_puts(&b, "    binaries: [{path: /c}]\n");
	s = must_compile_ahead("many", buf_str(&b));
	for (unsigned i = 0; i < 501; i++) {
		char name[16];
		struct policy_param p = { VIEW("name"), { name, 0 } };
		struct policy_op op = { .method = VIEW("tools/call"),
			.params = &p,
			.n_params = 1 };

		p.value.n = (size_t)snprintf(name, sizeof(name), "tool%u", i);
		policy_decide_op(s, &who, VIEW("h.com"), 1, &r, &op, &v, &why);
		CHECK_INT(v.allow, ==, i < 500);
		if (v.allow)
			CHECK_INT(v.rule, ==, i);
	}
	snapshot_unref(s);
}

/* Longer than any rule could be: found by none that has a literal. */
TEST(operations, of_any_length)
{
	struct snapshot *any = must_compile_ahead("long", ANY_RPC);
	struct snapshot *some = must_compile_ahead("long", RPC);
	struct policy_who who = who_is("/c");
	struct policy_request r = { .path = VIEW("/") };
	struct policy_verdict v;
	struct policy_reason why;
	static char name[100000];
	struct policy_op op = { .kind = POLICY_OP_CALL };

	memset(name, 'x', sizeof(name));
	op.method = (struct view) { name, sizeof(name) };
	policy_decide_op(any, &who, VIEW("h.com"), 1, &r, &op, &v, &why);
	CHECK(v.allow);
	policy_decide_op(some, &who, VIEW("h.com"), 1, &r, &op, &v, &why);
	CHECK(!v.allow);
	CHECK_INT(strlen(why.text), <, POLICY_REASON_MAX);
	snapshot_unref(any);
	snapshot_unref(some);
}
