/* Suggestions must be small, and must work when pasted. */
#include "fixture.h"

#include "policy/decide.h"

static const char base[] =
    "version: 1\n"
    "network_policies:\n"
    "  gh:\n"
    "    endpoints:\n"
    "    - {host: api.github.com, port: 443, protocol: rest, "
    "access: read-only}\n"
    "    - host: '*.example.com'\n"
    "      port: 443\n"
    "      protocol: rest\n"
    "      rules:\n"
    "      - allow: {method: GET, path: /zen}\n"
    "    binaries: [{path: /usr/bin/curl}]\n";

static void
suggest(const char *policy, const char *exe, const char *host,
    const char *method, const char *path, struct buf *out)
{
	struct snapshot *s = must_compile("suggest", policy);
	struct policy_who who = who_is(exe);

	policy_suggest(
	    s, &who, view_of(host), 443, view_of(method), view_of(path), out);
	snapshot_unref(s);
}

TEST(suggest, new_policy_for_an_unknown_host)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	AUTO_BUF struct buf whole = BUF_INIT(8192);
	struct policy_who who = who_is("/usr/bin/curl");
	struct policy_conn c;
	struct policy_reason why;
	struct snapshot *s;

	suggest("version: 1\n", "/usr/bin/curl", "API.github.com", "", "", &b);
	CHECK_STR(buf_str(&b), "  allow_api_github_com_443:\n"
			       "    endpoints:\n"
			       "    - host: api.github.com\n"
			       "      port: 443\n"
			       "      protocol: rest\n"
			       "      access: read-only\n"
			       "    binaries:\n"
			       "    - path: /usr/bin/curl\n");
	buf_puts(&whole, "version: 1\nnetwork_policies:\n");
	buf_put(&whole, buf_view(&b));
	s = must_compile("pasted", buf_str(&whole));
	policy_decide_conn(s, &who, VIEW("api.github.com"), 443, &c, &why);
	CHECK(c.allow);
	snapshot_unref(s);
}

TEST(suggest, a_write_gets_a_rule_not_a_preset)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest("version: 1\n", "/c", "h.com", "POST", "/a*b", &b);
	CHECK_HAS(buf_str(&b), "          method: POST\n"
			       "          path: ");
	CHECK(strstr(buf_str(&b), "access") == NULL);
}

TEST(suggest, a_binary_for_a_known_endpoint)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(base, "/usr/bin/wget", "api.github.com", "", "", &b);
	CHECK_STR(buf_str(&b), "  # add to the binaries of this policy\n"
			       "  gh:\n"
			       "    binaries:\n"
			       "    - path: /usr/bin/wget\n");
}

TEST(suggest, a_rule_where_there_are_rules)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(base, "/usr/bin/curl", "x.example.com", "POST", "/a", &b);
	CHECK_STR(buf_str(&b), "  # add to the rules of endpoint 1\n"
			       "  gh:\n"
			       "    endpoints:\n"
			       "    - host: '*.example.com'\n"
			       "      port: 443\n"
			       "      rules:\n"
			       "      - allow:\n"
			       "          method: POST\n"
			       "          path: /a\n");
}

/* What the request failed by was the query, which the rule would drop. */
TEST(suggest, says_that_a_query_condition_is_set_aside)
{
	static const char text[] =
	    "version: 1\nnetwork_policies: {q: {endpoints: [{host: h.com, "
	    "port: 443, protocol: rest, rules: [{allow: {method: POST, path: "
	    "/x, query: {a: b}}}, {allow: {method: GET, path: '/**', query: "
	    "{a: b}}}]}], binaries: [{path: /usr/bin/curl}]}}\n";
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(text, "/usr/bin/curl", "h.com", "GET", "/x", &b);
	CHECK_HAS(buf_str(&b),
	    "      rules:\n"
	    "      # rule 1 allows this with another query; this one allows "
	    "any\n"
	    "      - allow:\n");
	buf_reset(&b);
	suggest(text, "/usr/bin/curl", "h.com", "PUT", "/x", &b);
	CHECK(strstr(buf_str(&b), "query") == NULL);
}

