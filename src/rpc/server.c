/*
 * server: listeners, connections, and which of them speak HTTP/2.
 *
 * A connection begins with its first bytes: the HTTP/2 preface makes it gRPC,
 * anything else must be one HTTP/1.1 request for the `http` hook, after which
 * it closes.  call.c has the calls.
 */
#include "rpc/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/h1.h"
#include "rpc/peer.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* --- memory -------------------------------------------------------------- */

static void
server_unref(struct rpc_server *s)
{
	if (--s->handles > 0)
		return;
	nghttp2_session_callbacks_del(s->callbacks);
	nghttp2_option_del(s->options);
	free(s);
}

static void
on_released(struct rpc_conn *c)
{
	struct rpc_sconn *sc = CONTAINER_OF(c, struct rpc_sconn, c);
	struct rpc_server *s = sc->server;

	buf_fini(&sc->head);
	free(sc);
	server_unref(s);
}

/* --- drain --------------------------------------------------------------- */

/*
 * The connections end by themselves: after GOAWAY a session without streams
 * that has written everything has nothing to wait for.
 */
static void
check_drained(struct rpc_server *s)
{
	void (*done)(void *) = s->drained;

	if (s->conns != NULL || done == NULL)
		return;
	s->drained = NULL;
	deadline_clear(s->turn->deadlines, &s->drain_late);
	done(s->drain_ctx);
}

/* --- the end of a connection --------------------------------------------- */

static void
on_over(struct rpc_conn *c, const struct err *e)
{
	struct rpc_sconn *sc = CONTAINER_OF(c, struct rpc_sconn, c);
	struct rpc_server *s = sc->server;

	LOG_DEBUG("RPC_CONNECTION_OVER", KV_STR("reason", e->text));
	while (sc->calls != NULL)
		rpc_call_end(sc->calls);
	if (sc->prev != NULL)
		sc->prev->next = sc->next;
	else
		s->conns = sc->next;
	if (sc->next != NULL)
		sc->next->prev = sc->prev;
	s->stats.open_connections--;
	check_drained(s);
}

static void
on_late(void *arg)
{
	struct rpc_conn *c = arg;
	struct err e;

	(void)err_set(&e, ERR_AGAIN, "nothing came in time");
	rpc_conn_close(c, &e);
}

/* --- bytes --------------------------------------------------------------- */

static void
answer_http(
    struct rpc_sconn *sc, unsigned status, const char *type, struct view body)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 16);

	h1_simple_response(&out, status,
	    type != NULL ? view_of(type) : (struct view) { 0 }, NULL, 0, body,
	    true);
	rpc_conn_put(&sc->c, buf_view(&out));
	sc->answered = true;
	rpc_conn_finish(&sc->c);
}

static int
read_http(struct rpc_sconn *sc, struct err *e)
{
	const struct rpc_server_hooks *hooks = &sc->server->hooks;
	AUTO_BUF struct buf body = BUF_INIT(16384);
	struct h1_refusal refusal = { 400 };
	const char *type = NULL;
	unsigned status = 404;
	struct h1_head head;
	ssize_t n =
	    h1_head_end(buf_view(&sc->head), CONN_HEADERS_MAX, &sc->scanned, e);

	if (n < 0)
		return -1;
	if (n == 0)
		return 0;
	if (h1_parse_request(view_slice(buf_view(&sc->head), 0, (size_t)n),
		&head, &refusal, e) < 0) {
		answer_http(sc, refusal.status, NULL, (struct view) { 0 });
		return 0;
	}
	if (hooks->http != NULL)
		hooks->http(hooks->ctx, head.method, head.target, &status,
		    &type, &body);
	answer_http(sc, status, type, buf_view(&body));
	return 0;
}

static int
begin_h2(struct rpc_sconn *sc, struct err *e)
{
	struct rpc_server *s = sc->server;
	int rc = nghttp2_session_server_new2(
	    &sc->c.h2, s->callbacks, sc, s->options);

	if (rc != 0)
		return err_set(
		    e, ERR_INTERNAL, "HTTP/2: %s", nghttp2_strerror(rc));
	return rpc_conn_settings(sc->c.h2, e);
}

