/* Operations inside of requests, as sets: prove and diff. */
#include "extent_op_points.h"
#include "fixture.h"

#include "base/mem.h"
#include "policy/extent.h"

static const char base[] =
    "version: 1\n"
    "network_policies:\n"
    "  tools:\n"
    "    endpoints:\n"
    "    - host: tools.test\n"
    "      port: 443\n"
    "      path: /mcp\n"
    "      protocol: mcp\n"
    "      rules:\n"
    "      - allow: {method: initialize}\n"
    "      - allow: {method: 'tools/list'}\n"
    "      - allow: {method: tools/call, tool: {any: ['read_*', search]}}\n"
    "      - allow: {method: tools/call, tool: write, "
    "params: {arguments: {dir: '/tmp/**'}}}\n"
    "      deny_rules:\n"
    "      - {method: tools/call, tool: read_secret}\n"
    "    - {host: tools.test, port: 443, path: '/api/**', protocol: rest, "
    "access: read-only}\n"
    "    binaries: [{path: /a}]\n"
    "  graph:\n"
    "    endpoints:\n"
    "    - host: graph.test\n"
    "      port: 443\n"
    "      protocol: graphql\n"
    "      rules:\n"
    "      - allow: {operation_type: query}\n"
    "      - allow: {operation_type: mutation, fields: [addStar, 'add*']}\n"
    "      deny_rules:\n"
    "      - {operation_type: '*', fields: [secret]}\n"
    "    binaries: [{path: /a}]\n"
    "  calls:\n"
    "    endpoints:\n"
    "    - host: calls.test\n"
    "      port: 443\n"
    "      protocol: json-rpc\n"
    "      rules:\n"
    "      - allow: {method: eth_call}\n"
    "      - allow: {method: eth_chainId}\n"
    "    binaries: [{path: /a}]\n"
    "  known:\n"
    "    endpoints:\n"
    "    - host: known.test\n"
    "      port: 443\n"
    "      protocol: mcp\n"
    "      mcp: {allow_all_known_mcp_methods: true}\n"
    "      rules:\n"
    "      - allow: {method: tools/call, tool: one}\n"
    "    binaries: [{path: /a}]\n"
    "  rpc:\n"
    "    endpoints:\n"
    "    - host: rpc.test\n"
    "      port: 443\n"
    "      protocol: grpc\n"
    "      rules:\n"
    "      - allow: {service: a.v1.Store, rpc: 'Get*'}\n"
    "      - allow: {service: 'a.*.Log'}\n"
    "      deny_rules: [{service: a.v2.Log, rpc: Drop}]\n"
    "    binaries: [{path: /a}]\n"
    "  raw:\n"
    "    endpoints: [{host: raw.test, port: 443}]\n"
    "    binaries: [{path: /a}]\n";

/* "tools/call name=read_ dir=/tmp/", "mutation f(addStar)", "-" */
static void
put_op(struct buf *out, const struct extent_request *q)
{
	const struct policy_op *op = &q->op;

	if (q->carries != EXTENT_OPERATION_IN) {
		buf_puts(out, q->carries == EXTENT_NOTHING ? " nothing" : "");
		return;
	}
	buf_printf(
	    out, " %s", op->kind == POLICY_OP_CALL ? op->method.p : op->type.p);
	for (size_t i = 0; i < op->n_params; i++)
		buf_printf(
		    out, " %s=%s", op->params[i].name.p, op->params[i].value.p);
	if (op->kind == POLICY_OP_GRAPHQL)
		buf_printf(out, " %s(", op->name.p);
	for (size_t i = 0; i < op->n_fields; i++)
		buf_printf(out, "%s%s", i > 0 ? "," : "", op->fields[i].p);
	if (op->kind == POLICY_OP_GRAPHQL)
		buf_putc(out, ')');
	if (op->persisted.n > 0)
		buf_printf(out, " as %s", op->persisted.p);
}

