/*
 * client: calls on one connection.
 *
 * Calls made before the connection stands wait in a list; when it ends, every
 * call gets UNAVAILABLE with the reason and then `lost` is called.  A call
 * whose owner holds it is not closed before the owner has taken everything.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/mem.h"
#include "net/dial_name.h"
#include "rpc/conn.h"
#include "rpc/frames.h"

enum {
	CONNECT_MS = 10000,
	PING_MS = 10000,
	AUTHORITY_MAX = 300,
	METADATA_MAX = 4
};

struct rpc_out {
	struct rpc_client *client;
	struct rpc_out *next, *prev;
	int32_t id; /* 0: waits for the connection */
	char *path;
	const ProtobufCMessageDescriptor *answer;
	struct rpc_out_hooks hooks;
	struct deadline deadline;
	unsigned deadline_ms;
	struct buf out;
	size_t at;
	bool ended, deferred, above;
	struct rpc_frames frames;
	struct buf in;
	bool held, busy, over; /* over: the stream is gone, bytes may be left */
	bool telling; /* its owner is told that the queue drained */
	bool has_status, detached;
	bool broken; /* what came is no gRPC: nothing more is read */
	enum rpc_code code;
	char text[RPC_STATUS_MAX];
};

struct rpc_client {
	struct rpc_conn c;
	struct rpc_turn *turn;
	struct rpc_client_hooks hooks;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	struct rpc_out *calls;
	SSL_CTX *ctx;
	char *url, *host, *bearer;
	char *names[METADATA_MAX], *values[METADATA_MAX];
	size_t n_metadata;
	struct dial_name *dial; /* under way */
	char authority[AUTHORITY_MAX];
	int dirfd;
	uv_connect_t connect;
	bool up, over, freed;
	struct err why;
};

/* --- memory -------------------------------------------------------------- */

/* Freed, its connection closed, and no call of it under way. */
static void
release(struct rpc_client *c)
{
	if (!c->freed || c->c.turn != NULL || c->calls != NULL)
		return;
	rpc_turn_free(c->turn);
	free(c);
}

static void
on_released(struct rpc_conn *conn)
{
	struct rpc_client *c = CONTAINER_OF(conn, struct rpc_client, c);

	c->c.turn = NULL;
	release(c);
}

static void
give_back(struct rpc_client *c)
{
	nghttp2_session_callbacks_del(c->callbacks);
	nghttp2_option_del(c->options);
	c->callbacks = NULL;
	c->options = NULL;
	SSL_CTX_free(c->ctx);
	c->ctx = NULL;
	free(c->url);
	free(c->host);
	if (c->bearer != NULL)
		mem_wipe(c->bearer, strlen(c->bearer));
	free(c->bearer);
	while (c->n_metadata > 0) {
		char *value = c->values[--c->n_metadata];

		mem_wipe(value, strlen(value));
		free(value);
		free(c->names[c->n_metadata]);
	}
	dial_name_cancel(take_ptr(c->dial));
	c->url = c->host = c->bearer = NULL;
	fd_close(&c->dirfd);
}

static void
unlink_out(struct rpc_out *o)
{
	struct rpc_client *c = o->client;

	if (c->turn->deadlines != NULL)
		deadline_clear(c->turn->deadlines, &o->deadline);
	if (o->prev != NULL)
		o->prev->next = o->next;
	else
		c->calls = o->next;
	if (o->next != NULL)
		o->next->prev = o->prev;
}

static void
out_free(struct rpc_out *o)
{
	rpc_frames_fini(&o->frames);
	buf_fini(&o->in);
	buf_fini(&o->out);
	free(o->path);
	free(o);
}

/* --- the end of a call --------------------------------------------------- */

static void
set_status(struct rpc_out *o, enum rpc_code code, const char *text)
{
	if (o->has_status)
		return;
	o->has_status = true;
	o->code = code;
	(void)snprintf(o->text, sizeof(o->text), "%s", text);
}

static void
out_end(struct rpc_out *o)
{
	unlink_out(o);
	if (!o->detached)
		o->hooks.closed(o->hooks.ctx, o->code, o->text);
	out_free(o);
}

static nghttp2_session *
session(const struct rpc_out *o)
{
	return o->client->c.h2;
}

