#include "core_drafts.h"

#include <stdlib.h>

#include "test.h"

#include "base/mem.h"

#define WORD(s) ((char *)(uintptr_t)((s) != NULL ? (s) : ""))

/* Everything that a message of one proposal points to. */
struct made {
	chunk_msg chunk;
	rule_msg rule;
	Openshell__Sandbox__V1__NetworkEndpoint ep, *eps[1];
	Openshell__Sandbox__V1__NetworkBinary bin, *bins[1];
	Openshell__Sandbox__V1__CredentialBinding binding;
	Openshell__Sandbox__V1__L7Rule l7, *l7s[1];
	Openshell__Sandbox__V1__L7Allow allow;
	char *ips[1];
};

static void
make_rule(struct made *m, const struct proposal *p)
{
	openshell__sandbox__v1__network_policy_rule__init(&m->rule);
	openshell__sandbox__v1__network_endpoint__init(&m->ep);
	openshell__sandbox__v1__network_binary__init(&m->bin);
	openshell__sandbox__v1__credential_binding__init(&m->binding);
	openshell__sandbox__v1__l7_rule__init(&m->l7);
	openshell__sandbox__v1__l7_allow__init(&m->allow);
	m->ep.host = WORD(p->host);
	m->ep.port = p->port;
	m->ep.enforcement = WORD(p->audit ? "audit" : "");
	m->binding.provider = WORD("github");
	m->ep.credential_binding = p->binding ? &m->binding : NULL;
	m->ips[0] = WORD(p->ip);
	m->ep.allowed_ips = m->ips;
	m->ep.n_allowed_ips = p->ip != NULL;
	if (p->method != NULL) {
		m->ep.protocol = WORD("rest");
		m->allow.method = WORD(p->method);
		m->allow.path = WORD(p->path);
		m->l7.allow = &m->allow;
		m->l7s[0] = &m->l7;
		m->ep.rules = m->l7s;
		m->ep.n_rules = 1;
	}
	m->bin.path = WORD(p->binary);
	m->eps[0] = &m->ep;
	m->bins[0] = &m->bin;
	m->rule.endpoints = m->eps;
	m->rule.n_endpoints = 1;
	m->rule.binaries = m->bins;
	m->rule.n_binaries = p->binary != NULL;
}

enum rpc_code
submit(struct rpc_client *c, const char *name, const struct proposal *p,
    size_t n, submitted_msg **out)
{
	Openshell__V1__SubmitPolicyAnalysisRequest q =
	    OPENSHELL__V1__SUBMIT_POLICY_ANALYSIS_REQUEST__INIT;
	struct made *made = mem_calloc(n, sizeof(*made));
	chunk_msg **chunks = mem_calloc(n, sizeof(chunk_msg *));
	enum rpc_code code;

	for (size_t i = 0; i < n; i++) {
		struct made *m = &made[i];

		make_rule(m, &p[i]);
		openshell__v1__policy_chunk__init(&m->chunk);
		m->chunk.rule_name = WORD(p[i].name);
		m->chunk.security_notes = WORD(p[i].notes);
		m->chunk.confidence = 0.65f;
		m->chunk.proposed_rule = p[i].host != NULL ? &m->rule : NULL;
		chunks[i] = &m->chunk;
	}
	q.name = WORD(name);
	q.analysis_mode = WORD("mechanistic");
	q.proposed_chunks = chunks;
	q.n_proposed_chunks = n;
	code = ASK(c, "SubmitPolicyAnalysis", &q,
	    submit_policy_analysis_response, out);
	free(chunks);
	free(made);
	return code;
}

enum rpc_code
drafts(struct rpc_client *c, const char *name, const char *status,
    drafts_msg **out)
{
	Openshell__V1__GetDraftPolicyRequest q =
	    OPENSHELL__V1__GET_DRAFT_POLICY_REQUEST__INIT;

	q.name = WORD(name);
	q.status_filter = WORD(status);
	return ASK(c, "GetDraftPolicy", &q, get_draft_policy_response, out);
}

void
submitted_free(submitted_msg **r)
{
	openshell__v1__submit_policy_analysis_response__free_unpacked(*r, NULL);
	*r = NULL;
}

void
drafts_free(drafts_msg **d)
{
	openshell__v1__get_draft_policy_response__free_unpacked(*d, NULL);
	*d = NULL;
}