static const char *
proved(const char *yaml, const char *never)
{
	static struct buf out = BUF_INIT(1 << 16);
	AUTO_POLICY struct policy *p = must_parse("prove", yaml);
	AUTO_NEVER struct extent_never *n = NULL;
	AUTO_PROOF struct extent_proof r = { 0 };
	struct err e;

	if (extent_never_parse(view_of(never), &n, &e) < 0 ||
	    extent_prove(p, n, NULL, 0, &r, &e) < 0)
		fail_msg("%s: %s", never, e.text);
	buf_reset(&out);
	if (r.holds)
		return "yes";
	buf_printf(&out, "%s %s%s", r.request.method.p, r.request.host.p,
	    r.request.path.p);
	if (r.request.query.p != NULL)
		buf_printf(&out, "?%s", r.request.query.p);
	put_op(&out, &r.request);
	buf_printf(
	    &out, " (%s %d)", extent_how_word(r.cause.how), (int)r.cause.rule);
	return buf_str(&out);
}

TEST(extent_ops, prove_answers_for_operations)
{
	static const struct {
		const char *never, *answer;
	} rows[] = {
		{ "mcp tools/call delete_* https://tools.test", "yes" },
		{ "mcp tools/call read_secret https://tools.test/**", "yes" },
		{ "mcp tools/call read_s* https://tools.test/mcp",
		    "POST tools.test/mcp tools/call name=read_s (rule 2)" },
		{ "mcp tools/call write https://tools.test",
		    "POST tools.test/mcp tools/call name=write "
		    "arguments.dir=/tmp/ (rule 3)" },
		{ "mcp tools/call * https://tools.test/api/**", "yes" },
		{ "mcp tools/call https://tools.test/mcp",
		    "POST tools.test/mcp tools/call name=read_ (rule 2)" },
		{ "mcp resources/* https://tools.test", "yes" },
		{ "json-rpc tools/list https://tools.test",
		    "POST tools.test/mcp tools/list (rule 1)" },
		{ "graphql * https://tools.test/mcp", "yes" },
		{ "PUT https://tools.test", "yes" },
		{ "POST https://tools.test/api/**", "yes" },
		{ "POST https://tools.test/mcp",
		    "POST tools.test/mcp nothing (stream -1)" },
		{ "DELETE https://tools.test/mcp",
		    "DELETE tools.test/mcp nothing (stream -1)" },
		{ "DELETE https://tools.test/api/**", "yes" },
		{ "graphql mutation https://graph.test",
		    "POST graph.test/ mutation (add) (rule 1)" },
		{ "graphql mutation delete* https://graph.test", "yes" },
		{ "graphql subscription https://graph.test", "yes" },
		{ "graphql * secret https://graph.test", "yes" },
		{ "graphql query s* https://graph.test",
		    "POST graph.test/ query (s) (rule 0)" },
		{ "PUT https://graph.test", "yes" },
		{ "json-rpc eth_send* https://calls.test", "yes" },
		{ "json-rpc eth_* https://calls.test",
		    "POST calls.test/ eth_call (rule 0)" },
		{ "GET https://calls.test", "yes" },
		{ "mcp tools/call two https://known.test", "yes" },
		{ "mcp tools/call one https://known.test",
		    "POST known.test/ tools/call name=one (rule 0)" },
		{ "mcp prompts/* https://known.test",
		    "POST known.test/ prompts/ (known -1)" },
		{ "grpc a.v1.Store Delete* https://rpc.test", "yes" },
		{ "grpc a.v2.Log Drop https://rpc.test", "yes" },
		{ "grpc a.v1.Log Drop https://rpc.test",
		    "POST rpc.test/a.v1.Log/Drop  (rule 1)" },
		{ "grpc **.Store https://rpc.test",
		    "POST rpc.test/a.v1.Store/Get  (rule 0)" },
		{ "grpc b.** https://rpc.test", "yes" },
		{ "GET https://rpc.test", "yes" },
		{ "POST https://rpc.test/a.v1.Store/Get",
		    "POST rpc.test/a.v1.Store/Get  (rule 0)" },
		{ "POST https://rpc.test/a.v1.Store/Put", "yes" },
		{ "POST https://rpc.test/*/*/*", "yes" },
		{ "GET https://rpc.test/a.v1.Store/Get", "yes" },
		{ "grpc ** https://graph.test", "yes" },
		/* Where nobody looks, an operation passes as all else does. */
		{ "mcp tools/call delete https://raw.test",
		    "POST raw.test/ (uninspected -1)" },
		{ "grpc x.Y Z https://raw.test",
		    "POST raw.test/x.Y/Z (uninspected -1)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = proved(base, rows[i].never);

		if (strcmp(is, rows[i].answer) != 0)
			fail_msg("%s: %s", rows[i].never, is);
	}
}

TEST(extent_ops, refuses_questions_that_ask_nothing)
{
	static const struct {
		const char *never, *why;
	} rows[] = {
		{ "mcp https://a.test", "an operation and a target" },
		{ "mcp tools/list read_* a.test", "only of method tools/call" },
		{ "json-rpc a b a.test", "takes a method and a target" },
		{ "grpc a.B c https://a.test/x", "the path of a gRPC call" },
		{ "grpc a.B c/d https://a.test", "no method can match" },
		{ "graphql create a.test", "query, mutation, subscription" },
		{ "graphql query a-b a.test", "no field can match" },
		{ "mcp tools/call [a a.test", "unclosed" },
		{ "mcp a b c a.test", "only of method" },
		{ "mcp tools/call b c a.test", "more than" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_NEVER struct extent_never *n = NULL;
		struct err e;

		if (extent_never_parse(view_of(rows[i].never), &n, &e) == 0)
			fail_msg("%s: taken", rows[i].never);
		CHECK_HAS(e.text, rows[i].why);
	}
}

static const char *
differences(const char *from, const char *to)
{
	static const char *const kinds[] = { "widens", "narrows", "changes" };
	static struct buf out = BUF_INIT(1 << 16);
	AUTO_POLICY struct policy *a = must_parse("from", from);
	AUTO_POLICY struct policy *b = must_parse("to", to);
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };
	struct err e;

	buf_reset(&out);
	if (extent_compare(a, b, &d, &e) < 0)
		buf_puts(&out, e.text);
	for (size_t i = 0; i < d.n; i++) {
		const struct extent_change *c = &d.v[i];

		buf_printf(&out, "%s %s %s.%u.%d %s %s%s", kinds[c->kind],
		    extent_dim_word(c->dim), c->cause.policy.p,
		    c->cause.endpoint, (int)c->cause.rule, c->request.method.p,
		    c->request.host.p, c->request.path.p);
		if (c->request.query.p != NULL)
			buf_printf(&out, "?%s", c->request.query.p);
		put_op(&out, &c->request);
		buf_putc(&out, '\n');
	}
	return buf_str(&out);
}

TEST(extent_ops, diff_compares_operations)
{
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ "read_*", "read_*", "" },
		{ "{any: ['read_*', search]}", "{any: [search, 'read_*']}",
		    "" },
		{ "      - allow: {method: 'tools/list'}\n", "",
		    "narrows operation tools.0.1 POST tools.test/mcp "
		    "tools/list\n" },
		{ "'read_*', search", "'read_*', search, 'write_?'",
		    "widens operation tools.0.2 POST tools.test/mcp tools/call "
		    "name=write_a\n" },
		{ "tool: read_secret", "tool: 'read_s*'",
		    "narrows operation tools.0.2 POST tools.test/mcp "
		    "tools/call name=read_s\n" },
		{ "'/tmp/**'", "'/tmp/*'",
		    "narrows operation tools.0.3 POST tools.test/mcp "
		    "tools/call name=write arguments.dir=/tmp//\n" },
		{ "path: /mcp", "path: /mcp2", NULL },
		{ "[addStar, 'add*']", "['add*']", "" },
		{ "[addStar, 'add*']", "[addStar]",
		    "narrows operation graph.0.1 POST graph.test/ mutation "
		    "(add)\n" },
		{ "[secret]", "['s*']",
		    "narrows operation graph.0.0 POST graph.test/ query "
		    "(s)\n" },
		{ "eth_chainId", "eth_send",
		    "widens operation calls.0.1 POST calls.test/ eth_send\n"
		    "narrows operation calls.0.1 POST calls.test/ "
		    "eth_chainId\n" },
		{ "'Get*'", "'*'",
		    "widens operation rpc.0.0 POST rpc.test/a.v1.Store/a \n" },
		{ ", rpc: Drop}", ", rpc: 'D*'}",
		    "narrows operation rpc.0.1 POST rpc.test/a.v2.Log/D \n" },
		{ "tool: one", "tool: '*'",
		    "widens operation known.0.0 POST known.test/ tools/call "
		    "name=a\n" },
		/* What is not inspected lets more pass. */
		{ "protocol: json-rpc\n      rules:\n"
		  "      - allow: {method: eth_call}\n"
		  "      - allow: {method: eth_chainId}\n",
		    "protocol: rest\n      access: full\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *to = edited(base, rows[i].from, rows[i].to);
		const char *is = differences(base, to);

		if (rows[i].changes == NULL)
			CHECK(*is != '\0');
		else if (strcmp(is, rows[i].changes) != 0)
			fail_msg("%s -> %s:\n%s", rows[i].from, rows[i].to, is);
	}
}

