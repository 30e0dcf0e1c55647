/*
 * hx_response: the upstream's answer, from its head to its last byte.
 */
#include "base/log.h"
#include "proxy/h2.h"
#include "proxy/hx.h"
#include "proxy/ws.h"
#include "secrets/rewrite.h"

/* What a head may grow by when it is written anew: framing, Connection. */
enum { HEAD_SLACK = 1024 };

/* The upstream ended without a byte of an answer. */
static bool
hx_may_repeat(const struct px_conn *c)
{
	return c->reused && c->hx.replay.n > 0 && c->hx.interim == 0 &&
	       !c->hx.started && px_in(&c->up).n == 0;
}

/*
 * Half an answer must not look whole.  A framed body says so itself, and TLS
 * by the missing close_notify; only a bare body in the clear needs RST, which
 * costs the client what it has not read yet.
 */
void
hx_cut(struct px_conn *c)
{
	struct err e;

	if (px_flush(&c->client, &e) != PX_IO_OK)
		LOG_DEBUG("CUT", KV_STR("reason", e.text));
	px_close(c, !c->tls && c->hx.unframed);
}

/* The upstream broke off or talks nonsense. */
enum px_next
hx_upstream_lost(struct px_conn *c, const char *what, const struct err *e)
{
	struct err told;

	(void)err_set(&told, ERR_IO, "%s: %.300s", what, e->text);
	if (!c->hx.started && c->hx.interim == 0 &&
	    h2_pass_refusal(&c->up, &c->client)) {
		px_event(c, AUDIT_UPSTREAM_FAILED, AUDIT_DENY, "response",
		    view_of(told.text), VIEW(""));
		return PX_CLOSE;
	}
	if (!c->hx.started)
		return px_fail(c, 502, AUDIT_UPSTREAM_FAILED, "response",
		    "upstream_failed", what, &told);
	px_event(c, AUDIT_UPSTREAM_FAILED, AUDIT_DENY, "response",
	    view_of(told.text), VIEW(""));
	hx_cut(c);
	return PX_CLOSE;
}

static enum px_next
interim(struct px_conn *c, const struct h1_head *h, size_t n)
{
	struct err e;
	bool skip =
	    c->hx.client_minor0 || (h->status == 100 && c->hx.sent_continue);

	px_eat(&c->up, n);
	c->hx.scanned_up = 0;
	if (++c->hx.interim > PX_INTERIM_MAX) {
		(void)err_set(&e, ERR_LIMIT, "more than %d interim responses",
		    PX_INTERIM_MAX);
		return hx_upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	}
	if (!skip)
		px_put(&c->client, buf_view(&c->px->scratch));
	return PX_WAIT;
}

/* 101: the connection leaves HTTP. */
static enum px_next
switch_protocols(struct px_conn *c, const struct h1_head *h, size_t n)
{
	const struct h1_field *up = h1_find(h, VIEW("upgrade"));
	struct err e;

	if (!c->hx.want_upgrade || up == NULL ||
	    (c->hx.inspected &&
		!view_eq_nocase(up->value, VIEW("websocket")))) {
		(void)err_set(&e, ERR_PROTO, "101 that was not asked for");
		return hx_upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	}
	px_eat(&c->up, n);
	px_put(&c->client, buf_view(&c->px->scratch));
	if (c->hx.inspected)
		px_event_request(c, AUDIT_CONNECT_L7, AUDIT_ALLOW, "",
		    view_of(c->hx.method), buf_view(&c->hx.path),
		    buf_view(&c->hx.query), VIEW("upgrade"), VIEW(""));
	c->last_io = 0;
	if (c->ws != NULL)
		px_ws_begin(c);
	else
		px_go(c, PX_RAW);
	return PX_MORE;
}

static void
hold_head(struct px_conn *c)
{
	struct buf *head = &c->hx.tapped.head;

	*head = BUF_INIT(c->px->scratch.n);
	buf_put(head, buf_view(&c->px->scratch));
}

