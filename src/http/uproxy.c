#include "http/uproxy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "http/h1.h"

enum { ASK_MAX = 4096 };

/* ---- the answer ---------------------------------------------------------- */

void
uproxy_answer_init(struct uproxy_answer *a)
{
	*a = (struct uproxy_answer) { .head = BUF_INIT(UPROXY_HEAD_MAX) };
}

void
uproxy_answer_fini(struct uproxy_answer *a)
{
	buf_fini(&a->head);
}

static int
parse(struct uproxy_answer *a, struct err *e)
{
	struct h1_head h;

	if (h1_parse_response(buf_view(&a->head), VIEW("CONNECT"), &h, e) < 0)
		return err_wrap(e, "the answer of the upstream proxy");
	/* Nobody asked for an interim answer, nor for another protocol. */
	if (h.status < 200)
		return err_set(e, ERR_PROTO,
		    "the answer of the upstream proxy: status %u to a CONNECT",
		    h.status);
	a->status = h.status;
	return 0;
}

ssize_t
uproxy_answer_feed(
    struct uproxy_answer *a, struct view in, bool *done, struct err *e)
{
	size_t had = a->head.n, room = UPROXY_HEAD_MAX - had;
	ssize_t whole;

	*done = false;
	if (in.n == 0)
		return 0;
	buf_put(&a->head, view_slice(in, 0, MIN(in.n, room)));
	whole =
	    h1_head_end(buf_view(&a->head), UPROXY_HEAD_MAX, &a->scanned, e);
	if (whole == 0 && a->head.n == UPROXY_HEAD_MAX)
		whole = err_set(e, ERR_LIMIT, "head longer than %d bytes",
		    (int)UPROXY_HEAD_MAX);
	if (whole < 0)
		return err_wrap(e, "the answer of the upstream proxy");
	if (whole == 0)
		return (ssize_t)(a->head.n - had);
	a->head.n = (size_t)whole; /* the rest is the tunnel's */
	if (parse(a, e) < 0)
		return -1;
	*done = true;
	return whole - (ssize_t)had;
}

/* ---- the connection ------------------------------------------------------ */

struct uproxy_dial {
	uv_loop_t *loop;
	struct dial *dialing;
	uv_poll_t poll;
	bool watched;
	int fd;
	struct addr to;
	struct buf ask;
	size_t asked;
	struct uproxy_answer answer;
	dial_fn *fn;
	void *arg;
};

static void
release(struct uproxy_dial *d)
{
	if (d->ask.p != NULL)
		mem_wipe(d->ask.p, d->ask.cap);
	buf_fini(&d->ask);
	uproxy_answer_fini(&d->answer);
	free(d);
}

static void
on_closed(uv_handle_t *h)
{
	release(h->data);
}

/* No more of it; its memory goes with the handle.  The descriptor stays. */
static void
over(struct uproxy_dial *d)
{
	if (d->watched)
		uv_close((uv_handle_t *)&d->poll, on_closed);
	else
		release(d);
}

static void
fail(struct uproxy_dial *d, const struct err *e)
{
	dial_fn *fn = d->fn;
	void *arg = d->arg;

	if (d->watched)
		(void)uv_poll_stop(&d->poll);
	fd_close(&d->fd);
	over(d);
	fn(arg, -1, NULL, e);
}

static void
answered(struct uproxy_dial *d)
{
	unsigned status = d->answer.status;
	struct addr to = d->to;
	dial_fn *fn = d->fn;
	void *arg = d->arg;
	struct err e;
	int fd;

	/* RFC 9110: any 2xx opens the tunnel, whatever its fields say. */
	if (status < 300) {
		(void)uv_poll_stop(&d->poll);
		fd = take_fd(d->fd);
		over(d);
		fn(arg, fd, &to, NULL);
		return;
	}
	(void)err_set(&e, ERR_DENIED, "the upstream proxy answered %u%s",
	    status,
	    status == 407 ? ": it does not take the login, or wants one "
			    "(--upstream-proxy-auth-file)"
			  : "");
	fail(d, &e);
}

