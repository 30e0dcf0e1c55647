/* Server and client in one loop, over a Unix socket: no byte of it is faked. */
#include "rpc/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "openshell.pb-c.h"
#include "place.h"
#include "test.h"

typedef Openshell__V1__HealthRequest health_request;
typedef Openshell__V1__HealthResponse health_response;
typedef Openshell__V1__ExecSandboxStdout blob;

enum { BIG = 300000 };

static struct world {
	struct place place;
	struct rpc_client *client;
	struct rpc_call *held;
	unsigned started, messages, halves, closed, drained;
	enum rpc_code closed_why;
	char seen[256];
	bool lost;
	struct err lost_why;
} w;

/* --- methods: health answers, echo answers each, flood sends, hold waits ---
 */

static void
start_health(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	health_response r = OPENSHELL__V1__HEALTH_RESPONSE__INIT;

	w.started++;
	r.version = (char[]) { "v" };
	rpc_answer(c, &r.base);
}

static void
start_nothing(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	w.started++;
	w.held = c;
}

static void
echo(struct rpc_call *c, const ProtobufCMessage *m)
{
	w.messages++;
	rpc_send(c, m);
}

static void
end_ok(struct rpc_call *c)
{
	w.halves++;
	rpc_finish(c, RPC_OK, NULL);
}

static void
count(struct rpc_call *c UNUSED, const ProtobufCMessage *m UNUSED)
{
	w.messages++;
}

static void
start_flood(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	blob b = OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;
	AUTO_FREE uint8_t *p = mem_calloc(1, BIG);

	b.data = (ProtobufCBinaryData) { BIG, p };
	for (unsigned i = 0; i < 4; i++)
		rpc_send(c, &b.base);
	rpc_finish(c, RPC_FAILED_PRECONDITION, "größer: %s", "100%\n");
}

static void
on_drained(struct rpc_call *c UNUSED)
{
	w.drained++;
}

static void
on_call_closed(struct rpc_call *c UNUSED, enum rpc_code why)
{
	w.closed++;
	w.closed_why = why;
}

#define IN openshell__v1__health_request__descriptor
#define BLOB openshell__v1__exec_sandbox_stdout__descriptor
static const struct rpc_method methods[] = {
	{ .path = "/t.T/Health",
	    .in = &IN,
	    .out = &openshell__v1__health_response__descriptor,
	    .max_request = 1000,
	    .start = start_health,
	    .closed = on_call_closed },
	{ .path = "/t.T/Echo",
	    .in = &BLOB,
	    .out = &BLOB,
	    .in_stream = true,
	    .max_request = 1 << 20,
	    .start = start_nothing,
	    .message = echo,
	    .half_closed = end_ok,
	    .drained = on_drained,
	    .closed = on_call_closed },
	{ .path = "/t.T/Sink",
	    .in = &BLOB,
	    .out = &BLOB,
	    .in_stream = true,
	    .max_request = 1 << 20,
	    .start = start_nothing,
	    .message = count,
	    .half_closed = end_ok,
	    .closed = on_call_closed },
	{ .path = "/t.T/Flood",
	    .in = &IN,
	    .out = &BLOB,
	    .max_request = 1000,
	    .start = start_flood,
	    .closed = on_call_closed },
	{ .path = "/t.T/Slow",
	    .in = &IN,
	    .out = &BLOB,
	    .max_request = 1000,
	    .deadline_ms = 30000,
	    .start = start_nothing,
	    .closed = on_call_closed },
	{ .path = "/t.T/Struct",
	    .in = &openshell__v1__create_sandbox_request__descriptor,
	    .out = &BLOB,
	    .max_request = 1 << 20,
	    .start = start_health,
	    .closed = on_call_closed },
};

static enum rpc_code
allow(void *ctx UNUSED, const struct rpc_method *m UNUSED,
    const char *path UNUSED, const struct rpc_peer *peer, struct buf *text)
{
	if (peer->bearer.n > 0 && !view_eq(peer->bearer, VIEW("good"))) {
		buf_puts(text, "who are you?");
		return RPC_UNAUTHENTICATED;
	}
	CHECK_INT(peer->uid, ==, getuid());
	CHECK(peer->beside);
	return RPC_OK;
}

