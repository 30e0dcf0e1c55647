/*
 * h2_stream: one stream of HTTP/2 as the port behind an end.
 *
 * Read: the text of heads, then DATA (as chunks when no length was told), then
 * the last chunk with the trailers.  nghttp2 gives the peer room for more only
 * when the pipeline has read.  Written: a head, taken when it is whole, and a
 * body, decoded into `out`, from where nghttp2 takes it as the peer's window
 * allows; a full `out` is the pipeline's back-pressure.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/h2_impl.h"
#include "proxy/hx.h"

struct h2_stream *
h2_stream_new(struct h2_leg *leg, int32_t id)
{
	struct h2_stream *st = NEW(struct h2_stream);

	st->leg = leg;
	st->id = id;
	st->text = BUF_INIT(H2_TEXT_MAX);
	st->data = BUF_INIT(H2_STREAM_WINDOW);
	st->trailers = BUF_INIT(HX_TRAILERS_MAX);
	st->head = BUF_INIT(PX_BLOCK);
	st->out = BUF_INIT(H2_OUT_MAX);
	st->out_trailers = BUF_INIT(HX_TRAILERS_MAX);
	st->next = leg->streams;
	st->at = &leg->streams;
	if (st->next != NULL)
		st->next->at = &st->next;
	leg->streams = st;
	leg->n_streams++;
	return st;
}

void
h2_stream_free(struct h2_stream *st)
{
	*st->at = st->next;
	if (st->next != NULL)
		st->next->at = st->at;
	st->leg->n_streams--;
	st->leg->n_lingering -= st->linger_until != 0;
	buf_fini(&st->text);
	buf_fini(&st->data);
	buf_fini(&st->trailers);
	buf_fini(&st->head);
	buf_fini(&st->out);
	buf_fini(&st->out_trailers);
	free(st);
}

void
h2_stream_wake(struct h2_stream *st)
{
	if (st->end != NULL) {
		struct px_conn *c = st->end->owner;

		st->end->blocked = false;
		px_task_queue(c->px, &c->task);
	}
}

/* ---- read -------------------------------------------------------------- */

/* The peer may send as much again. */
static void
consumed(struct h2_stream *st, size_t n)
{
	/* A stream that is over still holds room of the connection's. */
	if (st->id > 0)
		(void)nghttp2_session_consume(st->leg->s, st->id, n);
	else
		(void)nghttp2_session_consume_connection(st->leg->s, n);
	h2_leg_wake(st->leg);
}

void
h2_stream_data(struct h2_stream *st, struct view v)
{
	/* Nobody is there for it, or the peer went beyond its window, which
	 * nghttp2 does not let happen. */
	if (v.n > st->data.max - st->data.n && st->data_at > 0) {
		buf_drop(&st->data, st->data_at);
		st->data_at = 0;
	}
	if (st->end == NULL || v.n > st->data.max - st->data.n) {
		consumed(st, v.n);
		return;
	}
	buf_put(&st->data, v);
	h2_stream_wake(st);
}

static ssize_t
read_text(struct h2_stream *st, char *p, size_t n)
{
	n = MIN(n, st->text.n - st->text_at);
	memcpy(p, st->text.p + st->text_at, n);
	st->text_at += n;
	if (st->text_at == st->text.n) {
		buf_fini(&st->text);
		st->text_at = 0;
	}
	return (ssize_t)n;
}

static ssize_t
again(struct err *e)
{
	e->code = ERR_AGAIN;
	e->text[0] = '\0';
	return -1;
}

/* DATA as it is, or as one chunk. */
static ssize_t
read_data(struct h2_stream *st, char *p, size_t n, struct err *e)
{
	size_t left = st->data.n - st->data_at, room = n;
	struct buf out = { .p = p, .cap = n, .max = n };
	struct view v;

	if (st->in_chunked) {
		if (n < HX_CHUNK_ROOM * 2)
			return again(e);
		room = n - HX_CHUNK_ROOM;
	}
	v = (struct view) { st->data.p + st->data_at, MIN(left, room) };
	if (st->in_chunked)
		h1_write_chunk_head(&out, v.n);
	memcpy(p + out.n, v.p, v.n);
	out.n += v.n;
	if (st->in_chunked) {
		memcpy(p + out.n, "\r\n", 2);
		out.n += 2;
	}
	st->data_at += v.n;
	if (st->data_at == st->data.n) {
		buf_reset(&st->data);
		st->data_at = 0;
	}
	consumed(st, v.n);
	return (ssize_t)out.n;
}

