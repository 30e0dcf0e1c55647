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
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/random.h"
#include "cli/edge.h"
#include "http/h1.h"
#include "inspect/ws.h"
#include "net/dial_name.h"
#include "tls/stream.h"

enum {
	CONNECT_MS = 10000,
	CHUNK = 32768,
	QUEUE_MAX = 1 << 20,
	FULL = 128 << 10 /* no more is read from the other side */
};

struct tunnel {
	const char *token;
	char *host, *authority;
	uint16_t port;
	int local; /* the rpc client's */
	struct stream *edge;
	struct trust *trust;
	struct tls_client *tls;
	struct buf from_edge; /* not understood yet */
	struct buf to_edge, to_local;
	struct ws_frame frame; /* whose payload is under way */
	uint64_t left; /* of it */
	bool in_frame, in_message;
	struct buf control; /* payload of a control frame */
	bool over; /* a close frame came or went */
};

/* --- the edge ------------------------------------------------------------ */

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

static int
open_roots(struct err *e)
{
	const char *file = getenv("SSL_CERT_FILE");
	int fd = -1;

	if (file != NULL && *file != '\0') {
		fd = open(file, O_RDONLY | O_CLOEXEC);
		return fd >= 0 ? fd : err_sys(e, "SSL_CERT_FILE %.200s", file);
	}
	for (size_t i = 0; fd < 0 && i < ARRAY_LEN(bundles); i++)
		fd = open(bundles[i], O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd
		       : err_set(e, ERR_NOT_FOUND,
			     "no trusted roots are installed: install "
			     "ca-certificates, or set SSL_CERT_FILE");
}

/* "https://host[:port]/..." */
static int
split(struct tunnel *t, const char *url, struct err *e)
{
	static const char scheme[] = "https://";
	struct view rest, host, port = { 0 };
	uint64_t n = 443;

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return err_set(e, ERR_INVALID, "%.200s is not https", url);
	host =
	    view_cut(view_slice(view_of(url), sizeof(scheme) - 1, strlen(url)),
		'/', &rest);
	t->authority = view_dup(host);
	if (host.n > 0 && host.p[0] == '[') {
		host = view_cut(view_slice(host, 1, host.n), ']', &port);
		if (port.n > 0 && port.p[0] == ':')
			port = view_slice(port, 1, port.n);
	} else
		host = view_cut(host, ':', &port);
	if (host.n == 0 || host.n > STREAM_HOST_MAX ||
	    (port.n > 0 && (!view_u64(port, 65535, &n) || n == 0)))
		return err_set(
		    e, ERR_INVALID, "%.200s: gateway URL missing host", url);
	t->host = view_dup(host);
	t->port = (uint16_t)n;
	return 0;
}

struct dialled {
	bool done;
	int fd;
	struct err why;
};

static void
on_dialled(void *arg, int fd, const struct addr *to UNUSED, const struct err *e)
{
	struct dialled *d = arg;

	d->done = true;
	d->fd = fd;
	if (e != NULL)
		d->why = *e;
}

static int
dial(struct tunnel *t, struct err *e)
{
	struct dialled d = { .fd = -1 };
	struct dial_name *under_way;
	uv_loop_t loop;

	if (uv_loop_init(&loop) < 0)
		return err_set(e, ERR_INTERNAL, "no event loop");
	under_way = dial_name_start(&loop, t->host, t->port, on_dialled, &d);
	while (!d.done && uv_run(&loop, UV_RUN_ONCE) != 0)
		continue;
	if (!d.done)
		dial_name_cancel(under_way);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop);
	if (d.fd >= 0)
		return d.fd;
	*e = d.why;
	return err_wrap(e, "connect to %.200s", t->authority);
}

static int
wait_edge(const struct tunnel *t, uint64_t end, struct err *e)
{
	unsigned w = stream_wants(t->edge);
	struct pollfd p = { stream_fd(t->edge),
		(short)((w & STREAM_READ ? POLLIN : 0) |
			(w & STREAM_WRITE ? POLLOUT : 0)),
		0 };
	uint64_t now = clock_mono_ms();

	if (now >= end || poll(&p, 1, (int)(end - now)) == 0)
		return err_set(e, ERR_AGAIN, "%.200s did not answer in time",
		    t->authority);
	return 0;
}

