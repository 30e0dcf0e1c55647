/* A gateway and its client in one loop; the streams are pipes and files. */
#include "cli/session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "openshell.pb-c.h"
#include "test.h"

typedef Openshell__V1__ExecSandboxInput input;
typedef Openshell__V1__ExecSandboxEvent event;

enum { FLOOD = 4 << 20 };

static struct world {
	uv_loop_t loop;
	struct rpc_server *server;
	struct rpc_client *client;
	char dir[64], path[96];
	int in[2], out, err; /* in: the user's standard input */
	struct cli c;
	struct err e;
	/* what the gateway saw */
	char command[64], workdir[64], env[512];
	unsigned timeout, signals, last_signal;
	bool tty, eof;
	size_t got, cancelled;
	struct rpc_call *waits;
} w;

static void
send_event(struct rpc_call *c, event *ev, unsigned which)
{
	ev->payload_case = (Openshell__V1__ExecSandboxEvent__PayloadCase)which;
	rpc_send(c, &ev->base);
}

static void
send_started(struct rpc_call *c)
{
	Openshell__V1__ExecSandboxStarted s =
	    OPENSHELL__V1__EXEC_SANDBOX_STARTED__INIT;
	event ev = OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;

	ev.started = &s;
	send_event(c, &ev, OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STARTED);
}

static void
send_out(struct rpc_call *c, const void *p, size_t n)
{
	Openshell__V1__ExecSandboxStdout s =
	    OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;
	event ev = OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;

	s.data = (ProtobufCBinaryData) { n, (uint8_t *)(uintptr_t)p };
	ev.stdout = &s;
	send_event(c, &ev, OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDOUT);
}

static void
send_err(struct rpc_call *c, const void *p, size_t n)
{
	Openshell__V1__ExecSandboxStderr s =
	    OPENSHELL__V1__EXEC_SANDBOX_STDERR__INIT;
	event ev = OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;

	s.data = (ProtobufCBinaryData) { n, (uint8_t *)(uintptr_t)p };
	ev.stderr = &s;
	send_event(c, &ev, OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDERR);
}

static void
send_exit(struct rpc_call *c, int status, const char *message)
{
	Openshell__V1__ExecSandboxExit x =
	    OPENSHELL__V1__EXEC_SANDBOX_EXIT__INIT;
	event ev = OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;
	AUTO_FREE char *text = mem_strdup(message);

	x.exit_code = status;
	x.message = text;
	ev.exit = &x;
	send_event(c, &ev, OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_EXIT);
	rpc_finish(c, RPC_OK, NULL);
}

/* --- what the commands of this gateway do --- */

static void
do_cat(struct rpc_call *c)
{
	send_started(c);
}

static void
do_bytes(struct rpc_call *c)
{
	send_started(c);
	send_out(c, "o\0\xff\n", 4);
	send_err(c, "e\r", 2);
	send_exit(c, 7, "");
}

static void
do_flood(struct rpc_call *c)
{
	AUTO_FREE char *p = mem_calloc(1, 32768);

	send_started(c);
	memset(p, 'x', 32768);
	for (size_t i = 0; i < FLOOD / 32768; i++)
		send_out(c, p, 32768);
	send_exit(c, 3, "");
}

static void
do_refuse(struct rpc_call *c)
{
	rpc_finish(c, RPC_FAILED_PRECONDITION, "sandbox is not ready");
}

static void
do_vanish(struct rpc_call *c)
{
	send_started(c);
	send_out(c, "half", 4);
	rpc_finish(c, RPC_UNAVAILABLE, "the supervisor went away");
}

static void
do_die(struct rpc_call *c)
{
	send_started(c);
	(void)kill(getpid(), SIGTERM); /* the user's, of our client */
}

static void
do_stubborn(struct rpc_call *c)
{
	w.waits = c;
	send_started(c);
	(void)kill(getpid(), SIGINT);
}

static void
do_missing(struct rpc_call *c)
{
	send_exit(c, 127, "no such command: \033[31mx");
}

