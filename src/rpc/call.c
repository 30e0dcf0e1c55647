/*
 * call: one call of a server, a stream of HTTP/2.
 *
 *   headers -> allow? -> start -> message* -> half_closed
 *           <- send* <- finish
 *   closed: always last, once, whoever ended it
 *
 * Bytes that a held handler does not take stay in `in`, and their window is
 * not given back, so at most one stream window is kept for each call.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http/grpc.h"
#include "rpc/frames.h"
#include "rpc/sendq.h"
#include "rpc/server.h"

enum { METADATA_MAX = 64, PATH_TEXT = 256 };

struct pair {
	char *name, *value;
	size_t n;
};

struct rpc_call {
	struct rpc_sconn *conn;
	struct rpc_call *next, *prev;
	int32_t id;
	const struct rpc_method *method;
	void *data;
	char path[PATH_TEXT];
	bool post, get, grpc, too_large, bad_timeout;
	int64_t timeout_ms; /* -1: none given */
	struct pair *meta;
	size_t n_meta, head_bytes;
	struct rpc_peer peer;
	struct deadline deadline;
	enum rpc_code why;

	bool started, busy; /* inside a handler */
	bool held, eof, half_told; /* input */
	bool got_one;
	struct rpc_frames frames;
	struct buf in;

	struct rpc_sendq out;
	bool headed, deferred;
	bool finished, trailed, gone;
	enum rpc_code code;
	char text[RPC_STATUS_MAX];
};

/* --- life ---------------------------------------------------------------- */

static void
call_free(struct rpc_call *c)
{
	for (size_t i = 0; i < c->n_meta; i++) {
		free(c->meta[i].name);
		free(c->meta[i].value);
	}
	free(c->meta);
	rpc_frames_fini(&c->frames);
	buf_fini(&c->in);
	rpc_sendq_fini(&c->out);
	free(c);
}

static struct rpc_call *
call_new(struct rpc_sconn *conn, int32_t id)
{
	struct rpc_call *c = NEW(struct rpc_call);

	c->conn = conn;
	c->id = id;
	c->timeout_ms = -1;
	c->why = RPC_CANCELLED;
	c->in = BUF_INIT(2 * CONN_STREAM_WINDOW);
	rpc_sendq_init(&c->out);
	c->next = conn->calls;
	if (conn->calls != NULL)
		conn->calls->prev = c;
	conn->calls = c;
	conn->server->stats.calls++;
	conn->server->stats.open_calls++;
	return c;
}

void
rpc_call_end(struct rpc_call *c)
{
	struct rpc_server *s = c->conn->server;

	if (s->turn->deadlines != NULL)
		deadline_clear(s->turn->deadlines, &c->deadline);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->conn->calls = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->gone = true;
	if (c->started && c->method->closed != NULL)
		c->method->closed(c, c->why);
	call_free(c);
	s->stats.open_calls--;
}

/* --- what handlers see --------------------------------------------------- */

const struct rpc_method *
rpc_call_method(const struct rpc_call *c)
{
	return c->method;
}

const struct rpc_peer *
rpc_call_peer(const struct rpc_call *c)
{
	return &c->peer;
}

/* A metadata value of the request (lower-case key), or an empty view. */
static struct view
rpc_call_metadata(const struct rpc_call *c, const char *key)
{
	for (size_t i = 0; i < c->n_meta; i++)
		if (strcmp(c->meta[i].name, key) == 0)
			return (struct view) { c->meta[i].value, c->meta[i].n };
	return (struct view) { 0 };
}

void *
rpc_call_context(const struct rpc_call *c)
{
	return c->conn->server->hooks.ctx;
}

void
rpc_call_set_data(struct rpc_call *c, void *data)
{
	c->data = data;
}

void *
rpc_call_data(const struct rpc_call *c)
{
	return c->data;
}

/* --- out ----------------------------------------------------------------- */

static int
submit_status(struct rpc_call *c, bool alone)
{
	AUTO_BUF struct buf text = BUF_INIT(3 * RPC_STATUS_MAX);
	char code[8];
	int n = snprintf(code, sizeof(code), "%d", (int)c->code);
	nghttp2_nv nv[4];
	size_t k = 0;

	grpc_message_put(&text, view_of(c->text));
	if (alone) {
		nv[k++] = (nghttp2_nv)RPC_NV(":status", "200", 3);
		nv[k++] =
		    (nghttp2_nv)RPC_NV("content-type", "application/grpc", 16);
	}
	nv[k++] = (nghttp2_nv)RPC_NV("grpc-status", code, (size_t)n);
	if (text.n > 0)
		nv[k++] = (nghttp2_nv)RPC_NV("grpc-message", text.p, text.n);
	c->trailed = true;
	if (c->why == RPC_CANCELLED)
		c->why = RPC_OK;
	return alone
		   ? nghttp2_submit_response(c->conn->c.h2, c->id, nv, k, NULL)
		   : nghttp2_submit_trailer(c->conn->c.h2, c->id, nv, k);
}