/* Calls of gRPC beside endpoints, and under deny_rules, that have a path. */
#define MIXED(endpoints) \
	"version: 1\nnetwork_policies:\n  p:\n    binaries: [{path: /x}]\n" \
	"    endpoints:\n" endpoints
#define RPC(more, rules) \
	"    - {host: m.test, port: 1, protocol: grpc" more ", rules: [" rules \
	"]}\n"
#define REST(more) "    - {host: m.test, port: 1, protocol: rest" more "}\n"
#define STORE "{allow: {service: 'a.*', rpc: '*'}}"
/* On paths of calls, which are more specific than all. */
#define CALLS RPC(", path: '/*/*'", STORE)
#define DENY(path, query) \
	REST(", access: full, deny_rules: [{method: POST, path: " path query \
	     "}]")
/* On some of the paths of calls. */
#define GETS \
	REST(", path: '/a.S/*', rules: [{allow: {method: POST, path: " \
	     "'/*/Get'}}]")

TEST(extent_ops, prove_answers_for_calls_where_paths_matter)
{
	static const char scoped[] = MIXED(RPC(", path: '/a.S/*'", STORE));
	static const char beside[] = MIXED(RPC("", STORE) GETS);
	static const char denied[] = MIXED(CALLS DENY("'/a.S/D*'", ""));
	static const char apart[] = MIXED(RPC("", STORE)
		REST(", path: /r, access: full, deny_rules: [{method: POST, "
		     "path: '/a.S/D*'}]"));
	static const char slashes[] =
	    MIXED(RPC(", allow_encoded_slash: true", STORE));
	static const char plain[] = MIXED(RPC("", STORE));
	static const char undotted[] =
	    MIXED(RPC("", "{allow: {service: a.S, rpc: '?*'}}"));
	static const struct {
		const char *yaml, *never, *answer;
	} rows[] = {
		/* An endpoint is about some paths. */
		{ scoped, "grpc a.S m.test", "POST m.test/a.S/a  (rule 0)" },
		{ scoped, "grpc a.T m.test", "yes" },
		{ scoped, "POST m.test/a.S/Get",
		    "POST m.test/a.S/Get  (rule 0)" },
		{ scoped, "POST m.test/a.S", "yes" },
		/* The more specific one judges, and only requests. */
		{ beside, "grpc a.S Put m.test", "yes" },
		{ beside, "grpc a.S G* m.test",
		    "POST m.test/a.S/Get (rule 0)" },
		{ beside, "grpc a.T G* m.test", "POST m.test/a.T/G  (rule 0)" },
		/* A deny rule about requests takes calls away. */
		{ denied, "grpc a.S D* m.test", "yes" },
		{ denied, "grpc a.S C* m.test", "POST m.test/a.S/C  (rule 0)" },
		{ apart, "grpc a.S D* m.test", "POST m.test/a.S/D  (rule 0)" },
		/* An encoded slash stays in the word it is in. */
		{ plain, "grpc a.x%2Fy m.test", "yes" },
		{ slashes, "grpc a.x%2Fy m.test",
		    "POST m.test/a.x%2Fy/a  (rule 0)" },
		{ slashes, "grpc b%2Fa.x m.test", "yes" },
		/* A method with a dot, which the '*' of rpc takes. */
		{ plain, "grpc a.S x.y m.test",
		    "POST m.test/a.S/x.y  (rule 0)" },
		{ plain, "grpc a.S * m.test", "POST m.test/a.S/a  (rule 0)" },
		{ undotted, "grpc a.S x.y m.test", "yes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = proved(rows[i].yaml, rows[i].never);

		if (strcmp(is, rows[i].answer) != 0)
			fail_msg("%zu, %s: %s", i, rows[i].never, is);
	}
}

TEST(extent_ops, diff_compares_calls_where_paths_matter)
{
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ MIXED(RPC(", path: '/a.S/*'", STORE)),
		    MIXED(RPC(
			", path: '/a.S/**'", "{allow: {service: '{a,b}.S'}}")),
		    "" },
		{ MIXED(RPC("", STORE)), MIXED(RPC(", path: '/a.S/*'", STORE)),
		    "narrows path p.0.0 POST m.test/a./a \n" },
		{ MIXED(RPC("", STORE)),
		    MIXED(RPC(", allow_encoded_slash: true", STORE)),
		    "widens path p.0.0 POST m.test/a./%2F \n" },
		{ MIXED(RPC("", STORE)),
		    MIXED(RPC("", "{allow: {service: 'a.*', rpc: 'G*'}}")),
		    "narrows operation p.0.0 POST m.test/a./a \n" },
		{ MIXED(CALLS DENY("/a.S/D", "")),
		    MIXED(CALLS DENY("/a.S/D", "")), "" },
		{ MIXED(CALLS DENY("/b.S/D", "")),
		    MIXED(CALLS DENY("/b.S/E", "")), "" },
		{ MIXED(CALLS DENY("/a.S/D", "")),
		    MIXED(CALLS DENY("'/a.S/{D,E}'", "")),
		    "narrows path p.0.0 POST m.test/a.S/E \n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = differences(rows[i].from, rows[i].to);

		if (strcmp(is, rows[i].changes) != 0)
			fail_msg("%zu:\n%s", i, is);
	}
}

