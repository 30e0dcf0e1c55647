/* Questions of a keeper to its gateway. */
#include "gate.h"

#include "test.h"

typedef Openshell__V1__SubmitPolicyAnalysisRequest request_msg;
typedef Openshell__V1__SubmitPolicyAnalysisResponse answer_msg;

static unsigned n_done, accepted;
static enum rpc_code last;

static void
on_done(
    void *ctx, enum rpc_code code, ProtobufCMessage **answer, const char *text)
{
	CHECK(ctx == &n_done && text != NULL);
	CHECK((code == RPC_OK) == (answer != NULL));
	if (answer != NULL)
		accepted = ((answer_msg *)(void *)*answer)->accepted_chunks;
	last = code;
	n_done++;
}

static int
ask(struct err *e)
{
	request_msg m = OPENSHELL__V1__SUBMIT_POLICY_ANALYSIS_REQUEST__INIT;

	m.name = (char[]) { "demo" };
	return keeper_ask(&gate.k, "SubmitPolicyAnalysis", &m.base,
	    &openshell__v1__submit_policy_analysis_response__descriptor,
	    on_done, &n_done, e);
}

TEST(ask, is_answered_once)
{
	answer_msg a = OPENSHELL__V1__SUBMIT_POLICY_ANALYSIS_RESPONSE__INIT;
	struct err e;

	gate_open();
	n_done = accepted = 0;
	CHECK_INT(ask(&e), ==, 0);
	CHECK_INT(n_done, ==, 0);
	CHECK_INT(gate.relay->n, ==, 1);
	CHECK(gate.relay->ended);
	CHECK_STR(((request_msg *)(void *)gate.relay->sent[0])->name, "demo");
	a.accepted_chunks = 7;
	gate_answer(gate.relay, &a.base, RPC_OK);
	CHECK_INT(n_done, ==, 1);
	CHECK_INT(last, ==, RPC_OK);
	CHECK_INT(accepted, ==, 7);
	CHECK_INT(gate.k.n_asks, ==, 0);
	gate_close();
}

TEST(ask, tells_a_refusal_and_an_answer_that_is_none)
{
	struct err e;

	gate_open();
	n_done = 0;
	CHECK_INT(ask(&e), ==, 0);
	gate_answer(gate.relay, NULL, RPC_UNAVAILABLE);
	CHECK_INT(last, ==, RPC_UNAVAILABLE);
	CHECK_INT(ask(&e), ==, 0);
	gate_answer(gate.relay, NULL, RPC_OK);
	CHECK_INT(last, ==, RPC_INTERNAL);
	CHECK_INT(n_done, ==, 2);
	gate_close();
}

TEST(ask, is_refused_without_a_gateway_and_beyond_the_bound)
{
	struct rpc_out *calls[KEEPER_ASKS_MAX];
	struct err e;

	gate_open();
	n_done = 0;
	gate.k.welcomed = false;
	CHECK_INT(ask(&e), ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	gate.k.welcomed = true;
	for (size_t i = 0; i < KEEPER_ASKS_MAX; i++) {
		CHECK_INT(ask(&e), ==, 0);
		calls[i] = gate.relay;
	}
	CHECK_INT(ask(&e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	gate_answer(calls[0], NULL, RPC_UNAVAILABLE);
	CHECK_INT(ask(&e), ==, 0);
	calls[0] = gate.relay;
	for (size_t i = 0; i < KEEPER_ASKS_MAX; i++)
		gate_answer(calls[i], NULL, RPC_UNAVAILABLE);
	CHECK_INT(n_done, ==, KEEPER_ASKS_MAX + 1);
	gate_close();
}
