/*
 * conn: bytes between a libuv stream and an HTTP/2 session.
 *
 * Out: whoever queues something calls rpc_conn_wake; the prepare handle, which
 * runs once before the loop waits, asks the session for what it has and writes
 * it in one go, so that the answers of one turn are one system call.  While a
 * write is under way the session is asked only up to CONN_OUT_LOW: what a slow
 * peer does not take stays in the calls' own queues, where it is counted.
 *
 * The end: rpc_conn_close may be called from anywhere, also from inside a
 * callback of nghttp2, which must not lose its session there; `over` is called
 * when it is safe, and the memory goes when libuv has closed the handle.
 */
#include "rpc/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

enum {
	TLS_CHUNK = 16384,
	OUTBOUND_ACKS_MAX = 1000,
	/* Frames that wait for a peer which does not read: far more than the
	 * streams that it may have can ask for. */
	OUTBOUND_FRAMES_MAX = 4096
};

/* --- the turn ------------------------------------------------------------ */

static void flush(struct rpc_conn *c);

static void
on_prepare(uv_prepare_t *h)
{
	struct rpc_turn *t = h->data;

	while (t->dirty != NULL) {
		struct rpc_conn *c = t->dirty;

		t->dirty = c->next;
		c->next = NULL;
		c->queued = false;
		flush(c);
	}
}

struct rpc_turn *
rpc_turn_new(uv_loop_t *loop, struct err *e)
{
	struct rpc_turn *t = NEW(struct rpc_turn);

	t->loop = loop;
	if (uv_prepare_init(loop, &t->prepare) < 0 ||
	    uv_prepare_start(&t->prepare, on_prepare) < 0) {
		free(t);
		(void)err_set(e, ERR_INTERNAL, "event loop: no prepare handle");
		return NULL;
	}
	t->prepare.data = t;
	uv_unref((uv_handle_t *)&t->prepare);
	t->deadlines = deadlines_new(loop);
	t->handles = 1;
	return t;
}

static void
turn_unref(struct rpc_turn *t)
{
	if (--t->handles == 0)
		free(t);
}

static void
on_prepare_closed(uv_handle_t *h)
{
	turn_unref(h->data);
}

void
rpc_turn_free(struct rpc_turn *t)
{
	if (t == NULL || t->freed)
		return;
	t->freed = true;
	deadlines_free(t->deadlines);
	t->deadlines = NULL;
	uv_close((uv_handle_t *)&t->prepare, on_prepare_closed);
}

/* --- the end ------------------------------------------------------------- */

static void
on_closed(uv_handle_t *h)
{
	struct rpc_conn *c = h->data;
	struct rpc_turn *t = c->turn;

	SSL_free(c->ssl);
	buf_fini(&c->out);
	buf_fini(&c->writing);
	c->released(c);
	turn_unref(t);
}

static void
unqueue(struct rpc_conn *c)
{
	struct rpc_conn **at = &c->turn->dirty;

	while (c->queued && *at != NULL && *at != c)
		at = &(*at)->next;
	if (c->queued && *at == c)
		*at = c->next;
	c->queued = false;
}

static void
end_now(struct rpc_conn *c)
{
	struct err why = c->why;

	unqueue(c);
	if (c->turn->deadlines != NULL)
		deadline_clear(c->turn->deadlines, &c->deadline);
	c->busy = true; /* nothing of it may be closed twice */
	c->ops->over(c, &why);
	nghttp2_session_del(c->h2);
	c->h2 = NULL;
	unqueue(c);
	if (!uv_is_closing(&c->u.handle))
		uv_close(&c->u.handle, on_closed);
}

void
rpc_conn_close(struct rpc_conn *c, const struct err *e)
{
	if (c->closing)
		return;
	c->closing = true;
	c->why = *e;
	if (!c->busy)
		end_now(c);
}

/* Leaves a callback of the session. */
static void
leave(struct rpc_conn *c, bool was_busy)
{
	c->busy = was_busy;
	if (c->closing && !c->busy)
		end_now(c);
}

static void
fail_uv(struct rpc_conn *c, const char *what, int rc)
{
	struct err e;

	if (rc == UV_EOF)
		(void)err_set(
		    &e, ERR_IO, "the other side closed the connection");
	else
		(void)err_set(&e, ERR_IO, "%s: %s", what, uv_strerror(rc));
	rpc_conn_close(c, &e);
}

/* --- out ----------------------------------------------------------------- */

static void
on_written(uv_write_t *w, int status)
{
	struct rpc_conn *c = w->data;

	c->write_on = false;
	buf_fini(&c->writing);
	if (c->closing)
		return;
	if (status < 0)
		fail_uv(c, "write", status);
	else
		rpc_conn_wake(c);
}