/* Put beside the preset, the suggestion allows that request and no other. */
TEST(suggest, an_endpoint_where_there_is_a_preset)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	AUTO_BUF struct buf whole = BUF_INIT(8192);
	struct policy_who who = who_is("/usr/bin/curl");
	struct policy_request r = { VIEW("POST"), VIEW("/repos/a/*/i"),
		{ NULL, 0 } };
	struct policy_verdict v;
	struct policy_reason why;
	struct snapshot *s;
	const char *at;

	suggest(base, "/usr/bin/curl", "api.github.com", "POST", "/repos/a/*/i",
	    &b);
	CHECK_STR(buf_str(&b), "  # add to the endpoints of this policy\n"
			       "  gh:\n"
			       "    endpoints:\n"
			       "    - host: api.github.com\n"
			       "      port: 443\n"
			       "      protocol: rest\n"
			       "      rules:\n"
			       "      - allow:\n"
			       "          method: POST\n"
			       "          path: /repos/a/\\*/i\n");
	at = strstr(base, "    - host: '*");
	buf_put(&whole, (struct view) { base, (size_t)(at - base) });
	buf_puts(&whole, strstr(buf_str(&b), "    - host"));
	buf_puts(&whole, at);
	s = must_compile("pasted", buf_str(&whole));
	policy_decide_request(
	    s, &who, VIEW("api.github.com"), 443, &r, &v, &why);
	CHECK(v.allow);
	r.path = VIEW("/repos/a/b/i");
	policy_decide_request(
	    s, &who, VIEW("api.github.com"), 443, &r, &v, &why);
	CHECK(!v.allow);
	snapshot_unref(s);
}

TEST(suggest, says_nothing_where_nothing_would_help)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(base, "/usr/bin/curl", "127.1", "", "", &b);
	suggest(base, "", "h.com", "", "", &b);
	suggest(base, "/usr/bin/curl", "api.github.com", "", "", &b);
	CHECK_INT(b.n, ==, 0);
}

TEST(suggest, key_is_free)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest("version: 1\nnetwork_policies: {allow_h_com_443: {endpoints: "
		"[{host: x.com, port: 1}], binaries: [{path: /c}]}}\n",
	    "/c", "h.com", "", "", &b);
	CHECK_HAS(buf_str(&b), "  allow_h_com_443_2:\n");
}

/* --- operations ------------------------------------------------------------
 */

#define OPS(endpoint) \
	"version: 1\nnetwork_policies:\n  p:\n    endpoints:\n    - " endpoint \
	"\n    binaries: [{path: /c}]\n"

static void
suggest_op(const char *policy, const char *path, const struct policy_op *op,
    struct buf *out)
{
	struct snapshot *s = must_compile_ahead("suggest", policy);
	struct policy_who who = who_is("/c");
	struct policy_request r = { .path = view_of(path) };

	policy_suggest_op(s, &who, VIEW("h.com"), 443, &r, op, out);
	snapshot_unref(s);
}

struct advised {
	const char *endpoint;
	const char *again; /* of the pasted one, beside its rules */
	const char *path;
	struct policy_op op;
	const char *rule;
};

/* The rule, put among those of the endpoint, allows the operation. */
static void
check_advised(const struct advised *v)
{
	AUTO_BUF struct buf b = BUF_INIT(4096), hint = BUF_INIT(4096);
	struct policy_who who = who_is("/c");
	struct policy_request r = { .path = view_of(v->path) };
	struct policy_verdict out;
	struct policy_reason why;
	struct snapshot *s;

	buf_printf(&b, OPS("{host: h.com, port: 443, %s}"), v->endpoint);
	suggest_op(buf_str(&b), v->path, &v->op, &hint);
	CHECK_HAS(buf_str(&hint), "# add to the rules of endpoint 0");
	CHECK_HAS(buf_str(&hint), v->rule);
	buf_reset(&b);
	buf_printf(&b,
	    "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n"
	    "    - host: h.com\n      port: 443\n      %s\n      "
	    "rules:\n"
	    "%s    binaries: [{path: /c}]\n",
	    v->again, strstr(buf_str(&hint), "      - allow:"));
	s = must_compile_ahead("pasted", buf_str(&b));
	policy_decide_op(s, &who, VIEW("h.com"), 443, &r, &v->op, &out, &why);
	if (!out.allow)
		fail_msg("%s: %s", buf_str(&hint), why.text);
	snapshot_unref(s);
}

