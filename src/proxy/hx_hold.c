/*
 * hx_hold: a request whose body some part must see whole before any of it
 * goes.  The head is kept as it came, the body decoded; when all is there the
 * holders are asked in turn, and what they leave goes upstream with its length.
 *
 * Bounded: each holder says how much it takes, one sandbox has HX_HELD_ALL,
 * and what does not come whole in time (assembly.h) is refused.  A body that is
 * too long for somebody who need not have seen it goes on as it comes.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/creds.h"
#include "proxy/hx.h"
#include "proxy/mw.h"

/* More than all middlewares together may take, each its own time. */
enum { LATER_MS = 330000 };

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

		if (n > 0 && (least == 0 || n < least)) {
			least = n;
			c->hx.held.by = (uint8_t)i;
		}
	}
	return least;
}

bool
hx_hold_begin(
    struct px_conn *c, const struct h1_head *h, size_t head_n, bool asterisk)
{
	struct hx_held *k = &c->hx.held;

	k->limit = limit_of(c, h);
	if (k->limit == 0) {
		mw_end(c);
		return false;
	}
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

	mw_end(c);
	c->px->held -= k->counted;
	buf_fini(&k->head);
	if (c->hx.injected)
		rw_out_wipe(&k->body);
	buf_fini(&k->body);
	free(k->parsed);
	*k = (struct hx_held) { 0 };
}

/* The head as it came; 0, or the status that refuses it. */
static unsigned
parse(struct hx_held *k, struct err *e)
{
	struct h1_refusal refusal = { 400 };

	if (k->parsed != NULL)
		return 0;
	k->parsed = NEW(struct h1_head);
	return h1_parse_request(buf_view(&k->head), k->parsed, &refusal, e) < 0
		   ? refusal.status
		   : 0;
}

/* As a step has it: MORE, with the answer on its way, or CLOSE. */
static enum px_next
answered(enum px_next next)
{
	return next == PX_WAIT ? PX_MORE : PX_CLOSE;
}

static enum px_next
refuse_length(struct px_conn *c)
{
	struct err e;

	(void)err_set(&e, ERR_LIMIT,
	    "the request body is longer than the %zu bytes that are inspected "
	    "here",
	    c->hx.held.limit);
	return hx_refuse(c, 413, &e);
}

/*
 * The body is longer than somebody takes.  WAIT: who wants it all takes more,
 * or nobody does (k->unseen); else as `answered` has it.
 */
static enum px_next
too_long(struct px_conn *c)
{
	struct hx_held *k = &c->hx.held;
	const struct hx_holder *by = holders[k->by];
	enum px_next next;
	unsigned status;
	struct err e;

	if (by->over == NULL)
		return refuse_length(c);
	status = parse(k, &e);
	if (status != 0)
		return hx_refuse(c, status, &e);
	next = by->over(c, k->parsed);
	if (next != PX_MORE)
		return answered(next);
	k->limit = limit_of(c, k->parsed);
	k->unseen = k->limit == 0;
	return PX_WAIT;
}

/* WAIT when `data` was kept; else as `answered` has it. */
static enum px_next
keep(struct px_conn *c, struct view data)
{
	struct hx_held *k = &c->hx.held;
	enum px_next next = PX_WAIT;
	struct err e;

	while (!k->unseen && data.n > k->limit - k->body.n && next == PX_WAIT)
		next = too_long(c);
	if (next != PX_WAIT)
		return next;
	if (data.n > HX_HELD_ALL - c->px->held) {
		(void)err_set(&e, ERR_LIMIT,
		    "too many request bodies are being inspected");
		return hx_refuse(c, 503, &e);
	}
	c->px->held += data.n;
	k->counted += data.n;
	buf_put(&k->body, data);
	return PX_WAIT;
}

/* Asks the holders that are left.  MORE: it may go; else as `whole` has it. */
static enum px_next
ask(struct px_conn *c)
{
	struct hx_held *k = &c->hx.held;

	while (holders[k->next] != NULL) {
		const struct hx_holder *h = holders[k->next];
		enum px_next next;

		if (h->wants(c, k->parsed) == 0) {
			k->next++;
			continue;
		}
		next = h->whole(c, k->parsed, &k->body);
		if (next != PX_MORE)
			return next;
		k->next = k->again ? 0 : (uint8_t)(k->next + 1);
		k->again = false;
	}
	return PX_MORE;
}

static enum px_next
send_head(struct px_conn *c, bool *progress)
{
	struct hx_held *k = &c->hx.held;
	struct err e;

	if (hx_send_head(c, k->parsed, k->asterisk, &e) < 0)
		return creds_refuse(c, &e);
	k->on = false;
	*progress = true;
	return PX_WAIT;
}

