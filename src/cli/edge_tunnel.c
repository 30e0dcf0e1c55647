/*
 * edge_tunnel: gRPC through an edge that lets only GET requests pass.
 *
 *   rpc client <-socketpair-> tunnel process <-TLS, WebSocket-> edge
 *
 * No listener: a port on loopback could be used by every user of the machine,
 * with this user's token.  The process has two descriptors and the token, and
 * ends with either side.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/edge.h"
#include "cli/edge_impl.h"

enum {
	CHUNK = 32768,
	QUEUE_MAX = 1 << 20,
	FULL = 128 << 10 /* no more is read from the other side */
};

/* --- frames -------------------------------------------------------------- */

static int
refuse(struct tunnel *t, const char *what, struct err *e)
{
	ws_put_close(&t->to_edge, true, WS_CLOSE_PROTOCOL, VIEW(""));
	t->over = true;
	return err_set(e, ERR_PROTO, "WebSocket: %s", what);
}

/* Its head is right by itself: is it right here? */
static int
begin_frame(struct tunnel *t, struct err *e)
{
	const struct ws_frame *f = &t->frame;
	bool control = f->opcode >= WS_CLOSE;

	if (f->masked || f->rsv1)
		return refuse(t, "a server's frame is masked or compressed", e);
	if (!control && (f->opcode == WS_CONTINUATION) != t->in_message)
		return refuse(t, "a fragment out of order", e);
	if (!control)
		t->in_message = !f->fin;
	t->in_frame = true;
	t->left = f->n;
	buf_reset(&t->control);
	return 0;
}

static void
end_frame(struct tunnel *t)
{
	t->in_frame = false;
	if (t->frame.opcode == WS_PING)
		ws_put(&t->to_edge, true, true, false, WS_PONG,
		    buf_view(&t->control));
	if (t->frame.opcode != WS_CLOSE || t->over)
		return;
	ws_put_close(&t->to_edge, true, WS_CLOSE_NORMAL, VIEW(""));
	t->over = true;
}

/* Whatever of it can be understood. */
static int
take_frames(struct tunnel *t, struct err *e)
{
	while (!t->over && t->to_local.n < FULL) {
		struct view in = buf_view(&t->from_edge), part;

		if (!t->in_frame) {
			ssize_t n = ws_frame_parse(in, &t->frame, e);

			if (n < 0)
				return refuse(t, "a malformed frame", e);
			if (n == 0)
				return 0;
			buf_drop(&t->from_edge, (size_t)n);
			if (begin_frame(t, e) < 0)
				return -1;
			in = buf_view(&t->from_edge);
		}
		part =
		    view_slice(in, 0, t->left < in.n ? (size_t)t->left : in.n);
		buf_put(
		    t->frame.opcode >= WS_CLOSE ? &t->control : &t->to_local,
		    part);
		t->left -= part.n;
		buf_drop(&t->from_edge, part.n);
		if (t->left > 0)
			return 0;
		end_frame(t);
	}
	return 0;
}

/* --- the two ways -------------------------------------------------------- */

/* -1: the other side of it is gone. */
static int
read_local(struct tunnel *t)
{
	char bytes[CHUNK];
	ssize_t n = read(t->local, bytes, sizeof(bytes));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	ws_put(&t->to_edge, true, true, false, WS_BINARY,
	    (struct view) { bytes, (size_t)n });
	return 0;
}