TEST(suggest, a_rule_for_an_operation)
{
	const struct policy_param tool[] = { { VIEW("name"), VIEW("a*b") } };
	const struct view fields[] = { VIEW("viewer"), VIEW("user") };
	const struct advised v[] = {
		{ "protocol: mcp, rules: [{allow: "
		  "{method: ping}}], mcp: {strict_tool_names: false}",
		    "protocol: mcp\n      mcp: {strict_tool_names: false}", "/",
		    { .kind = POLICY_OP_CALL,
			.method = VIEW("tools/call"),
			.params = tool,
			.n_params = 1 },
		    "      rules:\n"
		    "      - allow:\n"
		    "          method: tools/call\n"
		    "          tool: a\\*b\n" },
		{ "protocol: json-rpc, rules: "
		  "[{allow: {method: ping}}]",
		    "protocol: json-rpc", "/",
		    { .kind = POLICY_OP_CALL,
			.method = VIEW("eth_call"),
			.params = tool,
			.n_params = 1 },
		    "      - allow:\n"
		    "          method: eth_call\n" },
		{ "protocol: graphql, path: /q, "
		  "rules: [{allow: {operation_type: query, fields: [a]}}]",
		    "protocol: graphql", "/q",
		    { .kind = POLICY_OP_GRAPHQL,
			.type = VIEW("query"),
			.name = VIEW("Made_up"),
			.fields = fields,
			.n_fields = 2 },
		    "      path: /q\n"
		    "      rules:\n"
		    "      - allow:\n"
		    "          operation_type: query\n"
		    "          fields:\n"
		    "          - viewer\n"
		    "          - user\n" },
		{ "protocol: grpc, rules: [{allow: "
		  "{service: a.B, rpc: C}}]",
		    "protocol: grpc", "/a.B/D",
		    { .kind = POLICY_OP_GRPC,
			.service = VIEW("a.B"),
			.method = VIEW("D") },
		    "      - allow:\n"
		    "          service: a.B\n"
		    "          rpc: D\n" },
		{ "protocol: websocket, rules: "
		  "[{allow: {method: GET, path: /ws}}]",
		    "protocol: websocket", "/ws", { .kind = POLICY_OP_TEXT },
		    "      - allow:\n"
		    "          method: WEBSOCKET_TEXT\n"
		    "          path: /ws\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_advised(&v[i]);
}

TEST(suggest, says_when_a_deny_rule_has_to_go)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	const struct policy_param tool[] = { { VIEW("name"), VIEW("x") } };
	struct policy_op op = { .kind = POLICY_OP_CALL,
		.method = VIEW("tools/call"),
		.params = tool,
		.n_params = 1 };

	suggest_op(OPS("{host: h.com, port: 443, protocol: mcp, rules: "
		       "[{allow: {method: '*'}}], deny_rules: [{tool: y}, "
		       "{tool: x}]}"),
	    "/", &op, &b);
	CHECK_STR(buf_str(&b),
	    "  # entry 1 of deny_rules of endpoint 0 refuses this, whatever "
	    "allows it;\n"
	    "  # only without that entry can it pass\n"
	    "  # policy: p\n");
	buf_reset(&b);
	suggest(OPS("{host: h.com, port: 443, protocol: rest, access: full, "
		    "deny_rules: [{path: /x}]}"),
	    "/c", "h.com", "GET", "/x", &b);
	CHECK_HAS(buf_str(&b), "# entry 0 of deny_rules of endpoint 0");
}

/* Nothing that is added could help. */
TEST(suggest, is_silent_when_no_rule_helps)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct policy_op hash = { .kind = POLICY_OP_GRAPHQL,
		.persisted = VIEW("q") };
	const struct policy_param name = { VIEW("name"), VIEW("a b") };
	struct policy_op tool = { .kind = POLICY_OP_CALL,
		.method = VIEW("tools/call"),
		.params = &name,
		.n_params = 1 };
	struct policy_op text = { .kind = POLICY_OP_TEXT };

	suggest_op(OPS("{host: h.com, port: 443, protocol: graphql, access: "
		       "full}"),
	    "/", &hash, &b);
	CHECK_INT(b.n, ==, 0);
	/* no rule makes a tool's name a proper one */
	suggest_op(OPS("{host: h.com, port: 443, protocol: mcp, rules: "
		       "[{allow: {method: ping}}]}"),
	    "/", &tool, &b);
	CHECK_INT(b.n, ==, 0);
	/* nor a message of text an operation of GraphQL */
	suggest_op(OPS("{host: h.com, port: 443, protocol: graphql, access: "
		       "read-only}"),
	    "/", &text, &b);
	CHECK_INT(b.n, ==, 0);
	/* allowed already: something else refused it */
	suggest(OPS("{host: h.com, port: 443, protocol: rest, access: full}"),
	    "/c", "h.com", "GET", "/x", &b);
	CHECK_INT(b.n, ==, 0);
}

