/*
 * l7_http: HTTP/1.1 between client and upstream, request by request.
 *
 * One request is under way at a time; what the client pipelines behind it
 * stays in its buffer and is judged on its own (Attack: a second request
 * riding on the first).  A head is parsed, judged and written anew from what
 * was parsed; a body is decoded and framed anew, so that not one byte goes on
 * by being next to something allowed.  State per body is O(1).
 *
 *   idle -> head judged -> request body | response head -> body -> idle
 *
 * The response may begin before the request body ends (early refusal); then
 * the connection does not live on.
 */
#include "proxy/creds.h"
#include "proxy/hx.h"
#include "proxy/ws.h"

enum { IDLE_MS = 75000, HEAD_MS = 15000, QUIET_BODY_MS = 300000 };

/* The client is done with it: the next one may have it. */
static void
leave_upstream(struct px_conn *c)
{
	struct hx *x = &c->hx;

	if (c->mode == PX_MODE_CONNECT && !c->unpooled && !x->head_begun &&
	    policy_protocol_is_inspected(c->conn.protocol) && !x->active &&
	    (c->reused || (x->upstream_keeps && x->req.done && x->resp.done)))
		px_pool_give(c);
}

static enum px_next
on_head(struct px_conn *c, struct view bytes, bool *progress)
{
	struct h1_head h UNINIT;
	struct h1_refusal refusal = { 400 };
	struct err e UNINIT;
	unsigned status;
	bool asterisk;
	enum px_next next;

	if (h1_parse_request(bytes, &h, &refusal, &e) < 0)
		return hx_refuse(c, refusal.status, &e);
	if (c->reused && !hx_repeatable(&h) && c->rested >= POOL_FRESH_MS)
		return px_redial(c);
	hx_begin(c, &h);
	if (hx_check(c, &h, &asterisk, &status, &e) < 0)
		return hx_refuse(c, status, &e);
	next = hx_judge(c);
	if (next != PX_MORE)
		return next == PX_WAIT ? PX_MORE : PX_CLOSE;
	if (hx_send(c, &h, bytes.n, asterisk, &e) < 0)
		return creds_refuse(c, &e);
	px_deadline(c, QUIET_BODY_MS);
	*progress = true;
	return PX_WAIT;
}

/* Between requests. */
static enum px_next
idle(struct px_conn *c, bool *progress)
{
	struct err e UNINIT;
	enum px_io_result r = px_fill(&c->up, &e);
	ssize_t n;

	/* Bytes that nobody asked for could be taken for the next answer
	 * (Attack: response queue poisoning). */
	if (r != PX_IO_AGAIN && c->reused)
		return px_redial(c);
	if (r != PX_IO_AGAIN) {
		px_go(c, PX_LINGER);
		return PX_MORE;
	}
	if (px_out_pending(&c->client) > 0)
		return PX_WAIT; /* answers are read before more is asked */
	if (px_in(&c->client).n == 0) {
		r = px_fill(&c->client, &e);
		if (r == PX_IO_EOF || r == PX_IO_FAIL) {
			leave_upstream(c);
			return PX_CLOSE;
		}
		if (r == PX_IO_AGAIN)
			return PX_WAIT;
	}
	if (!c->hx.head_begun) {
		c->hx.head_begun = true;
		/* Of the CONNECT, or the request before. */
		c->hx.method[0] = '\0';
		buf_reset(&c->hx.path);
		px_deadline(c, HEAD_MS);
	}
	n = h1_head_end(
	    px_in(&c->client), H1_REQUEST_HEAD_MAX, &c->hx.scanned, &e);
	if (n < 0)
		return hx_refuse(c, e.code == ERR_LIMIT ? 431 : 400, &e);
	if (n == 0) {
		r = px_fill(&c->client, &e);
		*progress = r == PX_IO_OK;
		return r == PX_IO_EOF || r == PX_IO_FAIL ? PX_CLOSE : PX_WAIT;
	}
	if (px_waits_events(c))
		return PX_WAIT;
	return on_head(
	    c, view_slice(px_in(&c->client), 0, (size_t)n), progress);
}

static enum px_next
request_body(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;
	struct err e UNINIT;

	switch (hx_move_body(&x->req, &c->client, &c->up,
	    x->req.framing == H1_BODY_CHUNKED, progress, &e)) {
	case PX_IO_OK:
	case PX_IO_AGAIN:
		return PX_WAIT;
	case PX_IO_EOF:
		break;
	case PX_IO_FAIL:
		if (c->client.eof)
			break;
		if (e.code == ERR_DENIED)
			return creds_refuse_body(c);
		/* A broken chunk; the upstream never sees the end of it. */
		if (!x->started)
			return hx_refuse(c, 400, &e);
		break;
	}
	px_close(c, true);
	return PX_CLOSE;
}