static const struct act {
	const char *command;
	void (*run)(struct rpc_call *c);
} acts[] = {
	{ "cat", do_cat },
	{ "bytes", do_bytes },
	{ "flood", do_flood },
	{ "refuse", do_refuse },
	{ "vanish", do_vanish },
	{ "die", do_die },
	{ "stubborn", do_stubborn },
	{ "missing", do_missing },
};

static void
on_start(struct rpc_call *c UNUSED, const ProtobufCMessage *m UNUSED)
{
}

static void
began(struct rpc_call *c, const Openshell__V1__ExecSandboxRequest *q)
{
	size_t at = 0;

	(void)snprintf(w.command, sizeof(w.command), "%s", q->command[0]);
	(void)snprintf(w.workdir, sizeof(w.workdir), "%s", q->workdir);
	w.timeout = q->timeout_seconds;
	w.tty = q->tty;
	for (size_t i = 0; i < q->n_environment && at < sizeof(w.env); i++)
		at += (size_t)snprintf(w.env + at, sizeof(w.env) - at, "%s=%s;",
		    q->environment[i]->key, q->environment[i]->value);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (strcmp(acts[i].command, w.command) == 0)
			acts[i].run(c);
}

static void
signalled(struct rpc_call *c, unsigned signo)
{
	w.signals++;
	w.last_signal = signo;
	if (strcmp(w.command, "stubborn") == 0)
		(void)kill(getpid(), SIGINT); /* the user asks again */
	else
		send_exit(c, 128 + (int)signo, "");
}

static void
on_input(struct rpc_call *c, const ProtobufCMessage *m)
{
	const input *i = (const input *)(const void *)m;

	if (i->payload_case == OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_START)
		began(c, i->start);
	if (i->payload_case ==
	    OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN) {
		w.got += i->stdin.len;
		send_out(c, i->stdin.data, i->stdin.len);
	}
	if (i->payload_case ==
	    OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_SIGNAL)
		signalled(c, i->signal);
	if (i->payload_case ==
	    OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN_EOF) {
		w.eof = true;
		if (strcmp(w.command, "cat") == 0)
			send_exit(c, 0, "");
	}
}

static void
on_call_closed(struct rpc_call *c UNUSED, enum rpc_code why)
{
	w.cancelled += why == RPC_CANCELLED;
}

static const struct rpc_method methods[] = {
	{ .path = "/openshell.v1.OpenShell/ExecSandboxInteractive",
	    .in = &openshell__v1__exec_sandbox_input__descriptor,
	    .out = &openshell__v1__exec_sandbox_event__descriptor,
	    .in_stream = true,
	    .max_request = 1 << 20,
	    .start = on_start,
	    .message = on_input,
	    .closed = on_call_closed },
};

static enum rpc_code
allow(void *ctx UNUSED, const struct rpc_method *m, const char *path UNUSED,
    const struct rpc_peer *peer UNUSED, struct buf *text UNUSED)
{
	return m != NULL ? RPC_OK : RPC_UNIMPLEMENTED;
}

/* --- the world --- */

static int
scratch(void)
{
	char path[] = "/tmp/session-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	(void)unlink(path);
	return fd;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	CHECK(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	CHECK(listen(fd, 8) == 0);
	return fd;
}

static void
begin(void)
{
	static const struct rpc_server_hooks hooks = { .allow = allow };
	static const struct rpc_client_hooks none = { 0 };
	char url[128];
	const struct rpc_target target = { .url = url };

	w = (struct world) { .dir = "/tmp/session-XXXXXX" };
	CHECK(mkdtemp(w.dir) != NULL);
	(void)snprintf(w.path, sizeof(w.path), "%s/s", w.dir);
	(void)snprintf(url, sizeof(url), "unix:%s", w.path);
	CHECK(uv_loop_init(&w.loop) == 0);
	CHECK(rpc_server_new(&w.loop, methods, ARRAY_LEN(methods), &hooks,
		  &w.server, &w.e) == 0);
	CHECK(rpc_server_listen(
		  w.server, listen_at(w.path), RPC_UNIX, NULL, &w.e) == 0);
	CHECK(rpc_client_new(&w.loop, &target, &none, &w.client, &w.e) == 0);
	CHECK(pipe2(w.in, O_CLOEXEC) == 0);
	w.out = scratch();
	w.err = scratch();
	w.c = (struct cli) { .in = w.in[0], .out = w.out, .err = w.err };
	(void)signal(SIGPIPE, SIG_IGN); /* as cli_init does */
}

static void
end(void)
{
	rpc_client_free(w.client);
	rpc_server_free(w.server);
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&w.loop) == 0);
	fd_close(&w.in[0]);
	fd_close(&w.in[1]);
	fd_close(&w.out);
	fd_close(&w.err);
	(void)unlink(w.path);
	(void)rmdir(w.dir);
}

