/* What came nearest, and why it did not allow it. */
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
    "      - allow: {method: GET, path: '/repos/**'}\n"
    "      - allow: {method: GET, path: /q, query: {a: '1'}}\n"
    "    binaries: [{path: /usr/bin/curl}]\n";

TEST(nearest, names_place_and_cause)
{
	static const struct {
		const char *exe, *host;
		uint16_t port;
		const char *method, *path, *where, *miss;
	} rows[] = {
		{ "/usr/bin/wget", "api.github.com", 443, "", "",
		    "gh endpoints[0]",
		    "its binaries /usr/bin/curl do not name /usr/bin/wget" },
		{ "/usr/bin/curl", "api.github.com", 80, "", "",
		    "gh endpoints[0]", "its port is not 80" },
		{ "/usr/bin/curl", "raw.github.com", 443, "", "",
		    "gh endpoints[0]",
		    "its host api.github.com is not raw.github.com" },
		{ "/usr/bin/curl", "EXAMPLE.com.", 443, "", "",
		    "gh endpoints[1]",
		    "its host *.example.com is not example.com" },
		{ "/usr/bin/curl", "example.org", 443, "", "", "",
		    "no policy names example.org" },
		{ "/usr/bin/curl", "api.github.com", 443, "POST", "/zen",
		    "gh endpoints[0].access",
		    "access read-only allows GET, HEAD, OPTIONS, and not "
		    "POST" },
		/* Allowed: there is nothing to say. */
		{ "/usr/bin/curl", "api.github.com", 443, "GET", "/zen", "",
		    "" },
		{ "/usr/bin/curl", "a.example.com", 443, "GET", "/zen", "",
		    "" },
		{ "/usr/bin/curl", "a.example.com", 443, "", "", "", "" },
		{ "/usr/bin/curl", "a.example.com", 443, "POST", "/zen",
		    "gh endpoints[1].rules[0]", "its method GET is not POST" },
		{ "/usr/bin/curl", "a.example.com", 443, "GET", "/repos",
		    "gh endpoints[1].rules[1]",
		    "its path '/repos/**' does not match '/repos'" },
		{ "/usr/bin/curl", "a.example.com", 443, "PUT", "/repos",
		    "gh endpoints[1].rules[1]",
		    "its path '/repos/**' does not match '/repos', nor its "
		    "method GET the method PUT" },
		{ "/usr/bin/curl", "a.example.com", 443, "GET", "/q",
		    "gh endpoints[1].rules[2]",
		    "its query matchers do not match the query" },
	};
	struct snapshot *s = must_compile("nearest", base);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_who who = who_is(rows[i].exe);
		const struct policy_request r = { view_of(rows[i].method),
			view_of(rows[i].path), { NULL, 0 } };
		struct policy_nearest n;

		policy_nearest(
		    s, &who, view_of(rows[i].host), rows[i].port, &r, &n);
		CHECK_STR(n.where, rows[i].where);
		CHECK_STR(n.miss, rows[i].miss);
	}
	snapshot_unref(s);
}

TEST(nearest, an_entry_of_deny_rules_is_named)
{
	static const char denied[] =
	    "version: 1\n"
	    "network_policies:\n"
	    "  gh:\n"
	    "    endpoints:\n"
	    "    - host: api.github.com\n"
	    "      port: 443\n"
	    "      protocol: rest\n"
	    "      access: full\n"
	    "      deny_rules:\n"
	    "      - {method: '*', path: '/admin/**'}\n"
	    "    binaries: [{path: /usr/bin/curl}]\n";
	struct snapshot *s = must_compile("denied", denied);
	struct policy_who who = who_is("/usr/bin/curl");
	const struct policy_request r = { VIEW("GET"), VIEW("/admin/x"),
		{ NULL, 0 } };
	struct policy_nearest n;

	policy_nearest(s, &who, VIEW("api.github.com"), 443, &r, &n);
	CHECK_STR(n.where, "gh endpoints[0].deny_rules[0]");
	CHECK_STR(n.miss, "it refuses this, whatever allows it");
	snapshot_unref(s);
}

TEST(nearest, hostile_values_are_escaped_and_bounded)
{
	static char big[4000];
	struct snapshot *s = must_compile("nearest", base);
	struct policy_who who = who_is("/usr/bin/curl");
	struct policy_request r;
	struct policy_nearest n;

	memset(big, 'a', sizeof(big));
	memcpy(big, "/\n\x1b[2J", 6);
	r = (struct policy_request) { VIEW("G\nET"), { big, sizeof(big) },
		{ NULL, 0 } };
	policy_nearest(s, &who, VIEW("a.example.com"), 443, &r, &n);
	CHECK(strchr(n.miss, '\n') == NULL && strchr(n.miss, '\x1b') == NULL);
	CHECK_HAS(n.miss, "'/\\x0a\\x1b[2Jaaa");
	policy_nearest(s, &who, VIEW("not a host"), 443, &r, &n);
	CHECK_STR(n.where, "");
	CHECK_STR(n.miss, "");
	snapshot_unref(s);
}

