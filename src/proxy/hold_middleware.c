/*
 * hold_middleware: a request goes through those who look at it, one after
 * another, once policy has allowed it and before a credential is in it.
 *
 * When one of them puts another body in its place, everybody who judges bodies
 * is asked again before the next one sees it.  Attack: a replacement that turns
 * an allowed operation into a denied one.
 *
 * Who looks is settled when the request comes: a policy that says otherwise
 * meanwhile is about the next one.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/mw.h"
#include "proxy/mw_service.h"

struct mw_run {
	struct snapshot *snap; /* whose strings v borrows */
	const struct policy_middleware *v[POLICY_MIDDLEWARES_MAX];
	size_t n, at;
	bool unseen; /* the body is too long, and nobody must see it */
	bool settled; /* what a client may not say is out of the head */
	struct mw_eval *eval; /* of the one that is asked */
	struct buf fields; /* bytes that fields of the head point at */
};

bool
mw_sees(struct px_conn *c)
{
	const struct policy_middleware *v[POLICY_MIDDLEWARES_MAX];

	return policy_middlewares(c->snap, view_of(c->dst.host), v) > 0;
}

bool
mw_sees_closed(struct px_conn *c)
{
	const struct policy_middleware *v[POLICY_MIDDLEWARES_MAX];
	size_t n = policy_middlewares(c->snap, view_of(c->dst.host), v);

	for (size_t i = 0; i < n; i++)
		if (!v[i]->fail_open)
			return true;
	return false;
}

void
mw_end(struct px_conn *c)
{
	struct mw_run *r = take_ptr(c->hx.mw);

	if (r == NULL)
		return;
	mw_eval_cancel(r->eval);
	snapshot_unref(r->snap);
	buf_fini(&r->fields);
	free(r);
}

/* NULL: nobody looks. */
static struct mw_run *
run_of(struct px_conn *c)
{
	struct mw_run *r = c->hx.mw;

	if (r != NULL || !policy_has_middlewares(c->snap))
		return r;
	r = NEW(struct mw_run);
	r->n = policy_middlewares(c->snap, view_of(c->dst.host), r->v);
	if (r->n == 0) {
		free(r);
		return NULL;
	}
	r->snap = snapshot_ref(c->snap);
	/* Room from the start, so that nothing moves. */
	r->fields = BUF_INIT(POLICY_MIDDLEWARES_MAX * MW_FIELD_BYTES);
	(void)buf_reserve(&r->fields, r->fields.max);
	c->hx.mw = r;
	return r;
}

/* The built-in ones have nothing to do where there is no body. */
static size_t
wants(struct px_conn *c, const struct h1_head *h)
{
	const struct mw_run *r = run_of(c);

	if (r == NULL || r->unseen)
		return 0;
	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i]->built_in || hx_has_body(h))
			return MW_PAYLOAD_MAX;
	return 0;
}

static enum mw_said
ask(struct px_conn *c, struct mw_run *r, const struct h1_head *h,
    struct view body, struct mw_answer *a)
{
	const struct policy_middleware *m = r->v[r->at];

	return m->built_in ? mw_regex(h, body, a)
			   : mw_service_ask(c, m, h, body, &r->eval, a);
}

#define FIELD_PREFIX VIEW("x-openshell-middleware-")

/* Without the fields that `drops` names. */
static void
drop_fields(struct h1_head *h, bool (*drops)(struct view name))
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n_fields; i++)
		if (!drops(h->fields[i].name))
			h->fields[kept++] = h->fields[i];
	h->n_fields = kept;
}

/* Attack: a client that says what only a middleware may. */
static bool
is_ours(struct view name)
{
	return view_eq_nocase(
	    view_slice(name, 0, FIELD_PREFIX.n), FIELD_PREFIX);
}

/* Also of a head whose body nobody sees. */
static void
settle(struct mw_run *r, struct h1_head *h)
{
	if (!r->settled)
		drop_fields(h, is_ours);
	r->settled = true;
}

