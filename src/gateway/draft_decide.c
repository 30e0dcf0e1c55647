/*
 * draft_decide: what a decision about a proposal does to the policy.
 *
 * The revision and the status of the proposal are one change of the store: a
 * gateway killed between them would say for ever that a rule waits which is in
 * force, or that one is in force which is not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/utf8.h"
#include "gateway/draft.h"
#include "policy/merge.h"

/* The first reason; there may be none when the text was too large. */
int
draft_no_policy(const struct policy_findings *f, struct err *e)
{
	struct view why = VIEW("it is too large");

	for (size_t i = f->n; i > 0; i--)
		if (!f->v[i - 1].warning)
			why = utf8_clip(view_of(f->v[i - 1].text), 400);
	return err_set(e, ERR_INVALID,
	    "the policy with this decision would be invalid: %.*s", (int)why.n,
	    why.p);
}

int
draft_rule(const struct store_chunk *c, struct policy **out, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	rule_msg *rule = openshell__sandbox__v1__network_policy_rule__unpack(
	    NULL, c->n_rule, (const uint8_t *)c->rule);
	int rc = rule != NULL ? policy_wire_rule_to(c->rule_name, rule, out, &f)
			      : -1;

	if (rule != NULL)
		openshell__sandbox__v1__network_policy_rule__free_unpacked(
		    rule, NULL);
	return rc == 0 ? 0
		       : err_set(e, ERR_INTERNAL,
			     "the database holds a rule that cannot be read");
}

/* Ends the change that store_begin began. */
static int
settle(struct sbx *s, int rc, struct err *e)
{
	if (rc == 0)
		return store_commit(s->g->store, e);
	store_rollback(s->g->store);
	return -1;
}

static void
set(char **at, const char *text)
{
	free(*at);
	*at = mem_strdup(text);
}

static int
put_status(struct sbx *s, struct store_chunk *c, enum store_chunk_status to,
    const char *reason, const struct policy_merged *m, struct err *e)
{
	enum store_chunk_status was = c->status;

	c->status = to;
	c->decided_ms = to == CHUNK_PENDING ? 0 : clock_wall_ms();
	set(&c->reject_reason, reason);
	set(&c->merge_rule, m != NULL ? m->target : "");
	set(&c->merge_added, m != NULL ? m->added : "");
	set(&c->merge_parts, m != NULL ? m->parts : "");
	return store_chunk_decide(s->g->store, s->id, c, was, e);
}

static int
approve(struct sbx *s, struct store_chunk *c, struct gw_revision *out,
    struct err *e)
{
	AUTO_POLICY struct policy *base = NULL, *rule = NULL, *next = NULL;
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_MERGED struct policy_merged m = { 0 };

	if (gw_policy_now(s, &base, e) < 0 || draft_rule(c, &rule, e) < 0)
		return -1;
	if (policy_merge(base, rule, &next, &m, &f) < 0)
		return draft_no_policy(&f, e);
	if (gw_policy_revise(s, next, out, e) < 0)
		return -1;
	return put_status(s, c, CHUNK_APPROVED, "", &m, e);
}

int
draft_approve(struct sbx *s, struct store_chunk *c, struct gw_revision *out,
    struct err *e)
{
	if (store_begin(s->g->store, e) < 0 ||
	    settle(s, approve(s, c, out, e), e) < 0)
		return -1;
	sbx_log(s, "INFO", "rule '%s' was approved: policy version %u",
	    c->rule_name, out->version);
	return 0;
}

static int
take_back(struct sbx *s, struct store_chunk *c, enum store_chunk_status to,
    const char *reason, struct gw_revision *out, struct err *e)
{
	AUTO_POLICY struct policy *base = NULL, *next = NULL;

	if (gw_policy_now(s, &base, e) < 0 ||
	    draft_without(s, base, c, &next, e) < 0 ||
	    gw_policy_revise(s, next, out, e) < 0)
		return -1;
	return put_status(s, c, to, reason, NULL, e);
}

int
draft_revoke(struct sbx *s, struct store_chunk *c, enum store_chunk_status to,
    const char *reason, struct gw_revision *out, struct err *e)
{
	if (store_begin(s->g->store, e) < 0 ||
	    settle(s, take_back(s, c, to, reason, out, e), e) < 0)
		return -1;
	sbx_log(s, "INFO",
	    "the approval of rule '%s' was taken back: policy version %u",
	    c->rule_name, out->version);
	return 0;
}