/* A query is no operation, but deny_rules look at it wherever it is. */
TEST(extent_ops, diff_finds_the_query_that_is_refused_there)
{
#define QUERY(q) MIXED(CALLS DENY("'/a.S/*'", ", query: " q))
#define TOOLS(q) \
	MIXED("    - {host: m.test, port: 1, path: /mcp, protocol: mcp, " \
	      "rules: [{allow: {method: initialize}}]}\n" DENY( \
		  "/mcp", ", query: " q))
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ QUERY("{p: x}"), QUERY("{p: x}"), "" },
		{ QUERY("{p: x}"), QUERY("{p: '{x,y}'}"),
		    "narrows query p.0.0 POST m.test/a.S/a?p=y \n" },
		{ QUERY("{p: x, q: y}"), QUERY("{p: x}"),
		    "narrows query p.0.0 POST m.test/a.S/a?p=x \n" },
		{ TOOLS("{p: x}"), TOOLS("{p: x}"), "" },
		{ TOOLS("{p: z}"), TOOLS("{p: '{x,z}'}"),
		    "narrows query p.0.-1 POST m.test/mcp?p=x nothing\n"
		    "narrows query p.0.0 POST m.test/mcp?p=x initialize\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = differences(rows[i].from, rows[i].to);

		if (strcmp(is, rows[i].changes) != 0)
			fail_msg("%zu:\n%s", i, is);
	}