/* Bytes for the wire. */
static void
write_raw(struct rpc_conn *c, struct view v)
{
	if (!c->write_on && c->out.n == 0) {
		uv_buf_t b = uv_buf_init((char *)(uintptr_t)v.p, (unsigned)v.n);
		int n = uv_try_write(&c->u.stream, &b, 1);

		if (n > 0)
			v = view_slice(v, (size_t)n, v.n);
		else if (n < 0 && n != UV_EAGAIN) {
			fail_uv(c, "write", n);
			return;
		}
	}
	if (v.n == 0)
		return;
	buf_put(&c->out, v);
	if (c->out.full) {
		struct err e;

		(void)err_set(&e, ERR_LIMIT,
		    "the other side does not read what it asked for");
		rpc_conn_close(c, &e);
	}
}

static void
send_rest(struct rpc_conn *c)
{
	uv_buf_t b;
	int rc;

	if (c->write_on || c->out.n == 0 || c->closing)
		return;
	c->writing = c->out;
	c->out = BUF_INIT(CONN_OUT_MAX);
	b = uv_buf_init(c->writing.p, (unsigned)c->writing.n);
	c->write.data = c;
	c->write_on = true;
	rc = uv_write(&c->write, &c->u.stream, &b, 1, on_written);
	if (rc < 0) {
		c->write_on = false;
		fail_uv(c, "write", rc);
	}
}

/* What OpenSSL has for the wire. */
static void
drain_tls(struct rpc_conn *c)
{
	char *p;
	long n = BIO_get_mem_data(c->tls_out, &p);

	if (n <= 0)
		return;
	write_raw(c, (struct view) { p, (size_t)n });
	(void)BIO_reset(c->tls_out);
}

static void
put(struct rpc_conn *c, struct view v)
{
	if (c->ssl == NULL) {
		write_raw(c, v);
		return;
	}
	while (v.n > 0 && !c->closing) {
		int n = SSL_write(c->ssl, v.p, (int)MIN(v.n, TLS_CHUNK));

		/* A memory BIO always takes it all. */
		if (n <= 0) {
			struct err e;

			(void)mutual_why(c->ssl, "TLS", &e);
			rpc_conn_close(c, &e);
			return;
		}
		v = view_slice(v, (size_t)n, v.n);
	}
}

void
rpc_conn_put(struct rpc_conn *c, struct view v)
{
	if (c->closing)
		return;
	put(c, v);
	if (c->ssl != NULL && !c->closing)
		drain_tls(c);
	rpc_conn_wake(c);
}

static bool
room(const struct rpc_conn *c)
{
	return !c->closing && c->out.n + c->writing.n < CONN_OUT_LOW;
}

/* Gathers what the session has, so that small frames leave together. */
static void
pull(struct rpc_conn *c)
{
	AUTO_BUF struct buf b = BUF_INIT(CONN_OUT_MAX);

	while (c->h2 != NULL && room(c) && b.n < CONN_OUT_LOW) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(c->h2, &p);

		if (n < 0) {
			struct err e;

			(void)err_set(&e, ERR_PROTO, "HTTP/2: %s",
			    nghttp2_strerror((int)n));
			rpc_conn_close(c, &e);
			return;
		}
		if (n == 0)
			break;
		buf_put(&b, (struct view) { (const char *)p, (size_t)n });
	}
	if (b.n > 0 && !c->closing)
		put(c, buf_view(&b));
	if (c->ssl != NULL && !c->closing)
		drain_tls(c);
}

static bool
is_finished(const struct rpc_conn *c)
{
	if (c->write_on || c->out.n > 0)
		return false;
	if (c->h2 == NULL)
		return c->close_after;
	return c->close_after || (!nghttp2_session_want_read(c->h2) &&
				     !nghttp2_session_want_write(c->h2));
}

static void
flush(struct rpc_conn *c)
{
	bool was = c->busy;
	struct err e;

	if (c->closing || !c->opened)
		return;
	c->busy = true;
	pull(c);
	send_rest(c);
	if (!c->closing && is_finished(c)) {
		(void)err_set(&e, ERR_IO, "the connection was ended");
		rpc_conn_close(c, &e);
	}
	leave(c, was);
}

void
rpc_conn_wake(struct rpc_conn *c)
{
	if (c->queued || c->closing)
		return;
	c->queued = true;
	c->next = c->turn->dirty;
	c->turn->dirty = c;
}

void
rpc_conn_finish(struct rpc_conn *c)
{
	c->close_after = true;
	rpc_conn_wake(c);
}

/* --- in ------------------------------------------------------------------ */

