/*
 * accept: the two listeners that live in the sandbox's network namespace.
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
take(struct px *px, int fd, enum px_mode mode)
{
	struct px_conn *c = px_conn_new(px, fd, mode);

	if (c == NULL)
		return;
	if (mode != PX_MODE_CAPTURE && px->n_counted >= px->conns_max) {
		too_many(c);
		return;
	}
	c->counted = true;
	px->n_counted++;
	px_run(c);
}

static void
on_listener(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct px *px = p->data;
	bool capture = p == &px->capture_poll;

	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		int fd;

		if (px->n_conns >= PX_SLOTS - 1 ||
		    px_events_full(&px->events)) {
			px_accept_pause(px, true);
			(void)uv_timer_start(
			    &px->accept_timer, on_backoff, BACKOFF_MS, 0);
			return;
		}
		fd = accept4(capture ? px->capture : px->listener, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			take(px, fd,
			    capture ? PX_MODE_CAPTURE : PX_MODE_CONNECT);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			LOG_WARN(
			    "ACCEPT_PAUSED", KV_STR("reason", strerror(errno)));
			px_accept_pause(px, true);
			(void)uv_timer_start(
			    &px->accept_timer, on_backoff, BACKOFF_MS, 0);
		}
		return;
	}
}

static int
watch(struct px *px, uv_poll_t *p, int fd, struct err *e)
{
	int r, on = 1;

	if (fd_set_nonblock(fd, true, e) < 0)
		return -1;
	/* Accepted sockets inherit these; without the first an answer waits
	 * for the client's delayed acknowledgement. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	r = uv_poll_init(&px->loop, p, fd);
	if (r < 0)
		return err_set(e, ERR_IO, "watch listener: %s", uv_strerror(r));
	p->data = px;
	return 0;
}

unsigned
px_conns_max(uint64_t files)
{
	/* A socket at both ends; the pool and others have theirs. */
	uint64_t n = files > FILES_ELSE ? (files - FILES_ELSE) / 2 : 0;

	return (unsigned)MIN(MAX(n, 1), (uint64_t)PX_CONNS_MAX);
}

int
px_listen(struct px *px, int listener, int capture, struct err *e)
{
	px->listener = listener;
	px->capture = capture;
	(void)uv_timer_init(&px->loop, &px->accept_timer);
	px->accept_timer.data = px;
	if (watch(px, &px->listener_poll, listener, e) < 0)
		return -1;
	px->listening = true;
	if (capture >= 0) {
		if (watch(px, &px->capture_poll, capture, e) < 0)
			return -1;
		px->capturing = true;
	}
	arm(px, true);
	return 0;
}
