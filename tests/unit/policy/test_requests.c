/* Requests: deny rules, paths of endpoints, treatment; hosts and names. */
#include "fixture.h"

static const char apis[] =
    "version: 1\n"
    "network_policies:\n"
    "  api:\n"
    "    endpoints:\n"
    "    - host: api.example.com\n"
    "      port: 443\n"
    "      protocol: rest\n"
    "      rules:\n"
    "      - allow: {method: GET, path: '/**'}\n"
    "      - allow: {method: POST, path: '/v1/**'}\n"
    "      deny_rules:\n"
    "      - {method: GET, path: '/admin/**'}\n"
    "      - {path: '/v1/secret'}\n"
    "      - {method: POST, query: {mode: 'force*'}}\n"
    "    - host: api.example.com\n"
    "      port: 443\n"
    "      path: /graphql\n"
    "      protocol: graphql\n"
    "      access: read-only\n"
    "      graphql_max_body_bytes: 1000\n"
    "    - host: api.example.com\n"
    "      port: 443\n"
    "      path: '/audit/**'\n"
    "      protocol: rest\n"
    "      enforcement: audit\n"
    "      allow_encoded_slash: true\n"
    "      rules:\n"
    "      - allow: {method: PUT, path: '**'}\n"
    "    - host: api.example.com\n"
    "      port: 443\n"
    "      path: '/audit/strict/*'\n"
    "      protocol: rest\n"
    "      access: read-only\n"
    "    - host: api.example.com\n"
    "      port: 443\n"
    "      path: '/mcp'\n"
    "      protocol: mcp\n"
    "      rules:\n"
    "      - allow: {method: '*'}\n"
    "    - host: api.example.com\n"
    "      port: 443\n"
    "      path: '/ws'\n"
    "      protocol: websocket\n"
    "      access: read-only\n"
    "    binaries: [{path: /usr/bin/curl}, {path: /usr/bin/git}]\n"
    "  other:\n"
    "    endpoints:\n"
    "    - host: '*.example.com'\n"
    "      port: 443\n"
    "      protocol: rest\n"
    "      rules:\n"
    "      - allow: {method: DELETE, path: '/tmp/**'}\n"
    "      deny_rules:\n"
    "      - {method: DELETE, path: '/tmp/keep'}\n"
    "      - {method: GET, path: '/graphql'}\n"
    "    binaries: [{path: /usr/bin/curl}]\n";

struct ask {
	const char *exe, *method, *path, *query;
	const char *want; /* "allow rules[1]", "deny deny_rules[0]", ... */
};

static void
verdict_text(const struct policy_verdict *v, char *to, size_t n)
{
	char place[64] = "";

	if (v->rule != POLICY_NO_RULE)
		(void)snprintf(place, sizeof(place), " %s[%u]",
		    v->by_deny_rule ? "deny_rules" : "rules", v->rule);
	(void)snprintf(to, n, "%s %s/%u%s%s%s", v->allow ? "allow" : "deny",
	    v->policy != NULL ? v->policy : "-", v->endpoint, place,
	    v->operations ? " operations" : "",
	    v->enforcement == POLICY_AUDIT ? " audit" : "");
}

