/* rpc_decide: what the owner of a sandbox decides about its proposals. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/draft.h"
#include "gateway/vetting.h"

typedef Openshell__V1__DraftHistoryEntry entry_msg;

static const char under_global[] =
    "cannot approve rules while a global policy is active; delete the global "
    "policy to manage per-sandbox rules";

struct decision {
	struct rpc_call *c;
	struct sbx *s;
	struct store_chunk chunk;
	struct gw_revision r;
};

static void
decision_fini(struct decision *d)
{
	store_chunk_fini(&d->chunk);
}
#define AUTO_DECISION CLEANUP(decision_fini) struct decision

/*
 * What it is about; a chunk of another sandbox is none.  Attack: a proposal
 * of sandbox B, which its owner would never let A have, approved as A's.
 */
static bool
begin(struct decision *d, struct rpc_call *c, const char *name, const char *id)
{
	struct err e;

	d->c = c;
	if (name[0] != '\0' && id[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "chunk_id is required");
		return false;
	}
	d->s = gw_need_name(c, name);
	if (d->s == NULL)
		return false;
	if (store_chunk_get(gw_of(c)->store, d->s->id, id, &d->chunk, &e) == 0)
		return true;
	rpc_finish_err(c, &e);
	return false;
}

static bool
is_one_of(const struct decision *d, enum store_chunk_status a,
    enum store_chunk_status b)
{
	const char *is = store_chunk_word(d->chunk.status);

	if (d->chunk.status == a || d->chunk.status == b)
		return true;
	if (a == b)
		rpc_finish(d->c, RPC_FAILED_PRECONDITION,
		    "chunk status is '%s', expected '%s'", is,
		    store_chunk_word(a));
	else
		rpc_finish(d->c, RPC_FAILED_PRECONDITION,
		    "chunk status is '%s', expected '%s' or '%s'", is,
		    store_chunk_word(a), store_chunk_word(b));
	return false;
}

/* A decision that changes the policy cannot be while another one is over it. */
static bool
is_own(const struct decision *d)
{
	if (d->s->g->global.version == 0)
		return true;
	rpc_finish(d->c, RPC_FAILED_PRECONDITION, "%s", under_global);
	return false;
}

/* What is wrong is not the request, but what would come of it. */
static void
fail(const struct decision *d, const struct err *e)
{
	if (e->code == ERR_INVALID || e->code == ERR_LIMIT)
		rpc_finish(d->c, RPC_FAILED_PRECONDITION, "%s", e->text);
	else
		rpc_finish_err(d->c, e);
}

/*
 * An approval leaves the middlewares as they are; what it is put beside should
 * work all the same.
 */
static bool
waits(const struct decision *d, const ProtobufCMessage *m, vetting_again *again)
{
	AUTO_POLICY struct policy *now = NULL;
	struct err e;

	/* What cannot be read, the approval tells. */
	return gw_policy_now(d->s, &now, &e) == 0 &&
	       vetting_waits(d->c, m, now, again);
}

static void
tell(const struct decision *d)
{
	(void)vetting_warn(d->c, d->s, NULL);
	if (d->r.added)
		gw_policy_tell(d->s);
	else
		sbx_notify(d->s);
}

void
rpc_ApproveDraftChunk(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ApproveDraftChunkRequest *m = (const void *)msg;
	Openshell__V1__ApproveDraftChunkResponse r =
	    OPENSHELL__V1__APPROVE_DRAFT_CHUNK_RESPONSE__INIT;
	AUTO_DECISION d = { 0 };
	struct err e;

	if (!begin(&d, c, m->name, m->chunk_id) ||
	    !is_one_of(&d, CHUNK_PENDING, CHUNK_REJECTED) || !is_own(&d) ||
	    waits(&d, msg, rpc_ApproveDraftChunk))
		return;
	if (draft_approve(d.s, &d.chunk, &d.r, &e) < 0) {
		fail(&d, &e);
		return;
	}
	r.policy_version = d.r.version;
	r.policy_hash = d.r.hash;
	rpc_answer(c, &r.base);
	tell(&d);
}

/* --- ApproveAllDraftChunks ------------------------------------------------ */

struct all {
	struct store_chunk *v;
	size_t n;
};

static char *
copy(const char *s)
{
	return mem_strdup(s != NULL ? s : "");
}

static int
keep(void *ctx, const struct store_chunk *c)
{
	struct all *a = ctx;
	struct store_chunk k = *c;

	k.id = copy(c->id);
	k.rule_name = copy(c->rule_name);
	k.rule = mem_strndup(c->rule, c->n_rule);
	k.security_notes = copy(c->security_notes);
	k.rule_hash = k.rationale = k.stage = k.host = k.binary = NULL;
	k.reject_reason = k.validation = NULL;
	k.merge_rule = k.merge_added = k.merge_parts = NULL;
	a->v = mem_realloc(a->v, a->n + 1, sizeof(*a->v));
	a->v[a->n++] = k;
	return 0;
}

