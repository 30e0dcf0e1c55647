/* carry_way: the way to one service, and the bytes on it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "net/dial_name.h"
#include "rpc/carry.h"
#include "rpc/rpc.h"
#include "tls/mutual.h"

enum { DIAL_MS = 5000, PIECE = 32768 };

/* --- the way there ---------------------------------------------------------
 */

struct dialled {
	uv_loop_t loop;
	uv_timer_t timer;
	struct dial_name *dial;
	int fd;
	struct err why;
};

static void
on_dialled(
    void *arg, int fd, const struct addr *to UNUSED, const struct err *why)
{
	struct dialled *d = arg;

	d->dial = NULL;
	d->fd = fd;
	if (why != NULL)
		d->why = *why;
	uv_close((uv_handle_t *)&d->timer, NULL);
}

static void
on_late(uv_timer_t *t)
{
	struct dialled *d = t->data;

	dial_name_cancel(take_ptr(d->dial));
	(void)err_set(&d->why, ERR_AGAIN, "no connection in time");
	uv_close((uv_handle_t *)t, NULL);
}

static int
dial_tcp(const char *host, uint16_t port, struct err *e)
{
	struct dialled d = { .fd = -1 };

	if (uv_loop_init(&d.loop) < 0 || uv_timer_init(&d.loop, &d.timer) < 0)
		return err_set(e, ERR_INTERNAL, "event loop");
	d.timer.data = &d;
	(void)uv_timer_start(&d.timer, on_late, DIAL_MS, 0);
	d.dial = dial_name_start(&d.loop, host, port, on_dialled, &d);
	(void)uv_run(&d.loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&d.loop);
	if (d.fd < 0)
		*e = d.why;
	return d.fd;
}

static int
dial_unix(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, "socket");
	if (rpc_unix_path(path, &dir, a.sun_path, sizeof(a.sun_path), e) < 0)
		return -1;
	/* Its queue is full: as good as not there. */
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "connect to the socket");
	return take_fd(fd);
}

/* "host:port", or "[v6]:port". */
static int
split(const char *authority, char host[256], uint16_t *port, struct err *e)
{
	const char *colon = strrchr(authority, ':');
	struct view name;
	uint64_t n;

	if (colon == NULL || !view_u64(view_of(colon + 1), UINT16_MAX, &n) ||
	    n == 0)
		return err_set(e, ERR_INVALID, "no port in its address");
	name = (struct view) { authority, (size_t)(colon - authority) };
	if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = view_slice(name, 1, name.n - 1);
	if (name.n == 0 || name.n > 255)
		return err_set(e, ERR_INVALID, "no host in its address");
	(void)snprintf(host, 256, "%.*s", (int)name.n, name.p);
	*port = (uint16_t)n;
	return 0;
}

/* Until `end`; events: what to wait for. */
static bool
wait_for(int fd, short events, uint64_t end)
{
	struct pollfd p = { fd, events, 0 };
	uint64_t now = clock_mono_ms();

	return now < end && poll(&p, 1, (int)(end - now)) != 0;
}

static int
secure(
    const struct service *v, const char *host, int fd, SSL **out, struct err *e)
{
	struct mutual_files files = { v->cert, v->key, v->ca };
	uint64_t end = clock_mono_ms() + DIAL_MS;
	SSL_CTX *ctx = NULL;
	SSL *ssl;
	int rc;

	if (mutual_client_ctx(&files, &ctx, e) < 0)
		return -1;
	ssl = mutual_client(ctx, host, e);
	SSL_CTX_free(ctx);
	if (ssl == NULL)
		return -1;
	if (SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return err_set(e, ERR_INTERNAL, "TLS");
	}
	while ((rc = SSL_connect(ssl)) != 1) {
		int what = SSL_get_error(ssl, rc);

		if ((what == SSL_ERROR_WANT_READ &&
			wait_for(fd, POLLIN, end)) ||
		    (what == SSL_ERROR_WANT_WRITE &&
			wait_for(fd, POLLOUT, end)))
			continue;
		(void)mutual_why(ssl, "TLS with it", e);
		SSL_free(ssl);
		return -1;
	}
	*out = ssl;
	return 0;
}

int
carry_dial(const struct service *v, int *fd, struct ssl_st **ssl, struct err *e)
{
	struct view url = view_of(v->url);
	const char *rest = strchr(v->url, ':') + 1;
	char host[256];
	uint16_t port;

	*ssl = NULL;
	if (view_starts(url, VIEW("unix:"))) {
		*fd = dial_unix(rest, e);
		return *fd < 0 ? -1 : 0;
	}
	if (split(rest + 2, host, &port, e) < 0)
		return -1;
	*fd = dial_tcp(host, port, e);
	if (*fd < 0)
		return -1;
	return view_starts(url, VIEW("https:")) ? secure(v, host, *fd, ssl, e)
						: 0;
}

/* --- the bytes --------------------------------------------------------------
 */

struct side {
	int fd;
	SSL *ssl;
	short wants; /* that TLS needs to go on, whatever is to be moved */
	char bytes[PIECE]; /* that came from it */
	size_t at, n;
};

enum moved { MOVED, LATER, GONE };

static enum moved
tls_word(struct side *s, int rc)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		s->wants |= POLLIN;
		return LATER;
	case SSL_ERROR_WANT_WRITE:
		s->wants |= POLLOUT;
		return LATER;
	default:
		return GONE;
	}
}

static enum moved
take(struct side *s)
{
	ssize_t n;

	if (s->ssl != NULL) {
		int rc = SSL_read(s->ssl, s->bytes, PIECE);

		if (rc <= 0)
			return tls_word(s, rc);
		n = rc;
	} else {
		n = recv(s->fd, s->bytes, PIECE, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			s->wants |= POLLIN;
			return LATER;
		}
		if (n <= 0)
			return GONE;
	}
	s->at = 0;
	s->n = (size_t)n;
	return MOVED;
}

static enum moved
give(struct side *to, struct side *from)
{
	const char *p = from->bytes + from->at;
	ssize_t n;

	if (to->ssl != NULL) {
		int rc = SSL_write(to->ssl, p, (int)from->n);

		if (rc <= 0)
			return tls_word(to, rc);
		n = rc;
	} else {
		n = send(to->fd, p, from->n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			to->wants |= POLLOUT;
			return LATER;
		}
		if (n <= 0)
			return GONE;
	}
	from->at += (size_t)n;
	from->n -= (size_t)n;
	return MOVED;
}

/* Everything that can be moved now. */
static enum moved
move(struct side *from, struct side *to)
{
	enum moved m = MOVED;

	while (m == MOVED)
		m = from->n > 0 ? give(to, from) : take(from);
	return m;
}

void
carry_relay(int local, int fd, struct ssl_st *ssl)
{
	struct side *a = NEW(struct side), *b = NEW(struct side);

	a->fd = local;
	b->fd = fd;
	b->ssl = ssl;
	if (ssl != NULL)
		SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	for (;;) {
		struct pollfd p[2];

		a->wants = b->wants = 0;
		if (move(a, b) == GONE || move(b, a) == GONE)
			break;
		p[0] = (struct pollfd) { a->fd, a->wants, 0 };
		p[1] = (struct pollfd) { b->fd, b->wants, 0 };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
	}
	free(a);
	free(b);
}