TEST(requests, rules_and_deny_rules)
{
	static const struct ask v[] = {
		{ "/usr/bin/git", "GET", "/x", NULL, "allow api/0 rules[0]" },
		/* a GET rule admits HEAD; so does a refusal of GET */
		{ "/usr/bin/git", "HEAD", "/x", NULL, "allow api/0 rules[0]" },
		{ "/usr/bin/git", "GET", "/admin/x", NULL,
		    "deny api/0 deny_rules[0]" },
		{ "/usr/bin/git", "HEAD", "/admin/x", NULL,
		    "deny api/0 deny_rules[0]" },
		{ "/usr/bin/git", "GET", "/v1/secret", NULL,
		    "deny api/0 deny_rules[1]" },
		{ "/usr/bin/git", "POST", "/v1/secret", NULL,
		    "deny api/0 deny_rules[1]" },
		{ "/usr/bin/git", "POST", "/v1/a", NULL,
		    "allow api/0 rules[1]" },
		{ "/usr/bin/git", "POST", "/v1/a", "mode=soft",
		    "allow api/0 rules[1]" },
		{ "/usr/bin/git", "POST", "/v1/a", "mode=force",
		    "deny api/0 deny_rules[2]" },
		/* inverted: one value that matches is enough */
		{ "/usr/bin/git", "POST", "/v1/a", "mode=soft&mode=force1",
		    "deny api/0 deny_rules[2]" },
		{ "/usr/bin/git", "POST", "/v1/a", "mode=%00",
		    "deny api/0 deny_rules[2]" },
		{ "/usr/bin/git", "GET", "/x", "mode=force",
		    "allow api/0 rules[0]" },
		/* a name in another case is the same to many servers */
		{ "/usr/bin/git", "POST", "/v1/a", "MODE=force",
		    "deny api/0 deny_rules[2]" },
		{ "/usr/bin/git", "POST", "/v1/a", "mode=soft&%4dode=force",
		    "deny api/0 deny_rules[2]" },
		{ "/usr/bin/git", "POST", "/v1/a", "Modes=force",
		    "allow api/0 rules[1]" },
		{ "/usr/bin/git", "DELETE", "/tmp/a", NULL, "deny api/0" },
		/* of another policy, which is the program's as well */
		{ "/usr/bin/curl", "DELETE", "/tmp/a", NULL,
		    "allow other/0 rules[0]" },
		{ "/usr/bin/curl", "DELETE", "/tmp/keep", NULL,
		    "deny other/0 deny_rules[0]" },
		{ "/usr/bin/wget", "GET", "/x", NULL, "deny -/0" },
	};
	struct snapshot *s = must_compile_ahead("apis", apis);

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct policy_who who = who_is(v[i].exe);
		struct policy_request r = { view_of(v[i].method),
			view_of(v[i].path), view_of(v[i].query) };
		struct policy_verdict out;
		struct policy_reason why;
		char text[256];

		policy_decide_request(
		    s, &who, VIEW("api.example.com"), 443, &r, &out, &why);
		verdict_text(&out, text, sizeof(text));
		if (strcmp(text, v[i].want) != 0)
			fail_msg("%s %s?%s by %s: %s, want %s (%s)",
			    v[i].method, v[i].path,
			    v[i].query != NULL ? v[i].query : "", v[i].exe,
			    text, v[i].want, why.text);
		if (out.by_deny_rule)
			CHECK_HAS(why.text, "blocked by deny rule");
	}
	snapshot_unref(s);
}

TEST(requests, are_of_the_most_specific_path)
{
	static const struct ask v[] = {
		/* once its path matches, broader rules have no say */
		{ "/usr/bin/git", "POST", "/graphql", NULL,
		    "allow api/1 operations" },
		{ "/usr/bin/git", "GET", "/graphql", NULL,
		    "allow api/1 operations" },
		{ "/usr/bin/git", "PUT", "/graphql", NULL, "deny api/1" },
		/* but a deny rule has */
		{ "/usr/bin/curl", "GET", "/graphql", NULL,
		    "deny other/0 deny_rules[1]" },
		{ "/usr/bin/git", "GET", "/graphql/x", NULL,
		    "allow api/0 rules[0]" },
		{ "/usr/bin/git", "PUT", "/audit/a", NULL,
		    "allow api/2 rules[0] audit" },
		{ "/usr/bin/git", "PUT", "/other/a", NULL, "deny api/0" },
		{ "/usr/bin/git", "PATCH", "/audit/a", NULL,
		    "deny api/2 audit" },
		/* rules unite, treatment is of the narrower path */
		{ "/usr/bin/git", "PUT", "/audit/strict/a", NULL,
		    "allow api/2 rules[0]" },
		{ "/usr/bin/git", "PATCH", "/audit/strict/a", NULL,
		    "deny api/3" },
		{ "/usr/bin/git", "POST", "/mcp", NULL,
		    "allow api/4 operations" },
		{ "/usr/bin/git", "GET", "/mcp", NULL,
		    "allow api/4 operations" },
		{ "/usr/bin/git", "DELETE", "/mcp", NULL,
		    "allow api/4 operations" },
		{ "/usr/bin/git", "HEAD", "/mcp", NULL, "deny api/4" },
		{ "/usr/bin/git", "GET", "/ws", NULL, "allow api/0 rules[0]" },
		{ "/usr/bin/git", "WEBSOCKET_TEXT", "/ws", NULL, "deny api/5" },
	};
	struct snapshot *s = must_compile_ahead("apis", apis);

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct policy_who who = who_is(v[i].exe);
		struct policy_request r = { view_of(v[i].method),
			view_of(v[i].path), { NULL, 0 } };
		struct policy_verdict out;
		struct policy_reason why;
		char text[256];

		policy_decide_request(
		    s, &who, VIEW("api.example.com"), 443, &r, &out, &why);
		verdict_text(&out, text, sizeof(text));
		if (strcmp(text, v[i].want) != 0)
			fail_msg("%s %s by %s: %s, want %s (%s)", v[i].method,
			    v[i].path, v[i].exe, text, v[i].want, why.text);
	}
	snapshot_unref(s);
}

