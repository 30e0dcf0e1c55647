/*
 * h2_server: any bytes on a connection of the gRPC server, with HPACK and
 * frames as nghttp2 hands them on.  No handler runs for which `allow` was not
 * asked; when the client goes, its connection and calls go too.
 *
 * One server serves all inputs; each is a connection of its own through a real
 * Unix socket.
 */
#include <assert.h>
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

enum { ROUNDS = 2000, INPUT_MAX = 65536 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			      "\0\0\0\4\0\0\0\0";

static struct {
	uv_loop_t loop;
	struct rpc_server *server;
	char dir[32], path[64];
	unsigned allowed, started, live;
} w;

static void
start(struct rpc_call *c, const ProtobufCMessage *m)
{
	w.started++;
	w.live++;
	assert(w.started <= w.allowed);
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

static const struct rpc_method methods[] = {
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
	    .out_stream = true,
	    .max_request = 1000,
	    .start = start,
	    .message = echo,
	    .half_closed = half_closed,
	    .closed = closed },
};

static enum rpc_code
allow(void *ctx, const struct rpc_method *m, const char *path,
    const struct rpc_peer *peer, struct buf *text)
{
	(void)ctx;
	(void)path;
	(void)peer;
	if (m == NULL) {
		buf_puts(text, "no");
		return RPC_PERMISSION_DENIED;
	}
	w.allowed++;
	return RPC_OK;
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
	const struct rpc_server_hooks hooks = { .allow = allow };
	struct err e;
	int fd;

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
	fd = dial();
	/* Most inputs are what follows the preface; some replace it. */
	if (n == 0 || p[0] != 0xff)
		(void)!write(fd, preface, sizeof(preface));
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