static void
reset(struct rpc_out *o, uint32_t error)
{
	if (session(o) == NULL || o->id == 0 || o->over)
		return;
	(void)nghttp2_submit_rst_stream(
	    session(o), NGHTTP2_FLAG_NONE, o->id, error);
	rpc_conn_wake(&o->client->c);
}

/* --- out ----------------------------------------------------------------- */

static ssize_t
on_out(nghttp2_session *h2 UNUSED, int32_t id UNUSED, uint8_t *to, size_t max,
    uint32_t *flags, nghttp2_data_source *src, void *user UNUSED)
{
	struct rpc_out *o = src->ptr;
	size_t n = MIN(max, o->out.n - o->at);

	if (n > 0)
		memcpy(to, o->out.p + o->at, n);
	o->at += n;
	if (o->at == o->out.n) {
		o->at = 0;
		if (o->out.cap > RPC_HIGH_WATER)
			buf_fini(&o->out);
		else
			buf_reset(&o->out);
	} else if (o->at > RPC_HIGH_WATER) {
		buf_drop(&o->out, o->at);
		o->at = 0;
	}
	if (o->above && o->out.n - o->at < RPC_LOW_WATER) {
		o->above = false;
		if (o->hooks.drained != NULL && !o->detached) {
			o->telling = true;
			o->hooks.drained(o->hooks.ctx);
			o->telling = false;
		}
	}
	if (o->out.n - o->at == 0 && o->ended) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return (ssize_t)n;
	}
	if (n > 0 || o->out.n - o->at > 0)
		return (ssize_t)n;
	o->deferred = true;
	return NGHTTP2_ERR_DEFERRED;
}

#define NV(k, v, vn) \
	{ \
		(uint8_t *)(uintptr_t)(k), (uint8_t *)(uintptr_t)(v), \
		    sizeof(k) - 1, (vn), NGHTTP2_NV_FLAG_NO_COPY_NAME \
	}

static void
submit(struct rpc_out *o)
{
	struct rpc_client *c = o->client;
	AUTO_BUF struct buf auth = BUF_INIT(8192);
	nghttp2_data_provider body = { { .ptr = o }, on_out };
	char timeout[24];
	nghttp2_nv nv[9 + METADATA_MAX];
	size_t k = 0;
	int n;

	nv[k++] = (nghttp2_nv)NV(":method", "POST", 4);
	nv[k++] = c->ctx != NULL ? (nghttp2_nv)NV(":scheme", "https", 5)
				 : (nghttp2_nv)NV(":scheme", "http", 4);
	nv[k++] = (nghttp2_nv)NV(":path", o->path, strlen(o->path));
	nv[k++] =
	    (nghttp2_nv)NV(":authority", c->authority, strlen(c->authority));
	nv[k++] = (nghttp2_nv)NV("content-type", "application/grpc", 16);
	nv[k++] = (nghttp2_nv)NV("te", "trailers", 8);
	nv[k++] = (nghttp2_nv)NV("user-agent", "openshell/" OPENSHELL_VERSION,
	    sizeof("openshell/" OPENSHELL_VERSION) - 1);
	if (c->bearer != NULL) {
		buf_printf(&auth, "Bearer %s", c->bearer);
		nv[k++] = (nghttp2_nv)NV("authorization", auth.p, auth.n);
	}
	for (size_t i = 0; i < c->n_metadata; i++)
		nv[k++] = (nghttp2_nv) { (uint8_t *)c->names[i],
			(uint8_t *)c->values[i], strlen(c->names[i]),
			strlen(c->values[i]), NGHTTP2_NV_FLAG_NO_INDEX };
	if (o->deadline_ms > 0) {
		n = snprintf(timeout, sizeof(timeout), "%um",
		    MIN(o->deadline_ms, 99999999U));
		nv[k++] = (nghttp2_nv)NV("grpc-timeout", timeout, (size_t)n);
	}
	o->id = nghttp2_submit_request(c->c.h2, NULL, nv, k, &body, o);
	if (auth.p != NULL)
		mem_wipe(auth.p, auth.n);
	rpc_conn_wake(&c->c);
}