TEST(requests, are_treated_by_their_path)
{
	struct snapshot *s = must_compile_ahead("apis", apis);
	struct policy_who git = who_is("/usr/bin/git");
	struct policy_who wget = who_is("/usr/bin/wget");
	struct view host = VIEW("api.example.com");
	struct policy_treatment t;

	CHECK(policy_treat_request(s, &git, host, 443, VIEW("/graphql"), &t));
	CHECK_INT(t.protocol, ==, POLICY_PROTO_GRAPHQL);
	CHECK_INT(t.max_body, ==, 1000);
	CHECK_STR(t.policy, "api");
	CHECK_INT(t.endpoint, ==, 1);
	CHECK(policy_treat_request(s, &git, host, 443, VIEW("/audit/a"), &t));
	CHECK_INT(t.protocol, ==, POLICY_PROTO_REST);
	CHECK_INT(t.enforcement, ==, POLICY_AUDIT);
	CHECK(t.allow_encoded_slash);
	CHECK(policy_treat_request(
	    s, &git, host, 443, VIEW("/audit/strict/a"), &t));
	CHECK_INT(t.enforcement, ==, POLICY_ENFORCE);
	CHECK(!t.allow_encoded_slash);
	CHECK_INT(t.endpoint, ==, 3);
	CHECK(policy_treat_request(s, &git, host, 443, VIEW("/mcp"), &t));
	CHECK_INT(t.protocol, ==, POLICY_PROTO_MCP);
	CHECK_INT(t.max_body, ==, 65536);
	CHECK(t.strict_tool_names);
	CHECK(!t.allow_all_methods);
	CHECK(policy_treat_request(s, &git, host, 443, VIEW("/mcp/"), &t));
	CHECK_INT(t.protocol, ==, POLICY_PROTO_REST);
	CHECK(!policy_treat_request(s, &wget, host, 443, VIEW("/mcp"), &t));
	CHECK_INT(t.protocol, ==, POLICY_PROTO_NONE);
	CHECK_INT(t.enforcement, ==, POLICY_ENFORCE);
	CHECK(!policy_treat_request(s, &git, host, 80, VIEW("/mcp"), &t));
	snapshot_unref(s);
}

#define ONE(endpoints) \
	"version: 1\nnetwork_policies: {p: {endpoints: [" endpoints \
	"], binaries: [{path: /c}]}}\n"

/* Beside every path of its endpoints, nothing is allowed. */
TEST(requests, of_no_endpoint_are_denied)
{
	struct snapshot *s = must_compile_ahead("paths",
	    ONE("{host: h.com, port: 1, protocol: rest, enforcement: audit, "
		"path: /a/**, access: full}, {host: h.com, port: 1}"));
	struct policy_who who = who_is("/c");
	struct policy_request in = { VIEW("GET"), VIEW("/a/b"), { 0 } };
	struct policy_request out = { VIEW("GET"), VIEW("/b"), { 0 } };
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_request(s, &who, VIEW("h.com"), 1, &in, &v, &why);
	CHECK(v.allow);
	CHECK_INT(v.enforcement, ==, POLICY_AUDIT);
	policy_decide_request(s, &who, VIEW("h.com"), 1, &out, &v, &why);
	CHECK(!v.allow);
	/* what is of no endpoint is nobody's to let pass */
	CHECK_INT(v.enforcement, ==, POLICY_ENFORCE);
	CHECK_INT(v.protocol, ==, POLICY_PROTO_NONE);
	CHECK_STR(why.text, "GET /b not permitted by policy");
	snapshot_unref(s);
}

