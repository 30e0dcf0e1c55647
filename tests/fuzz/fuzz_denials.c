/*
 * Lines of records to a message about denials: however they are taken and given
 * back, none is lost; the message is bounded and may be shown as it is; each
 * rule in it is a policy by itself, is about no host that nobody may propose,
 * and allows what was asked.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "keeper/analysis.h"
#include "policy/decide.h"
#include "policy/propose.h"
#include "rpc/policy_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

typedef Openshell__V1__PolicyChunk chunk_msg;
typedef Openshell__V1__DenialSummary summary_msg;
typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;

/* It is what its escaped form is. */
static void
is_printable(const char *s)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	buf_put_escaped(&b, view_of(s));
	assert(view_eq(buf_view(&b), view_of(s)));
}

static void
check_summary(const summary_msg *m)
{
	is_printable(m->host);
	is_printable(m->binary);
	is_printable(m->deny_reason);
	is_printable(m->denial_stage);
	is_printable(m->binary_sha256);
	for (size_t i = 0; i < m->n_ancestors; i++)
		is_printable(m->ancestors[i]);
	for (size_t i = 0; i < m->n_l7_request_samples; i++) {
		is_printable(m->l7_request_samples[i]->method);
		is_printable(m->l7_request_samples[i]->path);
	}
	assert(m->n_l7_request_samples <= DENIAL_SAMPLES);
}

/* The rule alone, as a policy. */
static struct policy *
policy_of(const chunk_msg *c)
{
	policy_wire_msg m = OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__INIT;
	Openshell__Sandbox__V1__SandboxPolicy__NetworkPoliciesEntry
	    entry =
		OPENSHELL__SANDBOX__V1__SANDBOX_POLICY__NETWORK_POLICIES_ENTRY__INIT,
	    *entries[] = { &entry };
	struct policy_findings f = { 0 };
	struct policy *p = NULL;

	m.version = 1;
	m.network_policies = entries;
	m.n_network_policies = 1;
	entry.key = c->rule_name;
	entry.value = c->proposed_rule;
	if (policy_wire_to(&m, &p, &f) < 0)
		assert(!"a proposal is no policy");
	policy_findings_fini(&f);
	return p;
}

/* Of what was denied, as the denials have it. */
struct search {
	const chunk_msg *c;
	struct snapshot *s;
	bool found;
};

static void
must_allow(void *ctx, const struct denial *d)
{
	struct search *q = ctx;
	const endpoint_msg *ep = q->c->proposed_rule->endpoints[0];
	const struct policy_who who = { .exe = d->binary };
	struct policy_reason why;
	struct policy_conn conn;

	if (!view_eq(d->binary, view_of(q->c->binary)) || d->port != ep->port ||
	    q->c->hit_count != (int32_t)d->count)
		return;
	policy_decide_conn(q->s, &who, d->host, d->port, &conn, &why);
	if (!conn.allow)
		return; /* another host of the same program and port */
	q->found = true;
	for (size_t i = 0; i < ep->n_rules && i < d->n_samples; i++) {
		const struct policy_request r = { view_of(d->samples[i].method),
			view_of(d->samples[i].path), { NULL, 0 } };
		AUTO_BUF struct buf glob = BUF_INIT(4096);
		struct policy_verdict v;
		bool about = false;

		propose_path(r.path, &glob);
		for (size_t k = 0; k < ep->n_rules; k++)
			about |= view_eq(view_of(ep->rules[k]->allow->path),
				     buf_view(&glob)) &&
				 view_eq(view_of(ep->rules[k]->allow->method),
				     r.method);
		if (!about)
			continue;
		policy_decide_request(
		    q->s, &who, d->host, d->port, &r, &v, &why);
		assert(v.allow);
	}
}

static void
check_chunk(const chunk_msg *c, const struct denials *d)
{
	struct policy *p = policy_of(c);
	struct search q = { .c = c };
	struct err e;

	is_printable(c->rule_name);
	is_printable(c->rationale);
	is_printable(c->security_notes);
	is_printable(c->stage);
	assert(c->binary[0] == '/');
	assert(c->proposed_rule->n_endpoints == 1);
	assert(!policy_never_proposed(
	    view_of(c->proposed_rule->endpoints[0]->host)));
	assert(c->confidence >= 0.1F && c->confidence <= 0.95F);
	if (snapshot_new(p, 1, &q.s, &e) < 0)
		assert(!"a proposal does not compile");
	denials_each(d, must_allow, &q);
	assert(q.found);
	snapshot_unref(q.s);
	policy_free(p);
}

static void
check(const struct denials *d, uint64_t added)
{
	AUTO_ANALYSIS a;
	uint64_t told = 0;

	analysis_make(&a, d, "demo");
	assert(openshell__v1__submit_policy_analysis_request__get_packed_size(
		   &a.m) < 1000000);
	for (size_t i = 0; i < a.m.n_summaries; i++) {
		check_summary(a.m.summaries[i]);
		told += a.m.summaries[i]->count;
	}
	assert(told + a.suppressed == added);
	assert(a.m.n_proposed_chunks <= ANALYSIS_PROPOSALS_MAX);
	for (size_t i = 0; i < a.m.n_proposed_chunks; i++)
		check_chunk(a.m.proposed_chunks[i], d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view rest = { (const char *)data, n };
	struct denials *d = denials_new(), *sent = NULL;
	uint64_t added = 0;
	struct err e;

	for (unsigned i = 0; rest.n > 0; i++) {
		struct view line = view_cut(rest, '\n', &rest);
		struct audit_record *kept = NULL;
		struct audit_event ev;

		/* Taken, and given back some lines later. */
		if (line.n == 0 && sent == NULL) {
			sent = d;
			d = denials_new();
		} else if (line.n == 0) {
			denials_merge(d, take_ptr(sent));
		} else if (audit_record_parse(line, &kept, &ev, &e) == 0) {
			added += denials_add(d, &ev);
		}
		audit_record_free(kept);
	}
	if (sent != NULL)
		denials_merge(d, sent);
	check(d, added);
	denials_free(d);
	return 0;
}