static void
wake_out(struct rpc_out *o)
{
	if (o->id == 0 || session(o) == NULL || o->over)
		return;
	if (o->deferred) {
		o->deferred = false;
		(void)nghttp2_session_resume_data(session(o), o->id);
	}
	rpc_conn_wake(&o->client->c);
}

static const char late_text[] = "no answer in time";

static void
on_deadline(void *arg)
{
	struct rpc_out *o = arg;

	set_status(o, RPC_DEADLINE_EXCEEDED, late_text);
	reset(o, NGHTTP2_CANCEL);
	if (o->id == 0)
		out_end(o);
}

/* A little later than the server's own, which can say more. */
enum { DEADLINE_SLACK_MS = 1000 };

static void on_dead(void *arg);

struct rpc_out *
rpc_out_new(struct rpc_client *c, const char *path,
    const ProtobufCMessageDescriptor *answer, const struct rpc_out_hooks *hooks,
    unsigned deadline_ms)
{
	struct rpc_out *o = NEW(struct rpc_out);

	o->client = c;
	o->path = mem_strdup(path);
	o->answer = answer;
	o->hooks = *hooks;
	o->deadline_ms = deadline_ms;
	o->out = BUF_INIT(64 << 20);
	o->in = BUF_INIT(2 * CONN_STREAM_WINDOW);
	/* Answers may be larger than requests: logs, policies. */
	rpc_frames_init(&o->frames, 64 << 20);
	o->next = c->calls;
	if (c->calls != NULL)
		c->calls->prev = o;
	c->calls = o;
	deadline_init(&o->deadline, on_deadline, o);
	if (c->over) {
		/* Not from inside the caller's own call. */
		deadline_init(&o->deadline, on_dead, o);
		deadline_set(c->turn->deadlines, &o->deadline, 1);
		return o;
	}
	if (deadline_ms > 0)
		deadline_set(c->turn->deadlines, &o->deadline,
		    (uint64_t)deadline_ms + DEADLINE_SLACK_MS);
	if (c->up)
		submit(o);
	return o;
}

static void
on_dead(void *arg)
{
	struct rpc_out *o = arg;

	set_status(o, RPC_UNAVAILABLE, o->client->why.text);
	out_end(o);
}

void
rpc_out_send(struct rpc_out *o, const ProtobufCMessage *m)
{
	if (o->ended || o->over)
		return;
	rpc_frame_put(&o->out, m);
	if (o->out.full) {
		set_status(o, RPC_RESOURCE_EXHAUSTED,
		    "the server does not read the requests");
		reset(o, NGHTTP2_CANCEL);
		return;
	}
	if (o->out.n - o->at >= RPC_HIGH_WATER)
		o->above = true;
	wake_out(o);
}

size_t
rpc_out_queued(const struct rpc_out *o)
{
	return o->out.n - o->at;
}

void
rpc_out_end(struct rpc_out *o)
{
	o->ended = true;
	wake_out(o);
}

void
rpc_out_cancel(struct rpc_out *o)
{
	if (o->detached)
		return;
	o->detached = true;
	if (o->busy)
		return; /* its own pump ends it */
	if (o->id == 0 || o->over || session(o) == NULL) {
		out_end(o);
		return;
	}
	reset(o, NGHTTP2_CANCEL);
}

/* --- in ------------------------------------------------------------------ */

static size_t
feed(struct rpc_out *o, struct view v)
{
	struct view rest = v, message;
	struct err e;

	while (!o->held && !o->detached && !o->broken && rest.n > 0) {
		ProtobufCMessage *m;

		if (rpc_frames_feed(&o->frames, &rest, &e) < 0) {
			set_status(o, RPC_INTERNAL, e.text);
			o->broken = true;
			reset(o, NGHTTP2_CANCEL);
			break;
		}
		if (!rpc_frames_next(&o->frames, &message))
			continue;
		m = rpc_unpack(o->answer, message, &e);
		rpc_frames_taken(&o->frames);
		if (m == NULL) {
			set_status(o, RPC_INTERNAL, e.text);
			o->broken = true;
			reset(o, NGHTTP2_CANCEL);
			break;
		}
		o->hooks.message(o->hooks.ctx, m);
		protobuf_c_message_free_unpacked(m, NULL);
	}
	return o->detached ? v.n : v.n - rest.n;
}

