/* edit_wire: see edit_wire.h. */
#include "rpc/edit_wire.h"

#include "codec/utf8.h"
#include "rpc/policy_wire.h"

#define OP(name) OPENSHELL__V1__POLICY_MERGE_OPERATION__OPERATION_##name

typedef Openshell__Sandbox__V1__NetworkPolicyRule rule_msg;
typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;

/* --- the rule that an operation has with it --------------------------------
 */

static int
take_rule(
    const char *key, const rule_msg *rule, struct policy **out, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };

	if (key[0] == '\0' || rule == NULL)
		return err_set(
		    e, ERR_INVALID, "add_rule needs a rule_name and a rule");
	if (policy_wire_rule_to(key, rule, out, &f) == 0)
		return 0;
	for (size_t i = 0; i < f.n; i++)
		if (!f.v[i].warning) {
			struct view v = utf8_clip(view_of(f.v[i].text), 400);

			return err_set(e, ERR_INVALID, "%.*s", (int)v.n, v.p);
		}
	return err_set(e, ERR_INVALID, "the rule cannot be read");
}

/*
 * Rules mean something under a protocol only: that of the endpoint they are
 * for.  An endpoint needs rules or a preset beside its deny_rules.
 */
static int
take_rules(const struct policy *base, const struct policy_edit *op,
    endpoint_msg *ep, struct policy **out, struct err *e)
{
	rule_msg rule = OPENSHELL__SANDBOX__V1__NETWORK_POLICY_RULE__INIT;
	endpoint_msg *eps[] = { ep };
	char host[] = "any.invalid", any[] = "*", full[] = "full";
	Openshell__Sandbox__V1__L7Rule l7 =
	    OPENSHELL__SANDBOX__V1__L7_RULE__INIT;
	Openshell__Sandbox__V1__L7Allow allow =
	    OPENSHELL__SANDBOX__V1__L7_ALLOW__INIT;
	Openshell__Sandbox__V1__L7Rule *l7s[] = { &l7 };
	const char *protocol = policy_edit_protocol(base, op);
	bool calls =
	    strcmp(protocol, "json-rpc") == 0 || strcmp(protocol, "mcp") == 0;

	if (ep->n_rules + ep->n_deny_rules == 0)
		return err_set(e, ERR_INVALID, "there are no rules to add");
	ep->host = host;
	ep->port = 1;
	ep->protocol = (char *)(uintptr_t)protocol;
	allow.method = any;
	l7.allow = &allow;
	if (ep->n_rules == 0 && calls) {
		ep->rules = l7s;
		ep->n_rules = 1;
	} else if (ep->n_rules == 0)
		ep->access = full;
	rule.endpoints = eps;
	rule.n_endpoints = 1;
	/* Where there is no such endpoint, policy_edit says so. */
	if (protocol[0] == '\0')
		return 0;
	return take_rule("rule", &rule, out, e);
}

/* --- one operation -------------------------------------------------------- */

static void
place(struct policy_edit *op, enum policy_edit_kind kind, const char *rule,
    const char *host, uint32_t port)
{
	*op = (struct policy_edit) { .kind = kind,
		.rule = view_of(rule),
		.host = view_of(host),
		.port = port };
}

static int
take_allow(const struct policy *base, const Openshell__V1__AddAllowRules *m,
    struct policy_edit *op, struct policy **what, struct err *e)
{
	endpoint_msg ep = OPENSHELL__SANDBOX__V1__NETWORK_ENDPOINT__INIT;

	place(op, EDIT_ADD_ALLOW_RULES, m->rule_name, m->host, m->port);
	ep.rules = m->rules;
	ep.n_rules = m->n_rules;
	return take_rules(base, op, &ep, what, e);
}

static int
take_deny(const struct policy *base, const Openshell__V1__AddDenyRules *m,
    struct policy_edit *op, struct policy **what, struct err *e)
{
	endpoint_msg ep = OPENSHELL__SANDBOX__V1__NETWORK_ENDPOINT__INIT;

	place(op, EDIT_ADD_DENY_RULES, m->rule_name, m->host, m->port);
	ep.deny_rules = m->deny_rules;
	ep.n_deny_rules = m->n_deny_rules;
	return take_rules(base, op, &ep, what, e);
}

static int
take(const struct policy *base, const edit_msg *m, struct policy_edit *op,
    struct policy **what, struct err *e)
{
	switch ((int)m->operation_case) {
	case OP(ADD_RULE):
		place(op, EDIT_ADD_RULE, "", "", 0);
		return take_rule(
		    m->add_rule->rule_name, m->add_rule->rule, what, e);
	case OP(REMOVE_ENDPOINT):
		place(op, EDIT_REMOVE_ENDPOINT, m->remove_endpoint->rule_name,
		    m->remove_endpoint->host, m->remove_endpoint->port);
		return 0;
	case OP(REMOVE_RULE):
		place(op, EDIT_REMOVE_RULE, m->remove_rule->rule_name, "", 0);
		return 0;
	case OP(ADD_DENY_RULES):
		return take_deny(base, m->add_deny_rules, op, what, e);
	case OP(ADD_ALLOW_RULES):
		return take_allow(base, m->add_allow_rules, op, what, e);
	case OP(REMOVE_BINARY):
		place(
		    op, EDIT_REMOVE_BINARY, m->remove_binary->rule_name, "", 0);
		op->binary = view_of(m->remove_binary->binary_path);
		return 0;
	default:
		return err_set(
		    e, ERR_INVALID, "an operation that says nothing");
	}
}

static int
apply(const struct policy *base, const edit_msg *m, struct policy **next,
    struct err *e)
{
	AUTO_POLICY struct policy *what = NULL;
	struct policy_edit op;

	if (take(base, m, &op, &what, e) < 0)
		return -1;
	op.what = what;
	return policy_edit(base, &op, 1, next, e);
}

int
edit_wire_apply(const struct policy *base, edit_msg *const *ops, size_t n,
    struct policy **next, struct err *e)
{
	AUTO_POLICY struct policy *now = policy_ref(base);
	char was[65], is[65];

	if (n > EDIT_WIRE_MAX)
		return err_set(e, ERR_LIMIT, "%zu operations, more than %d", n,
		    (int)EDIT_WIRE_MAX);
	for (size_t i = 0; i < n; i++) {
		struct policy *step = NULL;

		if (apply(now, ops[i], &step, e) < 0)
			return -1;
		if (step == NULL)
			continue;
		policy_free(now);
		now = step;
	}
	policy_hash(base, was);
	policy_hash(now, is);
	*next = strcmp(was, is) == 0 ? NULL : take_ptr(now);
	return 0;
}
