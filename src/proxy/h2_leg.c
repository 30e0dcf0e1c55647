/*
 * h2_leg: one connection of HTTP/2, client's or upstream's: bytes between the
 * real end and the nghttp2 session, and what every stream has in common.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/h2_impl.h"

enum {
	FRAME_ROOM = 20 << 10, /* what nghttp2 gives at a time fits */
	QUEUE_MAX = 4096, /* frames that a peer lets wait */
	ACKS_MAX = 1000,
	SETTINGS_MAX = 32
};

/* ---- the state of a session -------------------------------------------- */

void
h2_leg_wake(struct h2_leg *leg)
{
	px_task_queue(
	    leg->px, leg->role->server ? &leg->conn->task : &leg->task);
}

void
h2_leg_reset(struct h2_leg *leg, int32_t id, uint32_t code)
{
	if (id > 0)
		(void)nghttp2_submit_rst_stream(
		    leg->s, NGHTTP2_FLAG_NONE, id, code);
	h2_leg_wake(leg);
}

void
h2_leg_terminate(struct h2_leg *leg, uint32_t code)
{
	if (leg->went_away)
		return;
	leg->went_away = true;
	(void)nghttp2_session_terminate_session(leg->s, code);
}

static void
too_much(struct h2_leg *leg, const char *what)
{
	if (leg->calm == NULL)
		leg->calm = what;
}

/* A stream that we reset as its peer would have it, or was refused. */
static bool
by_its_fault(const struct h2_leg *leg, uint32_t code)
{
	if (!leg->role->server)
		return code == NGHTTP2_PROTOCOL_ERROR;
	return code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL &&
	       code != NGHTTP2_INTERNAL_ERROR;
}

/* ---- what nghttp2 tells ------------------------------------------------ */

static struct h2_stream *
stream_of(struct h2_leg *leg, int32_t id)
{
	return nghttp2_session_get_stream_user_data(leg->s, id);
}

static int
on_begin_headers(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	struct h2_leg *leg = arg;

	h2_list_reset(&leg->list);
	leg->in_block = true;
	if (f->hd.type == NGHTTP2_HEADERS && leg->role->server &&
	    f->headers.cat == NGHTTP2_HCAT_REQUEST)
		(void)nghttp2_session_set_stream_user_data(
		    s, f->hd.stream_id, h2_stream_new(leg, f->hd.stream_id));
	return 0;
}

