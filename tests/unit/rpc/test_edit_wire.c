/* Operations over the wire: rules are read under the protocol they are for. */
#include "test.h"

#include "rpc/edit_wire.h"
#include "rpc/policy_wire.h"

#define OP(name) OPENSHELL__V1__POLICY_MERGE_OPERATION__OPERATION_##name
#define WORD(s) ((char *)(uintptr_t)((s) != NULL ? (s) : ""))

static const char text[] =
    "version: 1\n"
    "network_policies:\n"
    "  a:\n"
    "    endpoints:\n"
    "    - {host: rest.test, port: 443, protocol: rest, access: full}\n"
    "    - {host: graph.test, port: 443, protocol: graphql, rules: "
    "[{allow: {operation_type: query}}]}\n"
    "    - {host: tools.test, port: 443, protocol: mcp, rules: "
    "[{allow: {method: tools/list}}]}\n"
    "    - {host: calls.test, port: 443, protocol: grpc, rules: "
    "[{allow: {service: a.B}}]}\n"
    "    - {host: raw.test, port: 443}\n"
    "    binaries: [{path: /usr/bin/git}]\n";

static struct policy *
load(void)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	struct policy *p = NULL;

	if (policy_parse(view_of(text), &p, &f) < 0)
		fail_msg("%s", f.v[0].text);
	return p;
}

struct rule {
	const char *host, *method, *path, *type, *service;
};

static int
allow(const struct policy *base, const struct rule *r, struct policy **next,
    struct err *e)
{
	Openshell__Sandbox__V1__L7Allow a =
	    OPENSHELL__SANDBOX__V1__L7_ALLOW__INIT;
	Openshell__Sandbox__V1__L7Rule l7 =
	    OPENSHELL__SANDBOX__V1__L7_RULE__INIT;
	Openshell__Sandbox__V1__L7Rule *l7s[] = { &l7 };
	Openshell__V1__AddAllowRules m = OPENSHELL__V1__ADD_ALLOW_RULES__INIT;
	edit_msg op = OPENSHELL__V1__POLICY_MERGE_OPERATION__INIT,
		 *ops[] = { &op };

	a.method = WORD(r->method);
	a.path = WORD(r->path);
	a.operation_type = WORD(r->type);
	a.service = WORD(r->service);
	l7.allow = &a;
	m.host = WORD(r->host);
	m.port = 443;
	m.rules = l7s;
	m.n_rules = 1;
	op.operation_case = OP(ADD_ALLOW_RULES);
	op.add_allow_rules = &m;
	return edit_wire_apply(base, ops, 1, next, e);
}

static int
deny(const struct policy *base, const struct rule *r, struct policy **next,
    struct err *e)
{
	Openshell__Sandbox__V1__L7DenyRule d =
	    OPENSHELL__SANDBOX__V1__L7_DENY_RULE__INIT;
	Openshell__Sandbox__V1__L7DenyRule *ds[] = { &d };
	Openshell__V1__AddDenyRules m = OPENSHELL__V1__ADD_DENY_RULES__INIT;
	edit_msg op = OPENSHELL__V1__POLICY_MERGE_OPERATION__INIT,
		 *ops[] = { &op };

	d.method = WORD(r->method);
	d.path = WORD(r->path);
	d.operation_type = WORD(r->type);
	d.service = WORD(r->service);
	m.host = WORD(r->host);
	m.port = 443;
	m.deny_rules = ds;
	m.n_deny_rules = 1;
	op.operation_case = OP(ADD_DENY_RULES);
	op.add_deny_rules = &m;
	return edit_wire_apply(base, ops, 1, next, e);
}

TEST(edit_wire, rules_are_those_of_the_endpoints_protocol)
{
	static const struct {
		struct rule r;
		const char *want; /* of the canonical text; NULL: none */
		const char *why;
	} v[] = {
		{ { "rest.test", "PUT", "/x" }, "method: PUT", NULL },
		{ { "graph.test", .type = "mutation" },
		    "operation_type: mutation", NULL },
		{ { "tools.test", "tools/call" }, "method: tools/call", NULL },
		{ { "calls.test", .service = "c.D" }, "service: c.D", NULL },
		{ { "calls.test", .type = "mutation" }, NULL,
		    "operation_type" },
		{ { "rest.test", .service = "c.D" }, NULL, "service" },
		{ { "raw.test", "PUT", "/x" }, NULL, "are not looked into" },
		{ { "none.test", "PUT", "/x" }, NULL,
		    "no endpoint none.test:443" },
	};
	AUTO_POLICY struct policy *base = load();

	for (size_t i = 0; i < 2 * ARRAY_LEN(v); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1 << 20);
		AUTO_POLICY struct policy *next = NULL;
		const struct rule *r = &v[i / 2].r;
		struct err e = { 0 };
		int rc = i % 2 == 0 ? allow(base, r, &next, &e)
				    : deny(base, r, &next, &e);

		if (v[i / 2].want == NULL) {
			CHECK_INT(rc, ==, -1);
			CHECK_HAS(e.text, v[i / 2].why);
			continue;
		}
		if (rc < 0)
			fail_msg("%zu: %s", i, e.text);
		CHECK(next != NULL);
		policy_canonical(next, &b);
		CHECK_HAS(buf_str(&b), v[i / 2].want);
		CHECK((strstr(buf_str(&b), "deny_rules") != NULL) ==
		      (i % 2 == 1));
	}
}

TEST(edit_wire, an_operation_says_something)
{
	edit_msg op = OPENSHELL__V1__POLICY_MERGE_OPERATION__INIT,
		 *ops[EDIT_WIRE_MAX + 1];
	Openshell__V1__AddNetworkRule none =
	    OPENSHELL__V1__ADD_NETWORK_RULE__INIT;
	Openshell__V1__AddAllowRules empty =
	    OPENSHELL__V1__ADD_ALLOW_RULES__INIT;
	AUTO_POLICY struct policy *base = load(), *next = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		ops[i] = &op;
	CHECK_INT(edit_wire_apply(base, ops, 1, &next, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_INVALID);
	CHECK_INT(
	    edit_wire_apply(base, ops, ARRAY_LEN(ops), &next, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	op.operation_case = OP(ADD_RULE);
	op.add_rule = &none;
	CHECK_INT(edit_wire_apply(base, ops, 1, &next, &e), ==, -1);
	CHECK_HAS(e.text, "needs a rule_name and a rule");
	op.operation_case = OP(ADD_ALLOW_RULES);
	op.add_allow_rules = &empty;
	CHECK_INT(edit_wire_apply(base, ops, 1, &next, &e), ==, -1);
	CHECK_HAS(e.text, "no rules to add");
	CHECK_INT(edit_wire_apply(base, ops, 0, &next, &e), ==, 0);
	CHECK(next == NULL);
}