static void
pump(struct rpc_out *o)
{
	size_t used;

	if (o->busy)
		return;
	o->busy = true;
	used = feed(o, buf_view(&o->in));
	buf_drop(&o->in, used);
	if (used > 0 && !o->over && session(o) != NULL)
		(void)nghttp2_session_consume_stream(session(o), o->id, used);
	o->busy = false;
	if (o->detached && !o->over)
		reset(o, NGHTTP2_CANCEL);
	if (o->over && (o->in.n == 0 || o->detached || o->broken)) {
		struct rpc_client *c = o->client;

		out_end(o);
		release(c);
	}
}

void
rpc_out_hold(struct rpc_out *o)
{
	o->held = true;
}

void
rpc_out_resume(struct rpc_out *o)
{
	if (!o->held)
		return;
	o->held = false;
	if (!o->over && session(o) != NULL)
		rpc_conn_wake(&o->client->c);
	pump(o);
}

static int
on_data(nghttp2_session *h2, uint8_t flags UNUSED, int32_t id, const uint8_t *p,
    size_t n, void *user UNUSED)
{
	struct rpc_out *o = nghttp2_session_get_stream_user_data(h2, id);
	struct view v = { (const char *)p, n };
	size_t used = 0;

	(void)nghttp2_session_consume_connection(h2, n);
	if (o == NULL || o->detached) {
		(void)nghttp2_session_consume_stream(h2, id, n);
		return 0;
	}
	if (o->in.n == 0 && !o->held && !o->busy) {
		o->busy = true;
		used = feed(o, v);
		o->busy = false;
		(void)nghttp2_session_consume_stream(h2, id, used);
		if (o->detached) {
			reset(o, NGHTTP2_CANCEL);
			return 0;
		}
	}
	buf_put(&o->in, view_slice(v, used, n));
	return o->in.full ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* What HTTP says when gRPC does not (http-grpc-status-mapping.md). */
static enum rpc_code
code_of_http(struct view status)
{
	static const struct {
		const char *status;
		enum rpc_code code;
	} rows[] = {
		{ "400", RPC_INTERNAL },
		{ "401", RPC_UNAUTHENTICATED },
		{ "403", RPC_PERMISSION_DENIED },
		{ "404", RPC_UNIMPLEMENTED },
		{ "429", RPC_UNAVAILABLE },
		{ "502", RPC_UNAVAILABLE },
		{ "503", RPC_UNAVAILABLE },
		{ "504", RPC_UNAVAILABLE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (view_eq(status, view_of(rows[i].status)))
			return rows[i].code;
	return RPC_UNKNOWN;
}

static int
on_header(nghttp2_session *h2, const nghttp2_frame *f, const uint8_t *name,
    size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags UNUSED,
    void *user UNUSED)
{
	struct rpc_out *o =
	    nghttp2_session_get_stream_user_data(h2, f->hd.stream_id);
	struct view k = { (const char *)name, name_n };
	struct view v = { (const char *)value, value_n };
	AUTO_BUF struct buf text = BUF_INIT(RPC_STATUS_MAX - 1);
	uint64_t code;

	if (o == NULL)
		return 0;
	if (view_eq(k, VIEW(":status")) && !view_eq(v, VIEW("200"))) {
		buf_printf(
		    &text, "the server answered HTTP %.*s", (int)v.n, v.p);
		set_status(o, code_of_http(v), buf_str(&text));
	} else if (view_eq(k, VIEW("grpc-status"))) {
		if (!view_u64(v, 16, &code))
			code = RPC_UNKNOWN;
		/* The text may have come first. */
		if (!o->has_status) {
			o->has_status = true;
			o->code = (enum rpc_code)code;
		}
	} else if (view_eq(k, VIEW("grpc-message"))) {
		rpc_percent_take(&text, v);
		(void)snprintf(o->text, sizeof(o->text), "%s", buf_str(&text));
	}
	return 0;
}

/* The call is past what it was given, slack aside. */
static bool
is_late(const struct rpc_out *o)
{
	return deadline_is_set(&o->deadline) &&
	       uv_now(o->client->turn->loop) + DEADLINE_SLACK_MS >=
		   o->deadline.due;
}

static int
on_close(nghttp2_session *h2, int32_t id, uint32_t error, void *user UNUSED)
{
	struct rpc_out *o = nghttp2_session_get_stream_user_data(h2, id);
	char text[96];

	if (o == NULL)
		return 0;
	(void)nghttp2_session_set_stream_user_data(h2, id, NULL);
	(void)snprintf(text, sizeof(text), "the server ended the call (%s)",
	    nghttp2_http2_strerror(error));
	if (error == NGHTTP2_CANCEL && is_late(o))
		set_status(o, RPC_DEADLINE_EXCEEDED, late_text);
	set_status(o,
	    error == NGHTTP2_REFUSED_STREAM ? RPC_UNAVAILABLE : RPC_INTERNAL,
	    text);
	o->over = true;
	if (o->in.n == 0 || o->detached || o->broken)
		out_end(o);
	return 0;
}

/* --- the connection ------------------------------------------------------ */

static int
on_bytes(struct rpc_conn *conn, struct view v, struct err *e)
{
	return rpc_conn_feed_h2(conn, v, e);
}

static void
on_late(void *arg)
{
	struct rpc_client *c = arg;
	struct err e;

	(void)err_set(&e, ERR_AGAIN, "%s did not answer in time", c->url);
	rpc_conn_close(&c->c, &e);
}

static bool
has_h2(SSL *ssl)
{
	const unsigned char *p;
	unsigned n;

	SSL_get0_alpn_selected(ssl, &p, &n);
	return n == 2 && memcmp(p, "h2", 2) == 0;
}

static void
on_open(struct rpc_conn *conn)
{
	struct rpc_client *c = CONTAINER_OF(conn, struct rpc_client, c);
	struct err e;
	int rc;

	if (conn->ssl != NULL && !has_h2(conn->ssl)) {
		(void)err_set(
		    &e, ERR_PROTO, "%s does not speak HTTP/2", c->url);
		rpc_conn_close(conn, &e);
		return;
	}
	rc =
	    nghttp2_session_client_new2(&conn->h2, c->callbacks, c, c->options);
	if (rc != 0 || rpc_conn_settings(conn->h2, &e) < 0) {
		(void)err_set(&e, ERR_INTERNAL, "cannot start HTTP/2");
		rpc_conn_close(conn, &e);
		return;
	}
	rpc_conn_keepalive(conn, PING_MS);
	c->up = true;
	for (struct rpc_out *o = c->calls; o != NULL; o = o->next)
		submit(o);
	rpc_conn_wake(conn);
	if (c->hooks.ready != NULL)
		c->hooks.ready(c->hooks.ctx);
}

/*
 * A call that may end now.  One whose owner is just being told something, and
 * who frees the client meanwhile, ends when its owner has returned.
 */
static struct rpc_out *
idle_call(struct rpc_client *c)
{
	struct rpc_out *o = c->calls;

	for (; o != NULL && (o->busy || o->telling); o = o->next)
		o->over |= c->over;
	return o;
}

static void
on_over(struct rpc_conn *conn, const struct err *e)
{
	struct rpc_client *c = CONTAINER_OF(conn, struct rpc_client, c);

	c->over = true;
	c->up = false;
	c->why = *e;
	if (c->why.sys == 0 && c->why.code == ERR_NONE)
		c->why.code = ERR_IO;
	for (struct rpc_out *o; (o = idle_call(c)) != NULL;) {
		set_status(o, RPC_UNAVAILABLE, e->text);
		out_end(o);
	}
	if (!c->freed && c->hooks.lost != NULL)
		c->hooks.lost(c->hooks.ctx, &c->why);
}

static const struct rpc_conn_ops ops = { on_bytes, on_open, on_over };

static void
begin_session(struct rpc_client *c)
{
	SSL *ssl = NULL;
	struct err e;

	if (c->ctx != NULL &&
	    (ssl = mutual_client(c->ctx, c->host, &e)) == NULL) {
		rpc_conn_close(&c->c, &e);
		return;
	}
	rpc_conn_start(&c->c, ssl);
}

static void
on_connected(uv_connect_t *req, int status)
{
	struct rpc_client *c = req->data;
	struct err e;

	if (c->c.closing || status == UV_ECANCELED)
		return;
	if (status < 0) {
		bool nobody = status == UV_ECONNREFUSED || status == UV_ENOENT;

		(void)err_set(&e, nobody ? ERR_NOT_FOUND : ERR_IO,
		    "connect to %s: %s", c->url, uv_strerror(status));
		rpc_conn_close(&c->c, &e);
		return;
	}
	begin_session(c);
}

static void
on_dialled(
    void *arg, int fd, const struct addr *to UNUSED, const struct err *why)
{
	struct rpc_client *c = arg;
	struct err e;
	int rc;

	c->dial = NULL;
	if (c->c.closing) {
		fd_close(&fd);
		return;
	}
	if (why != NULL) {
		(void)err_set(&e,
		    why->sys == ECONNREFUSED ? ERR_NOT_FOUND : ERR_IO,
		    "connect to %s: %.300s", c->url, why->text);
		rpc_conn_close(&c->c, &e);
		return;
	}
	rc = uv_tcp_open(&c->c.u.tcp, fd);
	if (rc < 0) {
		fd_close(&fd);
		(void)err_set(
		    &e, ERR_IO, "connect to %s: %s", c->url, uv_strerror(rc));
		rpc_conn_close(&c->c, &e);
		return;
	}
	begin_session(c);
}

/* "host:port" of a URL; the port has no default but those of the schemes. */
static int
split_host(struct rpc_client *c, struct view v, uint16_t *port, struct err *e)
{
	struct view host, rest = { 0 };
	uint64_t n;

	v = view_cut(v, '/', &rest);
	if (v.n > 0 && v.p[0] == '[') {
		host = view_cut(view_slice(v, 1, v.n), ']', &rest);
		if (rest.n > 0 && rest.p[0] == ':')
			rest = view_slice(rest, 1, rest.n);
	} else
		host = view_cut(v, ':', &rest);
	if (host.n == 0 || host.n > 253)
		return err_set(
		    e, ERR_INVALID, "%s: gateway URL missing host", c->url);
	if (rest.n > 0) {
		if (!view_u64(rest, 65535, &n) || n == 0)
			return err_set(e, ERR_INVALID,
			    "%s: no port from 1 to 65535", c->url);
		*port = (uint16_t)n;
	}
	c->host = view_dup(host);
	(void)snprintf(
	    c->authority, sizeof(c->authority), "%.*s", (int)v.n, v.p);
	return 0;
}

/* A literal is connected to by libuv, which asks nobody. */
static int
connect_tcp(struct rpc_client *c, uint16_t port, struct err *e)
{
	struct sockaddr_storage ss;
	struct addr a;
	int rc;

	if (!addr_parse(view_of(c->host), &a)) {
		c->dial = dial_name_start(
		    c->turn->loop, c->host, port, on_dialled, c);
		return 0;
	}
	(void)addr_to_sockaddr(&a, port, &ss);
	c->connect.data = c;
	rc = uv_tcp_connect(
	    &c->connect, &c->c.u.tcp, (struct sockaddr *)&ss, on_connected);
	return rc == 0 ? 0
		       : err_set(e, ERR_IO, "connect to %s: %s", c->url,
			     uv_strerror(rc));
}

static void
on_fd(void *arg)
{
	begin_session(arg);
}

static int
use_fd(struct rpc_client *c, int *fd, struct err *e)
{
	int rc = uv_pipe_open(&c->c.u.pipe, *fd);

	if (rc < 0)
		return err_set(e, ERR_IO, "use the connection to %s: %s",
		    c->url, uv_strerror(rc));
	*fd = -1;
	/* Not from inside the caller's own call. */
	deadline_init(&c->c.deadline, on_fd, c);
	deadline_set(c->turn->deadlines, &c->c.deadline, 1);
	return 0;
}

static int
connect_unix(struct rpc_client *c, const char *path, struct err *e)
{
	struct sockaddr_un a;

	if (rpc_unix_path(path, &c->dirfd, a.sun_path, sizeof(a.sun_path), e) <
	    0)
		return -1;
	(void)snprintf(c->authority, sizeof(c->authority), "localhost");
	c->connect.data = c;
	uv_pipe_connect(&c->connect, &c->c.u.pipe, a.sun_path, on_connected);
	return 0;
}

static const struct scheme {
	const char *prefix;
	enum rpc_transport transport;
	uint16_t port;
} schemes[] = {
	{ "https://", RPC_TLS, 443 },
	{ "http://", RPC_PLAIN, 80 },
	{ "unix:", RPC_UNIX, 0 },
};

static const struct scheme *
scheme_of(const char *url)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strncmp(
			url, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			return &schemes[i];
	return NULL;
}

static int
begin(struct rpc_client *c, const struct rpc_target *t, struct err *e)
{
	const struct scheme *s = scheme_of(t->url);
	struct mutual_files files = { t->cert, t->key, t->ca };
	const char *rest;
	uint16_t port;

	if (s == NULL)
		return err_set(e, ERR_INVALID,
		    "%s: invalid gateway URL (https://, http:// or unix:)",
		    t->url);
	rest = t->url + strlen(s->prefix);
	port = s->port;
	if (s->transport != RPC_UNIX &&
	    split_host(c, view_of(rest), &port, e) < 0)
		return -1;
	if (t->fd != NULL) {
		if (rpc_conn_init(&c->c, c->turn, RPC_UNIX, &ops, c, e) < 0)
			return -1;
		c->c.released = on_released;
		return use_fd(c, t->fd, e);
	}
	if (s->transport == RPC_TLS && t->ca == NULL)
		return err_set(
		    e, ERR_INVALID, "TLS CA is required for https endpoints");
	if (s->transport == RPC_TLS &&
	    mutual_client_ctx(&files, &c->ctx, e) < 0)
		return -1;
	if (rpc_conn_init(&c->c, c->turn, s->transport, &ops, c, e) < 0)
		return -1;
	c->c.released = on_released;
	return s->transport == RPC_UNIX ? connect_unix(c, rest, e)
					: connect_tcp(c, port, e);
}

static void
make_session_parts(struct rpc_client *c)
{
	if (nghttp2_session_callbacks_new(&c->callbacks) != 0)
		abort(); /* out of memory, as everywhere */
	nghttp2_session_callbacks_set_on_header_callback(
	    c->callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
	    c->callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(
	    c->callbacks, on_close);
	c->options = rpc_conn_options();
}

int
rpc_client_new(uv_loop_t *loop, const struct rpc_target *t,
    const struct rpc_client_hooks *hooks, struct rpc_client **out,
    struct err *e)
{
	struct rpc_client *c = NEW(struct rpc_client);

	c->dirfd = -1;
	c->url = mem_strdup(t->url);
	c->bearer = t->bearer != NULL ? mem_strdup(t->bearer) : NULL;
	for (const struct rpc_metadata *m = t->metadata;
	     m != NULL && m->name != NULL && c->n_metadata < METADATA_MAX;
	     m++) {
		c->names[c->n_metadata] = mem_strdup(m->name);
		c->values[c->n_metadata++] = mem_strdup(m->value);
	}
	if (hooks != NULL)
		c->hooks = *hooks;
	make_session_parts(c);
	c->turn = rpc_turn_new(loop, e);
	if (c->turn == NULL || begin(c, t, e) < 0) {
		struct err why = *e;

		rpc_client_free(c);
		*e = why;
		return -1;
	}
	if (t->fd == NULL) {
		deadline_init(&c->c.deadline, on_late, c);
		deadline_set(c->turn->deadlines, &c->c.deadline,
		    t->connect_ms > 0 ? t->connect_ms : CONNECT_MS);
	}
	*out = c;
	return 0;
}

void
rpc_client_free(struct rpc_client *c)
{
	struct err e;

	if (c == NULL || c->freed)
		return;
	c->freed = true;
	for (struct rpc_out *o = c->calls; o != NULL; o = o->next)
		o->detached = true;
	if (c->c.turn != NULL && !c->over) {
		(void)err_set(&e, ERR_IO, "the client ends");
		rpc_conn_close(&c->c, &e);
	}
	for (struct rpc_out *o; (o = idle_call(c)) != NULL;)
		out_end(o);
	give_back(c);
	/* Never connected, or its handle is closed already. */
	release(c);
}

uv_loop_t *
rpc_client_loop(const struct rpc_client *c)
{
	return c->turn->loop;
}
