/*
 * mw_text: middlewares and the text messages of a WebSocket's client, which go
 * through them one by one, as requests do.  A policy that says otherwise is
 * about the next message, and each service hears of a new WebSocket then.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/mw.h"
#include "proxy/mw_service.h"

struct mw_talk {
	struct snapshot *snap; /* whose strings v borrows */
	const struct policy_middleware *v[POLICY_MIDDLEWARES_MAX];
	struct mw_session *sessions[POLICY_MIDDLEWARES_MAX];
	size_t n, at;
	struct mw_eval *eval; /* of the one that is asked */
	bool under_way; /* a message is somewhere among them */
};

static void
forget(struct mw_talk *t)
{
	mw_eval_cancel(take_ptr(t->eval));
	for (size_t i = 0; i < t->n; i++)
		mw_session_end(take_ptr(t->sessions[i]));
	if (t->snap != NULL)
		snapshot_unref(take_ptr(t->snap));
	t->n = 0;
}

void
mw_talk_end(struct mw_talk *t)
{
	if (t == NULL)
		return;
	forget(t);
	free(t);
}

bool
mw_talk_under_way(const struct mw_talk *t)
{
	return t != NULL && t->under_way;
}

/* A message begins: by whom it is to be seen. */
static struct mw_talk *
settle(struct px_conn *c, struct mw_talk **at)
{
	struct mw_talk *t = *at;

	if (t == NULL)
		*at = t = NEW(struct mw_talk);
	if (t->under_way)
		return t;
	if (t->snap == NULL ||
	    snapshot_generation(t->snap) != snapshot_generation(c->snap)) {
		forget(t);
		t->snap = snapshot_ref(c->snap);
		t->n = policy_middlewares(t->snap, view_of(c->dst.host), t->v);
	}
	t->at = 0;
	t->under_way = true;
	return t;
}

/* What one of them said.  PASSES: the next one. */
static enum mw_said
heed(struct px_conn *c, const struct policy_middleware *m, enum mw_said said,
    struct mw_answer *a, struct buf *anew)
{
	switch (said) {
	case MW_PASSES:
		mw_record_found(c, m, a, "found");
		return said;
	case MW_REPLACES:
		mw_record_found(
		    c, m, a, m->built_in ? "taken out" : "replaced");
		buf_fini(anew);
		*anew = a->body;
		a->body = BUF_INIT(0);
		return said;
	case MW_DENIES:
		mw_record_found(c, m, a, "found");
		mw_record_denied(c, m, a);
		return said;
	case MW_BUSY:
		mw_record_failed(c, m, "too much is being looked at");
		return m->fail_open ? MW_PASSES : MW_FAILS;
	case MW_FAILS:
		mw_record_failed(c, m, a->why);
		return m->fail_open ? MW_PASSES : MW_FAILS;
	case MW_WAITS:
		return said;
	}
	return MW_FAILS;
}

enum mw_said
mw_text(
    struct px_conn *c, struct mw_talk **at, struct view text, struct buf *anew)
{
	struct mw_talk *t = settle(c, at);
	enum mw_said said = MW_PASSES;

	while (t->at < t->n && said == MW_PASSES) {
		const struct policy_middleware *m = t->v[t->at];
		struct mw_answer a;

		mw_answer_init(&a);
		said = m->built_in ? mw_regex(NULL, text, &a)
				   : mw_service_text(c, m, text,
					 &t->sessions[t->at], &t->eval, &a);
		if (said != MW_WAITS)
			t->at++;
		said = heed(c, m, said, &a, anew);
		mw_answer_fini(&a);
	}
	t->under_way = said == MW_WAITS || said == MW_REPLACES;
	return said;
}
