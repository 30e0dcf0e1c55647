/*
 * How calls end that a peer would rather keep: a client made of nghttp2 alone,
 * which sends what it likes and reads only as far as its window says.
 */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "openshell.pb-c.h"
#include "place.h"
#include "test.h"

typedef Openshell__V1__ExecSandboxStdout blob;

enum { BIG = 300000, STREAMS = 8 };

static struct world {
	struct place place;
	unsigned started, closed;
	struct rpc_call *call; /* the last one that began */
	enum rpc_code why;
	bool drained;
	/* the peer */
	int fd;
	nghttp2_session *h2;
	bool eof, goaway;
	int32_t goaway_last;
	struct {
		char status[16], message[128];
		bool closed;
		uint32_t error;
	} streams[STREAMS]; /* by id / 2 */
} w;

/* --- the server ---------------------------------------------------------- */

static void
start(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	w.started++;
	w.call = c;
}

static void
start_flood(struct rpc_call *c, const ProtobufCMessage *m)
{
	blob b = OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;
	AUTO_FREE uint8_t *p = mem_calloc(1, BIG);

	start(c, m);
	b.data = (ProtobufCBinaryData) { BIG, p };
	rpc_send(c, &b.base);
}

static void
on_drained(void *ctx UNUSED)
{
	w.drained = true;
}

static void
free_server(void *ctx UNUSED)
{
	rpc_server_free(take_ptr(w.place.server));
}

static void
ignore(struct rpc_call *c UNUSED, const ProtobufCMessage *m UNUSED)
{
}

static void
start_drain(struct rpc_call *c, const ProtobufCMessage *m)
{
	start(c, m);
	rpc_server_drain(w.place.server, 5000, on_drained, NULL);
}

static void
on_call_closed(struct rpc_call *c UNUSED, enum rpc_code why)
{
	w.closed++;
	w.why = why;
}

#define IN openshell__v1__health_request__descriptor
#define BLOB openshell__v1__exec_sandbox_stdout__descriptor
static const struct rpc_method methods[] = {
	{ .path = "/t.T/Wait",
	    .in = &IN,
	    .out = &BLOB,
	    .max_request = 1000,
	    .start = start,
	    .closed = on_call_closed },
	{ .path = "/t.T/Flood",
	    .in = &IN,
	    .out = &BLOB,
	    .max_request = 1000,
	    .start = start_flood,
	    .closed = on_call_closed },
	{ .path = "/t.T/Drain", /* begins at the head */
	    .in = &IN,
	    .out = &BLOB,
	    .in_stream = true,
	    .max_request = 1000,
	    .start = start_drain,
	    .message = ignore,
	    .closed = on_call_closed },
};

/* --- the peer ------------------------------------------------------------ */

static int
on_header(nghttp2_session *h2 UNUSED, const nghttp2_frame *f,
    const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n,
    uint8_t flags UNUSED, void *user UNUSED)
{
	struct view k = { (const char *)name, name_n };
	size_t i = (size_t)f->hd.stream_id / 2;

	CHECK_INT(i, <, STREAMS);
	if (view_eq(k, VIEW("grpc-status")))
		(void)snprintf(w.streams[i].status, sizeof(w.streams[i].status),
		    "%.*s", (int)value_n, (const char *)value);
	if (view_eq(k, VIEW("grpc-message")))
		(void)snprintf(w.streams[i].message,
		    sizeof(w.streams[i].message), "%.*s", (int)value_n,
		    (const char *)value);
	return 0;
}

static int
on_frame(nghttp2_session *h2 UNUSED, const nghttp2_frame *f, void *user UNUSED)
{
	if (f->hd.type == NGHTTP2_GOAWAY) {
		w.goaway = true;
		w.goaway_last = f->goaway.last_stream_id;
	}
	return 0;
}

static int
on_close(
    nghttp2_session *h2 UNUSED, int32_t id, uint32_t error, void *user UNUSED)
{
	w.streams[id / 2].closed = true;
	w.streams[id / 2].error = error;
	return 0;
}