static enum px_next
on_response(struct px_conn *c, struct view bytes, bool *progress)
{
	struct hx *x = &c->hx;
	struct h1_head h UNINIT;
	struct h1_write w = { 0 };
	struct err e UNINIT;
	int tapped;

	/* Once only, as taps look at it: room for it as we write it. */
	if (px_out_room(&c->client) < bytes.n + HEAD_SLACK)
		return PX_WAIT; /* until the client takes what is there */
	if (h1_parse_response(bytes, view_of(x->method), &h, &e) < 0)
		return hx_upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	c->reused = false;
	rw_out_fini(&x->replay);
	c->unpooled |= hx_binds(&h, VIEW("www-authenticate"));
	x->upstream_keeps =
	    h.keep_alive && h.framing != H1_BODY_UNTIL_CLOSE && x->req.done;
	hx_body_start(&x->resp, &h);
	tapped = hx_tap_head(c, &h, &e);
	if (tapped < 0)
		return hx_upstream_lost(c, "the answer may not pass", &e);
	if (tapped > 0 && !x->resp.done) {
		h.framing = H1_BODY_CHUNKED;
		h.has_length = false;
	}
	w.upgrade = h.status == 101;
	w.bare = h.framing == H1_BODY_CHUNKED && x->client_minor0;
	w.close = h.status >= 200 && (!x->client_keeps || !x->upstream_keeps);
	buf_reset(&c->px->scratch);
	if (h1_write_response(&h, &w, &c->px->scratch, &e) < 0)
		return hx_upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	if (c->px->scratch.n > px_out_room(&c->client)) {
		(void)err_set(&e, ERR_LIMIT, "the head is too long");
		return hx_upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	}
	*progress = true;
	if (h.status == 101)
		return switch_protocols(c, &h, bytes.n);
	if (h.status < 200)
		return interim(c, &h, bytes.n);
	/* A tap that needs all of it may refuse it still. */
	x->started = tapped < 2 || x->resp.done;
	if (x->started)
		px_put(&c->client, buf_view(&c->px->scratch));
	else
		hold_head(c);
	px_eat(&c->up, bytes.n);
	x->rechunk = h.framing == H1_BODY_CHUNKED && !w.bare;
	x->unframed = h.framing == H1_BODY_UNTIL_CLOSE || w.bare;
	if (w.close)
		x->client_keeps = false;
	x->resp_state = x->resp.done ? HX_RESP_DONE : HX_RESP_BODY;
	return PX_WAIT;
}

enum px_next
hx_response_head(struct px_conn *c, bool *progress)
{
	struct err e UNINIT;
	ssize_t n = px_in(&c->up).n == 0
			? 0
			: h1_head_end(px_in(&c->up), H1_RESPONSE_HEAD_MAX,
			      &c->hx.scanned_up, &e);

	if (n < 0)
		return hx_upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	if (n > 0)
		return on_response(
		    c, view_slice(px_in(&c->up), 0, (size_t)n), progress);
	switch (px_fill(&c->up, &e)) {
	case PX_IO_OK:
		*progress = true;
		return PX_WAIT;
	case PX_IO_AGAIN:
		return PX_WAIT;
	case PX_IO_EOF:
		(void)err_set(&e, ERR_IO, "connection closed");
		break;
	case PX_IO_FAIL:
		break;
	}
	if (hx_may_repeat(c))
		return px_redial(c);
	return hx_upstream_lost(
	    c, "the upstream closed before it answered", &e);
}

enum px_next
hx_response_body(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;
	enum px_io_result r;
	struct err e UNINIT;

	r = x->tapped.n > 0 ? hx_tap_move(c, progress, &e)
			    : hx_move_body(&x->resp, &c->up, &c->client,
				  x->rechunk, progress, &e);
	switch (r) {
	case PX_IO_OK:
		x->resp_state = HX_RESP_DONE;
		*progress = true;
		return PX_WAIT;
	case PX_IO_AGAIN:
		return c->client.failed ? PX_CLOSE : PX_WAIT;
	case PX_IO_EOF:
		if (x->resp.framing == H1_BODY_UNTIL_CLOSE) {
			x->resp.done = true;
			x->resp_state = HX_RESP_DONE;
			*progress = true;
			return PX_WAIT;
		}
		(void)err_set(&e, ERR_IO, "connection closed");
		break;
	case PX_IO_FAIL:
		break;
	}
	return hx_upstream_lost(c,
	    x->tapped.refused ? "the answer may not pass"
			      : "the upstream broke off its answer",
	    &e);
}