static ssize_t
port_read(void *port, char *p, size_t n, struct err *e)
{
	struct h2_stream *st = port;

	if (st->broken && st->leg->role->server)
		return err_set(e, ERR_IO, "the client reset the stream");
	if (st->text.n > 0)
		return read_text(st, p, n);
	if (st->data.n > 0)
		return read_data(st, p, n, e);
	if (st->in_end && st->in_chunked && !st->in_last) {
		st->in_last = true;
		buf_put(&st->text, VIEW("0\r\n"));
		buf_put(&st->text, buf_view(&st->trailers));
		buf_put(&st->text, VIEW("\r\n"));
		return read_text(st, p, n);
	}
	if (st->in_end && (st->leg->role->server || st->websocket))
		return 0;
	if (st->in_end) /* the next exchange may come */
		return st->leg->over ? 0 : again(e);
	if (st->broken)
		return err_set(e, ERR_IO, "%s",
		    st->leg->over && st->leg->why.code != ERR_NONE
			? st->leg->why.text
			: nghttp2_http2_strerror(st->code));
	return again(e);
}

/* ---- written ----------------------------------------------------------- */

size_t
h2_nv(const struct h1_field *v, size_t n, nghttp2_nv *nv)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = v[i].value.p != NULL ? v[i].value.p : "";

		nv[i] = (nghttp2_nv) { (uint8_t *)(uintptr_t)v[i].name.p,
			(uint8_t *)(uintptr_t)value, v[i].name.n, v[i].value.n,
			NGHTTP2_NV_FLAG_NONE };
	}
	return n;
}

static int
send_trailers(struct h2_stream *st)
{
	AUTO_BUF struct buf names = BUF_INIT(H2_NAMES_MAX);
	struct h1_field v[H2_FIELDS_MAX];
	nghttp2_nv nv[H2_FIELDS_MAX];
	struct h1_head h;
	struct err e;
	ssize_t n;

	if (st->out_trailers.n <= 2 ||
	    h1_parse_trailers(buf_view(&st->out_trailers), &h, &e) < 0)
		return 0;
	n = h2_from_trailers(&h, v, &names, &e);
	if (n <= 0)
		return 0;
	(void)h2_nv(v, (size_t)n, nv);
	return nghttp2_submit_trailer(st->leg->s, st->id, nv, (size_t)n) == 0;
}

/* nghttp2 asks for DATA. */
static ssize_t
give(nghttp2_session *s UNUSED, int32_t id, uint8_t *p, size_t n,
    uint32_t *flags, nghttp2_data_source *source, void *arg UNUSED)
{
	struct h2_stream *st = source->ptr;
	size_t left = st->out.n - st->out_at;

	if (st->id != id) /* another exchange has begun meanwhile */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = MIN(n, left);
	if (n > 0)
		memcpy(p, st->out.p + st->out_at, n);
	st->out_at += n;
	if (n == left) {
		buf_reset(&st->out);
		st->out_at = 0;
		if (st->state == H2_OUT_DONE) {
			*flags |= NGHTTP2_DATA_FLAG_EOF;
			if (send_trailers(st))
				*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		} else if (n == 0) {
			st->deferred = true;
			return NGHTTP2_ERR_DEFERRED;
		}
	}
	if (n > 0)
		h2_stream_wake(st);
	return (ssize_t)n;
}

nghttp2_data_provider
h2_stream_provider(struct h2_stream *st)
{
	return (nghttp2_data_provider) { { .ptr = st }, give };
}

/* The body's bytes of `v`, as many as there is room for. */
static ssize_t
take_body(struct h2_stream *st, struct view v, struct err *e)
{
	size_t used = 0, room;

	if (st->out_at > 0 && st->out.max - st->out.n < v.n) {
		buf_drop(&st->out, st->out_at);
		st->out_at = 0;
	}
	while (st->state == H2_OUT_BODY && used < v.n) {
		struct view in = view_slice(v, used, v.n), data = in;
		ssize_t n;

		room = st->out.max - st->out.n;
		in.n = MIN(in.n, room);
		if (in.n == 0)
			break;
		data.n = in.n;
		if (st->framing == H1_BODY_CHUNKED) {
			n = h1_chunk_feed(&st->chunk, in, &data, e);
			if (n < 0)
				return -1;
		} else {
			if (st->framing == H1_BODY_LENGTH)
				data.n =
				    (size_t)MIN(st->left, (uint64_t)data.n);
			st->left -= data.n;
			n = (ssize_t)data.n;
		}
		buf_put(&st->out, data);
		used += (size_t)n;
		if ((st->framing == H1_BODY_CHUNKED && st->chunk.done) ||
		    (st->framing == H1_BODY_LENGTH && st->left == 0))
			st->state = H2_OUT_DONE;
	}
	return (ssize_t)used;
}