static void
all_fini(struct all *a)
{
	for (size_t i = 0; i < a->n; i++)
		store_chunk_fini(&a->v[i]);
	free(a->v);
}

/* One revision each, newest first; what was approved before a failure stays. */
static int
approve_all(struct decision *d, const struct all *a, bool flagged,
    Openshell__V1__ApproveAllDraftChunksResponse *r, struct err *e)
{
	bool added = false;
	int rc = 0;

	for (size_t i = 0; i < a->n && rc == 0; i++) {
		if (!flagged && a->v[i].security_notes[0] != '\0') {
			r->chunks_skipped++;
			continue;
		}
		rc = draft_approve(d->s, &a->v[i], &d->r, e);
		if (rc == 0) {
			added |= d->r.added;
			r->chunks_approved++;
		} else
			err_wrap(e, "rule '%s', after %u others were approved",
			    a->v[i].rule_name, r->chunks_approved);
	}
	d->r.added = added;
	return rc;
}

void
rpc_ApproveAllDraftChunks(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ApproveAllDraftChunksRequest *m =
	    (const void *)msg;
	Openshell__V1__ApproveAllDraftChunksResponse r =
	    OPENSHELL__V1__APPROVE_ALL_DRAFT_CHUNKS_RESPONSE__INIT;
	AUTO_DECISION d = { .c = c, .s = gw_need_name(c, m->name) };
	struct all a = { 0 };
	struct err e;

	if (d.s == NULL || !is_own(&d) ||
	    waits(&d, msg, rpc_ApproveAllDraftChunks))
		return;
	if (store_chunk_list(d.s->g->store, d.s->id, "pending", keep, &a, &e) <
	    0)
		rpc_finish_err(c, &e);
	else if (a.n == 0)
		rpc_finish(
		    c, RPC_FAILED_PRECONDITION, "no pending chunks to approve");
	else {
		if (approve_all(&d, &a, m->include_security_flagged, &r, &e) <
		    0)
			fail(&d, &e);
		else {
			r.policy_version = d.r.version;
			r.policy_hash = d.r.hash;
			rpc_answer(c, &r.base);
		}
		tell(&d);
	}
	all_fini(&a);
}

/* --- RejectDraftChunk, UndoDraftChunk ------------------------------------- */

static int
reject(struct decision *d, const char *reason, struct err *e)
{
	struct store_chunk *k = &d->chunk;

	if (k->status == CHUNK_APPROVED)
		return draft_revoke(d->s, k, CHUNK_REJECTED, reason, &d->r, e);
	free(k->reject_reason);
	k->reject_reason = mem_strdup(reason);
	k->status = CHUNK_REJECTED;
	k->decided_ms = clock_wall_ms();
	return store_chunk_decide(
	    d->s->g->store, d->s->id, k, CHUNK_PENDING, e);
}

void
rpc_RejectDraftChunk(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__RejectDraftChunkRequest *m = (const void *)msg;
	Openshell__V1__RejectDraftChunkResponse r =
	    OPENSHELL__V1__REJECT_DRAFT_CHUNK_RESPONSE__INIT;
	AUTO_DECISION d = { 0 };
	struct err e;

	if (!begin(&d, c, m->name, m->chunk_id) ||
	    !is_one_of(&d, CHUNK_PENDING, CHUNK_APPROVED) ||
	    (d.chunk.status == CHUNK_APPROVED && !is_own(&d)))
		return;
	if (strlen(m->reason) > DRAFT_TEXT_MAX) {
		rpc_finish(c, RPC_INVALID_ARGUMENT,
		    "reason exceeds maximum length (%zu > %d)",
		    strlen(m->reason), (int)DRAFT_TEXT_MAX);
		return;
	}
	if (reject(&d, m->reason, &e) < 0) {
		fail(&d, &e);
		return;
	}
	rpc_answer(c, &r.base);
	sbx_log(d.s, "INFO", "rule '%s' was rejected", d.chunk.rule_name);
	tell(&d);
}

void
rpc_UndoDraftChunk(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__UndoDraftChunkRequest *m = (const void *)msg;
	Openshell__V1__UndoDraftChunkResponse r =
	    OPENSHELL__V1__UNDO_DRAFT_CHUNK_RESPONSE__INIT;
	AUTO_DECISION d = { 0 };
	struct err e;

	if (!begin(&d, c, m->name, m->chunk_id) ||
	    !is_one_of(&d, CHUNK_APPROVED, CHUNK_APPROVED) || !is_own(&d))
		return;
	if (draft_revoke(d.s, &d.chunk, CHUNK_PENDING, "", &d.r, &e) < 0) {
		fail(&d, &e);
		return;
	}
	r.policy_version = d.r.version;
	r.policy_hash = d.r.hash;
	rpc_answer(c, &r.base);
	tell(&d);
}

