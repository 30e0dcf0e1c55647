/* analysis: see analysis.h. */
#include "keeper/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "policy/propose.h"

typedef Openshell__V1__DenialSummary summary_msg;
typedef Openshell__V1__L7RequestSample sample_msg;
typedef Openshell__V1__PolicyChunk chunk_msg;
typedef Openshell__Sandbox__V1__NetworkPolicyRule rule_msg;
typedef Openshell__Sandbox__V1__NetworkEndpoint endpoint_msg;
typedef Openshell__Sandbox__V1__NetworkBinary binary_msg;
typedef Openshell__Sandbox__V1__L7Rule l7_rule_msg;
typedef Openshell__Sandbox__V1__L7Allow l7_allow_msg;

enum { TEXT_MAX = 16384, ANCESTORS_MAX = 16 };

/* --- text ------------------------------------------------------------------
 */

static char *
text_of(struct arena *a, struct view v)
{
	return (char *)(uintptr_t)arena_view(a, v).p;
}

/* Attack: escapes of a terminal in names that a sandbox made up. */
static char *
shown(struct arena *a, struct view v)
{
	AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX);

	buf_put_escaped(&b, v);
	return text_of(a, buf_view(&b));
}

static uint32_t
clip(uint64_t n)
{
	return (uint32_t)MIN(n, (uint64_t)UINT32_MAX);
}

/* --- summaries -------------------------------------------------------------
 */

static void
put_ancestors(struct arena *a, summary_msg *m, struct view all)
{
	static const struct view arrow = VIEW(" -> ");

	m->ancestors = ARENA_ARRAY(a, ANCESTORS_MAX, char *);
	while (all.n > 0 && m->n_ancestors < ANCESTORS_MAX) {
		const char *at = memmem(all.p, all.n, arrow.p, arrow.n);
		size_t n = at != NULL ? (size_t)(at - all.p) : all.n;

		m->ancestors[m->n_ancestors++] =
		    shown(a, view_slice(all, 0, n));
		all = view_slice(all, at != NULL ? n + arrow.n : n, all.n);
	}
}

static void
put_samples(struct arena *a, summary_msg *m, const struct denial *d)
{
	m->l7_request_samples = ARENA_ARRAY(a, d->n_samples + 1, sample_msg *);
	for (size_t i = 0; i < d->n_samples; i++) {
		const struct denial_sample *s = &d->samples[i];
		sample_msg *one = ARENA_NEW(a, sample_msg);

		openshell__v1__l7_request_sample__init(one);
		one->method = shown(a, view_of(s->method));
		one->path = shown(a, view_of(s->path));
		one->decision =
		    text_of(a, s->audited ? VIEW("audit") : VIEW("deny"));
		one->count = s->count;
		m->l7_request_samples[m->n_l7_request_samples++] = one;
	}
}

static summary_msg *
summary_of(struct arena *a, const struct denial *d)
{
	summary_msg *m = ARENA_NEW(a, summary_msg);

	openshell__v1__denial_summary__init(m);
	m->host = shown(a, d->host);
	m->port = d->port;
	m->binary = shown(a, d->binary);
	put_ancestors(a, m, d->ancestors);
	m->deny_reason = shown(a, d->reason);
	m->first_seen_ms = d->first_ms;
	m->last_seen_ms = d->last_ms;
	m->count = clip(d->count);
	m->total_count = m->count;
	m->binary_sha256 = shown(a, d->sha256);
	m->denial_stage = shown(a, d->stage);
	m->l7_inspection_active = (d->kinds & DENIAL_REQUEST) != 0;
	put_samples(a, m, d);
	return m;
}

/* --- proposals -------------------------------------------------------------
 */

static void
put_rules(struct arena *a, endpoint_msg *ep, const struct proposal *p)
{
	if (p->n_rules == 0 && !p->read_only)
		return;
	ep->protocol = text_of(a, VIEW("rest"));
	ep->enforcement = text_of(a, VIEW("enforce"));
	if (p->read_only)
		ep->access = text_of(a, VIEW("read-only"));
	ep->rules = ARENA_ARRAY(a, p->n_rules + 1, l7_rule_msg *);
	for (size_t i = 0; i < p->n_rules; i++) {
		l7_rule_msg *rule = ARENA_NEW(a, l7_rule_msg);
		l7_allow_msg *allow = ARENA_NEW(a, l7_allow_msg);

		openshell__sandbox__v1__l7_rule__init(rule);
		openshell__sandbox__v1__l7_allow__init(allow);
		allow->method = text_of(a, p->rules[i].method);
		allow->path = text_of(a, p->rules[i].path);
		rule->allow = allow;
		ep->rules[ep->n_rules++] = rule;
	}
}

static rule_msg *
rule_of(struct arena *a, const struct proposal *p)
{
	rule_msg *m = ARENA_NEW(a, rule_msg);
	endpoint_msg *ep = ARENA_NEW(a, endpoint_msg);
	binary_msg *program = ARENA_NEW(a, binary_msg);

	openshell__sandbox__v1__network_policy_rule__init(m);
	openshell__sandbox__v1__network_endpoint__init(ep);
	openshell__sandbox__v1__network_binary__init(program);
	ep->host = text_of(a, p->host);
	ep->port = p->port;
	ep->ports = ARENA_NEW(a, uint32_t);
	ep->ports[0] = p->port;
	ep->n_ports = 1;
	put_rules(a, ep, p);
	program->path = text_of(a, p->binary);
	m->name = text_of(a, p->name);
	m->endpoints = ARENA_NEW(a, endpoint_msg *);
	m->endpoints[m->n_endpoints++] = ep;
	m->binaries = ARENA_NEW(a, binary_msg *);
	m->binaries[m->n_binaries++] = program;
	return m;
}