/* The head at the start of `v`, or what was kept and `v`: bytes of v used. */
static ssize_t
take_head(struct h2_stream *st, struct view v, struct h1_head *h, bool *whole,
    struct err *e)
{
	struct h1_refusal refusal;
	size_t kept = st->head.n;
	struct view all = v;
	ssize_t n;

	*whole = false;
	if (kept > 0) {
		buf_put(&st->head, v);
		all = buf_view(&st->head);
	}
	n = h1_head_end(all, H2_TEXT_MAX, &st->scanned, e);
	if (n < 0 || st->head.full)
		return n < 0 ? -1
			     : err_set(e, ERR_LIMIT, "the head is too long");
	if (n == 0) {
		if (kept == 0)
			buf_put(&st->head, v);
		return (ssize_t)v.n;
	}
	all.n = (size_t)n;
	st->scanned = 0;
	*whole = true;
	if ((st->leg->role->server
		    ? h1_parse_response(all, view_of(st->method), h, e)
		    : h1_parse_request(all, h, &refusal, e)) < 0)
		return -1;
	return n - (ssize_t)kept;
}

static void
begin_body(struct h2_stream *st, const struct h1_head *h)
{
	st->framing = h->framing;
	st->left = h->content_length;
	h1_chunk_init(&st->chunk);
	buf_reset(&st->out_trailers);
	st->chunk.keep = &st->out_trailers;
	st->state = hx_has_body(h) ? H2_OUT_BODY : H2_OUT_DONE;
}

static bool
is_interim(const struct h1_head *h)
{
	return !h->is_request && h->status < 200;
}

/*
 * A handshake of WebSocket: what follows is bytes, to the end of the stream.
 * 2xx is what says so in HTTP/2 (RFC 8441 section 5), so that of a server which
 * did not switch cannot stand.
 */
static void
write_handshake(struct h2_stream *st, struct h1_head *h)
{
	if (!st->leg->role->server) {
		const struct h1_field *key =
		    h1_find(h, VIEW("sec-websocket-key"));

		st->websocket = h1_is_websocket(h);
		if (!st->websocket)
			return;
		ws_accept(key != NULL ? key->value : VIEW(""), st->accept);
		h->framing = H1_BODY_UNTIL_CLOSE;
	} else if (st->websocket && h->status == 101) {
		h->status = 200;
		h->framing = H1_BODY_UNTIL_CLOSE;
	} else if (st->websocket && h->status >= 200 && h->status < 300) {
		h->status = 502;
	}
}

/* A head and what follows it in the same write: one HEADERS frame may end the
 * stream (gRPC calls it trailers-only). */
static ssize_t
write_head(struct h2_stream *st, struct view v, struct err *e)
{
	struct h1_head h;
	bool whole;
	ssize_t n = take_head(st, v, &h, &whole, e), more = 0;

	if (n < 0 || !whole)
		return n;
	write_handshake(st, &h);
	if (!is_interim(&h)) {
		begin_body(st, &h);
		more = take_body(st, view_slice(v, (size_t)n, v.n), e);
		if (more < 0)
			return -1;
	}
	if (st->leg->role->send_head(st->leg, st, &h,
		st->state == H2_OUT_DONE && st->out.n == 0 &&
		    st->out_trailers.n <= 2,
		e) < 0)
		return -1;
	buf_reset(&st->head);
	st->sent_head = !is_interim(&h);
	return n + more;
}

