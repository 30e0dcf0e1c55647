/*
 * merge: a rule into a policy, and out of it again.
 *
 * A rule of the policy takes in another one only when the two together say
 * what both say: they name the same programs, or the same endpoints.  Attack:
 * "allow curl to reach a.example" merged into the rule that lets git reach a
 * dozen hosts would let each reach what the other may, and nobody who approved
 * it has seen that.  What does not fit becomes a rule of its own.
 */
#ifndef POLICY_MERGE_H
#define POLICY_MERGE_H

#include "policy/policy.h"

/* What a merge did, as much as it takes to undo it.  Owns its strings. */
struct policy_merged {
	char *target; /* the key of the rule it went into */
	char *added; /* that rule as a policy, with nothing that was there
			before; "" when all of it was */
	char *parts; /* 'p' for each endpoint of `added` that is a part of one
			that was there, 'w' for one that is whole */
};
void policy_merged_fini(struct policy_merged *m);
#define AUTO_MERGED CLEANUP(policy_merged_fini)

/*
 * `rule` is a policy with one rule.  The candidates are the rule of that key,
 * then those with an endpoint of the same host and port in the order of their
 * keys.  An endpoint of the same host, port and path takes in rules and
 * allowed_ips.  *next is the policy with it, checked; NULL when all of it was
 * there already.  -1 when the result is no valid policy, with the reasons.
 */
int policy_merge(const struct policy *base, const struct policy *rule,
    struct policy **next, struct policy_merged *m,
    struct policy_findings *f) MUST_USE;
/*
 * Takes back what a merge added, as far as it is still there; what came to the
 * same rule later stays.  *next is NULL when nothing of it is there.
 */
int policy_unmerge(const struct policy *base, const struct policy_merged *m,
    struct policy **next, struct policy_findings *f) MUST_USE;

#endif
