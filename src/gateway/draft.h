/*
 * draft: rules that sandboxes propose, from their coming to a decision
 * (gateway-api 4.11).
 *
 * What a sandbox sends is an agent's word: it widens nothing by itself, and
 * what it says of itself (notes, confidence) is shown as its word.
 */
#ifndef GATEWAY_DRAFT_H
#define GATEWAY_DRAFT_H

#include "gateway/gw.h"
#include "policy/policy.h"

typedef Openshell__Sandbox__V1__NetworkPolicyRule rule_msg;
typedef Openshell__V1__PolicyChunk chunk_msg;

enum {
	DRAFT_CALL_MAX = 100, /* proposals of one call that are looked at */
	DRAFT_PENDING_MAX = 1000, /* of a sandbox */
	DRAFT_ALL_MAX = 2000, /* the decided ones too */
	DRAFT_RULE_MAX = 16384, /* bytes of one, packed */
	DRAFT_TEXT_MAX = 4096 /* of rationale or notes */
};

/*
 * A rule as a user may keep it as a proposal: by itself a policy that this
 * version understands.  Fills rule, rule_hash, host, port and binary of *out,
 * in canonical form.
 */
int draft_take_rule(const char *name, const rule_msg *rule,
    struct store_chunk *out, struct err *e) MUST_USE;
/*
 * A proposal of a sandbox, which may ask for less: one program and one host by
 * name, nothing about credentials or enforcement.  *out is whole but for id,
 * times and draft_version; its endpoints are marked advisor_proposed.  The
 * error is the reason that its sender is told.
 */
int draft_take(
    const chunk_msg *c, struct store_chunk *out, struct err *e) MUST_USE;

/* --- draft_decide.c ------------------------------------------------------- */

/* The rule of a proposal, as a policy of that alone. */
int draft_rule(
    const struct store_chunk *c, struct policy **out, struct err *e) MUST_USE;

/*
 * Both store a revision (or find that none is needed) and the new status as
 * one change; gw_policy_tell is the caller's, when out->added.  ERR_INVALID:
 * what would come of it is no policy that this sandbox can have.
 */
int draft_approve(struct sbx *s, struct store_chunk *c, struct gw_revision *out,
    struct err *e) MUST_USE;
/* Of an approved one: what it added goes, and it becomes `to`. */
int draft_revoke(struct sbx *s, struct store_chunk *c,
    enum store_chunk_status to, const char *reason, struct gw_revision *out,
    struct err *e) MUST_USE;

/* --- draft_undo.c --------------------------------------------------------- */

/*
 * The policy without what the approval of `c` added; NULL when nothing of it is
 * there.  What later approvals added to the same rule stays, and is put down
 * anew, within the change that the caller began.
 */
int draft_without(struct sbx *s, const struct policy *base,
    const struct store_chunk *c, struct policy **next, struct err *e) MUST_USE;
/* ERR_INVALID with the first reason why a decision leads to no policy. */
int draft_no_policy(const struct policy_findings *f, struct err *e);

/* --- draft_judge.c -------------------------------------------------------- */

/*
 * Proposals that came, judged one after the other: what the policy with each
 * would mean for the credentials of its sandbox is found and put down
 * (validation_result), and where nothing is found and proposal_approval_mode is
 * auto, it is approved if it `may` be.  `ids` are n of them.
 */
void draft_judge(struct sbx *s, char *const *ids, size_t n, bool may);

#endif