/* --- EditDraftChunk, ClearDraftChunks ------------------------------------- */

/* Another rule in the place of its own: with it all that is told by it. */
static int
edit(struct decision *d, const rule_msg *rule, struct err *e)
{
	struct store_chunk k = { 0 };
	int rc;

	if (draft_take_rule(d->chunk.rule_name, rule, &k, e) < 0) {
		store_chunk_fini(&k);
		return -1;
	}
	k.id = mem_strdup(d->chunk.id);
	k.security_notes = mem_strdup(d->chunk.security_notes);
	k.validation = mem_strdup("");
	rc = store_chunk_edit(d->s->g->store, d->s->id, &k, e);
	store_chunk_fini(&k);
	return rc;
}

void
rpc_EditDraftChunk(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__EditDraftChunkRequest *m = (const void *)msg;
	Openshell__V1__EditDraftChunkResponse r =
	    OPENSHELL__V1__EDIT_DRAFT_CHUNK_RESPONSE__INIT;
	AUTO_DECISION d = { 0 };
	struct err e;

	if (!begin(&d, c, m->name, m->chunk_id))
		return;
	if (m->proposed_rule == NULL) {
		rpc_finish(
		    c, RPC_INVALID_ARGUMENT, "proposed_rule is required");
		return;
	}
	if (!is_one_of(&d, CHUNK_PENDING, CHUNK_PENDING))
		return;
	if (edit(&d, m->proposed_rule, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	/* Who edits is there to decide. */
	draft_judge(d.s, &d.chunk.id, 1, false);
	rpc_answer(c, &r.base);
}

void
rpc_ClearDraftChunks(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__ClearDraftChunksRequest *m = (const void *)msg;
	Openshell__V1__ClearDraftChunksResponse r =
	    OPENSHELL__V1__CLEAR_DRAFT_CHUNKS_RESPONSE__INIT;
	struct sbx *s = gw_need_name(c, m->name);
	unsigned cleared = 0;
	struct err e;

	if (s == NULL)
		return;
	if (store_chunks_clear(s->g->store, s->id, &cleared, &e) < 0) {
		rpc_finish_err(c, &e);
		return;
	}
	r.chunks_cleared = cleared;
	rpc_answer(c, &r.base);
}

/* --- GetDraftHistory ------------------------------------------------------ */

struct history {
	entry_msg **v;
	size_t n;
};

static void
add_entry(struct history *h, const struct store_chunk *c, int64_t at_ms,
    const char *event, char *description)
{
	entry_msg *m = NEW(entry_msg);

	openshell__v1__draft_history_entry__init(m);
	m->timestamp_ms = at_ms;
	m->event_type = mem_strdup(event);
	m->description = description;
	m->chunk_id = mem_strdup(c->id);
	h->v = mem_realloc(h->v, h->n + 1, sizeof(entry_msg *));
	h->v[h->n++] = m;
}

static int
on_chunk(void *ctx, const struct store_chunk *c)
{
	const char *word = store_chunk_word(c->status);

	add_entry(ctx, c, c->created_ms, "proposed",
	    mem_printf("Rule '%s' proposed (confidence: %u%%)", c->rule_name,
		(unsigned)(c->confidence * 100 + 0.5)));
	if (c->status != CHUNK_PENDING)
		add_entry(ctx, c, c->decided_ms, word,
		    mem_printf("Rule '%s' %s", c->rule_name, word));
	return 0;
}

/* By time, then as they stood: what is proposed comes before its decision. */
static int
entry_cmp(const void *a, const void *b)
{
	const entry_msg *x = *(entry_msg *const *)a,
			*y = *(entry_msg *const *)b;

	if (x->timestamp_ms != y->timestamp_ms)
		return x->timestamp_ms < y->timestamp_ms ? -1 : 1;
	return strcmp(y->event_type, x->event_type);
}

void
rpc_GetDraftHistory(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetDraftHistoryRequest *m = (const void *)msg;
	Openshell__V1__GetDraftHistoryResponse r =
	    OPENSHELL__V1__GET_DRAFT_HISTORY_RESPONSE__INIT;
	struct sbx *s = gw_need_name(c, m->name);
	struct history h = { 0 };
	struct err e;

	if (s == NULL)
		return;
	if (store_chunk_list(s->g->store, s->id, "", on_chunk, &h, &e) < 0)
		rpc_finish_err(c, &e);
	else {
		if (h.n > 1)
			qsort(h.v, h.n, sizeof(entry_msg *), entry_cmp);
		r.entries = h.v;
		r.n_entries = h.n;
		rpc_answer(c, &r.base);
	}
	for (size_t i = 0; i < h.n; i++)
		openshell__v1__draft_history_entry__free_unpacked(h.v[i], NULL);
	free(h.v);
}
