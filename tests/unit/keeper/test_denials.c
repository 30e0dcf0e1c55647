/* Denials on their way from the records of a keeper to its gateway. */
#include "gate.h"

#include <stdlib.h>

#include "test.h"

#include "base/mem.h"
#include "keeper/analysis.h"

typedef Openshell__V1__SubmitPolicyAnalysisRequest request_msg;
typedef Openshell__V1__SubmitPolicyAnalysisResponse answer_msg;
typedef Openshell__V1__PolicyChunk chunk_msg;
typedef Openshell__V1__DenialSummary summary_msg;
typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;

static void
open_gate(void)
{
	gate_open();
	gate.k.denials_ms = 1;
	gate.k.msg->name = mem_strdup("demo");
}

static void
deny(const char *host, const char *binary)
{
	struct audit_event ev = { .kind = AUDIT_CONNECT,
		.action = AUDIT_DENY,
		.stage = VIEW("connect"),
		.binary = view_of(binary),
		.ancestors = VIEW("/usr/bin/bash -> /sbin/init"),
		.sha256 = VIEW("00ff"),
		.reason = VIEW("no policy allows it"),
		.host = view_of(host),
		.port = 443 };

	record_event(&gate.k, &ev);
}

static void
deny_request(const char *host, const char *method, const char *path)
{
	struct audit_event ev = { .kind = AUDIT_L7_REQUEST,
		.action = AUDIT_DENY,
		.stage = VIEW("l7"),
		.binary = VIEW("/usr/bin/python3"),
		.host = view_of(host),
		.port = 443,
		.method = view_of(method),
		.path = view_of(path) };

	record_event(&gate.k, &ev);
}

static const request_msg *
asked(void)
{
	CHECK(gate.relay != NULL);
	CHECK_INT(gate.relay->n, ==, 1);
	return (const void *)gate.relay->sent[0];
}

static void
answer(enum rpc_code code)
{
	answer_msg a = OPENSHELL__V1__SUBMIT_POLICY_ANALYSIS_RESPONSE__INIT;

	gate_answer(gate.relay, code == RPC_OK ? &a.base : NULL, code);
}

TEST(denials, go_to_the_gateway_after_an_interval)
{
	const request_msg *m;
	const summary_msg *s;
	const chunk_msg *c;

	open_gate();
	deny("api.example.com", "/usr/bin/curl");
	deny("api.example.com", "/usr/bin/curl");
	deny("api.example.com", "");
	CHECK(gate.relay == NULL); /* not at once */
	GATE_WAIT(gate.relay != NULL);
	m = asked();
	CHECK_STR(m->name, "demo");
	CHECK_STR(m->analysis_mode, "mechanistic");
	CHECK_INT(m->n_summaries, ==, 2);
	s = m->summaries[0];
	CHECK_STR(s->host, "api.example.com");
	CHECK_INT(s->port, ==, 443);
	CHECK_STR(s->binary, "/usr/bin/curl");
	CHECK_INT(s->n_ancestors, ==, 2);
	CHECK_STR(s->ancestors[1], "/sbin/init");
	CHECK_STR(s->deny_reason, "no policy allows it");
	CHECK_INT(s->count, ==, 2);
	CHECK_INT(s->total_count, ==, 2);
	CHECK_INT(s->suppressed_count, ==, 0);
	CHECK_STR(s->binary_sha256, "00ff");
	CHECK_STR(s->denial_stage, "connect");
	CHECK(!s->l7_inspection_active && !s->persistent);
	CHECK_STR(m->summaries[1]->binary, "-");
	/* Of a program that is not known nothing is proposed. */
	CHECK_INT(m->n_proposed_chunks, ==, 1);
	c = m->proposed_chunks[0];
	CHECK_STR(c->rule_name, "allow_api_example_com_443");
	CHECK_STR(c->status, "pending");
	CHECK_STR(c->stage, "connect");
	CHECK_INT(c->hit_count, ==, 2);
	CHECK_STR(c->proposed_rule->binaries[0]->path, "/usr/bin/curl");
	CHECK_STR(c->proposed_rule->endpoints[0]->host, "api.example.com");
	CHECK_INT(c->proposed_rule->endpoints[0]->ports[0], ==, 443);
	CHECK_STR(c->proposed_rule->endpoints[0]->protocol, "rest");
	CHECK_STR(c->proposed_rule->endpoints[0]->access, "read-only");
	CHECK_INT(c->proposed_rule->endpoints[0]->n_allowed_ips, ==, 0);
	answer(RPC_OK);
	CHECK_INT(denials_count(gate.k.denials), ==, 0);
	CHECK(!uv_is_active((uv_handle_t *)&gate.k.denials_timer));
	gate_close();
}