/* The port's next exchange: the one before it is over, or is let go of. */
static void
renew(struct h2_stream *st)
{
	if (st->id > 0) {
		(void)nghttp2_session_set_stream_user_data(
		    st->leg->s, st->id, NULL);
		h2_leg_reset(st->leg, st->id, NGHTTP2_CANCEL);
		st->id = 0;
	}
	buf_reset(&st->trailers);
	buf_reset(&st->out);
	st->out_at = 0;
	st->in_head = st->in_chunked = st->in_end = st->in_last = false;
	st->websocket = false;
	st->deferred = st->sent_head = false;
	st->state = H2_OUT_HEAD;
}

static ssize_t
port_write(void *port, struct view v, struct err *e)
{
	struct h2_stream *st = port;
	ssize_t n;

	if (st->state == H2_OUT_DONE && !st->leg->role->server && st->in_end &&
	    st->text.n + st->data.n == 0)
		renew(st);
	if (st->broken || st->state == H2_OUT_DONE)
		return err_set(e, ERR_IO, "the stream takes no more");
	if (st->sent_head && st->id == 0) /* the peer has heard enough */
		return (ssize_t)v.n;
	n = st->state == H2_OUT_HEAD ? write_head(st, v, e)
				     : take_body(st, v, e);
	if (n < 0) {
		st->broken = true;
		st->code = NGHTTP2_INTERNAL_ERROR;
		h2_leg_reset(st->leg, st->id, st->code);
		return -1;
	}
	if (st->deferred && (st->out.n > 0 || st->state == H2_OUT_DONE)) {
		st->deferred = false;
		(void)nghttp2_session_resume_data(st->leg->s, st->id);
	}
	h2_leg_wake(st->leg);
	return n == 0 ? again(e) : n;
}

void
h2_stream_finish(struct h2_stream *st)
{
	if (st->state != H2_OUT_BODY || st->framing != H1_BODY_UNTIL_CLOSE)
		return;
	st->state = H2_OUT_DONE;
	if (st->deferred)
		(void)nghttp2_session_resume_data(st->leg->s, st->id);
	st->deferred = false;
	h2_leg_wake(st->leg);
}

static void
port_fin(void *port)
{
	struct h2_stream *st = port;

	h2_stream_finish(st);
	/* Nobody reads on after the last word. */
	if (st->leg->role->server)
		st->in_end = st->in_last = true;
}

static void
port_close(void *port, bool reset)
{
	struct h2_stream *st = port;
	struct h2_leg *leg = st->leg;
	bool whole = st->state == H2_OUT_DONE;

	st->end = NULL;
	if (st->id == 0) {
		h2_stream_free(st);
		return;
	}
	if (!leg->role->server)
		whole = whole && st->in_end;
	if (st->data.n > 0)
		consumed(st, st->data.n - st->data_at);
	buf_fini(&st->data);
	buf_fini(&st->text);
	if (leg->role->server && st->refused)
		h2_leg_reset(leg, st->id, NGHTTP2_REFUSED_STREAM);
	else if (reset || !whole)
		h2_leg_reset(leg, st->id,
		    reset || !leg->role->server ? NGHTTP2_CANCEL
						: NGHTTP2_INTERNAL_ERROR);
}

static const struct px_port_ops port = { port_read, port_write, port_fin,
	port_close };

bool
h2_pass_refusal(const struct px_end *up, const struct px_end *client)
{
	struct h2_stream *asked, *asks;

	if (up->port != &port || client->port != &port)
		return false;
	asked = up->port_arg;
	asks = client->port_arg;
	asks->refused = asked->refused;
	return asked->refused;
}

void
h2_stream_attach(struct h2_stream *st, struct px_end *end)
{
	st->end = end;
	px_end_open_port(end, &port, st, st->leg->conn->tls);
}

/* Attack A35: a stream that is gone must not cost a connection upstream. */
static bool
is_on_its_way(const struct px_conn *c)
{
	return c->parent != NULL && c->step != PX_L7 && c->step != PX_LINGER;
}

void
h2_stream_over(struct h2_stream *st, uint32_t code)
{
	st->id = 0;
	st->refused = code == NGHTTP2_REFUSED_STREAM;
	if (!st->in_end || st->state != H2_OUT_DONE ||
	    code != NGHTTP2_NO_ERROR) {
		st->broken = !(st->in_end && !st->leg->role->server);
		st->code = code;
	}
	if (st->end == NULL)
		h2_stream_free(st);
	else if (st->broken && is_on_its_way(st->end->owner))
		px_close(st->end->owner, true);
	else
		h2_stream_wake(st);
}
