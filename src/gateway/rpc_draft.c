/* rpc_draft: SubmitPolicyAnalysis and GetDraftPolicy. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/bounds.h"
#include "gateway/draft.h"

typedef Openshell__V1__SubmitPolicyAnalysisRequest submit_msg;
typedef Openshell__V1__SubmitPolicyAnalysisResponse submitted_msg;

/*
 * The sandbox that a draft RPC names; a sandbox may name itself only, by name
 * or id.  Finishes the call when there is none.
 */
static struct sbx *
need_own(struct rpc_call *c, const char *name)
{
	struct caller who;
	struct sbx *s;

	gw_caller(c, &who);
	if (who.kind == CALLER_USER || name[0] == '\0')
		return gw_need_name(c, name);
	s = gw_by_id(gw_of(c), who.sandbox);
	if (s != NULL &&
	    (strcmp(s->name, name) == 0 || strcmp(s->id, name) == 0))
		return s;
	rpc_finish(c, RPC_PERMISSION_DENIED,
	    "a sandbox may only see and make proposals of its own");
	return NULL;
}

/* --- SubmitPolicyAnalysis ------------------------------------------------- */

struct submit {
	struct sbx *s;
	struct store_chunk_counts counts;
	int64_t now_ms;
	submitted_msg *r; /* its lists have room for every chunk */
	uint32_t added;
};

static void
refused(struct submit *u, const char *why)
{
	u->r->rejected_chunks++;
	u->r->rejection_reasons[u->r->n_rejection_reasons++] = mem_strdup(why);
}

static void
took(struct submit *u, const char *id)
{
	u->r->accepted_chunks++;
	u->r->accepted_chunk_ids[u->r->n_accepted_chunk_ids++] = mem_strdup(id);
}

/* There is a place for one more; the reason otherwise. */
static const char *
no_room(const struct submit *u)
{
	if (u->counts.pending >= DRAFT_PENDING_MAX)
		return "too many proposals of this sandbox wait for a "
		       "decision: approve, reject or clear some";
	if (u->counts.all >= DRAFT_ALL_MAX)
		return "too many proposals of this sandbox are kept: clear "
		       "those that wait, or make the sandbox anew";
	return NULL;
}

static int
add(struct submit *u, struct store_chunk *c, struct err *e)
{
	const char *full = no_room(u);
	char id[GW_ID];

	if (full != NULL) {
		refused(u, full);
		return 0;
	}
	gw_new_uuid(id);
	c->id = mem_strdup(id);
	c->draft_version = u->counts.draft_version + 1;
	c->created_ms = u->now_ms;
	if (store_chunk_add(u->s->g->store, u->s->id, c, e) < 0)
		return -1;
	u->counts.pending++;
	u->counts.all++;
	u->added++;
	took(u, id);
	return 0;
}

static int
take(struct submit *u, const chunk_msg *m, struct err *e)
{
	enum store_chunk_status st;
	struct store_chunk c = { 0 };
	char id[STORE_ID_SIZE];
	int rc;

	if (draft_take(m, &c, e) < 0) {
		refused(u, e->text);
		return 0;
	}
	/* What a sandbox says of the time is bounded by ours. */
	if (c.last_seen_ms <= 0 || c.last_seen_ms > u->now_ms)
		c.last_seen_ms = u->now_ms;
	if (c.first_seen_ms <= 0 || c.first_seen_ms > c.last_seen_ms)
		c.first_seen_ms = c.last_seen_ms;
	rc = store_chunk_again(u->s->g->store, u->s->id, &c, id, &st, e);
	if (rc > 0)
		took(u, id);
	else if (rc == 0)
		rc = add(u, &c, e);
	store_chunk_fini(&c);
	return MIN(rc, 0);
}

static int
take_all(struct submit *u, const submit_msg *m, struct err *e)
{
	size_t n = MIN(m->n_proposed_chunks, (size_t)DRAFT_CALL_MAX);

	for (size_t i = 0; i < n; i++)
		if (take(u, m->proposed_chunks[i], e) < 0)
			return -1;
	if (n < m->n_proposed_chunks) {
		AUTO_FREE char *why =
		    mem_printf("%zu chunks beyond the first %d of one call",
			m->n_proposed_chunks - n, (int)DRAFT_CALL_MAX);

		refused(u, why);
		u->r->rejected_chunks +=
		    (uint32_t)(m->n_proposed_chunks - n - 1);
	}
	return 0;
}

static int
submit(struct submit *u, const submit_msg *m, struct err *e)
{
	struct store *st = u->s->g->store;

	if (store_begin(st, e) < 0)
		return -1;
	if (store_chunk_counts(st, u->s->id, &u->counts, e) < 0 ||
	    take_all(u, m, e) < 0) {
		store_rollback(st);
		return -1;
	}
	return store_commit(st, e);
}