TEST(suggest, keeps_to_the_path_of_the_endpoint)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	suggest(OPS("{host: h.com, port: 443, protocol: rest, path: /a/**, "
		    "rules: [{allow: {method: GET, path: '**'}}]}"),
	    "/c", "h.com", "POST", "/a/b", &b);
	CHECK_HAS(buf_str(&b), "# add to the rules of endpoint 0");
	CHECK_HAS(buf_str(&b), "      path: /a/**\n");
	buf_reset(&b);
	/* no endpoint is about it: another one */
	suggest(OPS("{host: h.com, port: 443, protocol: rest, path: /a/**, "
		    "rules: [{allow: {method: GET, path: '**'}}]}"),
	    "/c", "h.com", "POST", "/b", &b);
	CHECK_STR(buf_str(&b), "  # add to the endpoints of this policy\n"
			       "  p:\n"
			       "    endpoints:\n"
			       "    - host: h.com\n"
			       "      port: 443\n"
			       "      protocol: rest\n"
			       "      rules:\n"
			       "      - allow:\n"
			       "          method: POST\n"
			       "          path: /b\n");
}

/* Beside a preset it takes an endpoint, which must not conflict with it. */
TEST(suggest, an_endpoint_that_agrees_with_the_one_beside_it)
{
	AUTO_BUF struct buf b = BUF_INIT(8192);
	const struct view fields[] = { VIEW("f") };
	struct policy_op op = { .kind = POLICY_OP_GRAPHQL,
		.type = VIEW("mutation"),
		.fields = fields,
		.n_fields = 1 };
	static const char start[] =
	    "version: 1\n"
	    "network_policies:\n"
	    "  a: {endpoints: [{host: h.com, port: 443, protocol: rest, "
	    "access: "
	    "full}], binaries: [{path: /c}]}\n"
	    "  p:\n"
	    "    endpoints:\n"
	    "    - {host: h.com, port: 443, protocol: graphql, path: /q, "
	    "access: read-only, graphql_max_body_bytes: 9, h2c: true}\n"
	    "    binaries: [{path: /c}]\n";
	AUTO_BUF struct buf whole = BUF_INIT(8192);

	suggest_op(start, "/q", &op, &b);
	CHECK_STR(buf_str(&b), "  # add to the endpoints of this policy\n"
			       "  p:\n"
			       "    endpoints:\n"
			       "    - host: h.com\n"
			       "      port: 443\n"
			       "      protocol: graphql\n"
			       "      path: /q\n"
			       "      h2c: true\n"
			       "      graphql_max_body_bytes: 9\n"
			       "      rules:\n"
			       "      - allow:\n"
			       "          operation_type: mutation\n"
			       "          fields:\n"
			       "          - f\n");
	buf_puts(&whole, start);
	buf_puts(&whole, "  q:\n    binaries: [{path: /c}]\n");
	buf_puts(&whole, strstr(buf_str(&b), "    endpoints:"));
	snapshot_unref(must_compile_ahead("pasted", buf_str(&whole)));
}
