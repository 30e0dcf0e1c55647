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
#include "gateway/draft.h"
#include "policy/merge.h"

/* The first reason; there may be none when the text was too large. */
int
draft_no_policy(const struct policy_findings *f, struct err *e)
{
	const char *why = "it is too large";

	for (size_t i = f->n; i > 0; i--)
		if (!f->v[i - 1].warning)
			why = f->v[i - 1].text;
	return err_set(e, ERR_INVALID,
	    "the policy with this decision would be invalid: %.400s", why);
}

static int
read_wire(const policy_wire_msg *m, struct policy **out, struct err *e)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };

	if (m == NULL || policy_wire_to(m, out, &f) < 0)
		return err_set(e, ERR_INTERNAL,
		    "the database holds a policy that cannot be read");
	return 0;
}

int
draft_base(struct sbx *s, struct policy **out, struct err *e)
{
	struct store_revision r = { 0 };
	policy_wire_msg *m;
	int rc;

	/* Without a revision there is what it was made with (4.11). */
	if (store_revision_wanted(s->g->store, s->id, &r, e) < 0) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		if (s->msg->spec != NULL && s->msg->spec->policy != NULL)
			return read_wire(s->msg->spec->policy, out, e);
		*out = policy_default();
		return 0;
	}
	m = gw_policy_unpack(r.payload, r.n);
	store_revision_fini(&r);
	rc = read_wire(m, out, e);
	policy_wire_free(m);
	return rc;
}

int
draft_rule(const struct store_chunk *c, struct policy **out, struct err *e)
{
	policy_wire_msg m = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	Openshell__Sandbox__V1__SandboxPolicy__NetworkPoliciesEntry
	    entry =
		OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__NETWORK_POLICIES_ENTRY__INIT,
	    *entries[] = { &entry };
	rule_msg *rule = openshell__sandbox__v1__network_policy_rule__unpack(
	    NULL, c->n_rule, (const uint8_t *)c->rule);
	int rc;

	m.version = 1;
	m.network_policies = entries;
	m.n_network_policies = 1;
	entry.key = c->rule_name;
	entry.value = rule;
	rc = read_wire(rule != NULL ? &m : NULL, out, e);
	if (rule != NULL)
		openshell__sandbox__v1__network_policy_rule__free_unpacked(
		    rule, NULL);
	return rc;
}

/* The revision that is wanted already. */
static int
unchanged(struct sbx *s, struct gw_revision *out, struct err *e)
{
	struct store_revision r = { 0 };

	*out = (struct gw_revision) { 0 };
	if (store_revision_wanted(s->g->store, s->id, &r, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	out->version = r.version;
	memcpy(out->hash, r.hash, sizeof(out->hash));
	store_revision_fini(&r);
	return 0;
}

/* As a policy that was pushed: the same checks, the same baseline. */
static int
revise(struct sbx *s, const struct policy *next, struct gw_revision *out,
    struct err *e)
{
	AUTO_BUF struct buf why = BUF_INIT(4096);
	const policy_wire_msg *baseline =
	    s->msg->spec != NULL ? s->msg->spec->policy : NULL;
	policy_wire_msg *m, *accepted = NULL;
	int rc;

	if (next == NULL)
		return unchanged(s, out, e);
	m = policy_wire_from(next);
	rc = gw_policy_accept(m, baseline, &accepted, &why);
	policy_wire_free(m);
	if (rc < 0)
		return err_set(e, ERR_INVALID, "%.400s", buf_str(&why));
	rc = gw_policy_store(s, accepted, out, e);
	policy_wire_free(accepted);
	return rc;
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

	if (draft_base(s, &base, e) < 0 || draft_rule(c, &rule, e) < 0)
		return -1;
	if (policy_merge(base, rule, &next, &m, &f) < 0)
		return draft_no_policy(&f, e);
	if (revise(s, next, out, e) < 0)
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

	if (draft_base(s, &base, e) < 0 ||
	    draft_without(s, base, c, &next, e) < 0 ||
	    revise(s, next, out, e) < 0)
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