static int
deliver(struct rpc_conn *c, struct view v, struct err *e)
{
	c->heard_ms = uv_now(c->turn->loop);
	c->pinged = false;
	return c->ops->bytes(c, v, e);
}

static void
opened(struct rpc_conn *c)
{
	c->opened = true;
	if (c->ops->open != NULL)
		c->ops->open(c);
}

static int
read_tls(struct rpc_conn *c, struct view v, struct err *e)
{
	char text[TLS_CHUNK];
	int n;

	if (BIO_write(c->tls_in, v.p, (int)v.n) != (int)v.n)
		return err_set(e, ERR_INTERNAL, "TLS takes no more");
	if (!c->opened) {
		n = SSL_do_handshake(c->ssl);
		drain_tls(c);
		send_rest(c);
		if (n != 1 && SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ)
			return 0;
		if (n != 1)
			return mutual_why(c->ssl, "TLS handshake", e);
		opened(c);
	}
	while (!c->closing && (n = SSL_read(c->ssl, text, sizeof(text))) > 0)
		if (deliver(c, (struct view) { text, (size_t)n }, e) < 0)
			return -1;
	if (c->closing)
		return 0;
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		rpc_conn_wake(c); /* tickets, key updates */
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return err_set(
		    e, ERR_IO, "the other side closed the connection");
	default:
		return mutual_why(c->ssl, "TLS", e);
	}
}

static void
on_alloc(uv_handle_t *h, size_t hint UNUSED, uv_buf_t *out)
{
	struct rpc_conn *c = h->data;

	*out = uv_buf_init(c->turn->in, sizeof(c->turn->in));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct rpc_conn *c = s->data;
	bool was = c->busy;
	struct err e;
	int rc;

	if (n == 0 || c->closing)
		return;
	if (n < 0) {
		fail_uv(c, "read", (int)n);
		return;
	}
	c->busy = true;
	rc = c->ssl != NULL
		 ? read_tls(c, (struct view) { b->base, (size_t)n }, &e)
		 : deliver(c, (struct view) { b->base, (size_t)n }, &e);
	if (rc < 0) {
		/* What was said last (GOAWAY, alert) should still arrive. */
		if (!c->closing && c->opened) {
			pull(c);
			send_rest(c);
		}
		rpc_conn_close(c, &e);
	}
	leave(c, was);
}

int
rpc_conn_feed_h2(struct rpc_conn *c, struct view v, struct err *e)
{
	ssize_t n = nghttp2_session_mem_recv(c->h2, (const uint8_t *)v.p, v.n);

	if (n < 0)
		return err_set(
		    e, ERR_PROTO, "HTTP/2: %s", nghttp2_strerror((int)n));
	/* Attack: streams beyond the limit, each of which earns a RST_STREAM
	 * that is never read; nghttp2 counts acknowledgements only. */
	if (nghttp2_session_get_outbound_queue_size(c->h2) >
	    OUTBOUND_FRAMES_MAX)
		return err_set(e, ERR_LIMIT,
		    "the other side does not read what it asked for");
	rpc_conn_wake(c);
	return 0;
}

/* --- start --------------------------------------------------------------- */

int
rpc_conn_init(struct rpc_conn *c, struct rpc_turn *t, enum rpc_transport kind,
    const struct rpc_conn_ops *ops, void *owner, struct err *e)
{
	int rc = kind == RPC_UNIX ? uv_pipe_init(t->loop, &c->u.pipe, 0)
				  : uv_tcp_init(t->loop, &c->u.tcp);

	if (rc < 0)
		return err_set(
		    e, ERR_INTERNAL, "make a socket: %s", uv_strerror(rc));
	c->u.handle.data = c;
	c->turn = t;
	c->ops = ops;
	c->owner = owner;
	c->transport = kind;
	c->out = BUF_INIT(CONN_OUT_MAX);
	t->handles++;
	return 0;
}

void
rpc_conn_start(struct rpc_conn *c, SSL *ssl)
{
	bool was = c->busy;
	int rc;

	c->busy = true;
	c->heard_ms = uv_now(c->turn->loop);
	if (c->transport != RPC_UNIX)
		(void)uv_tcp_nodelay(&c->u.tcp, 1);
	rc = uv_read_start(&c->u.stream, on_alloc, on_read);
	if (ssl != NULL) {
		c->ssl = ssl;
		c->tls_in = BIO_new(BIO_s_mem());
		c->tls_out = BIO_new(BIO_s_mem());
		SSL_set_bio(ssl, c->tls_in, c->tls_out);
		if (!SSL_is_server(ssl)) {
			(void)SSL_do_handshake(ssl);
			drain_tls(c);
			send_rest(c);
		}
	}
	if (rc < 0)
		fail_uv(c, "read", rc);
	else if (ssl == NULL)
		opened(c);
	leave(c, was);
}