static int
on_bytes(struct rpc_conn *c, struct view v, struct err *e)
{
	struct rpc_sconn *sc = CONTAINER_OF(c, struct rpc_sconn, c);
	size_t n;

	if (sc->answered)
		return 0;
	if (c->h2 != NULL)
		return rpc_conn_feed_h2(c, v, e);
	buf_put(&sc->head, v);
	if (sc->head.full)
		return err_set(e, ERR_PROTO, "request head too large");
	n = MIN(sc->head.n, sizeof(preface) - 1);
	if (memcmp(sc->head.p, preface, n) != 0)
		return read_http(sc, e);
	if (n < sizeof(preface) - 1)
		return 0;
	if (begin_h2(sc, e) < 0 ||
	    rpc_conn_feed_h2(c, buf_view(&sc->head), e) < 0)
		return -1;
	buf_fini(&sc->head);
	return 0;
}

static void
on_open(struct rpc_conn *c)
{
	struct rpc_sconn *sc = CONTAINER_OF(c, struct rpc_sconn, c);

	if (c->ssl != NULL)
		sc->verified = mutual_peer(c->ssl, &sc->names);
	/* The clock of the handshake becomes that of the first request. */
	deadline_set(c->turn->deadlines, &c->deadline, RPC_HEAD_MS);
}

static const struct rpc_conn_ops ops = { on_bytes, on_open, on_over };

/* --- accepting ----------------------------------------------------------- */

static void
read_peer(struct rpc_sconn *sc)
{
	uv_os_fd_t fd;

	if (uv_fileno(&sc->c.u.handle, &fd) == 0)
		rpc_peer_read(fd, &sc->uid, &sc->beside);
}

static void
refuse(struct rpc_sconn *sc)
{
	struct err e;

	(void)err_set(&e, ERR_LIMIT, "too many connections");
	rpc_conn_close(&sc->c, &e);
}

static void
on_connection(uv_stream_t *stream, int status)
{
	struct rpc_listener *l = stream->data;
	struct rpc_server *s = l->server;
	struct rpc_sconn *sc;
	SSL *ssl = NULL;
	struct err e;

	/* libuv backs off itself when descriptors run out. */
	if (status < 0)
		return;
	sc = NEW(struct rpc_sconn);
	sc->server = s;
	/* The first read may hold much more than the head. */
	sc->head = BUF_INIT(CONN_READ_MAX + CONN_HEADERS_MAX);
	sc->uid = (uid_t)-1;
	if (rpc_conn_init(&sc->c, s->turn, l->kind, &ops, sc, &e) < 0) {
		free(sc);
		return;
	}
	sc->c.released = on_released;
	s->handles++;
	sc->next = s->conns;
	if (s->conns != NULL)
		s->conns->prev = sc;
	s->conns = sc;
	s->stats.connections++;
	s->stats.open_connections++;
	deadline_init(&sc->c.deadline, on_late, &sc->c);
	deadline_set(s->turn->deadlines, &sc->c.deadline, RPC_HANDSHAKE_MS);
	if (uv_accept(stream, &sc->c.u.stream) < 0 ||
	    s->stats.open_connections > RPC_CONNECTIONS_MAX || s->draining) {
		refuse(sc);
		return;
	}
	if (l->kind == RPC_UNIX)
		read_peer(sc);
	if (l->ctx != NULL) {
		ssl = SSL_new(l->ctx);
		if (ssl == NULL) {
			refuse(sc);
			return;
		}
		SSL_set_accept_state(ssl);
	}
	rpc_conn_start(&sc->c, ssl);
}

/* --- the server ---------------------------------------------------------- */

int
rpc_server_new(uv_loop_t *loop, const struct rpc_method *methods, size_t n,
    const struct rpc_server_hooks *hooks, struct rpc_server **out,
    struct err *e)
{
	struct rpc_server *s = NEW(struct rpc_server);

	s->turn = rpc_turn_new(loop, e);
	if (s->turn == NULL) {
		free(s);
		return -1;
	}
	s->methods = methods;
	s->n_methods = n;
	s->hooks = *hooks;
	s->handles = 1;
	s->callbacks = rpc_call_callbacks();
	s->options = rpc_conn_options();
	*out = s;
	return 0;
}

static int
load_ctx(const struct rpc_listener *l, SSL_CTX **out, struct err *e)
{
	struct mutual_files f = { l->cert, l->key, l->ca };

	return mutual_server_ctx(&f, l->optional, out, e);
}

static void
on_listener_closed(uv_handle_t *h)
{
	struct rpc_listener *l = h->data;
	struct rpc_server *s = l->server;

	SSL_CTX_free(l->ctx);
	free(l->cert);
	free(l->key);
	free(l->ca);
	free(l);
	server_unref(s);
}