TEST(denials, of_requests_make_rules_of_them)
{
	const endpoint_msg *ep;
	const request_msg *m;

	open_gate();
	deny_request("api.example.com", "GET", "/");
	deny_request("api.example.com", "GET", "/j/abc123def456abcd0099");
	GATE_WAIT(gate.relay != NULL);
	m = asked();
	CHECK_INT(m->n_summaries, ==, 1);
	CHECK(m->summaries[0]->l7_inspection_active);
	CHECK_INT(m->summaries[0]->n_l7_request_samples, ==, 2);
	CHECK_STR(m->summaries[0]->l7_request_samples[1]->decision, "deny");
	CHECK_STR(m->summaries[0]->l7_request_samples[1]->path,
	    "/j/abc123def456abcd0099");
	CHECK_INT(m->n_proposed_chunks, ==, 1);
	ep = m->proposed_chunks[0]->proposed_rule->endpoints[0];
	CHECK_STR(ep->protocol, "rest");
	CHECK_STR(ep->enforcement, "enforce");
	CHECK_STR(ep->tls, "");
	CHECK_INT(ep->n_rules, ==, 2);
	CHECK_STR(ep->rules[1]->allow->path, "/j/*");
	answer(RPC_OK);
	gate_close();
}

/* They passed: a person has nothing to allow. */
TEST(denials, of_an_endpoint_that_audits_are_told_and_not_proposed)
{
	struct audit_event ev = { .kind = AUDIT_L7_REQUEST,
		.action = AUDIT_AUDIT,
		.stage = VIEW("l7_audit"),
		.binary = VIEW("/usr/bin/python3"),
		.host = VIEW("api.example.com"),
		.port = 443,
		.method = VIEW("POST"),
		.path = VIEW("/x") };
	const request_msg *m;

	open_gate();
	record_event(&gate.k, &ev);
	GATE_WAIT(gate.relay != NULL);
	m = asked();
	CHECK_INT(m->n_summaries, ==, 1);
	CHECK_STR(m->summaries[0]->denial_stage, "l7_audit");
	CHECK_STR(m->summaries[0]->l7_request_samples[0]->decision, "audit");
	CHECK_INT(m->n_proposed_chunks, ==, 0);
	answer(RPC_OK);
	gate_close();
}

TEST(denials, that_could_not_be_told_are_told_with_the_next)
{
	open_gate();
	deny("a.example.com", "/usr/bin/curl");
	GATE_WAIT(gate.relay != NULL);
	deny("a.example.com", "/usr/bin/curl"); /* meanwhile */
	CHECK_INT(asked()->summaries[0]->count, ==, 1);
	answer(RPC_UNAVAILABLE);
	CHECK_INT(gate.k.denials_failed, ==, 1);
	GATE_WAIT(gate.relay != NULL);
	CHECK_INT(asked()->summaries[0]->count, ==, 2);
	answer(RPC_DEADLINE_EXCEEDED);
	CHECK_INT(gate.k.denials_failed, ==, 2);
	GATE_WAIT(gate.relay != NULL);
	CHECK_INT(asked()->summaries[0]->count, ==, 2);
	answer(RPC_OK);
	CHECK_INT(gate.k.denials_failed, ==, 0);
	CHECK_INT(denials_count(gate.k.denials), ==, 0);
	gate_close();
}

TEST(denials, that_the_gateway_refuses_are_not_told_again)
{
	open_gate();
	deny("a.example.com", "/usr/bin/curl");
	GATE_WAIT(gate.relay != NULL);
	answer(RPC_UNIMPLEMENTED);
	CHECK_INT(denials_count(gate.k.denials), ==, 0);
	CHECK(!uv_is_active((uv_handle_t *)&gate.k.denials_timer));
	gate_close();
}

