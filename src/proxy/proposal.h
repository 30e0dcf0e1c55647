/*
 * proposal: what an agent asks to be allowed, read from the body of a POST to
 * the advisor and written again as a policy document.
 *
 *	{ "intent_summary": TEXT, "operations": [
 *	    { "addRule": { "ruleName": KEY, "rule": an entry of
 *	      network_policies } } ] }
 *
 * A pure function over hostile bytes: what is returned was parsed and checked
 * as any policy is, and nothing in it is in force by being here.
 */
#ifndef PROXY_PROPOSAL_H
#define PROXY_PROPOSAL_H

#include "base/bytes.h"
#include "base/err.h"
#include "sandbox/netmsg.h"

enum {
	PROPOSAL_BODY_MAX = 65536,
	PROPOSAL_RULES_MAX = ADVICE_RULES_MAX,
	PROPOSAL_INTENT_MAX = ADVICE_INTENT - 1,
	PROPOSAL_TEXT_MAX = ADVICE_YAML_MAX
};

struct proposal {
	struct buf intent;
	struct buf yaml; /* canonical: version and network_policies alone */
	struct buf names; /* of the rules, ", " joined, as they are */
	size_t n_rules;
};

/* ERR_INVALID with every fault on a line; *out is empty then. */
int proposal_parse(
    struct view body, struct proposal *out, struct err *e) MUST_USE;
void proposal_fini(struct proposal *p);
#define AUTO_PROPOSAL CLEANUP(proposal_fini)

#endif
