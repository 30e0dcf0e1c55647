/* Going through a policy, as tools do. */
#include "fixture.h"
#include "policy/walk.h"

static const char text[] =
    "version: 1\n"
    "network_policies:\n"
    "  empty: {endpoints: [], binaries: []}\n"
    "  a:\n"
    "    endpoints:\n"
    "    - {host: h.com, ports: [1, 2], protocol: rest, access: read-only, "
    "path: /p/**, deny_rules: [{path: /p/x, query: {q: {any: [a, b]}}}]}\n"
    "    - {host: '*.h.com', port: 3, allowed_ips: [10.1.0.0/16], tls: "
    "skip}\n"
    "    binaries: [{path: /c}, {path: /d}]\n"
    "  b:\n"
    "    endpoints:\n"
    "    - {host: 'x-*.g.h.com', port: 3, protocol: mcp, rules: [{allow: "
    "{method: tools/call, tool: t, params: {a: {b: c}}}}]}\n"
    "    - {host: q.com, port: 3, protocol: graphql, access: read-write}\n"
    "    - {host: '**.q.com', port: 3, protocol: graphql, rules: [{allow: "
    "{operation_type: query, fields: [f, g]}}]}\n"
    "    - {port: 9, allowed_ips: [10.2.0.1]}\n"
    "    binaries: [{path: /e}]\n";

static void
expect(struct policy_walk *w, struct policy_endpoint *e, const char *place,
    enum policy_selector selector)
{
	char got[64];

	CHECK(policy_walk_next(w, e));
	(void)snprintf(got, sizeof(got), "%.*s/%u", (int)e->policy.n,
	    e->policy.p, e->endpoint);
	CHECK_STR(got, place);
	CHECK_INT(policy_endpoint_selector(e), ==, selector);
}

TEST(walk, goes_through_all)
{
	AUTO_PARSED struct parsed p = parse_ahead(text);
	struct policy_walk w = { .policy = p.p };
	struct policy_endpoint e;
	struct policy_rule r;
	struct policy_matcher m;

	CHECK(p.p != NULL);
	expect(&w, &e, "a/0", POLICY_SELECT_EXACT);
	CHECK_VIEW(e.host, "h.com");
	CHECK_VIEW(e.path, "/p/**");
	CHECK_INT(e.t.protocol, ==, POLICY_PROTO_REST);
	CHECK_INT(e.n_ports, ==, 2);
	CHECK_INT(policy_endpoint_port(&e, 1), ==, 2);
	CHECK_INT(e.n_binaries, ==, 2);
	CHECK_VIEW(policy_endpoint_binary(&e, 1), "/d");
	CHECK_INT(e.n_rules, ==, 3);
	policy_endpoint_rule(&e, false, 1, &r);
	CHECK_VIEW(r.method, "HEAD");
	CHECK_VIEW(r.path, "**");
	CHECK_INT(e.n_deny_rules, ==, 1);
	policy_endpoint_rule(&e, true, 0, &r);
	CHECK_INT(r.method.n, ==, 0);
	CHECK_INT(r.n_query, ==, 1);
	m = policy_rule_query(&r, 0);
	CHECK_VIEW(m.name, "q");
	CHECK_INT(m.n_globs, ==, 2);
	CHECK_VIEW(policy_matcher_glob(&m, 1), "b");

	expect(&w, &e, "a/1", POLICY_SELECT_STAR);
	CHECK_INT(e.tls, ==, POLICY_TLS_SKIP);
	CHECK_INT(e.t.protocol, ==, POLICY_PROTO_NONE);
	CHECK_INT(policy_endpoint_net(&e, 0).prefix, ==, 16);
	CHECK_INT(e.n_rules, ==, 0);

	expect(&w, &e, "b/0", POLICY_SELECT_LABEL);
	policy_endpoint_rule(&e, false, 0, &r);
	CHECK_INT(r.n_params, ==, 2);
	m = policy_rule_param(&r, 0);
	CHECK_VIEW(m.name, "a.b");
	m = policy_rule_param(&r, 1);
	CHECK_VIEW(m.name, "name");
	CHECK_VIEW(policy_matcher_glob(&m, 0), "t");

	expect(&w, &e, "b/1", POLICY_SELECT_EXACT);
	CHECK_INT(e.n_rules, ==, 2);
	policy_endpoint_rule(&e, false, 1, &r);
	CHECK_VIEW(r.operation_type, "mutation");

	expect(&w, &e, "b/2", POLICY_SELECT_GLOBSTAR);
	policy_endpoint_rule(&e, false, 0, &r);
	CHECK_INT(r.n_fields, ==, 2);
	CHECK_VIEW(policy_rule_field(&r, 1), "g");

	expect(&w, &e, "b/3", POLICY_SELECT_HOSTLESS);
	CHECK(!policy_walk_next(&w, &e));
}