/* What the peer has to say, and one turn of the loop. */
static void
turn(void)
{
	char in[65536];
	const uint8_t *p;
	struct err e;
	ssize_t n;

	while (!w.eof && (n = nghttp2_session_mem_send(w.h2, &p)) > 0)
		if (fd_write_all(w.fd, (const char *)p, (size_t)n, &e) < 0)
			w.eof = true;
	(void)uv_run(&w.place.loop, UV_RUN_NOWAIT);
	n = recv(w.fd, in, sizeof(in), MSG_DONTWAIT);
	if (n == 0)
		w.eof = true;
	else if (n > 0)
		CHECK_INT(
		    nghttp2_session_mem_recv(w.h2, (uint8_t *)in, (size_t)n),
		    ==, n);
	else
		(void)usleep(100);
}

#define TURN_UNTIL(cond) \
	do { \
		for (unsigned i_ = 0; i_ < 50000 && !(cond); i_++) \
			turn(); \
		CHECK(cond); \
	} while (0)

static ssize_t
on_body(nghttp2_session *h2 UNUSED, int32_t id UNUSED, uint8_t *to,
    size_t max UNUSED, uint32_t *flags, nghttp2_data_source *src UNUSED,
    void *user UNUSED)
{
	/* one empty message */
	memset(to, 0, 5);
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return 5;
}

#define NV(k, v) \
	{ \
		(uint8_t *)(uintptr_t)(k), (uint8_t *)(uintptr_t)(v), \
		    strlen(k), strlen(v), NGHTTP2_NV_FLAG_NONE \
	}

/* The index of its stream. */
static size_t
call(const char *path, const char *timeout)
{
	const nghttp2_nv nv[] = { NV(":method", "POST"), NV(":scheme", "http"),
		NV(":path", path), NV(":authority", "x"),
		NV("content-type", "application/grpc"),
		NV("grpc-timeout", timeout != NULL ? timeout : "") };
	nghttp2_data_provider body = { .read_callback = on_body };
	int32_t id = nghttp2_submit_request(
	    w.h2, NULL, nv, ARRAY_LEN(nv) - (timeout == NULL), &body, NULL);

	CHECK_INT(id, >, 0);
	return (size_t)id / 2;
}

static void
open_peer(uint32_t window)
{
	const nghttp2_settings_entry iv[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
	};
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	nghttp2_session_callbacks *cb;
	nghttp2_option *o;

	w.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", w.place.path);
	CHECK_INT(connect(w.fd, (void *)&a, sizeof(a)), ==, 0);
	CHECK_INT(nghttp2_session_callbacks_new(&cb), ==, 0);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	CHECK_INT(nghttp2_option_new(&o), ==, 0);
	nghttp2_option_set_no_auto_window_update(o, 1);
	CHECK_INT(nghttp2_session_client_new2(&w.h2, cb, NULL, o), ==, 0);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(cb);
	CHECK_INT(
	    nghttp2_submit_settings(w.h2, NGHTTP2_FLAG_NONE, iv, 1), ==, 0);
}

static void
open_world(uint32_t window)
{
	const struct rpc_server_hooks hooks = { .ctx = NULL };

	w = (struct world) { .fd = -1 };
	place_open(&w.place, methods, ARRAY_LEN(methods), &hooks);
	open_peer(window);
}

static void
close_world(void)
{
	nghttp2_session_del(w.h2);
	fd_close(&w.fd);
	place_close(&w.place);
}

/* --- deadlines ----------------------------------------------------------- */

TEST(rpc_end, refuses_a_timeout_that_is_none)
{
	static const char *const bad[] = { "", "S", "1", "soon", "-1S",
		"100000000m" };

	open_world(65535);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t s = call("/t.T/Wait", bad[i]);

		TURN_UNTIL(w.streams[s].closed);
		CHECK_STR(w.streams[s].status, "13");
		CHECK_STR(w.streams[s].message, "malformed grpc-timeout");
	}
	CHECK_INT(w.started, ==, 0);
	close_world();
}

/* Answers that the peer has no window for stand before the status. */
TEST(rpc_end, resets_a_call_past_its_deadline_whose_answers_are_not_read)
{
	size_t s;

	open_world(1000);
	s = call("/t.T/Flood", "50m");
	TURN_UNTIL(w.streams[s].closed);
	CHECK_INT(w.streams[s].error, ==, NGHTTP2_CANCEL);
	TURN_UNTIL(w.closed == 1);
	CHECK_INT(w.why, ==, RPC_DEADLINE_EXCEEDED);
	close_world();
}