static void
http(void *ctx UNUSED, struct view method UNUSED, struct view target,
    unsigned *status, const char **type, struct buf *body)
{
	*status = view_eq(target, VIEW("/healthz")) ? 200 : 404;
	*type = "text/plain";
	buf_puts(body, "hello");
}

static void
on_lost(void *ctx UNUSED, const struct err *e)
{
	w.lost = true;
	w.lost_why = *e;
}

static void
open_client(const char *bearer)
{
	const struct rpc_client_hooks hooks = { .lost = on_lost };
	AUTO_FREE char *url = mem_printf("unix:%s", w.place.path);
	struct rpc_target t = { .url = url, .bearer = bearer };
	struct err e;

	CHECK_INT(
	    rpc_client_new(&w.place.loop, &t, &hooks, &w.client, &e), ==, 0);
}

static void
open_world(const char *bearer)
{
	const struct rpc_server_hooks hooks = { .allow = allow, .http = http };

	w = (struct world) { .started = 0 };
	place_open(&w.place, methods, ARRAY_LEN(methods), &hooks);
	open_client(bearer);
}

static void
close_world(void)
{
	rpc_client_free(w.client);
	place_close(&w.place);
}

static int
ask(const char *path, const ProtobufCMessage *m, enum rpc_code *code,
    struct err *e)
{
	ProtobufCMessage *answer = NULL;
	int rc = rpc_unary(w.client, path, m,
	    &openshell__v1__health_response__descriptor, &answer, 5000, code,
	    e);

	if (answer != NULL)
		protobuf_c_message_free_unpacked(answer, NULL);
	return rc;
}

/* --- one call of the test's own --- */

struct stream {
	unsigned messages;
	size_t bytes;
	bool closed;
	enum rpc_code code;
	char text[256];
};

static void
got_message(void *ctx, const ProtobufCMessage *m)
{
	struct stream *s = ctx;

	s->messages++;
	s->bytes += ((const blob *)(const void *)m)->data.len;
}

static void
got_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct stream *s = ctx;

	s->closed = true;
	s->code = code;
	(void)snprintf(s->text, sizeof(s->text), "%s", text);
}

static struct rpc_out *
open_stream(struct stream *s, const char *path, unsigned ms)
{
	const struct rpc_out_hooks hooks = {
		.message = got_message, .closed = got_closed, .ctx = s
	};

	*s = (struct stream) { .messages = 0 };
	return rpc_out_new(w.client, path, &BLOB, &hooks, ms);
}

static void
send_blob(struct rpc_out *o, size_t n)
{
	blob b = OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;
	AUTO_FREE uint8_t *p = mem_calloc(1, n + 1);

	b.data = (ProtobufCBinaryData) { n, p };
	rpc_out_send(o, &b.base);
}

#define RUN_UNTIL(cond) \
	do { \
		for (unsigned i_ = 0; i_ < 100000 && !(cond); i_++) \
			(void)uv_run(&w.place.loop, UV_RUN_ONCE); \
		CHECK(cond); \
	} while (0)

TEST(rpc, answers_unary_calls)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	enum rpc_code code;
	struct err e;

	open_world("good");
	for (unsigned i = 0; i < 300; i++)
		CHECK_INT(ask("/t.T/Health", &m.base, &code, &e), ==, 0);
	CHECK_INT(w.started, ==, 300);
	CHECK_INT(w.closed_why, ==, RPC_OK);
	CHECK_INT(ask("/t.T/None", &m.base, &code, &e), ==, -1);
	CHECK_INT(code, ==, RPC_UNIMPLEMENTED);
	CHECK_HAS(e.text, "/t.T/None");
	close_world();
}

TEST(rpc, asks_who_calls_before_a_handler_runs)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	enum rpc_code code;
	struct err e;

	open_world("bad");
	CHECK_INT(ask("/t.T/Health", &m.base, &code, &e), ==, -1);
	CHECK_INT(code, ==, RPC_UNAUTHENTICATED);
	CHECK_STR(e.text, "who are you? (UNAUTHENTICATED)");
	CHECK_INT(w.started, ==, 0);
	close_world();
}