static int
write_local(struct tunnel *t)
{
	while (t->to_local.n > 0) {
		ssize_t n = send(t->local, t->to_local.p, t->to_local.n,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		buf_drop(&t->to_local, (size_t)n);
	}
	return 0;
}

static int
read_edge(struct tunnel *t, struct err *e)
{
	char bytes[CHUNK];

	while (t->from_edge.n < FULL && t->to_local.n < FULL) {
		ssize_t n = stream_read(t->edge, bytes, sizeof(bytes), e);

		if (n < 0)
			return e->code == ERR_AGAIN ? 0 : -1;
		if (n == 0)
			return err_set(e, ERR_IO, "the edge hung up");
		buf_put(&t->from_edge, (struct view) { bytes, (size_t)n });
		if (take_frames(t, e) < 0)
			return -1;
	}
	return 0;
}

static int
turn(struct tunnel *t, struct err *e)
{
	bool gone = false;

	if (take_frames(t, e) < 0 || read_edge(t, e) < 0 || write_local(t) < 0)
		return -1;
	if (t->to_edge.n < FULL && !t->over)
		gone = read_local(t) < 0;
	if (gone) {
		ws_put_close(&t->to_edge, true, WS_CLOSE_NORMAL, VIEW(""));
		t->over = true;
	}
	return edge_flush(t, e) < 0 && e->code != ERR_AGAIN ? -1 : 0;
}

static void
carry(struct tunnel *t)
{
	struct err e;

	while (turn(t, &e) == 0 && !t->over) {
		unsigned w = stream_wants(t->edge);
		bool more = t->to_local.n < FULL;
		struct pollfd p[] = {
			{ t->local,
			    (short)((t->to_edge.n < FULL ? POLLIN : 0) |
				    (t->to_local.n > 0 ? POLLOUT : 0)),
			    0 },
			{ stream_fd(t->edge),
			    (short)((more ? POLLIN : 0) |
				    (t->to_edge.n > 0 || (w & STREAM_WRITE)
					    ? POLLOUT
					    : 0)),
			    0 },
		};

		if (stream_pending(t->edge) && more)
			continue;
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			break;
	}
	/* What is queued last is the close frame: when it goes, it goes. */
	if (edge_flush(t, &e) == 0 && stream_shutdown(t->edge, &e) < 0)
		return;
}

/* --- the process --------------------------------------------------------- */

static int
begin(struct tunnel *t, const char *url, struct err *e)
{
	t->from_edge = BUF_INIT(QUEUE_MAX);
	t->to_edge = BUF_INIT(QUEUE_MAX);
	t->to_local = BUF_INIT(QUEUE_MAX);
	t->control = BUF_INIT(WS_CONTROL_MAX);
	return edge_dial(t, url, e);
}

/* Says "" or why not, then carries; never returns. */
static void
run(const char *url, const char *token, int local, int say)
{
	static const int signos[] = { SIGINT, SIGQUIT, SIGHUP, SIGPIPE };
	struct tunnel t = { .token = token, .local = local };
	struct err e = { 0 };
	bool up;

	/* The terminal's are the parent's; our end is that of the socket. */
	for (size_t i = 0; i < ARRAY_LEN(signos); i++)
		(void)signal(signos[i], SIG_IGN);
	up = fd_set_nonblock(local, true, &e) == 0 && begin(&t, url, &e) == 0;
	if (up) /* tries that were made again are no error */
		e = (struct err) { 0 };
	if (write(say, &e, sizeof(e)) != sizeof(e))
		_exit(1);
	(void)close(say);
	if (up)
		carry(&t);
	_exit(up ? 0 : 1);
}

static int
wait_up(int fd, struct err *e)
{
	struct err told;
	ssize_t n;

	do
		n = read(fd, &told, sizeof(told));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(told))
		return err_set(e, ERR_INTERNAL, "the tunnel ended");
	if (told.code == ERR_NONE)
		return 0;
	*e = told;
	return -1;
}

int
edge_tunnel_open(const char *gateway, const char *url, const char *token,
    int *fd, struct err *e)
{
	int pair[2] = { -1, -1 }, say[2] = { -1, -1 };
	pid_t pid = -1;
	int rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 &&
	    pipe2(say, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		(void)close(say[0]);
		run(url, token, pair[1], say[1]);
	}
	if (pid < 0)
		rc = err_sys(e, "start the tunnel");
	fd_close(&pair[1]);
	fd_close(&say[1]);
	if (pid > 0) {
		rc = wait_up(say[0], e);
		if (rc < 0 && e->code == ERR_DENIED)
			rc = err_wrap(e,
			    "gateway '%.100s' wants a new login: openshell "
			    "gateway login %.100s",
			    gateway, gateway);
	}
	fd_close(&say[0]);
	if (rc == 0)
		*fd = pair[0];
	else
		fd_close(&pair[0]);
	return rc;
}