/* They speak of the body that came. */
static bool
is_digest(struct view name)
{
	static const char *const names[] = { "content-md5", "digest",
		"content-digest", "repr-digest" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_nocase(name, view_of(names[i])))
			return true;
	return false;
}

/* Fields that a middleware sets: the last one's word counts.  false: no room.
 */
static bool
set_fields(struct mw_run *r, struct h1_head *h, const struct mw_answer *a)
{
	for (size_t i = 0; i < a->n_fields; i++) {
		const struct h1_field *f = &a->fields[i];
		struct h1_field *to = NULL;
		size_t at = r->fields.n;

		for (size_t k = 0; k < h->n_fields && to == NULL; k++)
			if (view_eq(h->fields[k].name, f->name))
				to = &h->fields[k];
		if (to == NULL && h->n_fields == ARRAY_LEN(h->fields))
			return false;
		if (to == NULL)
			to = &h->fields[h->n_fields++];
		buf_put(&r->fields, f->name);
		buf_put(&r->fields, f->value);
		to->name = view_slice(buf_view(&r->fields), at, at + f->name.n);
		to->value = view_slice(
		    buf_view(&r->fields), at + f->name.n, r->fields.n);
	}
	return !r->fields.full;
}

static void
replace_body(
    struct px_conn *c, struct h1_head *h, struct buf *body, struct mw_answer *a)
{
	struct hx_held *k = &c->hx.held;

	buf_fini(body);
	*body = a->body;
	body->max = HX_HELD_MAX;
	a->body = BUF_INIT(0);
	c->px->held += body->n - k->counted;
	k->counted = body->n;
	drop_fields(h, is_digest);
	k->again = true;
}

/* What one of them said.  MORE: the next; else as hx_holder.whole has it. */
static enum px_next
heed(struct px_conn *c, const struct policy_middleware *m, enum mw_said said,
    struct mw_answer *a, struct h1_head *h, struct buf *body)
{
	if ((said == MW_PASSES || said == MW_REPLACES) &&
	    !set_fields(c->hx.mw, h, a)) {
		a->why = "there is no room for the fields it sets";
		said = MW_FAILS;
	}
	switch (said) {
	case MW_PASSES:
		mw_record_found(c, m, a, "found");
		return PX_MORE;
	case MW_REPLACES:
		mw_record_found(
		    c, m, a, m->built_in ? "taken out" : "replaced");
		replace_body(c, h, body, a);
		return PX_MORE;
	case MW_DENIES:
		mw_record_found(c, m, a, "found");
		return mw_deny(c, m, a);
	case MW_FAILS:
		if (!m->fail_open)
			return mw_fail(c, m, 403, a->why);
		mw_record_failed(c, m, a->why);
		return PX_MORE;
	case MW_BUSY:
		return mw_fail(
		    c, m, 503, "too many requests are being looked at");
	case MW_WAITS:
		c->hx.held.later = true;
		return PX_WAIT;
	}
	return PX_CLOSE;
}

static enum px_next
whole(struct px_conn *c, struct h1_head *h, struct buf *body)
{
	struct mw_run *r = c->hx.mw;
	enum px_next next = PX_MORE;

	settle(r, h);
	while (r->at < r->n && next == PX_MORE && !c->hx.held.again) {
		const struct policy_middleware *m = r->v[r->at];
		struct mw_answer a;
		enum mw_said said;

		mw_answer_init(&a);
		said = ask(c, r, h, buf_view(body), &a);
		if (said != MW_WAITS)
			r->at++;
		next = heed(c, m, said, &a, h, body);
		mw_answer_fini(&a);
	}
	return next;
}

/* Too long for all of them: it goes unseen where each of them lets it. */
static enum px_next
over(struct px_conn *c, struct h1_head *h)
{
	static const char why[] = "the body is longer than 4 MiB";
	struct mw_run *r = c->hx.mw;

	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i]->fail_open)
			return mw_fail(c, r->v[i], 403, why);
	for (size_t i = 0; i < r->n; i++)
		mw_record_failed(c, r->v[i], why);
	r->unseen = true;
	settle(r, h);
	return PX_MORE;
}

const struct hx_holder hold_middleware = { wants, whole, over };