#undef QUERY
#undef TOOLS
}

/* GraphQL in messages of WebSockets. */
#define WS(rules) \
	MIXED("    - {host: m.test, port: 443, protocol: websocket, " rules \
	      "}\n")
#define UP "{allow: {method: GET, path: '/g/*', query: {v: '1'}}}"
#define OPS \
	UP ", {allow: {operation_type: query}}, {allow: " \
	   "{operation_type: mutation, fields: ['add*']}}"
#define NO_SECRET "deny_rules: [{operation_type: '*', fields: [secret]}]"

TEST(extent_ops, prove_answers_for_graphql_in_messages)
{
	static const char socket[] = WS("rules: [" OPS "], " NO_SECRET);
	static const char scoped[] =
	    WS("path: /g/a, rules: [" OPS "], " NO_SECRET);
	static const char closed[] =
	    WS("rules: [{allow: {operation_type: '*'}}]");
	static const char text[] =
	    WS("rules: [" UP ", {allow: {method: WEBSOCKET_TEXT, path: "
	       "/g/b}}]");
	static const char graph[] =
	    MIXED("    - {host: m.test, port: 443, protocol: graphql, access: "
		  "read-only}\n");
	static const char rest[] =
	    MIXED("    - {host: m.test, port: 443, protocol: rest, access: "
		  "read-only}\n");
	static const struct {
		const char *yaml, *never, *answer;
	} rows[] = {
		{ socket, "graphql mutation delete* wss://m.test", "yes" },
		{ socket, "graphql mutation add_* wss://m.test",
		    "WEBSOCKET_TEXT m.test/g/?v=1 mutation (add_) (rule 2)" },
		{ socket, "graphql mutation add_* wss://m.test/h/*", "yes" },
		{ socket, "graphql * secret wss://m.test", "yes" },
		{ socket, "graphql query s* wss://m.test",
		    "WEBSOCKET_TEXT m.test/g/?v=1 query (s) (rule 1)" },
		{ socket, "graphql subscription wss://m.test", "yes" },
		{ socket, "graphql mutation add ws://m.test", "yes" },
		{ socket, "WEBSOCKET_TEXT m.test",
		    "WEBSOCKET_TEXT m.test/g/?v=1 query (a) (rule 1)" },
		/* No GET looks for what is in its query. */
		{ socket, "graphql mutation delete https://m.test",
		    "GET m.test/g/?v=1 (rule 0)" },
		{ socket, "graphql mutation delete https://m.test/h", "yes" },
		{ scoped, "graphql mutation add_* wss://m.test",
		    "WEBSOCKET_TEXT m.test/g/a?v=1 mutation (add_) (rule 2)" },
		{ scoped, "graphql mutation add_* wss://m.test/g/b", "yes" },
		/* The upgrade is never admitted. */
		{ closed, "graphql * wss://m.test", "yes" },
		/* Text is not looked into. */
		{ text, "graphql mutation delete wss://m.test",
		    "WEBSOCKET_TEXT m.test/g/b?v=1 (rule 1)" },
		{ text, "graphql mutation delete wss://m.test/g/a", "yes" },
		{ graph, "graphql mutation wss://m.test", "yes" },
		{ graph, "graphql query x wss://m.test",
		    "WEBSOCKET_TEXT m.test/ query (x) (rule 0)" },
		{ rest, "graphql mutation x wss://m.test",
		    "WEBSOCKET_TEXT m.test/ (rule 0)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = proved(rows[i].yaml, rows[i].never);

		if (strcmp(is, rows[i].answer) != 0)
			fail_msg("%zu, %s: %s", i, rows[i].never, is);
	}
}

TEST(extent_ops, diff_compares_graphql_in_messages)
{
#define TEXTS UP ", {allow: {method: WEBSOCKET_TEXT, path: '/**'}}"
#define ID(fields) \
	"rules: [" OPS "], persisted_queries: allow_registered, " \
	"graphql_persisted_queries: {one: {operation_type: query, fields: " \
	"[" fields "]}}"
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ WS("rules: [" OPS "]"), WS("rules: [" OPS "]"), "" },
		{ WS("rules: [" OPS "]"),
		    WS("rules: [" OPS ", {allow: {operation_type: query, "
		       "fields: [x]}}]"),
		    "" },
		{ WS("rules: [" OPS "]"), WS("rules: [" OPS "], " NO_SECRET),
		    "narrows operation p.0.1 WEBSOCKET_TEXT m.test/g/?v=1 "
		    "query (secret)\n" },
		{ WS("rules: [" OPS "]"),
		    WS("rules: [" UP ", {allow: {operation_type: query}}]"),
		    "narrows operation p.0.2 WEBSOCKET_TEXT m.test/g/?v=1 "
		    "mutation (add)\n" },
		/* Text takes all in, and nothing else says more. */
		{ WS("rules: [" OPS "]"), WS("rules: [" TEXTS "]"),
		    "widens inspection p.0.1 WEBSOCKET_TEXT m.test/g/?v=1\n" },
		{ WS("rules: [" OPS "]"), WS("rules: [" UP "]"),
		    "narrows method p.0.1 WEBSOCKET_TEXT m.test/g/?v=1 query "
		    "(a)\n"
		    "narrows method p.0.2 WEBSOCKET_TEXT m.test/g/?v=1 "
		    "mutation (add)\n" },
		/* By the query of the upgrade. */
		{ WS("rules: [{allow: {method: GET, path: /g}}, {allow: "
		     "{operation_type: query}}]"),
		    WS("rules: [{allow: {method: GET, path: /g}}, {allow: "
		       "{method: WEBSOCKET_TEXT, path: /g, query: {k: x}}}]"),
		    "widens inspection p.0.1 WEBSOCKET_TEXT m.test/g?k=x\n"
		    "narrows query p.0.1 WEBSOCKET_TEXT m.test/g query "
		    "(a)\n" },
		/* The upgrade tells it, once. */
		{ WS("rules: [" OPS "]"), WS("path: /g/x, rules: [" OPS "]"),
		    "narrows path p.0.0 GET m.test/g/?v=1\n" },
		{ WS(ID("a")), WS("rules: [" OPS "]"),
		    "narrows operation p.0.-1 WEBSOCKET_TEXT m.test/g/?v=1 "
		    "query (a) as one\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = differences(rows[i].from, rows[i].to);

		if (strcmp(is, rows[i].changes) != 0)
			fail_msg("%zu:\n%s", i, is);
	}
#undef TEXTS
#undef ID
}

