/*
 * accept: the sockets that live in the sandbox's network namespace.
 *
 * Caps: px->conns_max connections; what comes beyond is told 503 (a few at a
 * time, without work) or, when even those are many, waits in the backlog.  A
 * lack of descriptors pauses accepting instead of spinning.
 */
#include "proxy/px.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

enum { ACCEPT_BATCH = 64, BACKOFF_MS = 50, FILES_ELSE = 256 };

static void on_listener(uv_poll_t *p, int status, int events);
static void on_dns(uv_poll_t *p, int status, int events);

static void
arm(struct px *px, bool on)
{
	if (px->listening)
		(void)(on ? uv_poll_start(
				&px->listener_poll, UV_READABLE, on_listener)
			  : uv_poll_stop(&px->listener_poll));
	if (px->capturing)
		(void)(on ? uv_poll_start(
				&px->capture_poll, UV_READABLE, on_listener)
			  : uv_poll_stop(&px->capture_poll));
	if (px->answering)
		(void)(on ? uv_poll_start(&px->dns_poll, UV_READABLE, on_dns)
			  : uv_poll_stop(&px->dns_poll));
	px->accept_paused = !on;
}

void
px_accept_pause(struct px *px, bool pause)
{
	if (pause != px->accept_paused && !px->ending)
		arm(px, !pause);
}

static void
on_backoff(uv_timer_t *t)
{
	px_accept_pause(t->data, false);
}

static void
too_many(struct px_conn *c)
{
	struct err e;

	(void)err_set(&e, ERR_LIMIT, "more than %u connections of this sandbox",
	    c->px->conns_max);
	/* Not read, so nothing is judged: the answer comes at once. */
	if (px_fail(c, 503, AUDIT_HTTP_REFUSED, "accept",
		"too_many_connections", e.text, &e) == PX_CLOSE)
		px_close(c, true);
	else
		px_run(c);
}

static void
take(struct px *px, int fd, bool direct)
{
	struct px_conn *c = px_conn_new(px, fd, direct);

	if (c == NULL)
		return;
	if (px->n_counted >= px->conns_max) {
		too_many(c);
		return;
	}
	c->counted = true;
	px->n_counted++;
	px_run(c);
}

/* Why nobody can be let in now, or 0; said once, however often it is tried. */
static void
starved(struct px *px, int why)
{
	if (px->starved == (why != 0))
		return;
	px->starved = why != 0;
	if (px->starved)
		LOG_WARN("ACCEPT_PAUSED", KV_STR("reason", strerror(why)));
	else
		LOG_WARN("ACCEPT_RESUMED");
}

static void
on_listener(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct px *px = p->data;
	bool capture = p == &px->capture_poll;

	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		int fd;

		if (px->n_conns - px->n_streams >= PX_SOCKETS_MAX - 1 ||
		    px_events_full(&px->events)) {
			px_accept_pause(px, true);
			(void)uv_timer_start(
			    &px->accept_timer, on_backoff, BACKOFF_MS, 0);
			return;
		}
		fd = accept4(capture ? px->capture : px->listener, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			starved(px, 0);
			take(px, fd, capture);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			starved(px, errno);
			px_accept_pause(px, true);
			(void)uv_timer_start(
			    &px->accept_timer, on_backoff, BACKOFF_MS, 0);
		}
		return;
	}
}

static void
on_dns(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct px *px = p->data;

	px_dns_read(px);
	/* Records that ctl does not take yet pause this as they pause
	 * accepting. */
	if (!px_events_full(&px->events))
		return;
	px_accept_pause(px, true);
	(void)uv_timer_start(&px->accept_timer, on_backoff, BACKOFF_MS, 0);
}

/* One that is not there is left out. */
static int
watch(struct px *px, uv_poll_t *p, int fd, bool *on, struct err *e)
{
	int r;

	if (fd < 0)
		return 0;
	if (fd_set_nonblock(fd, true, e) < 0)
		return -1;
	r = uv_poll_init(&px->loop, p, fd);
	if (r < 0)
		return err_set(e, ERR_IO, "watch listener: %s", uv_strerror(r));
	p->data = px;
	*on = true;
	return 0;
}

unsigned
px_conns_max(uint64_t files)
{
	/* A socket at both ends; the pool and others have theirs. */
	uint64_t n = files > FILES_ELSE ? (files - FILES_ELSE) / 2 : 0;

	return (unsigned)MIN(MAX(n, 1), (uint64_t)PX_CONNS_MAX);
}

/* Accepted sockets inherit these; without the first an answer waits for the
 * client's delayed acknowledgement. */
static void
set_options(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static bool
is_v6(int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);

	return getsockname(fd, (struct sockaddr *)&sa, &n) == 0 &&
	       sa.ss_family == AF_INET6;
}

int
px_listen(struct px *px, const int fds[NET_NSOCKS], struct err *e)
{
	px->listener = fds[NET_SOCK_PROXY];
	px->capture = fds[NET_SOCK_CAPTURE];
	px->dns = fds[NET_SOCK_DNS];
	px->dns_v6 = px->dns >= 0 && is_v6(px->dns);
	set_options(px->listener);
	set_options(px->capture);
	(void)uv_timer_init(&px->loop, &px->accept_timer);
	px->accept_timer.data = px;
	if (watch(px, &px->listener_poll, px->listener, &px->listening, e) <
		0 ||
	    watch(px, &px->capture_poll, px->capture, &px->capturing, e) < 0 ||
	    watch(px, &px->dns_poll, px->dns, &px->answering, e) < 0)
		return -1;
	arm(px, true);
	return 0;
}