static chunk_msg *
chunk_of(struct arena *a, const struct denial *d, const struct proposal *p)
{
	chunk_msg *m = ARENA_NEW(a, chunk_msg);

	openshell__v1__policy_chunk__init(m);
	m->status = text_of(a, VIEW("pending"));
	m->rule_name = text_of(a, p->name);
	m->proposed_rule = rule_of(a, p);
	m->rationale = text_of(a, p->rationale);
	m->security_notes = text_of(a, p->notes);
	m->confidence = p->confidence;
	m->stage = shown(a, d->stage);
	m->hit_count = (int32_t)MIN(d->count, (uint64_t)INT32_MAX);
	m->first_seen_ms = d->first_ms;
	m->last_seen_ms = d->last_ms;
	m->binary = text_of(a, p->binary);
	return m;
}

/*
 * NULL: no rule is proposed for it.  Requests that passed, as their endpoint
 * only audits, need none; a rule that enforces could not stand beside it.
 */
static chunk_msg *
propose(struct arena *a, const struct denial *d)
{
	struct propose_request requests[DENIAL_SAMPLES];
	struct propose_denial from = { .host = d->host,
		.binary = d->binary,
		.port = d->port,
		.count = d->count,
		.connections = (d->kinds & DENIAL_CONNECTION) != 0,
		.requests = (d->kinds & DENIAL_REQUEST) != 0,
		.address = (d->kinds & DENIAL_ADDRESS) != 0,
		.v = requests };
	struct proposal p;

	for (size_t i = 0; i < d->n_samples; i++)
		if (!d->samples[i].no_rule && !d->samples[i].audited)
			requests[from.n++] = (struct propose_request) {
				view_of(d->samples[i].method),
				view_of(d->samples[i].path)
			};
	if (d->cut || policy_propose(&from, a, &p) != NULL)
		return NULL;
	return chunk_of(a, d, &p);
}

/* --- all -------------------------------------------------------------------
 */

struct order {
	const struct denial **v;
	size_t n;
};

static void
on_denial(void *ctx, const struct denial *d)
{
	struct order *o = ctx;

	o->v[o->n++] = d;
}

/* What happened most is told first; the rest of the order is only fixed. */
static int
denial_order(const void *ap, const void *bp)
{
	const struct denial *a = *(const struct denial *const *)ap;
	const struct denial *b = *(const struct denial *const *)bp;
	int c;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	c = view_cmp(a->host, b->host);
	if (c == 0)
		c = view_cmp(a->binary, b->binary);
	return c != 0 ? c : (int)a->port - (int)b->port;
}

static int
chunk_order(const void *ap, const void *bp)
{
	const chunk_msg *a = *(chunk_msg *const *)ap;
	const chunk_msg *b = *(chunk_msg *const *)bp;
	int c;

	if (a->confidence != b->confidence)
		return a->confidence > b->confidence ? -1 : 1;
	c = strcmp(a->rule_name, b->rule_name);
	return c != 0 ? c : strcmp(a->binary, b->binary);
}

static void
put_summaries(struct analysis *a, const struct order *o)
{
	size_t bytes = 0;

	a->m.summaries = ARENA_ARRAY(&a->arena, o->n + 1, summary_msg *);
	for (size_t i = 0; i < o->n; i++) {
		summary_msg *m = NULL;

		if (bytes <= ANALYSIS_BYTES_MAX) {
			m = summary_of(&a->arena, o->v[i]);
			bytes +=
			    openshell__v1__denial_summary__get_packed_size(m);
		}
		if (m == NULL || bytes > ANALYSIS_BYTES_MAX)
			a->suppressed += o->v[i]->count;
		else
			a->m.summaries[a->m.n_summaries++] = m;
	}
	if (a->m.n_summaries == 0)
		return;
	/* They are of no key that is told: the first has the number. */
	a->m.summaries[0]->suppressed_count = clip(a->suppressed);
	a->m.summaries[0]->total_count =
	    clip(a->m.summaries[0]->count + a->suppressed);
}

static void
put_proposals(struct analysis *a, const struct order *o)
{
	a->m.proposed_chunks = ARENA_ARRAY(&a->arena, o->n + 1, chunk_msg *);
	for (size_t i = 0; i < o->n; i++) {
		chunk_msg *m = propose(&a->arena, o->v[i]);

		if (m != NULL)
			a->m.proposed_chunks[a->m.n_proposed_chunks++] = m;
	}
	if (a->m.n_proposed_chunks > 0)
		qsort(a->m.proposed_chunks, a->m.n_proposed_chunks,
		    sizeof(chunk_msg *), chunk_order);
	if (a->m.n_proposed_chunks > ANALYSIS_PROPOSALS_MAX) {
		a->unproposed = a->m.n_proposed_chunks - ANALYSIS_PROPOSALS_MAX;
		a->m.n_proposed_chunks = ANALYSIS_PROPOSALS_MAX;
	}
}

void
analysis_make(struct analysis *a, const struct denials *d, const char *sandbox)
{
	struct order o = { 0 };

	*a = (struct analysis) { .suppressed = denials_evicted(d) };
	openshell__v1__submit_policy_analysis_request__init(&a->m);
	o.v =
	    ARENA_ARRAY(&a->arena, denials_count(d) + 1, const struct denial *);
	denials_each(d, on_denial, &o);
	if (o.n > 0)
		qsort(o.v, o.n, sizeof(*o.v), denial_order);
	a->m.name = (char *)(uintptr_t)sandbox;
	a->m.analysis_mode = text_of(&a->arena, VIEW("mechanistic"));
	put_summaries(a, &o);
	put_proposals(a, &o);
}

void
analysis_fini(struct analysis *a)
{
	arena_fini(&a->arena);
}