TEST(rpc, streams_both_ways)
{
	struct stream s;
	struct rpc_out *o;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Echo", 0);
	for (unsigned i = 0; i < 50; i++)
		send_blob(o, i * 20000);
	rpc_out_end(o);
	RUN_UNTIL(s.closed);
	CHECK_STR(s.text, "");
	CHECK_INT(s.code, ==, RPC_OK);
	CHECK_INT(s.messages, ==, 50);
	CHECK_INT(s.bytes, ==, 49 * 50 / 2 * 20000);
	CHECK_INT(w.halves, ==, 1);
	RUN_UNTIL(w.closed == 1);
	close_world();
}

TEST(rpc, gives_status_texts_back_as_they_were)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct stream s;
	struct rpc_out *o;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Flood", 0);
	rpc_out_send(o, &m.base);
	rpc_out_end(o);
	RUN_UNTIL(s.closed);
	CHECK_INT(s.messages, ==, 4);
	CHECK_INT(s.code, ==, RPC_FAILED_PRECONDITION);
	CHECK_STR(s.text, "größer: 100%\n");
	close_world();
}

/* What a held handler does not take, the sender keeps. */
TEST(rpc, stops_a_sender_whose_reader_is_held)
{
	struct stream s;
	struct rpc_out *o;
	size_t queued;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Sink", 0);
	RUN_UNTIL(w.held != NULL);
	rpc_hold(w.held);
	for (unsigned i = 0; i < 20; i++)
		send_blob(o, 100000);
	for (unsigned i = 0; i < 2000; i++)
		(void)uv_run(&w.place.loop, UV_RUN_NOWAIT);
	queued = rpc_out_queued(o);
	CHECK_INT(queued, >, 1500000);
	CHECK_INT(w.messages, ==, 0);
	rpc_resume(w.held);
	rpc_out_end(o);
	RUN_UNTIL(s.closed);
	CHECK_INT(w.messages, ==, 20);
	CHECK_INT(s.code, ==, RPC_OK);
	close_world();
}

TEST(rpc, keeps_answers_that_their_owner_holds)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct stream s;
	struct rpc_out *o;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Flood", 0);
	rpc_out_hold(o);
	rpc_out_send(o, &m.base);
	rpc_out_end(o);
	for (unsigned i = 0; i < 2000; i++)
		(void)uv_run(&w.place.loop, UV_RUN_NOWAIT);
	CHECK_INT(s.messages, ==, 0);
	CHECK(!s.closed);
	rpc_out_resume(o);
	RUN_UNTIL(s.closed);
	CHECK_INT(s.messages, ==, 4);
	close_world();
}

TEST(rpc, ends_a_call_at_its_deadline)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct stream s;
	struct rpc_out *o;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Slow", 50);
	rpc_out_send(o, &m.base);
	rpc_out_end(o);
	RUN_UNTIL(s.closed);
	CHECK_INT(s.code, ==, RPC_DEADLINE_EXCEEDED);
	RUN_UNTIL(w.closed == 1);
	CHECK_INT(w.closed_why, ==, RPC_DEADLINE_EXCEEDED);
	close_world();
}

TEST(rpc, tells_a_handler_that_its_client_went)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct stream s;
	struct rpc_out *o;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Slow", 0);
	rpc_out_send(o, &m.base);
	RUN_UNTIL(w.started == 1);
	rpc_out_cancel(o);
	RUN_UNTIL(w.closed == 1);
	CHECK_INT(w.closed_why, ==, RPC_CANCELLED);
	CHECK(!s.closed);
	close_world();
}

TEST(rpc, closes_every_call_when_the_server_goes)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct stream s;
	struct rpc_out *o;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Slow", 0);
	rpc_out_send(o, &m.base);
	RUN_UNTIL(w.started == 1);
	rpc_server_free(w.place.server);
	w.place.server = NULL;
	RUN_UNTIL(w.lost);
	CHECK(s.closed);
	CHECK_INT(s.code, ==, RPC_UNAVAILABLE);
	CHECK_INT(w.closed, ==, 1);
	close_world();
}

