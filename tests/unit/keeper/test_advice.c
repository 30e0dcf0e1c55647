/* Proposals of an agent: to the gateway as this sandbox, and what it says. */
#include "gate.h"

#include "base/mem.h"
#include "test.h"

#define RULE(key, path) \
	"  " key ":\n    endpoints:\n    - host: a.example\n      port: 443\n" \
	"    binaries:\n    - path: " path "\n"
#define ONE "version: 1\nnetwork_policies:\n" RULE("a", "/usr/bin/curl")

typedef Openshell__V1__SubmitPolicyAnalysisRequest submit_msg;
typedef Openshell__V1__SubmitPolicyAnalysisResponse submitted_msg;
typedef Openshell__V1__GetDraftPolicyRequest get_msg;
typedef Openshell__V1__GetDraftPolicyResponse draft_msg;

static void
open_gate(void)
{
	gate_open();
	gate.k.proposals = true;
}

static void
propose(const char *yaml)
{
	AUTO_FREE struct advice_propose *m = NEW(struct advice_propose);

	m->id = 7;
	m->n = (uint32_t)strlen(yaml);
	memcpy(m->intent, "to see it", 10);
	memcpy(m->yaml, yaml, m->n);
	keeper_propose(&gate.k, m);
}

static void
inquire(void)
{
	struct advice_inquire m = { .id = 9, .name = "id-1" };

	keeper_inquire(&gate.k, &m);
}

static const struct advice_proposed *
proposed(void)
{
	CHECK_INT(gate_next(), ==, SESSION_PROPOSED);
	CHECK_INT(gate.got.proposed.id, ==, 7);
	return &gate.got.proposed;
}

static const struct advice_proposal *
proposal(void)
{
	CHECK_INT(gate_next(), ==, SESSION_PROPOSAL);
	CHECK_INT(gate.got.proposal.id, ==, 9);
	return &gate.got.proposal;
}

TEST(advice, a_rule_is_a_chunk_and_the_answer_comes_back)
{
	submitted_msg a = OPENSHELL__V1__SUBMIT_POLICY_ANALYSIS_RESPONSE__INIT;
	char *ids[] = { (char[]) { "id-1" } },
	     *whys[] = { (char[]) { "a wildcard" } };
	const submit_msg *m;

	open_gate();
	propose(ONE RULE("b", "/bin/x"));
	m = (const void *)gate.relay->sent[0];
	CHECK_STR(m->name, gate.k.msg->id);
	CHECK_INT(m->n_proposed_chunks, ==, 2);
	CHECK_STR(m->proposed_chunks[1]->rule_name, "b");
	CHECK_STR(m->proposed_chunks[1]->rationale, "to see it");
	CHECK_STR(
	    m->proposed_chunks[1]->proposed_rule->binaries[0]->path, "/bin/x");
	a.n_accepted_chunk_ids = a.n_rejection_reasons = 1;
	a.accepted_chunk_ids = ids;
	a.rejection_reasons = whys;
	gate_answer(gate.relay, &a.base, RPC_OK);
	CHECK_INT(proposed()->answer, ==, ADVICE_ANSWERED);
	CHECK_INT(gate.got.proposed.accepted, ==, 1);
	CHECK_VIEW(advice_text(&gate.got.proposed, 0), "id-1");
	CHECK_VIEW(advice_text(&gate.got.proposed, 1), "a wildcard");
	gate_close();
}

/* The proxy met the agent's bytes: its word that they are rules is none. */
TEST(advice, what_is_no_rule_or_not_wanted_goes_nowhere)
{
	open_gate();
	propose("version: 1\nnetwork_policies: 7\n");
	CHECK_INT(proposed()->answer, ==, ADVICE_FAILED);
	propose("version: 1\nnetwork_policies: {}\n");
	CHECK_INT(proposed()->answer, ==, ADVICE_FAILED);
	gate.k.proposals = false;
	propose(ONE);
	CHECK_INT(proposed()->answer, ==, ADVICE_UNAVAILABLE);
	CHECK_INT(gate.k.n_asks, ==, 0);
	gate_close();
}

TEST(advice, no_gateway_and_one_that_refuses_differ)
{
	open_gate();
	propose(ONE);
	gate_answer(gate.relay, NULL, RPC_UNAVAILABLE);
	CHECK_INT(proposed()->answer, ==, ADVICE_UNAVAILABLE);
	propose(ONE);
	gate_answer(gate.relay, NULL, RPC_PERMISSION_DENIED);
	CHECK_INT(proposed()->answer, ==, ADVICE_FAILED);
	inquire();
	gate_answer(gate.relay, NULL, RPC_INTERNAL);
	CHECK_INT(proposal()->answer, ==, ADVICE_FAILED);
	gate.k.welcomed = false;
	inquire();
	CHECK_INT(proposal()->answer, ==, ADVICE_UNAVAILABLE);
	gate.k.welcomed = true;
	gate_close();
}

TEST(advice, a_state_comes_with_the_rule_as_it_was_decided)
{
	Openshell__Sandbox__V1__NetworkPolicyRule rule =
	    OPENSHELL__SANDBOX__V1__NETWORK_POLICY_RULE__INIT;
	Openshell__V1__PolicyChunk chunk = OPENSHELL__V1__POLICY_CHUNK__INIT,
				   *list[] = { &chunk };
	draft_msg a = OPENSHELL__V1__GET_DRAFT_POLICY_RESPONSE__INIT;

	open_gate();
	inquire();
	CHECK_STR(((get_msg *)(void *)gate.relay->sent[0])->chunk_id, "id-1");
	gate_answer(gate.relay, &a.base, RPC_OK);
	CHECK_INT(proposal()->answer, ==, ADVICE_UNKNOWN);

	a.n_chunks = 1;
	a.chunks = list;
	chunk.rule_name = (char[]) { "a" };
	chunk.proposed_rule = &rule;
	chunk.status = (char[]) { "rejected" };
	chunk.rejection_reason = (char[]) { "no" };
	inquire();
	gate_answer(gate.relay, &a.base, RPC_OK);
	CHECK_INT(proposal()->state, ==, ADVICE_REJECTED);
	CHECK_STR(gate.got.proposal.reason, "no");
	gate.got.proposal.yaml[gate.got.proposal.n] = '\0';
	CHECK_HAS(gate.got.proposal.yaml, "network_policies:\n  a:");

	chunk.status = (char[]) { "maybe" };
	inquire();
	gate_answer(gate.relay, &a.base, RPC_OK);
	CHECK_INT(proposal()->answer, ==, ADVICE_FAILED);
	chunk.status = (char[]) { "approved" };
	chunk.proposed_rule = NULL;
	inquire();
	gate_answer(gate.relay, &a.base, RPC_OK);
	CHECK_INT(proposal()->answer, ==, ADVICE_FAILED);
	gate_close();
}
