/*
 * h2_upstream: the leg where we ask.  It has the socket of one client
 * connection's upstream, and serves the exchanges of that connection alone:
 * nothing is shared between hosts or clients.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/h2_impl.h"
#include "proxy/hx.h"

enum { READS_A_TURN = 64 };

static void
on_head(struct h2_leg *leg, struct h2_stream *st, bool end)
{
	enum h1_framing framing;
	unsigned status;
	uint64_t length;
	struct err e;

	bool agreed = false;

	if (!leg->list.over && st->websocket &&
	    h2_websocket_answer(&leg->list, end, view_of(st->accept), &agreed,
		&st->text, &e) == 0 &&
	    agreed) {
		st->in_head = true;
		return;
	}
	if (agreed || leg->list.over ||
	    h2_response_head(&leg->list, view_of(st->method), end, &status,
		&framing, &length, &st->text, &e) < 0) {
		st->broken = true;
		st->code = NGHTTP2_PROTOCOL_ERROR;
		h2_leg_reset(leg, st->id, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	if (status < 200)
		return;
	st->in_head = true;
	st->in_chunked = framing == H1_BODY_CHUNKED;
	/* Refused: nothing that is written now is of this stream. */
	if (st->websocket)
		h2_stream_finish(st);
	st->websocket = false;
}

static int
send_head(struct h2_leg *leg, struct h2_stream *st, const struct h1_head *h,
    bool end, struct err *e)
{
	AUTO_BUF struct buf names = BUF_INIT(H2_NAMES_MAX);
	struct h1_field v[H2_FIELDS_MAX];
	nghttp2_nv nv[H2_FIELDS_MAX];
	nghttp2_data_provider body = h2_stream_provider(st);
	ssize_t n = h2_from_request(h, h2_scheme(leg), v, &names, e);
	int32_t id;

	if (n < 0)
		return -1;
	if (leg->over) {
		st->refused = true;
		return err_set(e, ERR_IO, "the upstream takes no more");
	}
	if (h->upgrade && !h2_upstream_takes_websocket(leg))
		return err_set(e, ERR_PROTO,
		    "the upstream speaks HTTP/2 and no WebSocket over it");
	(void)snprintf(st->method, sizeof(st->method), "%.*s", (int)h->method.n,
	    h->method.p);
	(void)h2_nv(v, (size_t)n, nv);
	id = nghttp2_submit_request(
	    leg->s, NULL, nv, (size_t)n, end ? NULL : &body, st);
	if (id < 0)
		return err_set(e, ERR_IO, "HTTP/2: %s", nghttp2_strerror(id));
	st->id = id;
	return 0;
}

static const struct h2_role upstream_role = { on_head, send_head, false };

/* Its connection is gone, or is of no more use. */
static void
lost(struct h2_leg *leg, enum px_io_result r)
{
	struct h2_stream *next;

	if (r == PX_IO_EOF)
		(void)err_set(&leg->why, ERR_IO, "connection closed");
	leg->over = true;
	for (struct h2_stream *st = leg->streams; st != NULL; st = next) {
		next = st->next;
		h2_stream_over(st, NGHTTP2_CONNECT_ERROR);
	}
	px_end_close(&leg->own, false);
}

static void
arm(struct h2_leg *leg)
{
	px_end_arm(&leg->own);
	if (leg->own.budget == 0)
		(void)uv_timer_start(leg->timer, leg->timer->timer_cb, 0, 0);
}

static void
run(void *owner)
{
	struct h2_leg *leg = owner;
	bool was_over = leg->over, had_greeted = leg->greeted;
	enum px_io_result r;

	if (!px_end_is_open(&leg->own))
		return;
	leg->own.budget = READS_A_TURN;
	r = h2_leg_pump(leg);
	if (r != PX_IO_OK)
		lost(leg, r);
	else
		arm(leg);
	if (leg->over && !was_over) { /* the client is to know */
		for (struct h2_stream *st = leg->streams; st != NULL;
		     st = st->next)
			h2_stream_wake(st);
		px_task_queue(leg->px, &leg->conn->task);
	}
	if (leg->over || leg->greeted != had_greeted)
		h2_wake_streams(leg->conn);
}

static void
on_wake(struct px_end *end)
{
	run(end->owner);
}

static void
on_timer(uv_timer_t *t)
{
	run(t->data);
}

int
h2_upstream_start(struct px_conn *c, struct err *e)
{
	struct h2_leg *leg = h2_leg_new(c, &upstream_role, e);

	if (leg == NULL)
		return -1;
	leg->task.run = run;
	leg->task.owner = leg;
	leg->end = &leg->own;
	leg->own = (struct px_end) {
		.owner = leg, .io = c->px->io, .wake = on_wake, .fd = -1
	};
	leg->timer = NEW(uv_timer_t);
	(void)uv_timer_init(&c->px->loop, leg->timer);
	leg->timer->data = leg;
	leg->timer->timer_cb = on_timer;
	px_end_move(&leg->own, &c->up);
	c->h2_up = leg;
	h2_leg_wake(leg);
	return 0;
}

bool
h2_upstream_open(struct h2_leg *up, struct px_end *end)
{
	if (up->over)
		return false;
	h2_stream_attach(h2_stream_new(up, 0), end);
	return true;
}

bool
h2_upstream_has_greeted(const struct h2_leg *up)
{
	return up->greeted;
}

bool
h2_upstream_takes_websocket(const struct h2_leg *up)
{
	return nghttp2_session_get_remote_settings(
		   up->s, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

bool
h2_upstream_is_over(const struct h2_leg *up)
{
	return up->over;
}
