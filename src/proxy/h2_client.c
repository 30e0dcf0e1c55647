/*
 * h2_client: the leg where clients ask.  Each request becomes a connection of
 * its own (px_conn_stream) that the pipeline runs like any other: it is judged,
 * recorded and cut on its own, and the others do not notice.
 */
#include "base/random.h"
#include "codec/base64.h"
#include "proxy/h2_impl.h"
#include "proxy/hx.h"

enum { IDLE_MS = 75000, HEAD_MS = 15000 };

static void
refused(struct h2_leg *leg, struct h2_stream *st, uint32_t code,
    const struct err *e)
{
	px_event(leg->conn, AUDIT_HTTP_REFUSED, AUDIT_DENY, "parse",
	    view_of(e->text), VIEW(""));
	h2_leg_reset(leg, st->id, code);
}

/* The upstream's side of a new exchange: over the session, or a connection of
 * its own that speaks HTTP/1.1. */
static void
choose_upstream(struct px_conn *c, bool over_session)
{
	if (over_session && h2_upstream_open(c->parent->h2_up, &c->up)) {
		px_go(c, PX_L7);
	} else {
		c->up_alpn = STREAM_ALPN_H1;
		px_go(c, PX_RESOLVE);
	}
}

enum px_next
px_h2_await(struct px_conn *c)
{
	struct h2_leg *up = c->parent->h2_up;

	if (!h2_upstream_is_over(up) && !h2_upstream_has_greeted(up))
		return PX_WAIT;
	choose_upstream(c, h2_upstream_takes_websocket(up));
	return PX_MORE;
}

void
h2_wake_streams(struct px_conn *c)
{
	for (struct h2_stream *st = c->h2 != NULL ? c->h2->streams : NULL;
	     st != NULL; st = st->next) {
		struct px_conn *child = st->end != NULL ? st->end->owner : NULL;

		if (child != NULL && child->step == PX_H2_AWAIT)
			px_task_queue(c->px, &child->task);
	}
}

/* Where a new exchange begins. */
static void
begin(struct px_conn *parent, struct px_conn *c, bool websocket)
{
	if (parent->h2_up != NULL && websocket)
		px_go(c, PX_H2_AWAIT);
	else
		choose_upstream(c, parent->h2_up != NULL);
	px_task_queue(c->px, &c->task);
}

static bool
is_leaving(const struct px_conn *c)
{
	return c->h2->over ||
	       (c->h2_up != NULL && h2_upstream_is_over(c->h2_up));
}

/* No more exchanges; those under way may end. */
static void
go_away(struct h2_leg *leg)
{
	if (leg->over)
		return;
	leg->over = true;
	(void)nghttp2_submit_goaway(leg->s, NGHTTP2_FLAG_NONE,
	    nghttp2_session_get_last_proc_stream_id(leg->s), NGHTTP2_NO_ERROR,
	    NULL, 0);
}

/* The list as text to be read. */
static int
read_head(struct h2_leg *leg, struct h2_stream *st, bool end, struct err *e)
{
	AUTO_BUF struct buf key = BUF_INIT(32);
	char nonce[16];

	st->websocket = h2_is_extended_connect(&leg->list);
	if (!st->websocket)
		return h2_request_head(&leg->list, h2_scheme(leg), end,
		    &st->in_chunked, &st->text, e);
	random_bytes(nonce, sizeof(nonce));
	base64_encode((struct view) { nonce, sizeof(nonce) }, &key);
	return h2_websocket_head(
	    &leg->list, h2_scheme(leg), end, buf_view(&key), &st->text, e);
}

static void
on_head(struct h2_leg *leg, struct h2_stream *st, bool end)
{
	struct px_conn *parent = leg->conn, *c;
	struct h1_field method = { 0 };
	struct err e;

	st->in_head = true;
	if (leg->list.over) {
		(void)err_set(
		    &e, ERR_LIMIT, "more than %d fields", H1_FIELDS_MAX);
		refused(leg, st, NGHTTP2_PROTOCOL_ERROR, &e);
		return;
	}
	if (read_head(leg, st, end, &e) < 0) {
		refused(leg, st, NGHTTP2_PROTOCOL_ERROR, &e);
		return;
	}
	method.name = view_cut(buf_view(&st->text), ' ', &method.value);
	(void)snprintf(st->method, sizeof(st->method), "%.*s",
	    (int)method.name.n, method.name.p);
	c = is_leaving(parent) ? NULL : px_conn_stream(parent);
	if (c == NULL) {
		h2_leg_reset(leg, st->id, NGHTTP2_REFUSED_STREAM);
		if (is_leaving(parent))
			go_away(leg);
		return;
	}
	h2_stream_attach(st, &c->client);
	begin(parent, c, st->websocket);
}

