/* mw_text: middlewares and the text messages of a WebSocket's client. */
#include "proxy/mw.h"

static enum mw_said
ask(const struct policy_middleware *m, struct view text, struct mw_answer *a)
{
	if (m->built_in)
		return mw_regex(NULL, text, a);
	a->why = "messages of WebSockets are not given to it";
	return MW_FAILS;
}

/* One of them.  false: the message must not go. */
static bool
pass(struct px_conn *c, const struct policy_middleware *m, struct view text,
    struct buf *anew, struct buf *reason)
{
	struct mw_answer a;
	enum mw_said said;

	mw_answer_init(&a);
	said = ask(m, text, &a);
	if (said == MW_REPLACES) {
		mw_record_found(c, m, &a, "taken out");
		buf_reset(anew);
		anew->max = a.body.max;
		buf_put(anew, buf_view(&a.body));
	} else if (said == MW_FAILS) {
		mw_record_failed(c, m, a.why);
		if (!m->fail_open)
			buf_puts(reason,
			    "the message could not be inspected by configured "
			    "middleware");
	}
	mw_answer_fini(&a);
	return said != MW_FAILS || m->fail_open;
}

bool
mw_text(
    struct px_conn *c, struct view text, struct buf *anew, struct buf *reason)
{
	const struct policy_middleware *v[POLICY_MIDDLEWARES_MAX];
	size_t n = policy_middlewares(c->snap, view_of(c->dst.host), v);

	for (size_t i = 0; i < n; i++) {
		struct view now = anew->n > 0 ? buf_view(anew) : text;
		AUTO_BUF struct buf next = BUF_INIT(0);

		if (!pass(c, v[i], now, &next, reason))
			return false;
		if (next.n == 0)
			continue;
		buf_fini(anew);
		*anew = next;
		next = BUF_INIT(0);
	}
	return true;
}