TEST(rpc, says_that_nobody_listens)
{
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	enum rpc_code code;
	struct err e;

	open_world(NULL);
	rpc_client_free(w.client);
	rpc_server_free(w.place.server);
	w.place.server = NULL;
	(void)unlink(w.place.path);
	open_client(NULL);
	CHECK_INT(ask("/t.T/Health", &m.base, &code, &e), ==, -1);
	CHECK_INT(code, ==, RPC_UNAVAILABLE);
	CHECK(w.lost);
	CHECK_INT(w.lost_why.code, ==, ERR_NOT_FOUND);
	close_world();
}

TEST(rpc, refuses_a_message_that_is_too_large_before_it_comes)
{
	struct stream s;
	struct rpc_out *o;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Health", 0);
	send_blob(o, 5000);
	rpc_out_end(o);
	RUN_UNTIL(s.closed);
	CHECK_INT(s.code, ==, RPC_OUT_OF_RANGE);
	CHECK_HAS(s.text, "Error, decoded message length too large: found");
	CHECK_INT(w.started, ==, 0);
	close_world();
}

TEST(rpc, refuses_strings_that_are_not_utf8)
{
	Openshell__V1__CreateSandboxRequest m =
	    OPENSHELL__V1__CREATE_SANDBOX_REQUEST__INIT;
	enum rpc_code code;
	struct err e;

	open_world(NULL);
	m.name = (char[]) { "a\xff" };
	CHECK_INT(ask("/t.T/Struct", &m.base, &code, &e), ==, -1);
	CHECK_INT(code, ==, RPC_INVALID_ARGUMENT);
	CHECK_INT(w.started, ==, 0);
	close_world();
}

/* --- bytes on the wire --- */

static char reply[4096];
static size_t reply_n;

static void
raw(const char *bytes, size_t n)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct {
		unsigned short family;
		char path[108];
	} a = { AF_UNIX, "" };
	struct err e;

	memcpy(a.path, w.place.path,
	    MIN(strlen(w.place.path), sizeof(a.path) - 1));
	CHECK_INT(connect(fd, (void *)&a, sizeof(a)), ==, 0);
	CHECK_INT(fd_write_all(fd, bytes, n, &e), ==, 0);
	CHECK_INT(fd_set_nonblock(fd, true, &e), ==, 0);
	reply_n = 0;
	for (unsigned i = 0; i < 5000; i++) {
		ssize_t got;

		(void)uv_run(&w.place.loop, UV_RUN_NOWAIT);
		got = read(fd, reply + reply_n, sizeof(reply) - 1 - reply_n);
		if (got == 0)
			break;
		if (got > 0)
			reply_n += (size_t)got;
	}
	reply[reply_n] = '\0';
}

TEST(rpc, answers_health_over_http_1)
{
	static const char request[] =
	    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

	open_world(NULL);
	raw(request, sizeof(request) - 1);
	CHECK_HAS(reply, "HTTP/1.1 200");
	CHECK_HAS(reply, "hello");
	raw("nonsense\r\n\r\n", 12);
	CHECK_HAS(reply, "HTTP/1.1 400");
	close_world();
}

TEST(rpc, survives_frames_that_are_none)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	health_request m = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	enum rpc_code code;
	struct err e;

	open_world(NULL);
	buf_puts(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	for (unsigned i = 0; i < 5000; i++)
		buf_putc(&b, (char)(i * 37));
	raw(b.p, b.n);
	CHECK_INT(ask("/t.T/Health", &m.base, &code, &e), ==, 0);
	close_world();
}

