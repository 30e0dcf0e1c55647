/*
 * dial: see dial.h.
 *
 * Each attempt is a socket watched for writability, with its own time limit;
 * one timer serves the stagger, those limits and the limit of the whole.  The
 * first that connects wins and the rest are closed.
 *
 * Lifetime: the dial is freed when all its libuv handles have closed; `over`
 * marks that `fn` was or will never be called.
 */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

struct attempt {
	struct dial *dial;
	int fd; /* -1: not begun, or over */
	uint64_t until; /* loop time */
	uv_poll_t poll;
};

struct dial {
	uv_loop_t *loop;
	uv_timer_t timer;
	dial_fn *fn;
	void *arg;
	struct addr v[DIAL_ADDRS_MAX];
	size_t n, next; /* addresses, and how many were begun */
	uint16_t port;
	bool over;
	unsigned handles, running;
	uint64_t until, stagger; /* loop time */
	struct err last;
	struct attempt attempts[DIAL_ADDRS_MAX];
};

static void on_timer(uv_timer_t *timer);

static void
on_closed(uv_handle_t *h)
{
	struct dial *d = h->type == UV_TIMER
			     ? (struct dial *)h->data
			     : ((struct attempt *)h->data)->dial;

	if (--d->handles == 0)
		free(d);
}

/* Stops watching; returns the descriptor. */
static int
attempt_end(struct attempt *a)
{
	int fd = a->fd;

	a->fd = -1;
	a->dial->running--;
	(void)uv_poll_stop(&a->poll);
	uv_close((uv_handle_t *)&a->poll, on_closed);
	return fd;
}

static void
dial_end(struct dial *d)
{
	d->over = true;
	for (size_t i = 0; i < d->next; i++)
		if (d->attempts[i].fd >= 0)
			(void)close(attempt_end(&d->attempts[i]));
	uv_close((uv_handle_t *)&d->timer, on_closed);
}

static void
dial_fail(struct dial *d)
{
	struct err last = d->last;
	dial_fn *fn = d->fn;
	void *arg = d->arg;

	dial_end(d);
	fn(arg, -1, NULL, &last);
}

static void
on_writable(uv_poll_t *poll, int status, int events UNUSED)
{
	struct attempt *a = poll->data;
	struct dial *d = a->dial;
	struct addr to = d->v[a - d->attempts];
	socklen_t len = sizeof(errno);
	char text[ADDR_TEXT_MAX];
	int failure = 0, fd;
	dial_fn *fn = d->fn;
	void *arg = d->arg;

	/* libuv calls every socket error EBADF; the socket knows better. */
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
		failure = errno;
	if (failure == 0 && status < 0)
		failure = -status;
	if (failure == 0) {
		fd = attempt_end(a);
		dial_end(d);
		fn(arg, fd, &to, NULL);
		return;
	}
	(void)close(attempt_end(a));
	errno = failure;
	(void)err_sys(
	    &d->last, "connect to %s port %u", addr_format(&to, text), d->port);
	/* The timer begins the next at once. */
	d->stagger = 0;
	(void)uv_timer_start(&d->timer, on_timer, 0, 0);
}

/* A socket on its way to address i, or -1 with d->last. */
static int
begin(struct dial *d, size_t i)
{
	struct attempt *a = &d->attempts[i];
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&d->v[i], d->port, &ss);
	char text[ADDR_TEXT_MAX];
	AUTO_CLOSE int fd = -1;
	int one = 1, rc;

	(void)addr_format(&d->v[i], text);
	fd =
	    socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(&d->last, "socket for %s", text);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return err_sys(
		    &d->last, "connect to %s port %u", text, d->port);
	rc = uv_poll_init(d->loop, &a->poll, fd);
	if (rc < 0)
		return err_set(&d->last, ERR_INTERNAL, "watch a socket: %s",
		    uv_strerror(rc));
	a->poll.data = a;
	a->fd = take_fd(fd);
	a->until = uv_now(d->loop) + DIAL_ADDR_TIMEOUT_MS;
	d->handles++;
	d->running++;
	rc = uv_poll_start(&a->poll, UV_WRITABLE, on_writable);
	if (rc < 0) {
		(void)close(attempt_end(a));
		return err_set(&d->last, ERR_INTERNAL, "watch a socket: %s",
		    uv_strerror(rc));
	}
	return 0;
}

static void
drop_overdue(struct dial *d, uint64_t now)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < d->next; i++) {
		struct attempt *a = &d->attempts[i];

		if (a->fd < 0 || a->until > now)
			continue;
		(void)close(attempt_end(a));
		(void)err_set(&d->last, ERR_IO,
		    "connect to %s port %u: no answer in %d s",
		    addr_format(&d->v[i], text), d->port,
		    DIAL_ADDR_TIMEOUT_MS / 1000);
		d->stagger = 0;
	}
}

static uint64_t
next_event(const struct dial *d)
{
	uint64_t at = d->until;

	for (size_t i = 0; i < d->next; i++)
		if (d->attempts[i].fd >= 0)
			at = MIN(at, d->attempts[i].until);
	if (d->next < d->n)
		at = MIN(at, d->stagger);
	return at;
}

static void
on_timer(uv_timer_t *timer)
{
	struct dial *d = timer->data;
	uint64_t now = uv_now(d->loop), at;

	if (now >= d->until) {
		(void)err_set(&d->last, ERR_IO, "connect: no answer in %d s",
		    DIAL_TIMEOUT_MS / 1000);
		dial_fail(d);
		return;
	}
	drop_overdue(d, now);
	while (d->next < d->n && now >= d->stagger) {
		d->attempts[d->next].fd = -1;
		if (begin(d, d->next++) == 0)
			d->stagger = now + DIAL_STAGGER_MS;
	}
	if (d->running == 0) {
		dial_fail(d);
		return;
	}
	at = next_event(d);
	(void)uv_timer_start(timer, on_timer, at > now ? at - now : 0, 0);
}

struct dial *
dial_start(uv_loop_t *loop, const struct addr *v, size_t n, uint16_t port,
    dial_fn *fn, void *arg)
{
	struct dial *d = NEW(struct dial);

	d->loop = loop;
	d->fn = fn;
	d->arg = arg;
	d->port = port;
	d->n = MIN(n, DIAL_ADDRS_MAX);
	memcpy(d->v, v, d->n * sizeof(*v));
	d->until = uv_now(loop) + DIAL_TIMEOUT_MS;
	for (size_t i = 0; i < d->n; i++) {
		d->attempts[i].dial = d;
		d->attempts[i].fd = -1;
	}
	(void)err_set(&d->last, ERR_INVALID, "no address to connect to");
	(void)uv_timer_init(loop, &d->timer);
	d->timer.data = d;
	d->handles = 1;
	/* The first attempt begins now; only its outcome waits for the loop. */
	if (d->n > 0 && begin(d, d->next++) == 0) {
		uint64_t at;

		d->stagger = uv_now(loop) + DIAL_STAGGER_MS;
		at = next_event(d);
		(void)uv_timer_start(&d->timer, on_timer, at - uv_now(loop), 0);
	} else {
		(void)uv_timer_start(&d->timer, on_timer, 0, 0);
	}
	return d;
}

void
dial_cancel(struct dial *d)
{
	if (d != NULL && !d->over)
		dial_end(d);
}
