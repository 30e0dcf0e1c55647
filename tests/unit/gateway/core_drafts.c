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
	q.analysis_mode = WORD("llm");
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

void
propose(struct rpc_client *c, const char *name, const struct proposal *p,
    char id[GW_ID])
{
	submitted_msg *r = NULL;

	CHECK_INT(submit(c, name, p, 1, &r), ==, RPC_OK);
	if (r->n_rejection_reasons > 0)
		fail_msg("%s", r->rejection_reasons[0]);
	(void)snprintf(id, GW_ID, "%s", r->accepted_chunk_ids[0]);
	submitted_free(&r);
}

enum rpc_code
approve(const char *name, const char *id, uint32_t *version)
{
	Openshell__V1__ApproveDraftChunkRequest q =
	    OPENSHELL__V1__APPROVE_DRAFT_CHUNK_REQUEST__INIT;
	Openshell__V1__ApproveDraftChunkResponse *r = NULL;
	enum rpc_code code;

	q.name = WORD(name);
	q.chunk_id = WORD(id);
	code = ASK(core.user, "ApproveDraftChunk", &q,
	    approve_draft_chunk_response, &r);
	if (code == RPC_OK && version != NULL)
		*version = r->policy_version;
	if (code == RPC_OK)
		openshell__v1__approve_draft_chunk_response__free_unpacked(
		    r, NULL);
	return code;
}

enum rpc_code
reject(const char *name, const char *id, const char *reason)
{
	Openshell__V1__RejectDraftChunkRequest q =
	    OPENSHELL__V1__REJECT_DRAFT_CHUNK_REQUEST__INIT;

	q.name = WORD(name);
	q.chunk_id = WORD(id);
	q.reason = WORD(reason);
	return ASK(core.user, "RejectDraftChunk", &q,
	    reject_draft_chunk_response, NULL);
}

enum rpc_code
undo(const char *name, const char *id, uint32_t *version)
{
	Openshell__V1__UndoDraftChunkRequest q =
	    OPENSHELL__V1__UNDO_DRAFT_CHUNK_REQUEST__INIT;
	Openshell__V1__UndoDraftChunkResponse *r = NULL;
	enum rpc_code code;

	q.name = WORD(name);
	q.chunk_id = WORD(id);
	code =
	    ASK(core.user, "UndoDraftChunk", &q, undo_draft_chunk_response, &r);
	if (code == RPC_OK) {
		*version = r->policy_version;
		openshell__v1__undo_draft_chunk_response__free_unpacked(
		    r, NULL);
	}
	return code;
}

enum rpc_code
edit(const char *name, const char *id, const struct proposal *p)
{
	Openshell__V1__EditDraftChunkRequest q =
	    OPENSHELL__V1__EDIT_DRAFT_CHUNK_REQUEST__INIT;
	struct made m = { 0 };

	q.name = WORD(name);
	q.chunk_id = WORD(id);
	if (p != NULL) {
		make_rule(&m, p);
		q.proposed_rule = &m.rule;
	}
	return ASK(
	    core.user, "EditDraftChunk", &q, edit_draft_chunk_response, NULL);
}

char *
status_of(const char *name, const char *id)
{
	drafts_msg *d = NULL;
	char *out = NULL;

	CHECK_INT(drafts(core.user, name, "", &d), ==, RPC_OK);
	for (size_t i = 0; i < d->n_chunks; i++)
		if (strcmp(d->chunks[i]->id, id) == 0)
			out = mem_strdup(d->chunks[i]->status);
	drafts_free(&d);
	CHECK(out != NULL);
	return out;
}

const char *
reach(const char *name, struct buf *b)
{
	Openshell__V1__GetSandboxPolicyStatusRequest q =
	    OPENSHELL__V1__GET_SANDBOX_POLICY_STATUS_REQUEST__INIT;
	Openshell__V1__GetSandboxPolicyStatusResponse *r = NULL;

	buf_reset(b);
	q.name = WORD(name);
	CHECK_INT(ASK(core.user, "GetSandboxPolicyStatus", &q,
		      get_sandbox_policy_status_response, &r),
	    ==, RPC_OK);
	for (size_t i = 0; i < r->revision->policy->n_network_policies; i++) {
		const Openshell__Sandbox__V1__SandboxPolicy__NetworkPoliciesEntry
		    *en = r->revision->policy->network_policies[i];

		buf_printf(b, "%s=", en->key);
		for (size_t k = 0; k < en->value->n_endpoints; k++)
			buf_printf(b, "%s%s:%u", k > 0 ? "," : "",
			    en->value->endpoints[k]->host,
			    en->value->endpoints[k]->port);
		buf_putc(b, ';');
	}
	openshell__v1__get_sandbox_policy_status_response__free_unpacked(
	    r, NULL);
	return buf_str(b);
}