static int
send_head(struct h2_leg *leg, struct h2_stream *st, const struct h1_head *h,
    bool end, struct err *e)
{
	AUTO_BUF struct buf names = BUF_INIT(H2_NAMES_MAX);
	struct h1_field v[H2_FIELDS_MAX];
	nghttp2_nv nv[H2_FIELDS_MAX];
	nghttp2_data_provider body = h2_stream_provider(st);
	ssize_t n = h2_from_response(h, v, &names, e);
	int rc;

	if (n < 0)
		return -1;
	(void)h2_nv(v, (size_t)n, nv);
	if (st->id == 0)
		return err_set(e, ERR_IO, "the client reset the stream");
	rc = h->status < 200 ? nghttp2_submit_headers(leg->s, NGHTTP2_FLAG_NONE,
				   st->id, NULL, nv, (size_t)n, NULL)
			     : nghttp2_submit_response(leg->s, st->id, nv,
				   (size_t)n, end ? NULL : &body);
	return rc < 0 ? err_set(
			    e, ERR_INTERNAL, "HTTP/2: %s", nghttp2_strerror(rc))
		      : 0;
}

static const struct h2_role client_role = { on_head, send_head, true };

void
h2_close_streams(struct px_conn *c, bool reset)
{
	struct h2_stream *st, *next;

	for (st = c->h2 != NULL ? c->h2->streams : NULL; st != NULL;
	     st = next) {
		next = st->next;
		if (st->end != NULL)
			px_close(st->end->owner, reset);
	}
}

enum px_next
px_h2_start(struct px_conn *c)
{
	struct err e;

	c->h2 = h2_leg_new(c, &client_role, &e);
	if (c->h2 == NULL)
		return PX_CLOSE;
	c->h2->end = &c->client;
	/* Who declared that the client may, declared what the server does. */
	if (c->prior || stream_alpn(c->up.s) == STREAM_ALPN_H2) {
		if (h2_upstream_start(c, &e) < 0)
			return PX_CLOSE;
	} else if (policy_protocol_is_inspected(c->conn.protocol)) {
		px_pool_give(c); /* the first exchange takes it from there */
	} else {
		px_end_close(&c->up, false);
	}
	px_go(c, PX_H2);
	px_deadline(c, HEAD_MS);
	return PX_MORE;
}

/* The end, with what is to be said before it. */
static enum px_next
finish(struct px_conn *c)
{
	h2_close_streams(c, false);
	(void)h2_leg_pump(c->h2);
	px_go(c, PX_LINGER);
	return PX_MORE;
}

static enum px_next
broken(struct px_conn *c, enum px_io_result r)
{
	struct h2_leg *leg = c->h2;

	if (r == PX_IO_EOF || leg->why.code == ERR_IO)
		return PX_CLOSE;
	px_event(c, AUDIT_HTTP_REFUSED, AUDIT_DENY, "h2",
	    view_of(leg->why.text), VIEW(""));
	return finish(c);
}

enum px_next
px_h2(struct px_conn *c)
{
	struct h2_leg *leg = c->h2;
	enum px_io_result r;

	r = h2_leg_pump(leg);
	if (r != PX_IO_OK)
		return broken(c, r);
	/* Not before the last answer: some clients take GOAWAY for the end. */
	if (leg->n_streams == 0 &&
	    (is_leaving(c) || !(nghttp2_session_want_read(leg->s) ||
				  nghttp2_session_want_write(leg->s)))) {
		go_away(leg);
		return finish(c);
	}
	/* A head that has begun has its time, however many pieces come; an
	 * exchange has its own. */
	if (leg->in_block) {
		if (leg->head_since == 0)
			leg->head_since = uv_now(&c->px->loop);
		c->deadline = leg->head_since + HEAD_MS;
	} else {
		leg->head_since = 0;
		if (leg->n_streams > 0)
			c->deadline = h2_leg_lingers_until(leg);
		else if (leg->touched || c->deadline == 0)
			px_deadline(c, IDLE_MS);
		leg->touched = false;
	}
	return PX_WAIT;
}

enum px_next
px_h2_late(struct px_conn *c)
{
	struct err e;

	if (h2_leg_end_lingering(c->h2))
		return PX_MORE;
	if (c->h2->in_block) {
		(void)err_set(&e, ERR_LIMIT,
		    "the request head was not complete within %d seconds",
		    HEAD_MS / 1000);
		px_event(c, AUDIT_HTTP_REFUSED, AUDIT_DENY, "h2",
		    view_of(e.text), VIEW(""));
		h2_leg_terminate(c->h2, NGHTTP2_ENHANCE_YOUR_CALM);
	} else {
		h2_leg_terminate(c->h2, NGHTTP2_NO_ERROR);
	}
	return finish(c);
}