static int
attach(const char *command, struct attach_options o)
{
	o.sandbox = "demo";
	o.command = (struct cli_list) { &command, 1 };
	return session_attach(&w.c, w.client, "id-1", &o, &w.e);
}

static size_t
contents(int fd, char *p, size_t max)
{
	ssize_t n = pread(fd, p, max - 1, 0);

	p[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* --- tests --- */

TEST(session, keeps_output_and_errors_apart_byte_for_byte)
{
	char text[256];

	begin();
	CHECK_INT(attach("bytes", (struct attach_options) { 0 }), ==, 7);
	CHECK_INT(contents(w.out, text, sizeof(text)), ==, 4);
	CHECK(memcmp(text, "o\0\xff\n", 4) == 0);
	CHECK_INT(contents(w.err, text, sizeof(text)), ==, 2);
	CHECK_STR(text, "e\r");
	end();
}

TEST(session, forwards_input_and_its_end)
{
	char text[256];

	begin();
	CHECK(write(w.in[1], "a\0b", 3) == 3);
	fd_close(&w.in[1]);
	CHECK_INT(attach("cat", (struct attach_options) { 0 }), ==, 0);
	CHECK(w.eof);
	CHECK_INT(contents(w.out, text, sizeof(text)), ==, 3);
	CHECK(memcmp(text, "a\0b", 3) == 0);
	end();
}

TEST(session, reads_a_large_file_whole)
{
	AUTO_FREE char *p = mem_calloc(1, FLOOD);
	AUTO_CLOSE int fd = scratch();
	struct err e;

	begin();
	CHECK(fd_write_all(fd, p, FLOOD, &e) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	w.c.in = fd;
	CHECK_INT(attach("cat", (struct attach_options) { 0 }), ==, 0);
	CHECK_INT(w.got, ==, FLOOD);
	CHECK_INT(lseek(w.out, 0, SEEK_END), ==, FLOOD);
	end();
}

static size_t drained;
static int drain_fd;

/* A reader that is slower than what it reads. */
static void
on_drain(uv_timer_t *t)
{
	char p[8192];
	ssize_t n = read(drain_fd, p, sizeof(p));

	if (n > 0)
		drained += (size_t)n;
	if (drained == FLOOD)
		(void)uv_timer_stop(t);
}

TEST(session, loses_nothing_to_a_slow_reader)
{
	uv_timer_t t;
	int out[2];

	begin();
	CHECK(pipe2(out, O_CLOEXEC) == 0);
	CHECK(fcntl(out[0], F_SETFL, O_NONBLOCK) == 0);
	drained = 0;
	drain_fd = out[0];
	w.c.out = out[1];
	(void)uv_timer_init(&w.loop, &t);
	(void)uv_timer_start(&t, on_drain, 0, 1);
	CHECK_INT(attach("flood", (struct attach_options) { 0 }), ==, 3);
	/* Ours is written; the rest is in the pipe. */
	while (drained < FLOOD)
		on_drain(&t);
	CHECK_INT(drained, ==, FLOOD);
	CHECK((fcntl(out[1], F_GETFL) & O_NONBLOCK) == 0);
	uv_close((uv_handle_t *)&t, NULL);
	end();
	fd_close(&out[0]);
	fd_close(&out[1]);
}

TEST(session, reader_that_leaves_ends_the_command)
{
	int out[2];

	begin();
	CHECK(pipe2(out, O_CLOEXEC) == 0);
	fd_close(&out[0]);
	w.c.out = out[1];
	CHECK_INT(
	    attach("flood", (struct attach_options) { 0 }), ==, 128 + SIGPIPE);
	end();
	CHECK_INT(w.cancelled, ==, 1);
	fd_close(&out[1]);
}

TEST(session, passes_workdir_timeout_and_only_named_environment)
{
	const char *env[] = { "A=1", "GIVEN", "A=2" };
	struct attach_options o = {
		.workdir = "/w", .timeout_s = 9, .env = { env, ARRAY_LEN(env) }
	};

	begin();
	(void)setenv("GIVEN", "yes", 1);
	(void)setenv("SECRET_TOKEN", "s3cret", 1);
	(void)setenv("LANG", "C.UTF-8", 1);
	CHECK_INT(attach("bytes", o), ==, 7);
	CHECK_STR(w.workdir, "/w");
	CHECK_INT(w.timeout, ==, 9);
	CHECK(!w.tty);
	CHECK_HAS(w.env, "A=2;");
	CHECK_HAS(w.env, "GIVEN=yes;");
	CHECK_HAS(w.env, "LANG=C.UTF-8;");
	CHECK(strstr(w.env, "A=1") == NULL);
	CHECK(strstr(w.env, "SECRET") == NULL);
	CHECK(strstr(w.env, "TERM=") == NULL);
	(void)unsetenv("GIVEN");
	(void)unsetenv("SECRET_TOKEN");
	(void)unsetenv("LANG");
	end();
}

TEST(session, variable_that_is_not_here_is_refused)
{
	const char *env[] = { "NOT_SET_ANYWHERE" };
	struct attach_options o = { .env = { env, 1 } };

	begin();
	CHECK_INT(attach("cat", o), ==, -1);
	CHECK_HAS(w.e.text, "NOT_SET_ANYWHERE");
	end();
}

TEST(session, forwards_a_signal_and_ends_as_the_command_does)
{
	begin();
	CHECK_INT(
	    attach("die", (struct attach_options) { 0 }), ==, 128 + SIGTERM);
	CHECK_INT(w.signals, ==, 1);
	CHECK_INT(w.last_signal, ==, SIGTERM);
	end();
}

TEST(session, second_signal_gives_up)
{
	begin();
	CHECK_INT(attach("stubborn", (struct attach_options) { 0 }), ==,
	    128 + SIGINT);
	CHECK_INT(w.signals, ==, 1);
	end();
	CHECK_INT(w.cancelled, ==, 1);
}

TEST(session, names_what_the_gateway_refused)
{
	begin();
	CHECK_INT(attach("refuse", (struct attach_options) { 0 }), ==, -1);
	CHECK_HAS(w.e.text, "sandbox 'demo'");
	CHECK_HAS(w.e.text, "sandbox is not ready (FAILED_PRECONDITION)");
	CHECK_HAS(w.e.text, "openshell sandbox get demo");
	end();
}

TEST(session, names_a_sandbox_that_went_away_and_keeps_its_output)
{
	char text[64];

	begin();
	CHECK_INT(attach("vanish", (struct attach_options) { 0 }), ==, -1);
	CHECK_HAS(w.e.text, "the gateway or the sandbox went away");
	CHECK_HAS(w.e.text, "the supervisor went away (UNAVAILABLE)");
	CHECK_HAS(w.e.text, "openshell status");
	(void)contents(w.out, text, sizeof(text));
	CHECK_STR(text, "half");
	end();
}

TEST(session, text_from_the_sandbox_is_escaped)
{
	char text[256];

	begin();
	CHECK_INT(attach("missing", (struct attach_options) { 0 }), ==, 127);
	(void)contents(w.err, text, sizeof(text));
	CHECK_STR(text, "Error: no such command: \\x1b[31mx\n");
	end();
}