static int
secure(struct tunnel *t, uint64_t end, struct err *e)
{
	int roots = open_roots(e);
	int fd;

	if (roots < 0)
		return -1;
	t->trust = trust_new_fd(roots);
	if (tls_client_new(t->trust, &t->tls, e) < 0 || (fd = dial(t, e)) < 0)
		return -1;
	t->edge = stream_new(fd);
	if (stream_connect(t->edge, t->tls, view_of(t->host), t->port, e) < 0)
		return -1;
	while (stream_handshake(t->edge, e) < 0) {
		if (e->code == ERR_AGAIN && wait_edge(t, end, e) == 0)
			continue;
		/* ERR_DENIED is for a token that is not taken. */
		e->code = ERR_IO;
		return err_wrap(e, "TLS with %.200s", t->authority);
	}
	return 0;
}

/* --- the handshake, RFC 6455 section 4 ----------------------------------- */

static void
put_request(struct tunnel *t, const char *key)
{
	struct buf *b = &t->to_edge;

	buf_printf(b,
	    "GET /_ws_tunnel HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: %s\r\n",
	    t->authority, key);
	buf_printf(b,
	    "Cf-Access-Token: %s\r\nCf-Access-Jwt-Assertion: %s\r\n"
	    "Cookie: CF_Authorization=%s\r\n\r\n",
	    t->token, t->token, t->token);
}

static int
flush_edge(struct tunnel *t, struct err *e)
{
	while (t->to_edge.n > 0) {
		ssize_t n = stream_write(t->edge, buf_view(&t->to_edge), e);

		if (n < 0)
			return -1;
		buf_drop(&t->to_edge, (size_t)n);
	}
	return 0;
}

static int
check_answer(
    const struct tunnel *t, struct view head, const char *key, struct err *e)
{
	const struct h1_field *f;
	char accept[WS_ACCEPT_SIZE];
	struct h1_head h;

	if (h1_parse_response(head, VIEW("GET"), &h, e) < 0)
		return err_wrap(e, "answer of %.200s", t->authority);
	if (h.status != 101)
		return err_set(e, ERR_DENIED,
		    "%.200s answered HTTP %u: it does not take the token",
		    t->authority, h.status);
	ws_accept(view_of(key), accept);
	f = h1_find(&h, VIEW("sec-websocket-accept"));
	if (f == NULL || !view_eq(f->value, view_of(accept)) ||
	    !h1_list_has(&h, VIEW("upgrade"), VIEW("websocket")) ||
	    h1_find(&h, VIEW("sec-websocket-extensions")) != NULL)
		return err_set(e, ERR_PROTO,
		    "%.200s does not speak WebSocket as asked", t->authority);
	return 0;
}

static int
upgrade(struct tunnel *t, uint64_t end, struct err *e)
{
	unsigned char nonce[16];
	char key[25], bytes[4096];
	size_t scanned = 0;
	ssize_t n = 0, got;

	random_bytes(nonce, sizeof(nonce));
	(void)EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
	put_request(t, key);
	while (flush_edge(t, e) < 0)
		if (e->code != ERR_AGAIN || wait_edge(t, end, e) < 0)
			return -1;
	while (n == 0) {
		got = stream_read(t->edge, bytes, sizeof(bytes), e);
		if (got == 0)
			return err_set(
			    e, ERR_IO, "%.200s hung up", t->authority);
		if (got < 0) {
			if (e->code != ERR_AGAIN || wait_edge(t, end, e) < 0)
				return -1;
			continue;
		}
		buf_put(&t->from_edge, (struct view) { bytes, (size_t)got });
		n = h1_head_end(
		    buf_view(&t->from_edge), H1_RESPONSE_HEAD_MAX, &scanned, e);
	}
	if (n < 0 ||
	    check_answer(t, view_slice(buf_view(&t->from_edge), 0, (size_t)n),
		key, e) < 0)
		return -1;
	buf_drop(&t->from_edge, (size_t)n);
	return 0;
}

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
	return flush_edge(t, e) < 0 && e->code != ERR_AGAIN ? -1 : 0;
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
	if (flush_edge(t, &e) == 0 && stream_shutdown(t->edge, &e) < 0)
		return;
}

/* --- the process --------------------------------------------------------- */

static int
begin(struct tunnel *t, const char *url, struct err *e)
{
	uint64_t end = clock_mono_ms() + CONNECT_MS;

	t->from_edge = BUF_INIT(QUEUE_MAX);
	t->to_edge = BUF_INIT(QUEUE_MAX);
	t->to_local = BUF_INIT(QUEUE_MAX);
	t->control = BUF_INIT(WS_CONTROL_MAX);
	if (split(t, url, e) < 0 || secure(t, end, e) < 0)
		return -1;
	return upgrade(t, end, e);
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