static void
tell(struct submit *u)
{
	Openshell__V1__DraftPolicyUpdate up =
	    OPENSHELL__V1__DRAFT_POLICY_UPDATE__INIT;
	uint64_t version = u->counts.draft_version + 1;
	AUTO_FREE char *summary = NULL;
	struct err e;

	/* Some may have been approved by now. */
	if (u->added == 0 ||
	    store_chunk_counts(u->s->g->store, u->s->id, &u->counts, &e) < 0)
		return;
	summary = mem_printf("%u new proposal%s, %u wait for a decision",
	    u->added, u->added == 1 ? "" : "s", u->counts.pending);
	sbx_log(u->s, "INFO", "%s: openshell rule get %s", summary, u->s->name);
	up.draft_version = version;
	up.new_chunks = u->added;
	up.total_pending = u->counts.pending;
	up.summary = summary;
	watch_draft(u->s, &up);
}

static void
free_strings(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

/*
 * Somebody says what the rule is for.  Attack: one that is made of a denial
 * asks for whatever was denied; were it approved without a person, all that a
 * sandbox has to do is to be denied it.
 */
static bool
is_asked_for(const submit_msg *m)
{
	return strcmp(m->analysis_mode, "mechanistic") != 0;
}

void
rpc_SubmitPolicyAnalysis(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const submit_msg *m = (const void *)msg;
	submitted_msg r = OPENSHELL__V1__SUBMIT_POLICY_ANALYSIS_RESPONSE__INIT;
	struct submit u = { .now_ms = clock_wall_ms(), .r = &r };
	struct err e;

	u.s = need_own(c, m->name);
	if (u.s == NULL)
		return;
	r.rejection_reasons = mem_calloc(DRAFT_CALL_MAX + 1, sizeof(char *));
	r.accepted_chunk_ids = mem_calloc(DRAFT_CALL_MAX, sizeof(char *));
	if (submit(&u, m, &e) < 0)
		rpc_finish_err(c, &e);
	else {
		/* First, so that an answer that came says what is. */
		draft_judge(u.s, r.accepted_chunk_ids, r.n_accepted_chunk_ids,
		    is_asked_for(m));
		rpc_answer(c, &r.base);
		tell(&u);
	}
	free_strings(r.rejection_reasons, r.n_rejection_reasons);
	free_strings(r.accepted_chunk_ids, r.n_accepted_chunk_ids);
}

/* --- GetDraftPolicy ------------------------------------------------------- */

struct list {
	chunk_msg **v;
	size_t n;
	int64_t newest_ms;
};

static chunk_msg *
message_of(const struct store_chunk *c)
{
	chunk_msg *m = NEW(chunk_msg);

	openshell__v1__policy_chunk__init(m);
	m->id = mem_strdup(c->id);
	m->status = mem_strdup(store_chunk_word(c->status));
	m->rule_name = mem_strdup(c->rule_name);
	m->proposed_rule = openshell__sandbox__v1__network_policy_rule__unpack(
	    NULL, c->n_rule, (const uint8_t *)c->rule);
	m->rationale = mem_strdup(c->rationale);
	m->security_notes = mem_strdup(c->security_notes);
	m->confidence = (float)c->confidence;
	m->created_at_ms = c->created_ms;
	m->decided_at_ms = c->decided_ms;
	m->stage = mem_strdup(c->stage);
	m->hit_count = c->hit_count;
	m->first_seen_ms = c->first_seen_ms;
	m->last_seen_ms = c->last_seen_ms;
	m->binary = mem_strdup(c->binary);
	m->validation_result = mem_strdup(c->validation);
	m->rejection_reason = mem_strdup(c->reject_reason);
	return m;
}

static int
on_chunk(void *ctx, const struct store_chunk *c)
{
	struct list *l = ctx;

	l->v = mem_realloc(l->v, l->n + 1, sizeof(chunk_msg *));
	l->v[l->n++] = message_of(c);
	l->newest_ms = MAX(l->newest_ms, c->created_ms);
	return 0;
}

/* One of them; that there is none is an empty list. */
static int
get_one(struct sbx *s, const char *id, struct list *l, struct err *e)
{
	struct store_chunk c = { 0 };

	if (store_chunk_get(s->g->store, s->id, id, &c, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	(void)on_chunk(l, &c);
	store_chunk_fini(&c);
	return 0;
}

void
rpc_GetDraftPolicy(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetDraftPolicyRequest *m = (const void *)msg;
	Openshell__V1__GetDraftPolicyResponse r =
	    OPENSHELL__V1__GET_DRAFT_POLICY_RESPONSE__INIT;
	struct sbx *s = need_own(c, m->name);
	struct store_chunk_counts counts;
	struct list l = { 0 };
	struct err e;
	int rc;

	if (s == NULL)
		return;
	rc = store_chunk_counts(s->g->store, s->id, &counts, &e);
	if (rc == 0)
		rc = m->chunk_id[0] != '\0'
			 ? get_one(s, m->chunk_id, &l, &e)
			 : store_chunk_list(s->g->store, s->id,
			       m->status_filter, on_chunk, &l, &e);
	r.chunks = l.v;
	r.n_chunks = l.n;
	r.draft_version = counts.draft_version;
	r.last_analyzed_at_ms = l.newest_ms;
	if (rc < 0)
		rpc_finish_err(c, &e);
	else
		rpc_answer(c, &r.base);
	for (size_t i = 0; i < l.n; i++)
		openshell__v1__policy_chunk__free_unpacked(l.v[i], NULL);
	free(l.v);
}