/* One answer went over whole. */
static enum px_next
finish(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;

	x->active = false;
	hx_tap_end(c);
	hx_ops_end(c);
	px_ws_end(c); /* an upgrade that was not to be */
	if (!x->client_keeps || !x->upstream_keeps || !x->req.done ||
	    px_in(&c->up).n > 0) {
		leave_upstream(c);
		px_go(c, PX_LINGER);
		return PX_MORE;
	}
	px_deadline(c, IDLE_MS);
	*progress = true;
	return PX_WAIT;
}

static enum px_next
turn(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;
	struct err e UNINIT;
	enum px_next next;

	(void)px_flush(&c->up, &e);
	if (px_flush(&c->client, &e) == PX_IO_FAIL)
		return PX_CLOSE;
	/* A head and what is there of its body go in one write. */
	if (!x->active) {
		next = idle(c, progress);
		if (next == PX_WAIT && x->active && !x->held.on && !x->req.done)
			next = request_body(c, progress);
		return next;
	}
	if (x->held.on)
		return hx_hold(c, progress);
	if (!x->req.done) {
		if (x->held.body.n > 0) {
			hx_hold_pump(c, progress);
			next = PX_WAIT;
		} else
			next = request_body(c, progress);
		if (next != PX_WAIT)
			return next;
	} else if (px_fill(&c->client, &e) == PX_IO_FAIL) {
		return PX_CLOSE;
	}
	if (x->resp_state == HX_RESP_HEAD) {
		next = hx_response_head(c, progress);
		if (next == PX_WAIT && x->resp_state == HX_RESP_BODY)
			next = hx_response_body(c, progress);
	} else if (x->resp_state == HX_RESP_BODY)
		next = hx_response_body(c, progress);
	else
		next = finish(c, progress);
	return next;
}

static enum px_next
l7_http_run(struct px_conn *c)
{
	bool progress, any = false;
	enum px_next next;

	if (c->deadline == 0)
		px_deadline(c, IDLE_MS);
	if (c->hx.replay.n > 0 && !c->reused) { /* dialled again for it */
		px_put(&c->up, buf_view(&c->hx.replay));
		rw_out_fini(&c->hx.replay);
	}
	do {
		progress = false;
		next = turn(c, &progress);
		if (next != PX_WAIT)
			return next;
		any |= progress;
	} while (progress);
	if (any && c->hx.active && !c->hx.held.on)
		px_deadline(c, QUIET_BODY_MS);
	c->client.reading = !px_in_full(&c->client);
	c->up.reading = !px_in_full(&c->up);
	return PX_WAIT;
}

static enum px_next
late(struct px_conn *c)
{
	struct err e;

	if (c->hx.active && c->hx.held.on) {
		(void)err_set(&e, ERR_LIMIT,
		    "a request body that is inspected must go on within %d "
		    "seconds and be whole within %d",
		    ASSEMBLY_MORE_S, ASSEMBLY_WHOLE_S);
		return hx_refuse(c, 408, &e);
	}
	if (c->hx.active && !c->hx.started) {
		(void)err_set(&e, ERR_LIMIT, "no answer within %d seconds",
		    QUIET_BODY_MS / 1000);
		return px_fail(c, 504, AUDIT_UPSTREAM_FAILED, "response",
		    "upstream_failed", e.text, &e);
	}
	if (!c->hx.active && c->hx.head_begun) {
		(void)err_set(&e, ERR_LIMIT,
		    "the request head was not complete within %d seconds",
		    HEAD_MS / 1000);
		return hx_refuse(c, 408, &e);
	}
	if (c->hx.active)
		hx_cut(c);
	return PX_CLOSE;
}

/* Went out, or is open, as an upgrade into which nobody can look, though
 * requests of the connection are inspected now (WebSockets: rejudge.c). */
static bool
upgrade_allowed(const struct px_conn *c)
{
	return !c->hx.want_upgrade || c->hx.held.on || c->hx.want_websocket;
}

/* In the newest snapshot, which rejudge.c has pinned. */
static bool
still_allowed(struct px_conn *c)
{
	struct policy_request r = hx_under_way(c);
	struct policy_verdict v;
	struct policy_reason why;

	if (!c->hx.active || !policy_protocol_is_inspected(c->conn.protocol))
		return true;
	if (!upgrade_allowed(c))
		return false;
	if (!px_judge_request(c, c->snap, &r, &v, &why))
		return v.enforcement == POLICY_AUDIT;
	if (v.operations && v.protocol == POLICY_PROTO_GRPC)
		return px_judge_grpc(c, c->snap, &r, &v, &why) ||
		       v.enforcement == POLICY_AUDIT;
	/* What was judged as a whole may hold operations now. */
	if (v.operations != c->hx.operations)
		return false;
	return hx_ops_still_allowed(c);
}

const struct l7_proto l7_http = { "rest", l7_http_run, late, still_allowed };

enum px_next
px_l7(struct px_conn *c)
{
	return c->l7->run(c);
}
