/*
 * edit: a policy changed by operations instead of whole, so that two who
 * change it at once do not undo each other's work.
 *
 * All of them or none: the first that finds nothing to change, or leads to no
 * valid policy, ends it.
 */
#ifndef POLICY_EDIT_H
#define POLICY_EDIT_H

#include "policy/policy.h"

enum policy_edit_kind {
	EDIT_ADD_RULE, /* as policy_merge */
	EDIT_REMOVE_ENDPOINT, /* a port of it, and the rest with its last */
	EDIT_REMOVE_RULE,
	EDIT_ADD_DENY_RULES, /* of the one endpoint of that host and port */
	EDIT_ADD_ALLOW_RULES, /* a preset becomes the rules it stands for */
	EDIT_REMOVE_BINARY /* the rule goes with its last */
};

struct policy_edit {
	enum policy_edit_kind kind;
	/* The key of a rule; empty: any, where host and port say which. */
	struct view rule;
	struct view host;
	uint32_t port;
	struct view binary;
	/*
	 * A policy of one rule: the one to add, or one whose only endpoint has
	 * the rules or deny_rules to add.
	 */
	const struct policy *what;
};

/*
 * *next is NULL when nothing changed.  -1 with one sentence: ERR_NOT_FOUND,
 * ERR_EXISTS (more than one endpoint is meant), ERR_INVALID.
 */
int policy_edit(const struct policy *base, const struct policy_edit *v,
    size_t n, struct policy **next, struct err *e) MUST_USE;

/*
 * The protocol of the endpoint that such an operation is about, as a word; ""
 * when there is none that is looked into, or more than one protocol.
 */
const char *policy_edit_protocol(
    const struct policy *base, const struct policy_edit *op);

#endif