/* Attack: a stream of pings, each of which wants an answer. */
TEST(rpc, ends_a_connection_that_floods_it)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct rpc_server_stats stats;

	open_world(NULL);
	buf_puts(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	buf_put(&b, (struct view) { "\0\0\0\4\0\0\0\0\0", 9 });
	for (unsigned i = 0; i < 3000; i++)
		buf_put(
		    &b, (struct view) { "\0\0\x08\6\0\0\0\0\0abcdefgh", 17 });
	raw(b.p, b.n);
	rpc_server_stats(w.place.server, &stats);
	CHECK_INT(stats.open_connections, <=, 1);
	close_world();
}

/* --- messages and texts --- */

TEST(rpc_frames, gives_the_same_however_bytes_are_split)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct err e;

	for (unsigned i = 0; i < 10; i++) {
		blob m = OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;
		uint8_t p[64] = { 0 };

		m.data = (ProtobufCBinaryData) { i * 5, p };
		rpc_frame_put(&b, &m.base);
	}
	for (size_t step = 1; step <= b.n; step++) {
		struct rpc_frames f;
		unsigned seen = 0;

		rpc_frames_init(&f, 1000);
		for (size_t at = 0; at < b.n; at += step) {
			struct view in =
			    view_slice(buf_view(&b), at, MIN(at + step, b.n));
			struct view m;

			while (in.n > 0) {
				CHECK_INT(rpc_frames_feed(&f, &in, &e), ==, 0);
				if (rpc_frames_next(&f, &m)) {
					seen++;
					rpc_frames_taken(&f);
				}
			}
		}
		CHECK(rpc_frames_empty(&f));
		CHECK_INT(seen, ==, 10);
		rpc_frames_fini(&f);
	}
}