/* All is there: the holders are asked, then the head goes. */
static enum px_next
release(struct px_conn *c, bool *progress)
{
	struct hx_held *k = &c->hx.held;
	struct h1_head *h;
	enum px_next next;
	unsigned status;
	struct err e;

	status = parse(k, &e);
	if (status != 0)
		return hx_refuse(c, status, &e);
	next = ask(c);
	if (next == PX_WAIT && k->later) {
		k->later = false;
		px_deadline(c, LATER_MS);
		return PX_WAIT;
	}
	if (next != PX_MORE)
		return answered(next);
	if (k->body.full)
		return refuse_length(c);
	if (c->hx.req.guarded && ph_marked(buf_view(&k->body)))
		return creds_refuse_body(c);
	h = k->parsed;
	if (h->framing != H1_BODY_NONE || k->body.n > 0) {
		h->framing = H1_BODY_LENGTH;
		h->has_length = true;
		h->content_length = k->body.n;
	}
	k->unseen = false;
	next = send_head(c, progress);
	if (next != PX_WAIT)
		return next;
	c->hx.req.done = k->body.n == 0; /* what is kept is yet to go */
	if (c->hx.req.done)
		hx_hold_end(c);
	return PX_WAIT;
}

/* What is there goes, and what comes behind it, with the framing it has. */
static enum px_next
let_pass(struct px_conn *c, bool *progress)
{
	struct hx_held *k = &c->hx.held;
	struct hx_body *b = &c->hx.req;
	enum px_next next;

	if (b->guarded && ph_marked(buf_view(&k->body)))
		return creds_refuse_body(c);
	if (b->guarded)
		ph_scan_went(&b->scan, buf_view(&k->body));
	next = send_head(c, progress);
	if (next == PX_WAIT && k->body.n == 0)
		hx_hold_end(c);
	return next;
}

/* More of the body, as a step has it; *taken: there is no more to be kept. */
static enum px_next
take(struct px_conn *c, bool *taken, bool *progress)
{
	struct hx_body *b = &c->hx.req;
	struct hx_held *k = &c->hx.held;
	enum px_next next;
	enum px_io_result r;
	struct view data;
	size_t used;
	struct err e;

	while (
	    b->framing == H1_BODY_LENGTH && b->left > k->limit && !k->unseen) {
		next = too_long(c);
		if (next != PX_WAIT)
			return next;
	}
	while (!b->done && !k->unseen) {
		r = hx_take(b, &c->client, &data, &used, &e);
		if (r == PX_IO_AGAIN) {
			c->deadline = assembly_deadline(
			    &k->clock, uv_now(&c->px->loop), *progress);
			return PX_WAIT;
		}
		if (r == PX_IO_FAIL && !c->client.eof && !c->client.failed)
			return hx_refuse(c, 400, &e); /* a broken chunk */
		if (r != PX_IO_OK) {
			px_close(c, true);
			return PX_CLOSE;
		}
		next = keep(c, data);
		if (next != PX_WAIT)
			return next;
		px_eat(&c->client, used);
		*progress = true;
	}
	*taken = true;
	return PX_WAIT;
}

enum px_next
hx_hold(struct px_conn *c, bool *progress)
{
	bool taken = false;
	enum px_next next;
	enum px_io_result r;
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
	next = take(c, &taken, progress);
	if (!taken)
		return next;
	/* What is in it may give many records. */
	if (px_waits_events(c)) {
		c->deadline = 0; /* the client has done its part */
		return PX_WAIT;
	}
	return c->hx.held.unseen && !c->hx.req.done ? let_pass(c, progress)
						    : release(c, progress);
}

/* As much of it as there is room for; the bytes of it. */
static size_t
put_some(struct px_conn *c, struct view left)
{
	size_t room = px_out_room(&c->up), n;

	if (!c->hx.held.unseen || c->hx.req.framing != H1_BODY_CHUNKED) {
		n = MIN(left.n, room);
		px_put(&c->up, view_slice(left, 0, n));
		return n;
	}
	if (room < HX_CHUNK_ROOM * 2)
		return 0;
	n = MIN(left.n, room - HX_CHUNK_ROOM);
	hx_put_chunk(&c->up, view_slice(left, 0, n));
	return n;
}

void
hx_hold_pump(struct px_conn *c, bool *progress)
{
	struct hx_held *k = &c->hx.held;
	size_t n;

	if (c->up.failed)
		return;
	n = put_some(c, view_slice(buf_view(&k->body), k->at, k->body.n));
	if (n == 0)
		return;
	k->at += n;
	*progress = true;
	if (k->at < k->body.n)
		return;
	c->hx.req.done |= !k->unseen; /* else the rest is still to come */
	hx_hold_end(c);
}