static void
told_drained(struct rpc_call *c)
{
	if (rpc_sendq_drained(&c->out) && c->method->drained != NULL &&
	    !c->finished)
		c->method->drained(c);
}

static ssize_t
on_out(nghttp2_session *h2 UNUSED, int32_t id UNUSED, uint8_t *to, size_t max,
    uint32_t *flags, nghttp2_data_source *src, void *user UNUSED)
{
	struct rpc_call *c = src->ptr;
	size_t n = rpc_sendq_take(&c->out, to, max);

	told_drained(c);
	if (rpc_sendq_n(&c->out) > 0)
		return (ssize_t)n;
	if (c->finished) {
		*flags |=
		    NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (!c->trailed && submit_status(c, false) != 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
		return (ssize_t)n;
	}
	if (n > 0)
		return (ssize_t)n;
	c->deferred = true;
	return NGHTTP2_ERR_DEFERRED;
}

static void
submit_head(struct rpc_call *c)
{
	const nghttp2_nv nv[] = {
		RPC_NV(":status", "200", 3),
		RPC_NV("content-type", "application/grpc", 16),
	};
	nghttp2_data_provider body = { { .ptr = c }, on_out };

	c->headed = true;
	(void)nghttp2_submit_response(
	    c->conn->c.h2, c->id, nv, ARRAY_LEN(nv), &body);
}

static void
wake_out(struct rpc_call *c)
{
	if (c->deferred) {
		c->deferred = false;
		(void)nghttp2_session_resume_data(c->conn->c.h2, c->id);
	}
	rpc_conn_wake(&c->conn->c);
}

void
rpc_send(struct rpc_call *c, const ProtobufCMessage *m)
{
	if (c->finished || c->gone || c->conn->c.h2 == NULL)
		return;
	if (!rpc_sendq_put(&c->out, m)) {
		rpc_sendq_clear(&c->out);
		rpc_finish(c, RPC_RESOURCE_EXHAUSTED,
		    "the client does not read the answers");
		return;
	}
	if (!c->headed)
		submit_head(c);
	wake_out(c);
}

size_t
rpc_queued(const struct rpc_call *c)
{
	return rpc_sendq_n(&c->out);
}

bool
rpc_call_open(const struct rpc_call *c)
{
	return !c->finished && !c->gone;
}

void
rpc_finish(struct rpc_call *c, enum rpc_code code, const char *fmt, ...)
{
	va_list ap;

	if (c->finished || c->gone || c->conn->c.h2 == NULL)
		return;
	c->finished = true;
	c->code = code;
	if (fmt != NULL) {
		va_start(ap, fmt);
		(void)vsnprintf(c->text, sizeof(c->text), fmt, ap);
		va_end(ap);
	}
	if (!c->headed) {
		c->headed = true;
		(void)submit_status(c, true);
		rpc_conn_wake(&c->conn->c);
		return;
	}
	wake_out(c);
}

void
rpc_finish_err(struct rpc_call *c, const struct err *e)
{
	rpc_finish(c, rpc_code_of(e->code), "%s", e->text);
}

void
rpc_answer(struct rpc_call *c, const ProtobufCMessage *m)
{
	rpc_send(c, m);
	rpc_finish(c, RPC_OK, NULL);
}

void
rpc_calls_refuse(struct rpc_sconn *conn)
{
	for (struct rpc_call *c = conn->calls; c != NULL; c = c->next)
		rpc_finish(c, RPC_UNAVAILABLE, "the server is shutting down");
}

/* --- in ------------------------------------------------------------------ */

static void
fault(struct rpc_call *c, enum rpc_code code, const char *text)
{
	rpc_finish(c, code, "%s", text);
}

static void
take_message(struct rpc_call *c, struct view v)
{
	const struct rpc_method *m = c->method;
	ProtobufCMessage *msg;
	struct err e;

	if (!m->in_stream && c->got_one) {
		fault(c, RPC_INTERNAL, "more than one message");
		return;
	}
	msg = rpc_unpack(m->in, v, &e);
	rpc_frames_taken(&c->frames);
	if (msg == NULL) {
		rpc_finish_err(c, &e);
		return;
	}
	c->got_one = true;
	if (m->in_stream)
		m->message(c, msg);
	else {
		c->started = true;
		m->start(c, msg);
	}
	protobuf_c_message_free_unpacked(msg, NULL);
}

static void
take_eof(struct rpc_call *c)
{
	if (!c->eof || c->half_told || c->finished)
		return;
	c->half_told = true;
	if (!rpc_frames_empty(&c->frames)) {
		fault(c, RPC_INTERNAL, "the stream ended inside a message");
		return;
	}
	if (!c->method->in_stream) {
		if (!c->got_one)
			fault(c, RPC_INTERNAL, "no message in the request");
		return;
	}
	if (c->method->half_closed != NULL)
		c->method->half_closed(c);
}

/* Gives what is there to the handler; returns what was used of *v. */
static size_t
feed(struct rpc_call *c, struct view v)
{
	struct view rest = v, message;
	struct err e;

	while (!c->finished && !c->held && rest.n > 0) {
		if (rpc_frames_feed(&c->frames, &rest, &e) < 0) {
			fault(c,
			    e.code == ERR_LIMIT ? RPC_OUT_OF_RANGE
						: RPC_UNIMPLEMENTED,
			    e.text);
			break;
		}
		if (rpc_frames_next(&c->frames, &message))
			take_message(c, message);
	}
	return c->finished ? v.n : v.n - rest.n;
}

static void
pump(struct rpc_call *c)
{
	size_t used;

	if (c->busy)
		return; /* a handler called rpc_resume: its caller goes on */
	c->busy = true;
	used = feed(c, buf_view(&c->in));
	buf_drop(&c->in, used);
	if (used > 0)
		(void)nghttp2_session_consume_stream(
		    c->conn->c.h2, c->id, used);
	if (c->in.n == 0)
		buf_fini(&c->in);
	if (c->in.n == 0 && !c->held)
		take_eof(c);
	c->busy = false;
}

void
rpc_hold(struct rpc_call *c)
{
	c->held = true;
}

void
rpc_resume(struct rpc_call *c)
{
	if (!c->held)
		return;
	c->held = false;
	if (c->gone || c->conn->c.h2 == NULL)
		return;
	pump(c);
	rpc_conn_wake(&c->conn->c);
}

/* --- the head ------------------------------------------------------------ */

static const struct rpc_method *
find_method(const struct rpc_server *s, const char *path)
{
	for (size_t i = 0; i < s->n_methods; i++)
		if (strcmp(s->methods[i].path, path) == 0)
			return &s->methods[i];
	return NULL;
}

static void
fill_peer(struct rpc_call *c)
{
	struct view auth = rpc_call_metadata(c, "authorization");
	static const struct view scheme = VIEW("bearer ");

	c->peer = (struct rpc_peer) {
		.transport =
		    c->conn->c.ssl != NULL ? RPC_TLS : c->conn->c.transport,
		.uid = c->conn->uid,
		.beside = c->conn->beside,
		.verified = c->conn->verified,
		.san_uri = c->conn->names.san_uri,
		.subject = c->conn->names.subject,
	};
	if (auth.n > scheme.n &&
	    view_eq_nocase(view_slice(auth, 0, scheme.n), scheme))
		c->peer.bearer = view_trim(view_slice(auth, scheme.n, auth.n));
}

static void
reset(struct rpc_call *c, uint32_t error)
{
	(void)nghttp2_submit_rst_stream(
	    c->conn->c.h2, NGHTTP2_FLAG_NONE, c->id, error);
	rpc_conn_wake(&c->conn->c);
}

static void
on_deadline(void *arg)
{
	struct rpc_call *c = arg;

	c->why = RPC_DEADLINE_EXCEEDED;
	if (c->finished) {
		reset(c, NGHTTP2_CANCEL);
		return;
	}
	rpc_finish(c, RPC_DEADLINE_EXCEEDED, "deadline exceeded");
	/* The status stands behind answers that nobody may ever read. */
	deadline_set(
	    c->conn->server->turn->deadlines, &c->deadline, RPC_GRACE_MS);
}

static void
set_deadline(struct rpc_call *c)
{
	uint64_t ms = c->method->deadline_ms;

	if (c->timeout_ms >= 0 && (ms == 0 || (uint64_t)c->timeout_ms < ms))
		ms = MAX((uint64_t)c->timeout_ms, 1);
	deadline_init(&c->deadline, on_deadline, c);
	if (ms > 0)
		deadline_set(
		    c->conn->server->turn->deadlines, &c->deadline, ms);
}

static ssize_t
on_body(nghttp2_session *h2 UNUSED, int32_t id UNUSED, uint8_t *to, size_t max,
    uint32_t *flags, nghttp2_data_source *src, void *user UNUSED)
{
	struct rpc_call *c = src->ptr;
	size_t n = rpc_sendq_take(&c->out, to, max);

	if (rpc_sendq_n(&c->out) == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* What is not gRPC is asked of the same hook as HTTP/1.1. */
static void
plain_answer(struct rpc_call *c)
{
	const struct rpc_server_hooks *hooks = &c->conn->server->hooks;
	struct view method = c->get ? VIEW("GET") : VIEW("POST");
	const char *type = NULL;
	char code[8];
	unsigned status = c->get || c->post ? 404 : 405;
	nghttp2_data_provider body = { { .ptr = c }, on_body };
	nghttp2_nv nv[2];
	size_t k = 0;
	int n;

	if (status == 404 && hooks->http != NULL)
		hooks->http(hooks->ctx, method, view_of(c->path), &status,
		    &type, &c->out.bytes);
	n = snprintf(code, sizeof(code), "%u", status);
	nv[k++] = (nghttp2_nv)RPC_NV(":status", code, (size_t)n);
	if (type != NULL)
		nv[k++] =
		    (nghttp2_nv)RPC_NV("content-type", type, strlen(type));
	c->finished = c->headed = c->trailed = true;
	(void)nghttp2_submit_response(c->conn->c.h2, c->id, nv, k,
	    rpc_sendq_n(&c->out) > 0 ? &body : NULL);
}

/* The head is whole: may this be called at all? */
static void
begin(struct rpc_call *c)
{
	struct rpc_server *s = c->conn->server;
	AUTO_BUF struct buf text = BUF_INIT(RPC_STATUS_MAX);
	enum rpc_code code = RPC_OK;

	/* GOAWAY, sent or about to be, says that this one is not served: the
	 * client may make it again elsewhere. */
	if (s->draining) {
		reset(c, NGHTTP2_REFUSED_STREAM);
		return;
	}
	if (!c->post || !c->grpc) {
		plain_answer(c);
		return;
	}
	fill_peer(c);
	c->method = find_method(s, c->path);
	if (s->hooks.allow != NULL)
		code = s->hooks.allow(
		    s->hooks.ctx, c->method, c->path, &c->peer, &text);
	if (code != RPC_OK) {
		fault(c, code, buf_str(&text));
		return;
	}
	if (c->method == NULL) {
		rpc_finish(c, RPC_UNIMPLEMENTED, "unknown method %s", c->path);
		return;
	}
	/* Neither "no deadline" nor "at once" is what the client meant; the
	 * code is that of other gRPC servers. */
	if (c->bad_timeout) {
		rpc_finish(c, RPC_INTERNAL, "malformed grpc-timeout");
		return;
	}
	rpc_frames_init(&c->frames, c->method->max_request);
	set_deadline(c);
	if (!c->method->in_stream)
		return;
	c->started = true;
	c->busy = true;
	c->method->start(c, NULL);
	c->busy = false;
}

static int
on_begin(nghttp2_session *h2, const nghttp2_frame *f, void *user)
{
	struct rpc_sconn *conn = user;

	if (f->hd.type != NGHTTP2_HEADERS ||
	    f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	(void)nghttp2_session_set_stream_user_data(
	    h2, f->hd.stream_id, call_new(conn, f->hd.stream_id));
	return 0;
}

static void
keep_meta(struct rpc_call *c, struct view name, struct view value)
{
	if (c->n_meta == METADATA_MAX) {
		c->too_large = true;
		return;
	}
	c->meta = mem_realloc(c->meta, c->n_meta + 1, sizeof(*c->meta));
	c->meta[c->n_meta++] =
	    (struct pair) { view_dup(name), view_dup(value), value.n };
}

static int
on_header(nghttp2_session *h2, const nghttp2_frame *f, const uint8_t *name,
    size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags UNUSED,
    void *user UNUSED)
{
	struct rpc_call *c =
	    nghttp2_session_get_stream_user_data(h2, f->hd.stream_id);
	struct view k = { (const char *)name, name_n };
	struct view v = { (const char *)value, value_n };

	if (c == NULL || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	c->head_bytes += k.n + v.n + 32; /* RFC 9113 section 6.5.2 */
	if (c->head_bytes > CONN_HEADERS_MAX || c->too_large)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (view_eq(k, VIEW(":path")))
		(void)snprintf(c->path, sizeof(c->path), "%.*s", (int)v.n, v.p);
	else if (view_eq(k, VIEW(":method"))) {
		c->post = view_eq(v, VIEW("POST"));
		c->get = view_eq(v, VIEW("GET"));
	} else if (view_eq(k, VIEW("content-type")))
		c->grpc = view_starts(v, VIEW("application/grpc"));
	else if (view_eq(k, VIEW("grpc-timeout"))) {
		c->timeout_ms = rpc_timeout_ms(v);
		c->bad_timeout |= c->timeout_ms < 0;
	} else if (k.n > 0 && k.p[0] != ':')
		keep_meta(c, k, v);
	return 0;
}

/* --- frames -------------------------------------------------------------- */

static int
on_frame(nghttp2_session *h2, const nghttp2_frame *f, void *user)
{
	struct rpc_sconn *conn = user;
	struct rpc_call *c;

	if (f->hd.type == NGHTTP2_RST_STREAM ||
	    (f->hd.type == NGHTTP2_PING && !(f->hd.flags & NGHTTP2_FLAG_ACK)) ||
	    f->hd.type == NGHTTP2_PRIORITY || f->hd.type == NGHTTP2_SETTINGS)
		return rpc_conn_abused(&conn->c) ? NGHTTP2_ERR_CALLBACK_FAILURE
						 : 0;
	c = nghttp2_session_get_stream_user_data(h2, f->hd.stream_id);
	if (c == NULL)
		return 0;
	if (f->hd.type == NGHTTP2_HEADERS &&
	    f->headers.cat == NGHTTP2_HCAT_REQUEST) {
		/* A first request was made: from now on pings tell. */
		if (conn->c.ping_ms == 0)
			rpc_conn_keepalive(&conn->c, RPC_PING_MS);
		begin(c);
	}
	if ((f->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
	    (f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA)) {
		c->eof = true;
		if (c->method != NULL)
			pump(c);
	}
	return 0;
}

static int
on_data(nghttp2_session *h2, uint8_t flags UNUSED, int32_t id, const uint8_t *p,
    size_t n, void *user UNUSED)
{
	struct rpc_call *c = nghttp2_session_get_stream_user_data(h2, id);
	struct view v = { (const char *)p, n };
	size_t used = n;

	/* The connection's window is everybody's: it is given back at once. */
	(void)nghttp2_session_consume_connection(h2, n);
	if (c == NULL || c->method == NULL || c->finished) {
		(void)nghttp2_session_consume_stream(h2, id, n);
		return 0;
	}
	if (c->in.n == 0 && !c->held && !c->busy) {
		c->busy = true;
		used = feed(c, v);
		c->busy = false;
		(void)nghttp2_session_consume_stream(h2, id, used);
		v = view_slice(v, used, n);
	}
	if (v.n > 0 && !c->finished) {
		if (c->in.max == 0)
			c->in = BUF_INIT(2 * CONN_STREAM_WINDOW);
		buf_put(&c->in, v);
		if (c->in.full)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

static int
on_sent(nghttp2_session *h2, const nghttp2_frame *f, void *user UNUSED)
{
	struct rpc_call *c;

	if (f->hd.type != NGHTTP2_HEADERS ||
	    !(f->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	c = nghttp2_session_get_stream_user_data(h2, f->hd.stream_id);
	/* The answer is complete; what the client still sends is not wanted. */
	if (c != NULL && !c->eof)
		(void)nghttp2_submit_rst_stream(
		    h2, NGHTTP2_FLAG_NONE, f->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

static int
on_close(
    nghttp2_session *h2, int32_t id, uint32_t error UNUSED, void *user UNUSED)
{
	struct rpc_call *c = nghttp2_session_get_stream_user_data(h2, id);

	if (c != NULL) {
		(void)nghttp2_session_set_stream_user_data(h2, id, NULL);
		rpc_call_end(c);
	}
	return 0;
}

nghttp2_session_callbacks *
rpc_call_callbacks(void)
{
	nghttp2_session_callbacks *cb = NULL;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		abort(); /* out of memory, as everywhere */
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	return cb;
}