static void
close_listener(struct rpc_listener *l)
{
	if (!uv_is_closing(&l->u.handle))
		uv_close(&l->u.handle, on_listener_closed);
}

int
rpc_server_listen(struct rpc_server *s, int fd, enum rpc_transport kind,
    const struct rpc_tls_files *tls, struct err *e)
{
	struct rpc_listener *l = NEW(struct rpc_listener);
	int rc;

	l->server = s;
	l->kind = kind;
	if (tls != NULL) {
		l->cert = mem_strdup(tls->cert);
		l->key = mem_strdup(tls->key);
		l->ca = mem_strdup(tls->ca);
		l->optional = tls->optional_client;
	}
	rc = kind == RPC_UNIX ? uv_pipe_init(s->turn->loop, &l->u.pipe, 0)
			      : uv_tcp_init(s->turn->loop, &l->u.tcp);
	if (rc == 0)
		rc = kind == RPC_UNIX ? uv_pipe_open(&l->u.pipe, fd)
				      : uv_tcp_open(&l->u.tcp, fd);
	l->u.handle.data = l;
	s->handles++;
	l->next = s->listeners;
	s->listeners = l;
	if (tls != NULL && load_ctx(l, &l->ctx, e) < 0)
		return -1; /* closed with the server */
	if (rc == 0)
		rc = uv_listen(&l->u.stream, 1024, on_connection);
	return rc == 0 ? 0 : err_set(e, ERR_IO, "listen: %s", uv_strerror(rc));
}

int
rpc_server_reload(struct rpc_server *s, struct err *e)
{
	int rc = 0;

	for (struct rpc_listener *l = s->listeners; l != NULL && rc == 0;
	     l = l->next)
		if (l->cert != NULL)
			rc = load_ctx(l, &l->fresh, e);
	for (struct rpc_listener *l = s->listeners; l != NULL; l = l->next) {
		if (rc == 0 && l->fresh != NULL) {
			SSL_CTX_free(l->ctx);
			l->ctx = take_ptr(l->fresh);
		}
		SSL_CTX_free(take_ptr(l->fresh));
	}
	return rc;
}

static void
close_all(struct rpc_server *s)
{
	struct err e;

	(void)err_set(&e, ERR_IO, "the server ends");
	for (struct rpc_sconn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		rpc_conn_close(&c->c, &e);
	}
}

static void
on_grace_over(void *arg)
{
	close_all(arg);
}

static void
on_drain_late(void *arg)
{
	struct rpc_server *s = arg;

	for (struct rpc_sconn *sc = s->conns; sc != NULL; sc = sc->next)
		rpc_calls_refuse(sc);
	deadline_init(&s->drain_late, on_grace_over, s);
	deadline_set(s->turn->deadlines, &s->drain_late, RPC_GRACE_MS);
}

void
rpc_server_drain(
    struct rpc_server *s, unsigned ms, void (*done)(void *ctx), void *ctx)
{
	struct err e;

	(void)err_set(&e, ERR_IO, "the server ends");
	s->draining = true;
	for (struct rpc_listener *l = s->listeners; l != NULL; l = l->next)
		close_listener(l);
	s->listeners = NULL;
	for (struct rpc_sconn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (c->c.h2 != NULL) {
			(void)nghttp2_submit_goaway(c->c.h2, NGHTTP2_FLAG_NONE,
			    nghttp2_session_get_last_proc_stream_id(c->c.h2),
			    NGHTTP2_NO_ERROR, NULL, 0);
			rpc_conn_wake(&c->c);
		} else if (!c->answered)
			rpc_conn_close(&c->c, &e);
	}
	s->drained = done;
	s->drain_ctx = ctx;
	deadline_init(&s->drain_late, on_drain_late, s);
	deadline_set(s->turn->deadlines, &s->drain_late, ms);
	check_drained(s);
}

void
rpc_server_free(struct rpc_server *s)
{
	if (s == NULL)
		return;
	s->drained = NULL;
	for (struct rpc_listener *l = s->listeners, *next; l != NULL;
	     l = next) {
		next = l->next;
		close_listener(l);
	}
	s->listeners = NULL;
	close_all(s);
	rpc_turn_free(s->turn);
	server_unref(s);
}

void
rpc_server_stats(const struct rpc_server *s, struct rpc_server_stats *out)
{
	*out = s->stats;
}