static int
on_header(nghttp2_session *s UNUSED, const nghttp2_frame *f UNUSED,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags UNUSED, void *arg)
{
	struct h2_leg *leg = arg;

	/* Attack: a table entry of 4 KiB, named sixteen thousand times. */
	if (!h2_list_add(&leg->list,
		(struct view) { (const char *)name, name_n },
		(struct view) { (const char *)value, value_n }) &&
	    leg->list.size > H2_LIST_MAX) {
		too_much(leg, "a header list of more than 64 KiB");
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

/* Else nghttp2 would leave the field out and go on: reset the stream. */
static int
on_invalid_header(nghttp2_session *s UNUSED, const nghttp2_frame *f UNUSED,
    const uint8_t *name UNUSED, size_t name_n UNUSED,
    const uint8_t *value UNUSED, size_t value_n UNUSED, uint8_t flags UNUSED,
    void *arg UNUSED)
{
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A message that nghttp2 itself resets the stream for. */
static int
on_invalid_frame(
    nghttp2_session *s UNUSED, const nghttp2_frame *f, int why, void *arg)
{
	struct h2_leg *leg = arg;
	char text[128];

	if (f->hd.type != NGHTTP2_HEADERS)
		return 0;
	leg->in_block = false;
	if (!leg->role->server)
		return 0;
	(void)snprintf(text, sizeof(text), "HTTP/2: %s", nghttp2_strerror(why));
	px_event(leg->conn, AUDIT_HTTP_REFUSED, AUDIT_DENY, "parse",
	    view_of(text), VIEW(""));
	return 0;
}

static void
on_trailers(struct h2_leg *leg, struct h2_stream *st)
{
	struct err e;

	buf_reset(&st->trailers);
	if (leg->list.over ||
	    h2_trailer_lines(&leg->list, &st->trailers, &e) < 0)
		h2_leg_reset(leg, st->id, NGHTTP2_PROTOCOL_ERROR);
}

static int
on_frame(nghttp2_session *s UNUSED, const nghttp2_frame *f, void *arg)
{
	struct h2_leg *leg = arg;
	bool end = (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	struct h2_stream *st;

	if (f->hd.type == NGHTTP2_GOAWAY) {
		leg->over = true;
		h2_leg_wake(leg);
	}
	if (f->hd.type == NGHTTP2_HEADERS)
		leg->in_block = false;
	if (f->hd.type == NGHTTP2_HEADERS || !leg->greeted)
		leg->touched = leg->greeted = true;
	if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
		return 0;
	st = stream_of(leg, f->hd.stream_id);
	if (st == NULL)
		return 0;
	if (f->hd.type == NGHTTP2_HEADERS && st->in_head)
		on_trailers(leg, st);
	else if (f->hd.type == NGHTTP2_HEADERS)
		leg->role->head(leg, st, end);
	st->in_end |= end;
	h2_stream_wake(st);
	return 0;
}

/* ---- answers before the end of their request ----------------------------- */

/*
 * The rest is not wanted (RFC 9113 section 8.1).  But a client that is told so
 * together with the answer may take the reset for a failure and never read
 * the answer, as curl does in the middle of an upload.  So what it still sends
 * is read away for a while.
 */
static void
end_lingering(struct h2_leg *leg, struct h2_stream *st)
{
	st->linger_until = 0;
	leg->n_lingering--;
	h2_leg_reset(leg, st->id, NGHTTP2_NO_ERROR);
}

static void
read_away(struct h2_leg *leg, struct h2_stream *st, size_t n)
{
	(void)nghttp2_session_consume(leg->s, st->id, n);
	st->lingered += n;
	if (st->lingered > H2_LINGER_MAX)
		end_lingering(leg, st);
}

bool
h2_leg_end_lingering(struct h2_leg *leg)
{
	uint64_t now = uv_now(&leg->px->loop);
	bool any = false;

	for (struct h2_stream *st = leg->streams;
	     st != NULL && leg->n_lingering > 0; st = st->next) {
		if (st->linger_until == 0 || st->linger_until > now)
			continue;
		end_lingering(leg, st);
		any = true;
	}
	return any;
}

uint64_t
h2_leg_lingers_until(const struct h2_leg *leg)
{
	uint64_t at = 0;

	for (const struct h2_stream *st = leg->streams;
	     st != NULL && leg->n_lingering > 0; st = st->next)
		if (st->linger_until != 0 && (at == 0 || st->linger_until < at))
			at = st->linger_until;
	return at;
}

/* ---- more of what nghttp2 tells ---------------------------------------- */

static int
on_data(nghttp2_session *s, uint8_t flags UNUSED, int32_t id, const uint8_t *p,
    size_t n, void *arg)
{
	struct h2_leg *leg = arg;
	struct h2_stream *st = stream_of(leg, id);

	if (st != NULL && st->linger_until != 0)
		read_away(leg, st, n);
	else if (st != NULL)
		h2_stream_data(st, (struct view) { (const char *)p, n });
	else
		(void)nghttp2_session_consume(s, id, n);
	return 0;
}

static int
on_stream_close(nghttp2_session *s UNUSED, int32_t id, uint32_t code, void *arg)
{
	struct h2_leg *leg = arg;
	struct h2_stream *st = stream_of(leg, id);

	if (st != NULL)
		h2_stream_over(st, code);
	return 0;
}

static int
on_sent(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	struct h2_leg *leg = arg;
	struct h2_stream *st = stream_of(leg, f->hd.stream_id);
	bool end = (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

	if (f->hd.type == NGHTTP2_DATA)
		h2_guard_sent(&leg->guard, f->hd.length);
	if (f->hd.type == NGHTTP2_RST_STREAM &&
	    by_its_fault(leg, f->rst_stream.error_code) &&
	    !(st != NULL && st->refused) && /* not the client: its upstream */
	    !h2_guard_reset(&leg->guard, uv_now(&leg->px->loop)))
		too_much(leg, "too many streams had to be reset");
	if (end && leg->role->server && st != NULL && st->linger_until == 0 &&
	    (f->hd.type == NGHTTP2_DATA || f->hd.type == NGHTTP2_HEADERS) &&
	    nghttp2_session_get_stream_remote_close(s, f->hd.stream_id) == 0) {
		st->linger_until = uv_now(&leg->px->loop) + H2_LINGER_MS;
		leg->n_lingering++;
	}
	return 0;
}

static nghttp2_session_callbacks *
callbacks(void)
{
	nghttp2_session_callbacks *cb = NULL;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		abort(); /* out of memory, as everywhere */
	nghttp2_session_callbacks_set_on_begin_headers_callback(
	    cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(
	    cb, on_invalid_header);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
	    cb, on_invalid_frame);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(
	    cb, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	return cb;
}

/* ---- start and end ----------------------------------------------------- */

static int
greet(struct h2_leg *leg, struct err *e)
{
	nghttp2_settings_entry iv[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		    leg->role->server ? H2_STREAMS_MAX : 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_LIST_MAX },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
	};
	int rc;

	if (leg->role->server) /* which never pushes, and takes WebSockets */
		iv[ARRAY_LEN(iv) - 1] = (nghttp2_settings_entry) {
			NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1
		};
	rc = nghttp2_submit_settings(
	    leg->s, NGHTTP2_FLAG_NONE, iv, ARRAY_LEN(iv));
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(
		    leg->s, NGHTTP2_FLAG_NONE, 0, H2_WINDOW);
	return rc == 0 ? 0
		       : err_set(e, ERR_INTERNAL, "HTTP/2: %s",
			     nghttp2_strerror(rc));
}

struct h2_leg *
h2_leg_new(struct px_conn *c, const struct h2_role *role, struct err *e)
{
	struct h2_leg *leg = NEW(struct h2_leg);
	nghttp2_session_callbacks *cb = callbacks();
	nghttp2_option *o = NULL;
	int rc;

	leg->px = c->px;
	leg->conn = c;
	leg->role = role;
	leg->list.bytes = BUF_INIT(H2_LIST_MAX);
	leg->guard.skip = role->server ? H2_PREFACE : 0;
	if (nghttp2_option_new(&o) != 0)
		abort();
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_max_outbound_ack(o, ACKS_MAX);
	nghttp2_option_set_max_settings(o, SETTINGS_MAX);
	rc = role->server ? nghttp2_session_server_new2(&leg->s, cb, leg, o)
			  : nghttp2_session_client_new2(&leg->s, cb, leg, o);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(cb);
	if (rc != 0)
		abort();
	if (greet(leg, e) < 0) {
		h2_leg_free(leg, false);
		return NULL;
	}
	return leg;
}

static void
on_timer_closed(uv_handle_t *h)
{
	free(h);
}

void
h2_leg_free(struct h2_leg *leg, bool reset)
{
	struct h2_stream *next;

	if (leg == NULL)
		return;
	px_task_drop(leg->px, &leg->task);
	for (struct h2_stream *st = leg->streams; st != NULL; st = next) {
		next = st->next;
		/* Its end closed before, or is not there. */
		h2_stream_free(st);
	}
	nghttp2_session_del(leg->s);
	h2_list_fini(&leg->list);
	if (leg->end == &leg->own)
		px_end_close(&leg->own, reset);
	if (leg->timer != NULL)
		uv_close((uv_handle_t *)leg->timer, on_timer_closed);
	free(leg);
}

/* ---- bytes ------------------------------------------------------------- */

static enum px_io_result
fatal(struct h2_leg *leg, int rc)
{
	if (leg->calm != NULL)
		(void)err_set(&leg->why, ERR_LIMIT, "HTTP/2: %s", leg->calm);
	else
		(void)err_set(
		    &leg->why, ERR_PROTO, "HTTP/2: %s", nghttp2_strerror(rc));
	return PX_IO_FAIL;
}

/* Attack: answers that are asked for and never read. */
static bool
may_read(const struct h2_leg *leg)
{
	return px_out_pending(leg->end) <= PX_BLOCK - FRAME_ROOM;
}

/* AGAIN: nothing is there, or may_read says no. */
static enum px_io_result
pull(struct h2_leg *leg)
{
	for (;;) {
		struct view v = px_in(leg->end);
		enum px_io_result r;
		ssize_t n;

		if (!may_read(leg))
			return PX_IO_AGAIN;
		if (v.n == 0) {
			r = px_fill(leg->end, &leg->why);
			if (r != PX_IO_OK)
				return r;
			v = px_in(leg->end);
		}
		if (!h2_guard_feed(&leg->guard, v, uv_now(&leg->px->loop))) {
			too_much(leg, "too many frames of one kind");
			return fatal(leg, 0);
		}
		n = nghttp2_session_mem_recv(leg->s, (const uint8_t *)v.p, v.n);
		if (n < 0)
			return fatal(leg, (int)n);
		px_eat(leg->end, v.n); /* it always takes all */
		if (nghttp2_session_get_outbound_queue_size(leg->s) >
		    QUEUE_MAX) {
			too_much(
			    leg, "the peer does not read what it asks for");
			return fatal(leg, 0);
		}
	}
}

static enum px_io_result
push(struct h2_leg *leg)
{
	enum px_io_result r = px_flush(leg->end, &leg->why);

	while (r == PX_IO_OK) {
		const uint8_t *p;
		ssize_t n = 1;

		while (n > 0 && px_out_room(leg->end) > FRAME_ROOM) {
			n = nghttp2_session_mem_send(leg->s, &p);
			if (n < 0)
				return fatal(leg, (int)n);
			px_put(leg->end,
			    (struct view) { (const char *)p, (size_t)n });
		}
		r = px_flush(leg->end, &leg->why);
		if (n == 0)
			break;
	}
	return r;
}

enum px_io_result
h2_leg_pump(struct h2_leg *leg)
{
	enum px_io_result in, out;
	bool held;

	do {
		in = leg->went_away ? PX_IO_AGAIN : pull(leg);
		held = !may_read(leg);
		if (in == PX_IO_FAIL && leg->why.code != ERR_IO)
			h2_leg_terminate(leg, leg->calm != NULL
						  ? NGHTTP2_ENHANCE_YOUR_CALM
						  : NGHTTP2_PROTOCOL_ERROR);
		out = push(leg);
	} while (held && in == PX_IO_AGAIN && out == PX_IO_OK);
	leg->end->reading = may_read(leg);
	if (in == PX_IO_FAIL || in == PX_IO_EOF)
		return in;
	return out == PX_IO_FAIL ? PX_IO_FAIL : PX_IO_OK;
}