TEST(denials, wait_for_a_gateway_that_is_away)
{
	open_gate();
	gate.k.welcomed = false;
	deny("a.example.com", "/usr/bin/curl");
	for (unsigned i = 0; i < 20; i++)
		(void)gate_turn();
	CHECK(gate.relay == NULL);
	CHECK_INT(denials_count(gate.k.denials), ==, 1);
	gate.k.welcomed = true;
	GATE_WAIT(gate.relay != NULL);
	CHECK_INT(asked()->n_summaries, ==, 1);
	answer(RPC_OK);
	gate_close();
}

TEST(denials, the_last_ones_are_told_before_the_end)
{
	open_gate();
	gate.k.denials_ms = 3600000;
	CHECK(!keeper_denials_last(&gate.k)); /* none */
	deny("a.example.com", "/usr/bin/curl");
	gate.k.gone = true;
	CHECK(keeper_denials_last(&gate.k));
	CHECK_INT(asked()->n_summaries, ==, 1);
	CHECK(!gate.k.farewell_sent);
	answer(RPC_OK);
	CHECK(gate.k.farewell_sent);
	gate_close();
}

TEST(denials, text_of_the_sandbox_is_escaped)
{
	const request_msg *m;

	open_gate();
	deny("a.example.com", "/tmp/\033[2Jx\xff");
	GATE_WAIT(gate.relay != NULL);
	m = asked();
	CHECK(strchr(m->summaries[0]->binary, '\033') == NULL);
	CHECK_HAS(m->summaries[0]->binary, "\\x1b[2Jx");
	CHECK_INT(m->n_proposed_chunks, ==, 0);
	answer(RPC_OK);
	gate_close();
}

/* Attack: a message that no gateway takes, or more than anybody reads. */
TEST(denials, a_message_is_bounded)
{
	static char reason[1024];
	AUTO_ANALYSIS a;
	struct denials *d = denials_new();
	uint64_t told = 0;
	char host[64];

	memset(reason, 'r', sizeof(reason));
	for (unsigned i = 0; i < DENIALS_MAX + 1; i++) {
		struct audit_event ev = { .kind = AUDIT_CONNECT,
			.action = AUDIT_DENY,
			.stage = VIEW("connect"),
			.binary = VIEW("/usr/bin/curl"),
			.reason = { reason, sizeof(reason) },
			.host = { host, 0 },
			.port = 443 };

		(void)snprintf(host, sizeof(host), "h%u.example.com", i);
		ev.host = view_of(host);
		CHECK(denials_add(d, &ev));
	}
	analysis_make(&a, d, "demo");
	CHECK_INT(
	    openshell__v1__submit_policy_analysis_request__get_packed_size(
		&a.m),
	    <, 900 << 10);
	CHECK_INT(a.m.n_proposed_chunks, ==, ANALYSIS_PROPOSALS_MAX);
	CHECK_INT(a.unproposed, ==, DENIALS_MAX - ANALYSIS_PROPOSALS_MAX);
	for (size_t i = 0; i < a.m.n_summaries; i++)
		told += a.m.summaries[i]->count;
	CHECK_INT(told, <, DENIALS_MAX);
	CHECK_INT(told + a.suppressed, ==, DENIALS_MAX + 1);
	CHECK_INT(a.m.summaries[0]->suppressed_count, ==, a.suppressed);
	CHECK_INT(a.m.summaries[0]->total_count, ==, 1 + a.suppressed);
	denials_free(d);
}

TEST(denials, the_surest_proposal_is_the_first)
{
	const request_msg *m;

	open_gate();
	deny("b.example.com", "/usr/bin/curl");
	for (unsigned i = 0; i < 10; i++)
		deny("a.example.com", "/usr/bin/curl");
	deny("a.example.com", "/usr/bin/git");
	GATE_WAIT(gate.relay != NULL);
	m = asked();
	CHECK_INT(m->n_proposed_chunks, ==, 3);
	CHECK_INT(m->proposed_chunks[0]->hit_count, ==, 10);
	CHECK_STR(m->proposed_chunks[1]->binary, "/usr/bin/git");
	CHECK_STR(m->proposed_chunks[2]->rule_name, "allow_b_example_com_443");
	answer(RPC_OK);
	gate_close();
}