static void
on_silence(void *arg)
{
	struct rpc_conn *c = arg;
	uint64_t now = uv_now(c->turn->loop), silent = now - c->heard_ms;
	struct err e;

	if (c->pinged) {
		(void)err_set(&e, ERR_IO,
		    "the other side does not answer (no reply to a ping)");
		rpc_conn_close(c, &e);
		return;
	}
	if (silent < c->ping_ms) {
		deadline_set(
		    c->turn->deadlines, &c->deadline, c->ping_ms - silent);
		return;
	}
	c->pinged = true;
	(void)nghttp2_submit_ping(c->h2, NGHTTP2_FLAG_NONE, NULL);
	rpc_conn_wake(c);
	deadline_set(c->turn->deadlines, &c->deadline, CONN_PING_WAIT_MS);
}

void
rpc_conn_keepalive(struct rpc_conn *c, unsigned ms)
{
	c->ping_ms = ms;
	deadline_clear(c->turn->deadlines, &c->deadline);
	deadline_init(&c->deadline, on_silence, c);
	deadline_set(c->turn->deadlines, &c->deadline, ms);
}

/* Attack: rapid reset, CVE-2023-44487. */
bool
rpc_conn_abused(struct rpc_conn *c)
{
	uint64_t now = uv_now(c->turn->loop);

	if (c->resets == 0 || now - c->resets_since > CONN_RESETS_MS) {
		c->resets = 0;
		c->resets_since = now;
	}
	return ++c->resets > CONN_RESETS_MAX;
}

int
rpc_conn_settings(nghttp2_session *s, struct err *e)
{
	const nghttp2_settings_entry iv[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, CONN_STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CONN_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CONN_HEADERS_MAX },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
	};
	int rc =
	    nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, iv, ARRAY_LEN(iv));

	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(
		    s, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
	return rc == 0 ? 0
		       : err_set(e, ERR_INTERNAL, "HTTP/2: %s",
			     nghttp2_strerror(rc));
}

nghttp2_option *
rpc_conn_options(void)
{
	nghttp2_option *o = NULL;

	if (nghttp2_option_new(&o) != 0)
		abort(); /* out of memory, as everywhere */
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_max_outbound_ack(o, OUTBOUND_ACKS_MAX);
	nghttp2_option_set_max_settings(o, 32);
	return o;
}

/* --- Unix sockets -------------------------------------------------------- */

int
rpc_unix_path(const char *path, int *dirfd, char *out, size_t n, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = NULL;
	int len;

	*dirfd = -1;
	if (strlen(path) < n) {
		(void)snprintf(out, n, "%s", path);
		return 0;
	}
	if (slash == NULL || slash[1] == '\0')
		return err_set(e, ERR_INVALID, "%s: not a socket's path", path);
	dir = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	*dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dirfd < 0)
		return err_sys(e, "open %s", dir);
	len = snprintf(out, n, "/proc/self/fd/%d/%s", *dirfd, slash + 1);
	if (len < 0 || (size_t)len >= n) {
		fd_close(dirfd);
		return err_set(e, ERR_INVALID,
		    "%s: the name of the socket is too long", path);
	}
	return 0;
}

static int
listen_at(int fd, const struct sockaddr_un *a, struct err *e)
{
	mode_t old = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)a, sizeof(*a));

	(void)umask(old);
	if (rc < 0)
		return err_sys(e, "bind");
	return listen(fd, 1024) < 0 ? err_sys(e, "listen") : 0;
}

/* Whether nobody listens at a socket that is there. */
static bool
is_stale(const struct sockaddr_un *a)
{
	AUTO_CLOSE int fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 &&
	       connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 &&
	       errno == ECONNREFUSED;
}

int
rpc_unix_listen(const char *path, int *fd, struct err *e)
{
	AUTO_CLOSE int s =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	AUTO_CLOSE int dirfd = -1;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (s < 0)
		return err_sys(e, "socket");
	if (rpc_unix_path(path, &dirfd, a.sun_path, sizeof(a.sun_path), e) < 0)
		return -1;
	if (listen_at(s, &a, e) < 0) {
		if (e->sys != EADDRINUSE)
			return err_wrap(e, "socket %s", path);
		if (!is_stale(&a))
			return err_set(e, ERR_EXISTS,
			    "socket %s: another program listens there", path);
		if (unlink(a.sun_path) < 0)
			return err_sys(e, "remove stale socket %s", path);
		if (listen_at(s, &a, e) < 0)
			return err_wrap(e, "socket %s", path);
	}
	*fd = take_fd(s);
	return 0;
}