TEST(requests, all_that_an_endpoint_says_is_in_the_treatment)
{
	struct snapshot *s = must_compile_ahead("all",
	    ONE("{host: h.com, port: 1, protocol: rest, access: full, path: "
		"/aws/**, credential_signing: 'sigv4:no_body', "
		"signing_service: s3, signing_region: eu-west-1, "
		"websocket_credential_rewrite: true, "
		"allow_credential_placeholders: true}, "
		"{host: h.com, port: 1, protocol: mcp, path: /mcp, mcp: "
		"{strict_tool_names: false, allow_all_known_mcp_methods: true, "
		"max_body_bytes: 7}, request_body_credential_rewrite: true, "
		"credential_binding: {provider: gh}, "
		"allow_uninspected_credentials: true, h2c: true}, "
		"{host: h.com, port: 1, protocol: websocket, path: /ws, rules: "
		"[{allow: {method: GET, path: /ws}}, {allow: {operation_type: "
		"'*'}}], graphql_max_body_bytes: 9}, "
		"{host: h.com, port: 1, protocol: graphql, path: /q, access: "
		"full, persisted_queries: allow_registered, "
		"graphql_persisted_queries: {a: {operation_type: query}}}"));
	struct policy_who who = who_is("/c");
	struct view host = VIEW("h.com");
	struct policy_treatment t;
	struct policy_conn c;
	struct policy_reason why;

	CHECK(policy_treat_request(s, &who, host, 1, VIEW("/aws/x"), &t));
	CHECK_INT(t.signing, ==, POLICY_SIGN_SIGV4_NO_BODY);
	CHECK_VIEW(t.signing_service, "s3");
	CHECK_VIEW(t.signing_region, "eu-west-1");
	CHECK(t.rewrite_websocket && !t.rewrite_body && !t.conflict);
	CHECK(t.pass_placeholders);
	CHECK(policy_treat_request(s, &who, host, 1, VIEW("/mcp"), &t));
	CHECK(!t.strict_tool_names && t.allow_all_methods && t.rewrite_body);
	CHECK(t.uninspected_credentials && t.h2c && !t.pass_placeholders);
	CHECK_INT(t.max_body, ==, 7);
	CHECK_VIEW(t.provider, "gh");
	CHECK(policy_treat_request(s, &who, host, 1, VIEW("/ws"), &t));
	CHECK(t.graphql_messages);
	CHECK_INT(t.max_body, ==, 9);
	CHECK(policy_treat_request(s, &who, host, 1, VIEW("/q"), &t));
	CHECK(t.allow_registered && t.strict_tool_names);
	/* Not all of them take HTTP/2 by prior knowledge: none does. */
	policy_decide_conn(s, &who, host, 1, &c, &why);
	CHECK(c.allow && !c.h2c);
	CHECK_INT(c.protocol, ==, POLICY_PROTO_MCP);
	snapshot_unref(s);
}

TEST(requests, merged_treatment_is_the_stricter)
{
	struct policy_treatment a = { .protocol = POLICY_PROTO_REST,
		.enforcement = POLICY_AUDIT,
		.max_body = 10,
		.allow_all_methods = true,
		.allow_registered = true,
		.allow_encoded_slash = true,
		.h2c = true,
		.rewrite_body = true,
		.rewrite_websocket = true,
		.uninspected_credentials = true,
		.provider = VIEW("x") };
	struct policy_treatment b = { .protocol = POLICY_PROTO_MCP,
		.max_body = 5,
		.strict_tool_names = true,
		.graphql_messages = true };
	struct policy_treatment x = a, y = b;

	policy_treatment_merge(&x, &b);
	policy_treatment_merge(&y, &a);
	for (int i = 0; i < 2; i++) {
		const struct policy_treatment *t = i == 0 ? &x : &y;

		CHECK_INT(t->protocol, ==, POLICY_PROTO_MCP);
		CHECK_INT(t->enforcement, ==, POLICY_ENFORCE);
		CHECK_INT(t->max_body, ==, 5);
		CHECK(t->strict_tool_names && t->graphql_messages);
		CHECK(t->conflict);
		CHECK(!t->allow_all_methods && !t->allow_registered &&
		      !t->allow_encoded_slash && !t->h2c && !t->rewrite_body &&
		      !t->rewrite_websocket && !t->uninspected_credentials);
	}
	x = a;
	policy_treatment_merge(&x, &a);
	CHECK(!x.conflict);
}

/* --- hosts ---------------------------------------------------------------- */