/* What an id stands for is judged; but it must be known, too. */
TEST(extent_ops, diff_compares_registered_queries)
{
#define HEAD \
	"version: 1\nnetwork_policies:\n  p:\n    binaries: [{path: " \
	"/x}]\n    endpoints:\n    - {host: g.test, port: 1, protocol: " \
	"graphql, rules: [{allow: {operation_type: query}}]"
#define IDS(ids) \
	HEAD ", persisted_queries: allow_registered, " \
	     "graphql_persisted_queries: {" ids "}}\n"
#define ONE "one: {operation_type: query, operation_name: A, fields: [a]}"
#define TWO "two: {operation_type: query, fields: [b, c]}"
#define DROP "three: {operation_type: mutation}"
	static const struct {
		const char *from, *to, *changes;
	} rows[] = {
		{ IDS(ONE), IDS(ONE), "" },
		{ HEAD "}\n", IDS(ONE ", " TWO),
		    "widens operation p.0.-1 POST g.test/ query A(a) as "
		    "one\n" },
		{ IDS(ONE ", " TWO), IDS(ONE),
		    "narrows operation p.0.-1 POST g.test/ query (b,c) as "
		    "two\n" },
		/* No rule allows it, on either side. */
		{ IDS(ONE), IDS(ONE ", " DROP), "" },
		/* Another operation under its name is the server's to choose.
		 */
		{ IDS("one: {operation_type: query, fields: [z]}"), IDS(ONE),
		    "" },
		{ IDS("one: {operation_type: mutation}"), IDS(ONE),
		    "widens operation p.0.-1 POST g.test/ query A(a) as "
		    "one\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *is = differences(rows[i].from, rows[i].to);

		if (strcmp(is, rows[i].changes) != 0)
			fail_msg("%zu:\n%s", i, is);
	}
#undef HEAD
#undef IDS
#undef ONE
#undef TWO
#undef DROP
}

/* --- against the engine, on every operation of a small world -------------- */

TEST(extent_ops, agrees_with_the_engine_on_every_operation)
{
	enum { ROUNDS = 200 };
	uint64_t dice = 0x2545f4914f6cdd1du;
	unsigned differ = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t bytes[96];

		for (size_t k = 0; k < sizeof(bytes); k++) {
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			bytes[k] = (uint8_t)(dice >> 24);
		}
		differ += extent_op_points_check(bytes, sizeof(bytes));
	}
	CHECK(differ > ROUNDS / 4);
}
