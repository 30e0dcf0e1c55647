/*
 * advice: what the agent proposes, on to the gateway, and what became of it.
 *
 * The proxy read it first, but it is what met the agent's bytes: the rules are
 * parsed here again, and what cannot be is no proposal.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "keeper/impl.h"

typedef Openshell__V1__PolicyChunk chunk_msg;
typedef Openshell__V1__SubmitPolicyAnalysisRequest submit_msg;
typedef Openshell__V1__SubmitPolicyAnalysisResponse submitted_msg;
typedef Openshell__V1__GetDraftPolicyRequest get_msg;
typedef Openshell__V1__GetDraftPolicyResponse draft_msg;

/* Whose question an answer is about. */
struct question {
	struct keeper *k;
	uint32_t id;
};

static struct question *
question_new(struct keeper *k, uint32_t id)
{
	struct question *q = NEW(struct question);

	*q = (struct question) { k, id };
	return q;
}

/* Nobody is there to be asked; or who is has said no. */
static enum advice_answer
answer_of(enum rpc_code code)
{
	return code == RPC_UNAVAILABLE || code == RPC_DEADLINE_EXCEEDED ||
		       code == RPC_CANCELLED
		   ? ADVICE_UNAVAILABLE
		   : ADVICE_FAILED;
}

/* --- a proposal ------------------------------------------------------------
 */

static void
tell_proposed_fail(
    struct keeper *k, uint32_t id, enum advice_answer a, const char *why)
{
	advice_proposed_init(&k->m.proposed, id);
	advice_proposed_fail(&k->m.proposed, a, why);
	keeper_tell(k, SESSION_PROPOSED);
}

static void
on_submitted(
    void *ctx, enum rpc_code code, ProtobufCMessage **answer, const char *text)
{
	AUTO_FREE struct question *q = ctx;
	const submitted_msg *r;

	if (code != RPC_OK) {
		tell_proposed_fail(q->k, q->id, answer_of(code), text);
		return;
	}
	r = (const void *)*answer;
	advice_proposed_init(&q->k->m.proposed, q->id);
	for (size_t i = 0; i < r->n_accepted_chunk_ids; i++)
		advice_accept(&q->k->m.proposed, r->accepted_chunk_ids[i]);
	for (size_t i = 0; i < r->n_rejection_reasons; i++)
		advice_reject(&q->k->m.proposed, r->rejection_reasons[i]);
	if (q->k->m.proposed.n == 0)
		tell_proposed_fail(q->k, q->id, ADVICE_FAILED,
		    "the gateway says nothing of the rules");
	else
		keeper_tell(q->k, SESSION_PROPOSED);
}

/* A chunk for each rule, all for the same reason. */
static int
submit(struct keeper *k, const struct advice_propose *m,
    const policy_wire_msg *rules, struct err *e)
{
	submit_msg r = OPENSHELL__V1__SUBMIT_POLICY_ANALYSIS_REQUEST__INIT;
	chunk_msg chunks[ADVICE_RULES_MAX], *list[ADVICE_RULES_MAX];
	char stage[] = "initial", mode[] = "llm"; /* as long as what is sent */
	struct question *q;
	int rc;

	if (rules->n_network_policies == 0 ||
	    rules->n_network_policies > ADVICE_RULES_MAX)
		return err_set(
		    e, ERR_INVALID, "not 1 to %d rules", (int)ADVICE_RULES_MAX);
	for (size_t i = 0; i < rules->n_network_policies; i++) {
		openshell__v1__policy_chunk__init(&chunks[i]);
		chunks[i].rule_name = rules->network_policies[i]->key;
		chunks[i].proposed_rule = rules->network_policies[i]->value;
		chunks[i].rationale = (char *)(uintptr_t)m->intent;
		chunks[i].stage = stage;
		list[i] = &chunks[i];
	}
	r.name = k->msg->id;
	r.analysis_mode = mode;
	r.n_proposed_chunks = rules->n_network_policies;
	r.proposed_chunks = list;
	q = question_new(k, m->id);
	rc = keeper_ask(k, "SubmitPolicyAnalysis", &r.base,
	    &openshell__v1__submit_policy_analysis_response__descriptor,
	    on_submitted, q, e);
	if (rc < 0)
		free(q);
	return rc;
}