TEST(requests, label_patterns_take_in_one_label)
{
	static const struct {
		const char *pattern, *host;
		bool yes;
	} v[] = {
		{ "*-ai.example.com", "eu-ai.example.com", true },
		{ "*-ai.example.com", "EU-AI.example.com.", true },
		{ "*-ai.example.com", "-ai.example.com", false }, /* no LDH */
		{ "*-ai.example.com", "eu-ai.x.example.com", false },
		{ "*-ai.example.com", "x.eu-ai.example.com", false },
		{ "*-ai.example.com", "example.com", false },
		{ "*-AI.Example.com", "eu-ai.example.com", true },
		{ "us*.example.com", "us.example.com", true },
		{ "us*.example.com", "us-1.example.com", true },
		{ "us*.example.com", "bus.example.com", false },
		{ "a*b*c.example.com", "axxbyc.example.com", true },
		{ "a**c.example.com", "abc.example.com", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(4096);
		struct policy_who who = who_is("/c");
		struct policy_reason why;
		struct policy_conn c;
		struct snapshot *s;

		buf_printf(&b, ONE("{host: '%s', port: 443}"), v[i].pattern);
		s = must_compile(v[i].pattern, buf_str(&b));
		policy_decide_conn(s, &who, view_of(v[i].host), 443, &c, &why);
		if (c.allow != v[i].yes)
			fail_msg("%s for %s: %s", v[i].pattern, v[i].host,
			    c.allow ? "allowed" : "denied");
		CHECK(!c.exact_host);
		snapshot_unref(s);
	}
}

TEST(requests, several_label_patterns_of_one_name)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	struct policy_who who = who_is("/c");
	struct policy_reason why;
	struct policy_conn c;
	struct snapshot *s;

	buf_puts(&b, "version: 1\nnetwork_policies:\n");
	for (unsigned i = 0; i < PL_LABELS_MAX; i++)
		buf_printf(&b,
		    "  p%02u: {endpoints: [{host: 'r%02u-*.x.com', port: 443, "
		    "allowed_ips: [10.%u.0.0/16]}], binaries: [{path: /c}]}\n",
		    i, i, i);
	s = must_compile("labels", buf_str(&b));
	policy_decide_conn(s, &who, VIEW("r31-z.x.com"), 443, &c, &why);
	CHECK(c.allow);
	CHECK_STR(c.policy, "p31");
	CHECK_INT(c.n_nets, ==, 1);
	policy_decide_conn(s, &who, VIEW("r32-z.x.com"), 443, &c, &why);
	CHECK(!c.allow);
	snapshot_unref(s);
	{
		AUTO_PARSED struct parsed r = { 0 };

		buf_puts(&b, "  q: {endpoints: [{host: 'r99-*.x.com', port: "
			     "443}], binaries: [{path: /c}]}\n");
		r = parse(buf_str(&b));
		CHECK_HAS(buf_str(&r.text),
		    "q.endpoints[0]: more than 32 hosts with '*' inside");
		/* Nor does it compile, whoever forgot to check. */
		{
			AUTO_FINDINGS struct policy_findings f = { 0 };
			AUTO_POLICY struct policy *p = NULL;
			struct err e;

			CHECK_INT(p_parse_lenient(
				      buf_view(&b), P_OVERLAPPING, &p, &f),
			    ==, 0);
			CHECK_INT(snapshot_new(p, 1, &s, &e), ==, -1);
			CHECK_HAS(e.text, "more than 32 hosts");
		}
	}
}

TEST(requests, names_whoever_asks)
{
	struct snapshot *s = must_compile_ahead("names",
	    "version: 1\n"
	    "network_policies:\n"
	    "  a:\n"
	    "    endpoints:\n"
	    "    - {host: api.example.com, ports: [443, 22]}\n"
	    "    - {host: '*.wild.com', port: 443}\n"
	    "    - {host: '**.deep.com', port: 443}\n"
	    "    - {host: 'eu-*.lab.com', port: 443}\n"
	    "    - {host: db.example.com, port: 5432, protocol: tcp}\n"
	    "    - {host: '*.db.com', port: 5432, protocol: tcp}\n"
	    "    - {host: noport.example.com}\n"
	    "    binaries: [{path: /c}]\n"
	    "  nobody:\n"
	    "    endpoints: [{host: lonely.example.com, port: 443}, "
	    "{host: lonely.example.com, port: 22, protocol: tcp}]\n"
	    "    binaries: []\n");
	static const struct {
		const char *host;
		enum policy_name want;
	} v[] = {
		{ "api.example.com", POLICY_NAME_EXACT },
		{ "API.example.com.", POLICY_NAME_EXACT },
		{ "x.wild.com", POLICY_NAME_WILDCARD },
		{ "x.y.wild.com", POLICY_NAME_NONE },
		{ "x.y.deep.com", POLICY_NAME_WILDCARD },
		{ "eu-1.lab.com", POLICY_NAME_WILDCARD },
		{ "us-1.lab.com", POLICY_NAME_NONE },
		{ "other.example.com", POLICY_NAME_NONE },
		{ "noport.example.com", POLICY_NAME_NONE },
		{ "lonely.example.com", POLICY_NAME_NONE },
		{ "bad_name.example.com", POLICY_NAME_NONE },
		{ "", POLICY_NAME_NONE },
		{ "db.example.com", POLICY_NAME_EXACT },
		{ "x.db.com", POLICY_NAME_WILDCARD },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct view host = view_of(v[i].host);
		enum policy_name got = policy_names(s, host);

		if (got != v[i].want)
			fail_msg("%s: %d, want %d", v[i].host, got, v[i].want);
	}
	snapshot_unref(s);
	s = must_compile(
	    "hostless", ONE("{port: 443, allowed_ips: [10.1.0.0/16]}"));
	CHECK_INT(policy_names(s, VIEW("a.com")), ==, POLICY_NAME_HOSTLESS);
	snapshot_unref(s);
}