/* 1: there may be more, 0: not now, -1: *e says why not. */
static int
read_some(struct uproxy_dial *d, bool *done, struct err *e)
{
	char piece[1024];
	ssize_t n = recv(d->fd, piece, sizeof(piece), MSG_PEEK), used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return err_sys(e, "the upstream proxy");
	if (n == 0)
		return err_set(e, ERR_IO,
		    "the upstream proxy closed the connection without an "
		    "answer");
	used = uproxy_answer_feed(
	    &d->answer, (struct view) { piece, (size_t)n }, done, e);
	if (used < 0)
		return -1;
	/* Only what was of the head leaves the socket. */
	if (recv(d->fd, piece, (size_t)used, 0) != used)
		return err_set(e, ERR_IO, "the upstream proxy: read failed");
	return 1;
}

static void on_poll(uv_poll_t *p, int status, int events);

/* 1: all is sent, 0: not yet, -1: *e says why not. */
static int
write_some(struct uproxy_dial *d, struct err *e)
{
	while (d->asked < d->ask.n) {
		ssize_t n = send(d->fd, d->ask.p + d->asked,
		    d->ask.n - d->asked, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0)
			return err_sys(e, "the upstream proxy");
		d->asked += (size_t)n;
	}
	return 1;
}

static void
on_poll(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	struct uproxy_dial *d = p->data;
	bool done = false;
	struct err e;
	int rc;

	if (d->asked < d->ask.n) {
		rc = write_some(d, &e);
		if (rc < 0)
			fail(d, &e);
		else if (rc > 0)
			(void)uv_poll_start(&d->poll, UV_READABLE, on_poll);
		return;
	}
	do
		rc = read_some(d, &done, &e);
	while (rc > 0 && !done);
	if (rc < 0)
		fail(d, &e);
	else if (done)
		answered(d);
}

static int
begin(struct uproxy_dial *d, int fd, struct err *e)
{
	d->fd = fd;
	if (uv_poll_init(d->loop, &d->poll, fd) < 0)
		return err_set(e, ERR_INTERNAL, "cannot watch the proxy");
	d->poll.data = d;
	d->watched = true;
	(void)uv_poll_start(&d->poll, UV_WRITABLE, on_poll);
	return 0;
}

static void
on_dialed(void *arg, int fd, const struct addr *to, const struct err *e)
{
	struct uproxy_dial *d = arg;
	struct err why;

	d->dialing = NULL;
	if (e != NULL) {
		why = *e;
		(void)err_wrap(&why, "the upstream proxy");
		fail(d, &why);
		return;
	}
	d->to = *to;
	if (begin(d, fd, &why) < 0)
		fail(d, &why);
}

static struct uproxy_dial *
make(uv_loop_t *loop, struct view target, struct view login, dial_fn *fn,
    void *arg)
{
	struct uproxy_dial *d = NEW(struct uproxy_dial);

	d->loop = loop;
	d->fd = -1;
	d->fn = fn;
	d->arg = arg;
	uproxy_answer_init(&d->answer);
	d->ask = BUF_INIT(ASK_MAX);
	(void)buf_reserve(&d->ask, ASK_MAX); /* holds a secret: never moved */
	buf_printf(&d->ask, "CONNECT %.*s HTTP/1.1\r\nHost: %.*s\r\n",
	    (int)target.n, target.p, (int)target.n, target.p);
	if (login.n > 0) {
		buf_puts(&d->ask, "Proxy-Authorization: Basic ");
		buf_put(&d->ask, login);
		buf_puts(&d->ask, "\r\n");
	}
	buf_puts(&d->ask, "\r\n");
	return d;
}

struct uproxy_dial *
uproxy_dial_start(uv_loop_t *loop, const struct addr *v, size_t n,
    uint16_t port, struct view target, struct view login, dial_fn *fn,
    void *arg)
{
	struct uproxy_dial *d = make(loop, target, login, fn, arg);

	d->dialing = dial_start(loop, v, n, port, on_dialed, d);
	return d;
}

struct uproxy_dial *
uproxy_dial_over(uv_loop_t *loop, int fd, struct view target, struct view login,
    dial_fn *fn, void *arg, struct err *e)
{
	struct uproxy_dial *d = make(loop, target, login, fn, arg);

	if (begin(d, fd, e) == 0)
		return d;
	fd_close(&d->fd);
	release(d);
	return NULL;
}

void
uproxy_dial_cancel(struct uproxy_dial *d)
{
	if (d->dialing != NULL)
		dial_cancel(d->dialing);
	if (d->watched)
		(void)uv_poll_stop(&d->poll);
	fd_close(&d->fd);
	over(d);
}