void
keeper_propose(struct keeper *k, const struct advice_propose *m)
{
	AUTO_FINDINGS struct policy_findings f = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	policy_wire_msg *rules;
	struct err e;
	int rc;

	if (!k->proposals) {
		tell_proposed_fail(
		    k, m->id, ADVICE_UNAVAILABLE, "proposals are off");
		return;
	}
	if (policy_parse((struct view) { m->yaml, m->n }, &p, &f) < 0) {
		tell_proposed_fail(
		    k, m->id, ADVICE_FAILED, "the rules are not valid");
		return;
	}
	rules = policy_wire_from(p);
	rc = submit(k, m, rules, &e);
	policy_wire_free(rules);
	if (rc < 0)
		tell_proposed_fail(k, m->id,
		    e.code == ERR_INVALID ? ADVICE_FAILED : ADVICE_UNAVAILABLE,
		    e.text);
}

/* --- what became of it ------------------------------------------------------
 */

static void
tell_proposal_fail(
    struct keeper *k, uint32_t id, enum advice_answer a, const char *why)
{
	advice_proposal_fail(&k->m.proposal, id, a, why);
	keeper_tell(k, SESSION_PROPOSAL);
}

static bool
state_of(const char *word, uint8_t *out)
{
	for (uint8_t s = ADVICE_PENDING; s <= ADVICE_REJECTED; s++)
		if (strcmp(word, advice_state_word(s)) == 0) {
			*out = s;
			return true;
		}
	return false;
}

static int
put_rule(const chunk_msg *c, struct advice_proposal *m, struct err *e)
{
	policy_wire_msg p = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	Openshell__Sandbox__V1__SandboxPolicy__NetworkPoliciesEntry
	    entry =
		OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__NETWORK_POLICIES_ENTRY__INIT,
	    *entries[] = { &entry };
	AUTO_BUF struct buf yaml = BUF_INIT(ADVICE_YAML_MAX);

	if (c->proposed_rule == NULL)
		return err_set(e, ERR_PROTO, "the gateway sent no rule");
	p.version = 1;
	p.n_network_policies = 1;
	p.network_policies = entries;
	entry.key = c->rule_name;
	entry.value = c->proposed_rule;
	policy_wire_yaml(&p, &yaml);
	if (yaml.full)
		return err_set(e, ERR_LIMIT, "the rule is too long to be told");
	m->n = (uint32_t)yaml.n;
	memcpy(m->yaml, yaml.p, yaml.n);
	return 0;
}

static int
put_chunk(const chunk_msg *c, struct advice_proposal *m, struct err *e)
{
	memset(m, 0, offsetof(struct advice_proposal, yaml));
	m->answer = ADVICE_ANSWERED;
	if (!state_of(c->status, &m->state))
		return err_set(e, ERR_PROTO,
		    "the gateway's status of it is not known here");
	(void)snprintf(m->reason, sizeof(m->reason), "%s", c->rejection_reason);
	(void)snprintf(
	    m->validation, sizeof(m->validation), "%s", c->validation_result);
	return put_rule(c, m, e);
}

static void
on_draft(
    void *ctx, enum rpc_code code, ProtobufCMessage **answer, const char *text)
{
	AUTO_FREE struct question *q = ctx;
	struct advice_proposal *m = &q->k->m.proposal;
	const draft_msg *r;
	struct err e;

	if (code != RPC_OK) {
		tell_proposal_fail(q->k, q->id, answer_of(code), text);
		return;
	}
	r = (const void *)*answer;
	if (r->n_chunks != 1) {
		tell_proposal_fail(q->k, q->id, ADVICE_UNKNOWN,
		    "there is no such proposal of this sandbox");
	} else if (put_chunk(r->chunks[0], m, &e) < 0) {
		tell_proposal_fail(q->k, q->id, ADVICE_FAILED, e.text);
	} else {
		m->id = q->id;
		keeper_tell(q->k, SESSION_PROPOSAL);
	}
}

void
keeper_inquire(struct keeper *k, const struct advice_inquire *m)
{
	get_msg r = OPENSHELL__V1__GET_DRAFT_POLICY_REQUEST__INIT;
	struct question *q = question_new(k, m->id);
	struct err e;

	r.name = k->msg->id;
	r.chunk_id = (char *)(uintptr_t)m->name;
	if (keeper_ask(k, "GetDraftPolicy", &r.base,
		&openshell__v1__get_draft_policy_response__descriptor, on_draft,
		q, &e) == 0)
		return;
	free(q);
	tell_proposal_fail(k, m->id, ADVICE_UNAVAILABLE, e.text);
}
