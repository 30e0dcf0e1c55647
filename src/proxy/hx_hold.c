/*
 * hx_hold: a request whose body some part must see whole before any of it
 * goes.  The head is kept as it came, the body decoded; when all is there the
 * holders are asked in turn, and what they leave goes upstream with its length.
 *
 * Bounded: each holder says how much it takes, one sandbox has HX_HELD_ALL,
 * and what does not come whole in time (assembly.h) is refused.
 */
#include "proxy/creds.h"
#include "proxy/hx.h"

static const struct hx_holder *const holders[] = {
#define HOLD(name) &hold_##name,
#include "proxy/hold.def"
#undef HOLD
	NULL
};

/* The least that any holder takes; 0: nobody must see it. */
static size_t
limit_of(struct px_conn *c, const struct h1_head *h)
{
	size_t least = 0;

	for (size_t i = 0; holders[i] != NULL; i++) {
		size_t n = holders[i]->wants(c, h);

		if (n > 0 && (least == 0 || n < least))
			least = n;
	}
	return least;
}

bool
hx_hold_begin(
    struct px_conn *c, const struct h1_head *h, size_t head_n, bool asterisk)
{
	struct hx_held *k = &c->hx.held;

	k->limit = limit_of(c, h);
	if (k->limit == 0)
		return false;
	k->on = true;
	k->asterisk = asterisk;
	k->head = BUF_INIT(H1_REQUEST_HEAD_MAX);
	k->body = BUF_INIT(HX_HELD_MAX);
	buf_put(&k->head, view_slice(px_in(&c->client), 0, head_n));
	px_eat(&c->client, head_n);
	hx_send_continue(c, h);
	return true;
}

void
hx_hold_end(struct px_conn *c)
{
	struct hx_held *k = &c->hx.held;

	c->px->held -= k->counted;
	buf_fini(&k->head);
	if (c->hx.injected)
		rw_out_wipe(&k->body);
	buf_fini(&k->body);
	*k = (struct hx_held) { 0 };
}

static enum px_next
too_long(struct px_conn *c)
{
	struct err e;

	(void)err_set(&e, ERR_LIMIT,
	    "the request body is longer than the %zu bytes that are inspected "
	    "here",
	    c->hx.held.limit);
	return hx_refuse(c, 413, &e);
}

/* MORE when `data` was kept; WAIT when the refusal is on its way instead. */
static enum px_next
keep(struct px_conn *c, struct view data)
{
	struct hx_held *k = &c->hx.held;
	struct err e;

	if (data.n > k->limit - k->body.n)
		return too_long(c) == PX_MORE ? PX_WAIT : PX_CLOSE;
	if (data.n > HX_HELD_ALL - c->px->held) {
		(void)err_set(&e, ERR_LIMIT,
		    "too many request bodies are being inspected");
		return hx_refuse(c, 503, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	}
	c->px->held += data.n;
	k->counted += data.n;
	buf_put(&k->body, data);
	return PX_MORE;
}

/* All is there: the holders are asked, then the head goes. */
static enum px_next
release(struct px_conn *c, bool *progress)
{
	struct hx_held *k = &c->hx.held;
	struct h1_head h;
	struct h1_refusal refusal = { 400 };
	struct err e;

	if (h1_parse_request(buf_view(&k->head), &h, &refusal, &e) < 0)
		return hx_refuse(c, refusal.status, &e);
	for (size_t i = 0; holders[i] != NULL; i++) {
		enum px_next next;

		if (holders[i]->wants(c, &h) == 0)
			continue;
		next = holders[i]->whole(c, &h, &k->body);
		if (next != PX_MORE)
			return next == PX_WAIT ? PX_MORE : PX_CLOSE;
	}
	if (k->body.full)
		return too_long(c);
	if (c->hx.req.guarded && ph_marked(buf_view(&k->body)))
		return creds_refuse_body(c);
	if (h.framing != H1_BODY_NONE || k->body.n > 0) {
		h.framing = H1_BODY_LENGTH;
		h.has_length = true;
		h.content_length = k->body.n;
	}
	if (hx_send_head(c, &h, k->asterisk, &e) < 0)
		return creds_refuse(c, &e);
	k->on = false;
	c->hx.req.done = k->body.n == 0; /* what is kept is yet to go */
	if (c->hx.req.done)
		hx_hold_end(c);
	*progress = true;
	return PX_WAIT;
}

enum px_next
hx_hold(struct px_conn *c, bool *progress)
{
	struct hx_body *b = &c->hx.req;
	enum px_next next;
	enum px_io_result r;
	struct view data;
	size_t used;
	struct err e;

	/* An upstream that went away meanwhile, or speaks unasked. */
	r = px_fill(&c->up, &e);
	if (r != PX_IO_AGAIN && c->reused)
		return px_redial(c);
	if (r != PX_IO_AGAIN) {
		if (r != PX_IO_FAIL)
			(void)err_set(&e, ERR_IO, "%s",
			    r == PX_IO_EOF ? "connection closed"
					   : "an answer before the request");
		return hx_upstream_lost(
		    c, "the upstream closed before it was asked", &e);
	}
	if (b->framing == H1_BODY_LENGTH && b->left > c->hx.held.limit)
		return too_long(c);
	while (!b->done) {
		r = hx_take(b, &c->client, &data, &used, &e);
		if (r == PX_IO_AGAIN) {
			c->deadline = assembly_deadline(
			    &c->hx.held.clock, uv_now(&c->px->loop), *progress);
			return PX_WAIT;
		}
		if (r == PX_IO_FAIL && !c->client.eof && !c->client.failed)
			return hx_refuse(c, 400, &e); /* a broken chunk */
		if (r != PX_IO_OK) {
			px_close(c, true);
			return PX_CLOSE;
		}
		next = keep(c, data);
		if (next != PX_MORE)
			return next == PX_WAIT ? PX_MORE : next;
		px_eat(&c->client, used);
		*progress = true;
	}
	/* What is in it may give many records. */
	if (px_waits_events(c)) {
		c->deadline = 0; /* the client has done its part */
		return PX_WAIT;
	}
	return release(c, progress);
}

void
hx_hold_pump(struct px_conn *c, bool *progress)
{
	struct hx_held *k = &c->hx.held;
	size_t n = MIN(k->body.n - k->at, px_out_room(&c->up));

	if (n == 0 || c->up.failed)
		return;
	px_put(&c->up, view_slice(buf_view(&k->body), k->at, k->at + n));
	k->at += n;
	*progress = true;
	if (k->at < k->body.n)
		return;
	c->hx.req.done = true;
	hx_hold_end(c);
}