TEST(requests, tcp_is_passed_on_as_it_is)
{
	struct snapshot *s =
	    must_compile("tcp", ONE("{host: h.com, port: 22, protocol: tcp}"));
	struct policy_who who = who_is("/c");
	struct policy_request r = { VIEW("GET"), VIEW("/"), { 0 } };
	struct policy_treatment t;
	struct policy_verdict v;
	struct policy_reason why;
	struct policy_conn c;

	policy_decide_conn(s, &who, VIEW("h.com"), 22, &c, &why);
	CHECK(c.allow);
	CHECK_INT(c.protocol, ==, POLICY_PROTO_TCP);
	CHECK_INT(c.tls, ==, POLICY_TLS_SKIP);
	CHECK(!policy_protocol_is_inspected(c.protocol));
	CHECK(!policy_treat_request(s, &who, VIEW("h.com"), 22, r.path, &t));
	policy_decide_request(s, &who, VIEW("h.com"), 22, &r, &v, &why);
	CHECK(!v.allow);
	snapshot_unref(s);
}

/* 8.9: what the advisor proposed does not make internal addresses good. */
TEST(requests, proposed_hosts_are_not_trusted)
{
	struct snapshot *s =
	    must_compile("advised", ONE("{host: h.com, port: 1, "
					"advisor_proposed: true}, "
					"{host: g.com, port: 1}"));
	struct policy_who who = who_is("/c");
	struct policy_reason why;
	struct policy_conn c;

	policy_decide_conn(s, &who, VIEW("h.com"), 1, &c, &why);
	CHECK(c.allow && !c.exact_host);
	policy_decide_conn(s, &who, VIEW("g.com"), 1, &c, &why);
	CHECK(c.allow && c.exact_host);
	snapshot_unref(s);
	/* Nor does a wildcard beside it that a person wrote. */
	s = must_compile(
	    "beside", ONE("{host: a.h.com, port: 1, advisor_proposed: true}, "
			  "{host: '*.h.com', port: 1}"));
	policy_decide_conn(s, &who, VIEW("a.h.com"), 1, &c, &why);
	CHECK(c.allow && !c.exact_host);
	snapshot_unref(s);
}

/* Many paths under one host: each request finds its own. */
TEST(requests, among_many_paths)
{
	AUTO_BUF struct buf b = BUF_INIT(POLICY_TEXT_MAX);
	struct policy_who who = who_is("/c");
	struct snapshot *s;

	buf_puts(&b, "version: 1\nnetwork_policies:\n  p:\n    endpoints:\n");
	for (unsigned i = 0; i < 250; i++)
		buf_printf(&b,
		    "    - {host: h.com, port: 1, protocol: rest, path: "
		    "'/p%03u/**', access: full, allow_encoded_slash: %s}\n",
		    i, i % 2 ? "true" : "false");
	buf_puts(&b, "    binaries: [{path: /c}]\n");
	s = must_compile_ahead("many", buf_str(&b));
	for (unsigned i = 0; i < 250; i++) {
		struct policy_treatment t;
		char path[32];

		(void)snprintf(path, sizeof(path), "/p%03u/x", i);
		CHECK(policy_treat_request(
		    s, &who, VIEW("h.com"), 1, view_of(path), &t));
		CHECK_INT(t.endpoint, ==, i);
		CHECK_INT(t.allow_encoded_slash, ==, i % 2);
	}
	snapshot_unref(s);
}