TEST(rpc_frames, refuses_compressed_and_oversized_messages)
{
	struct view packed = VIEW("\1\0\0\0\0");
	struct view huge = { "\0\x40\0\0\0", 5 };
	struct rpc_frames f;
	struct err e;

	rpc_frames_init(&f, 1000);
	CHECK_INT(rpc_frames_feed(&f, &packed, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_PROTO);
	rpc_frames_fini(&f);
	rpc_frames_init(&f, 1000);
	CHECK_INT(rpc_frames_feed(&f, &huge, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_INT(f.b.cap, <, 4096);
	rpc_frames_fini(&f);
}

TEST(rpc_frames, reads_timeouts)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = { { "1S", 1000 }, { "100m", 100 }, { "1u", 1 },
		{ "99999999H", 99999999LL * 3600000 }, { "", -1 }, { "S", -1 },
		{ "-1S", -1 }, { "100000000S", -1 }, { "1x", -1 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(
		    rpc_timeout_ms(view_of(rows[i].text)), ==, rows[i].ms);
}

/* --- the client goes from inside its own callback --- */

static void
free_client(void *ctx UNUSED, const ProtobufCMessage *m UNUSED)
{
	rpc_client_free(take_ptr(w.client));
}

static void
never_closed(
    void *ctx UNUSED, enum rpc_code code UNUSED, const char *text UNUSED)
{
	fail_msg("closed after rpc_client_free");
}

TEST(rpc, lets_a_client_go_from_inside_a_message)
{
	const struct rpc_out_hooks hooks = { .message = free_client,
		.closed = never_closed };
	health_request q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct rpc_out *o;

	open_world(NULL);
	o = rpc_out_new(w.client, "/t.T/Flood", &BLOB, &hooks, 0);
	rpc_out_send(o, &q.base);
	rpc_out_end(o);
	RUN_UNTIL(w.client == NULL);
	RUN_UNTIL(w.closed == 1);
	close_world();
}

/* Attack: streams past the limit, before the peer acknowledged it, each of
 * which earns a RST_STREAM that is never read. */
TEST(rpc, ends_a_peer_that_opens_streams_and_reads_nothing)
{
	/* POST, http, "/" and the content type, in HPACK */
	static const char head[] = "\x83\x86\x84\x0f\x10\x10"
				   "application/grpc";
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_BUF struct buf b = BUF_INIT(256);
	ssize_t sent = 0;
	struct err e;

	open_world(NULL);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", w.place.path);
	CHECK_INT(connect(fd, (void *)&a, sizeof(a)), ==, 0);
	CHECK_INT(fd_set_nonblock(fd, true, &e), ==, 0);
	buf_puts(&b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	buf_put(&b, (struct view) { "\0\0\0\4\0\0\0\0\0", 9 });
	for (uint32_t id = 1; id < 2000000 && sent >= 0; id += 2) {
		buf_put(&b, (struct view) { "\0\0\x16\1\4", 5 });
		for (int shift = 24; shift >= 0; shift -= 8)
			buf_putc(&b, (char)(id >> shift & 0xff));
		buf_put(&b, (struct view) { head, sizeof(head) - 1 });
		while (b.n > 0) {
			sent = send(fd, b.p, b.n, MSG_NOSIGNAL);
			if (sent > 0)
				buf_drop(&b, (size_t)sent);
			else if (errno != EAGAIN)
				break;
			else
				(void)uv_run(&w.place.loop, UV_RUN_NOWAIT);
		}
	}
	CHECK_INT(sent, ==, -1);
	close_world();
}

/* The same while what was held is given out, outside of the connection. */
TEST(rpc, lets_a_client_go_from_inside_a_held_message)
{
	const struct rpc_out_hooks hooks = { .message = free_client,
		.closed = never_closed };
	health_request q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct rpc_out *o;
	struct err e;

	open_world(NULL);
	o = rpc_out_new(w.client, "/t.T/Echo", &BLOB, &hooks, 0);
	rpc_out_hold(o);
	send_blob(o, 10);
	send_blob(o, 10);
	/* What comes back is there before a later answer is. */
	CHECK_INT(ask("/t.T/Health", &q.base, NULL, &e), ==, 0);
	rpc_out_resume(o);
	CHECK(w.client == NULL);
	RUN_UNTIL(w.closed == 2);
	close_world();
}

static void
free_when_drained(void *ctx UNUSED)
{
	rpc_client_free(take_ptr(w.client));
}

TEST(rpc, lets_a_client_go_when_told_of_drained_bytes)
{
	const struct rpc_out_hooks hooks = { .message = got_message,
		.drained = free_when_drained,
		.closed = never_closed };
	struct rpc_out *o;

	open_world(NULL);
	o = rpc_out_new(w.client, "/t.T/Sink", &BLOB, &hooks, 0);
	send_blob(o, BIG);
	send_blob(o, BIG);
	RUN_UNTIL(w.client == NULL);
	RUN_UNTIL(w.closed == 1);
	close_world();
}

/* The connection stands as long as an old call does: it takes no new one. */
TEST(rpc, says_unavailable_to_a_call_made_after_goaway)
{
	health_request q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	enum rpc_code code;
	struct rpc_out *o;
	struct stream s;
	struct err e;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Slow", 0);
	rpc_out_send(o, &q.base);
	RUN_UNTIL(w.started == 1);
	rpc_server_drain(w.place.server, 60000, NULL, NULL);
	for (unsigned i = 0; i < 100; i++)
		(void)uv_run(&w.place.loop, UV_RUN_NOWAIT);
	CHECK_INT(ask("/t.T/Health", &q.base, &code, &e), ==, -1);
	CHECK_INT(code, ==, RPC_UNAVAILABLE);
	CHECK(!s.closed);
	close_world();
}

/* The server resets what is past its deadline and not read. */
TEST(rpc, says_that_a_call_was_late_when_the_server_gave_it_up)
{
	health_request q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	struct rpc_out *o;
	struct stream s;

	open_world(NULL);
	o = open_stream(&s, "/t.T/Flood", 50);
	rpc_out_hold(o);
	rpc_out_send(o, &q.base);
	rpc_out_end(o);
	RUN_UNTIL(w.closed == 1);
	CHECK_INT(w.closed_why, ==, RPC_DEADLINE_EXCEEDED);
	for (unsigned i = 0; i < 100; i++)
		(void)uv_run(&w.place.loop, UV_RUN_NOWAIT);
	rpc_out_resume(o);
	RUN_UNTIL(s.closed);
	CHECK_INT(s.code, ==, RPC_DEADLINE_EXCEEDED);
	close_world();
}
