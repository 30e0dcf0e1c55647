/*
 * h2_server: any bytes on a connection of the gRPC server, with HPACK and
 * frames as nghttp2 hands them on.  No handler runs for a path for which
 * `allow` was not asked on this very connection; when the client goes, its
 * connection and calls go too.
 *
 * One server serves all inputs; each is a connection of its own through a real
 * Unix socket.  An input that begins with 0xff is sent without that byte and
 * without the preface: as HTTP/1.1, or as a preface of its own.
 */
#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "openshell.pb-c.h"
#include "rpc/rpc.h"

enum { ROUNDS = 2000, INPUT_MAX = 65536, METHODS = 2 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			      "\0\0\0\4\0\0\0\0";

static struct {
	uv_loop_t loop;
	struct rpc_server *server;
	char dir[32], path[64];
	/* Of this input; a row of `methods` each. */
	unsigned allowed[METHODS], started[METHODS];
	unsigned live, http;
	bool is_h2;
} w;

static size_t row_of(const struct rpc_method *m);

static void
start(struct rpc_call *c, const ProtobufCMessage *m)
{
	size_t row = row_of(rpc_call_method(c));

	w.started[row]++;
	w.live++;
	assert(w.started[row] <= w.allowed[row]);
	if (m != NULL)
		rpc_answer(c, m);
}

static void
echo(struct rpc_call *c, const ProtobufCMessage *m)
{
	rpc_send(c, m);
}

static void
half_closed(struct rpc_call *c)
{
	rpc_finish(c, RPC_OK, NULL);
}

static void
closed(struct rpc_call *c, enum rpc_code why)
{
	(void)c;
	(void)why;
	assert(w.live > 0);
	w.live--;
}

static const struct rpc_method methods[METHODS] = {
	{ .path = "/a/U",
	    .in = &openshell__v1__exec_sandbox_stdout__descriptor,
	    .out = &openshell__v1__exec_sandbox_stdout__descriptor,
	    .max_request = 1000,
	    .start = start,
	    .closed = closed },
	{ .path = "/a/B",
	    .in = &openshell__v1__exec_sandbox_stdout__descriptor,
	    .out = &openshell__v1__exec_sandbox_stdout__descriptor,
	    .in_stream = true,
	    .max_request = 1000,
	    .start = start,
	    .message = echo,
	    .half_closed = half_closed,
	    .closed = closed },
};

static size_t
row_of(const struct rpc_method *m)
{
	assert(m >= methods && m < methods + METHODS);
	return (size_t)(m - methods);
}

static enum rpc_code
allow(void *ctx, const struct rpc_method *m, const char *path,
    const struct rpc_peer *peer, struct buf *text)
{
	(void)ctx;
	assert(peer->transport == RPC_UNIX && peer->uid == getuid());
	if (m == NULL) {
		for (size_t i = 0; i < METHODS; i++)
			assert(strcmp(path, methods[i].path) != 0);
		buf_puts(text, "no");
		return RPC_PERMISSION_DENIED;
	}
	assert(strcmp(path, m->path) == 0);
	w.allowed[row_of(m)]++;
	return RPC_OK;
}

static void
http(void *ctx, struct view method, struct view target, unsigned *status,
    const char **type, struct buf *body)
{
	(void)ctx;
	assert(method.n > 0 && target.n > 0);
	/* HTTP/1.1: one request a connection, and then it is over. */
	assert(++w.http == 1 || w.is_h2);
	*status = 200;
	*type = "text/plain";
	buf_put(body, target);
}

static void
remove_files(void)
{
	(void)unlink(w.path);
	(void)rmdir(w.dir);
}

static void
begin(void)
{
	const struct rpc_server_hooks hooks = { .allow = allow, .http = http };
	struct err e;
	int fd;

	/* As the programs do: either side may write to one that is gone. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/fuzz-h2-XXXXXX");
	assert(uv_loop_init(&w.loop) == 0 && mkdtemp(w.dir) != NULL);
	(void)snprintf(w.path, sizeof(w.path), "%s/s", w.dir);
	assert(atexit(remove_files) == 0);
	assert(rpc_unix_listen(w.path, &fd, &e) == 0);
	assert(rpc_server_new(&w.loop, methods, ARRAY_LEN(methods), &hooks,
		   &w.server, &e) == 0);
	assert(rpc_server_listen(w.server, fd, RPC_UNIX, NULL, &e) == 0);
}

static int
dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", w.path);
	assert(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

static void
turn(int fd)
{
	char sink[4096];

	(void)uv_run(&w.loop, UV_RUN_NOWAIT);
	while (fd >= 0 && read(fd, sink, sizeof(sink)) > 0)
		continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct rpc_server_stats stats;
	size_t at = 0;
	int fd;

	if (n > INPUT_MAX)
		return 0;
	if (w.server == NULL)
		begin();
	memset(w.allowed, 0, sizeof(w.allowed));
	memset(w.started, 0, sizeof(w.started));
	w.http = 0;
	w.is_h2 = n == 0 || p[0] != 0xff || (n > 1 && p[1] == 'P');
	fd = dial();
	if (n == 0 || p[0] != 0xff)
		(void)!write(fd, preface, sizeof(preface));
	else
		at = 1;
	for (unsigned i = 0; i < 64 && at < n; i++) {
		ssize_t put = write(fd, p + at, n - at);

		if (put > 0)
			at += (size_t)put;
		turn(fd);
	}
	for (unsigned i = 0; i < 8; i++)
		turn(fd);
	(void)close(fd);
	for (unsigned i = 0; i < ROUNDS; i++) {
		turn(-1);
		rpc_server_stats(w.server, &stats);
		if (stats.open_connections == 0)
			break;
	}
	assert(stats.open_connections == 0 && stats.open_calls == 0);
	assert(w.live == 0);
	return 0;
}