/* --- drain --------------------------------------------------------------- */

TEST(rpc_end, refuses_new_calls_while_it_drains_and_ends_the_old_ones)
{
	size_t old, late;

	open_world(65535);
	old = call("/t.T/Wait", NULL);
	TURN_UNTIL(w.started == 1);
	rpc_server_drain(w.place.server, 5000, on_drained, NULL);
	/* Sent before the peer can know. */
	late = call("/t.T/Wait", NULL);
	TURN_UNTIL(w.streams[late].closed);
	CHECK_INT(w.streams[late].error, ==, NGHTTP2_REFUSED_STREAM);
	CHECK(w.goaway);
	CHECK_INT(w.goaway_last, ==, 1);
	CHECK_INT(w.started, ==, 1);
	CHECK(!w.drained);
	rpc_finish(w.call, RPC_OK, NULL);
	TURN_UNTIL(w.drained && w.eof);
	CHECK_STR(w.streams[old].status, "0");
	close_world();
}

/* Both calls are there before GOAWAY could leave. */
TEST(rpc_end, refuses_a_call_that_came_with_the_one_that_drains)
{
	size_t first, second;

	open_world(65535);
	first = call("/t.T/Drain", NULL);
	second = call("/t.T/Wait", NULL);
	TURN_UNTIL(w.streams[second].closed);
	CHECK_INT(w.streams[second].error, ==, NGHTTP2_REFUSED_STREAM);
	CHECK_INT(w.started, ==, 1);
	rpc_finish(w.call, RPC_NOT_FOUND, NULL);
	TURN_UNTIL(w.drained && w.eof);
	CHECK_STR(w.streams[first].status, "5");
	close_world();
}

TEST(rpc_end, ends_open_calls_with_unavailable_when_draining_took_too_long)
{
	size_t s;

	open_world(65535);
	s = call("/t.T/Wait", NULL);
	TURN_UNTIL(w.started == 1);
	rpc_server_drain(w.place.server, 50, on_drained, NULL);
	TURN_UNTIL(w.drained && w.eof);
	CHECK_STR(w.streams[s].status, "14");
	CHECK_INT(w.closed, ==, 1);
	close_world();
}

TEST(rpc_end, drains_although_a_peer_reads_nothing)
{
	size_t s;

	open_world(1000);
	s = call("/t.T/Flood", NULL);
	TURN_UNTIL(w.started == 1);
	rpc_server_drain(w.place.server, 50, on_drained, NULL);
	TURN_UNTIL(w.drained && w.eof);
	CHECK_STR(w.streams[s].status, "");
	CHECK_INT(w.closed, ==, 1);
	close_world();
}

/* One that has said nothing, one whose calls are over. */
TEST(rpc_end, closes_idle_connections_when_it_drains)
{
	AUTO_CLOSE int silent =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct rpc_server_stats stats;
	size_t s;
	char c;

	open_world(65535);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", w.place.path);
	CHECK_INT(connect(silent, (void *)&a, sizeof(a)), ==, 0);
	s = call("/t.T/Wait", NULL);
	TURN_UNTIL(w.started == 1);
	rpc_finish(w.call, RPC_OK, NULL);
	TURN_UNTIL(w.streams[s].closed);
	rpc_server_drain(w.place.server, 5000, on_drained, NULL);
	TURN_UNTIL(w.drained && w.eof);
	CHECK_INT(read(silent, &c, 1), ==, 0);
	rpc_server_stats(w.place.server, &stats);
	CHECK_INT(stats.open_connections, ==, 0);
	close_world();
}

TEST(rpc_end, may_go_as_soon_as_it_has_drained)
{
	open_world(65535);
	(void)call("/t.T/Wait", NULL);
	TURN_UNTIL(w.started == 1);
	rpc_server_drain(w.place.server, 50, free_server, NULL);
	TURN_UNTIL(w.place.server == NULL && w.eof);
	CHECK_STR(w.streams[0].status, "14");
	close_world();
}
