/*
 * walk: what a policy says, endpoint by endpoint, for tools that reason about
 * it (prove, diff, learn).  All is borrowed from the policy.
 */
#ifndef POLICY_WALK_H
#define POLICY_WALK_H

#include "policy/decide.h"

/* One endpoint, with all that its policy and itself say. */
struct policy_endpoint {
	struct view policy; /* key */
	unsigned policy_at, endpoint; /* places */
	struct view host; /* as written; empty: any, by its addresses */
	struct view path; /* glob; empty: all */
	enum policy_tls tls;
	struct policy_treatment t; /* also of those without a protocol */
	size_t n_ports, n_binaries, n_nets;
	size_t n_rules, n_deny_rules; /* presets count as their rules */
	const void *inside, *policy_inside;
};

/* An entry of rules or deny_rules; what is not said is empty. */
struct policy_rule {
	struct view method, path, command;
	struct view operation_type, operation_name;
	struct view service, rpc;
	size_t n_fields, n_query, n_params;
	const void *inside;
};

/* A condition on query parameters or parameters of a call. */
struct policy_matcher {
	struct view name;
	size_t n_globs;
	const void *inside;
};

/* Starts zeroed, but for `policy`; goes through all in order of place. */
struct policy_walk {
	const struct policy *policy;
	size_t policy_at, endpoint;
};
bool policy_walk_next(
    struct policy_walk *w, struct policy_endpoint *out) MUST_USE;

/* i < what the count above says. */
uint16_t policy_endpoint_port(const struct policy_endpoint *e, size_t i);
struct view policy_endpoint_binary(const struct policy_endpoint *e, size_t i);
struct policy_net policy_endpoint_net(
    const struct policy_endpoint *e, size_t i);
void policy_endpoint_rule(const struct policy_endpoint *e, bool deny, size_t i,
    struct policy_rule *out);
struct view policy_rule_field(const struct policy_rule *r, size_t i);
struct policy_matcher policy_rule_query(const struct policy_rule *r, size_t i);
struct policy_matcher policy_rule_param(const struct policy_rule *r, size_t i);
struct view policy_matcher_glob(const struct policy_matcher *m, size_t i);

/* How a host is selected, for comparing selectors of two policies. */
enum policy_selector {
	POLICY_SELECT_HOSTLESS,
	POLICY_SELECT_EXACT,
	POLICY_SELECT_LABEL, /* '*' inside the first label */
	POLICY_SELECT_STAR, /* one label before the name */
	POLICY_SELECT_GLOBSTAR /* one or more labels before it */
};
enum policy_selector policy_endpoint_selector(const struct policy_endpoint *e);

#endif