static const char operations[] =
    "version: 1\n"
    "network_policies:\n"
    "  tools:\n"
    "    endpoints:\n"
    "    - host: tools.test\n"
    "      port: 443\n"
    "      protocol: mcp\n"
    "      rules:\n"
    "      - allow: {method: initialize}\n"
    "      - allow: {method: tools/call, tool: {any: ['read_*', search]}}\n"
    "      - allow: {method: tools/call, tool: write, "
    "params: {arguments: {dir: '/tmp/**'}}}\n"
    "      deny_rules: [{method: tools/call, tool: read_secret}]\n"
    "    - {host: graph.test, port: 443, protocol: graphql, "
    "access: read-only}\n"
    "    - host: rules.test\n"
    "      port: 443\n"
    "      protocol: graphql\n"
    "      rules:\n"
    "      - allow: {operation_type: query, fields: ['repo*', me]}\n"
    "      - allow: {operation_type: mutation, operation_name: Star}\n"
    "    binaries: [{path: /a}]\n";

TEST(nearest, names_what_of_an_operation_does_not_match)
{
	static const struct {
		const char *host, *method, *tool, *dir, *where, *miss;
	} rows[] = {
		{ "tools.test", "tools/list", NULL, NULL,
		    "tools endpoints[0].rules[1]",
		    "its method 'tools/call' does not match 'tools/list'" },
		{ "tools.test", "tools/call", "delete", NULL,
		    "tools endpoints[0].rules[1]",
		    "its tool 'read_*', 'search' does not match 'delete'" },
		{ "tools.test", "tools/call", "wrote", NULL,
		    "tools endpoints[0].rules[2]",
		    "its tool 'write' does not match 'wrote'" },
		{ "tools.test", "tools/call", "write", "/etc",
		    "tools endpoints[0].rules[2]",
		    "its param 'arguments.dir' ('/tmp/**') does not match its "
		    "value" },
		{ "tools.test", "tools/call", "write", NULL,
		    "tools endpoints[0].rules[2]",
		    "its param 'arguments.dir' ('/tmp/**') is not in the "
		    "call" },
		{ "tools.test", "tools/call", "read_secret", NULL,
		    "tools endpoints[0].deny_rules[0]",
		    "it refuses this, whatever allows it" },
		{ "tools.test", "tools/call", "a b", NULL, "tools endpoints[0]",
		    "tool name is not 1 to 128 of A-Z a-z 0-9 _ . - "
		    "(strict_tool_names)" },
		{ "tools.test", "tools/call", "search", NULL, "", "" },
	};
	struct snapshot *s = must_compile("ops", operations);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_who who = who_is("/a");
		struct policy_request r = { VIEW("POST"), VIEW("/"),
			{ NULL, 0 } };
		struct policy_param p[2];
		struct policy_op op = { .kind = POLICY_OP_CALL,
			.method = view_of(rows[i].method),
			.params = p };
		struct policy_nearest out;

		if (rows[i].tool != NULL)
			p[op.n_params++] = (struct policy_param) { VIEW("name"),
				view_of(rows[i].tool) };
		if (rows[i].dir != NULL)
			p[op.n_params++] =
			    (struct policy_param) { VIEW("arguments.dir"),
				    view_of(rows[i].dir) };
		policy_nearest_op(
		    s, &who, view_of(rows[i].host), 443, &r, &op, &out);
		CHECK_STR(out.where, rows[i].where);
		CHECK_STR(out.miss, rows[i].miss);
	}
	snapshot_unref(s);
}

TEST(nearest, names_what_of_graphql_does_not_match)
{
	static const struct {
		const char *host, *type, *name, *field, *where, *miss;
	} rows[] = {
		{ "graph.test", "mutation", "", "x",
		    "tools endpoints[1].access",
		    "access read-only allows query, and not mutation" },
		{ "rules.test", "query", "", "secret",
		    "tools endpoints[2].rules[0]",
		    "its fields 'repo*', 'me' do not match 'secret'" },
		{ "rules.test", "mutation", "Drop", "x",
		    "tools endpoints[2].rules[1]",
		    "its operation_name 'Star' does not match 'Drop'" },
		{ "rules.test", "subscription", "", "x",
		    "tools endpoints[2].rules[0]",
		    "its operation_type 'query' does not match "
		    "'subscription'" },
		{ "rules.test", "query", "", "me", "", "" },
	};
	struct snapshot *s = must_compile("ops", operations);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_who who = who_is("/a");
		struct policy_request r = { VIEW("POST"), VIEW("/"),
			{ NULL, 0 } };
		struct view field = view_of(rows[i].field);
		struct policy_op op = { .kind = POLICY_OP_GRAPHQL,
			.type = view_of(rows[i].type),
			.name = view_of(rows[i].name),
			.fields = &field,
			.n_fields = 1 };
		struct policy_nearest out;

		policy_nearest_op(
		    s, &who, view_of(rows[i].host), 443, &r, &op, &out);
		CHECK_STR(out.where, rows[i].where);
		CHECK_STR(out.miss, rows[i].miss);
	}
	snapshot_unref(s);
}
