/* Messages to ctl that wait, and commands with their relays. */
#include "gate.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#include "base/mem.h"

typedef Openshell__V1__ExecSandboxRequest request_msg;
typedef Openshell__V1__ExecSandboxInput input_msg;

/* --- the queue --- */

/* The session is watched, as after start_ctl. */
static void
watch(void)
{
	struct keeper *k = &gate.k;

	CHECK_INT(uv_poll_init(&k->loop, &k->sock_poll, k->sock), ==, 0);
	k->sock_poll.data = k;
	k->sock_on = true;
}

/* Signals to command 1, 2, ... until the socket is full and `more` wait. */
static unsigned
fill(unsigned more)
{
	unsigned n = 0;

	while (gate.k.queued < more) {
		memset(&gate.k.m.signal, 0, sizeof(gate.k.m.signal));
		gate.k.m.signal.id = ++n;
		gate.k.m.signal.signo = SIGTERM;
		keeper_tell(&gate.k, SESSION_SIGNAL);
		CHECK_INT(n, <, 1000000);
	}
	return n;
}

TEST(queue, what_ctl_does_not_take_waits_in_order_with_its_descriptors)
{
	struct stat sent, got;
	unsigned n, seen = 0;
	struct err e;
	int fd;

	gate_open();
	watch();
	n = fill(1);
	/* Its descriptor is the queue's own by then. */
	CHECK_INT(memfd_seal(VIEW("text"), &fd, &e), ==, 0);
	CHECK_INT(fstat(fd, &sent), ==, 0);
	memset(&gate.k.m.policy, 0, sizeof(gate.k.m.policy));
	gate.k.m.policy.revision = 5;
	CHECK_INT(keeper_send(&gate.k, SESSION_POLICY, &fd, 1, &e), ==, 0);
	fd_close(&fd);
	CHECK_INT(gate.k.queued, ==, 2);
	while (gate_next() == SESSION_SIGNAL)
		CHECK_INT(gate.got.signal.id, ==, ++seen);
	CHECK_INT(seen, ==, n - 1);
	/* There is room, but the next may not overtake. */
	memset(&gate.k.m.stop, 0, sizeof(gate.k.m.stop));
	keeper_tell(&gate.k, SESSION_STOP);
	CHECK_INT(gate.k.queued, ==, 3);
	CHECK_INT(gate_next(), ==, 0);
	/* As a keeper that stops: its last word is behind all others. */
	GATE_WAIT(gate.k.queued == 0);
	CHECK_INT(gate_next(), ==, SESSION_SIGNAL);
	CHECK_INT(gate.got.signal.id, ==, n);
	CHECK_INT(gate_next(), ==, SESSION_POLICY);
	CHECK_INT(gate.nfds, ==, 1);
	CHECK_INT(fstat(gate.fds[0], &got), ==, 0);
	CHECK_INT(got.st_ino, ==, sent.st_ino);
	CHECK_INT(gate_next(), ==, SESSION_STOP);
	gate_close();
}

TEST(queue, a_ctl_that_takes_nothing_at_all_loses_its_sandbox)
{
	gate_open();
	watch();
	(void)fill(KEEPER_QUEUE_MAX);
	CHECK(gate.k.sock_on);
	memset(&gate.k.m.stop, 0, sizeof(gate.k.m.stop));
	keeper_tell(&gate.k, SESSION_STOP);
	CHECK_INT(gate.k.queued, ==, KEEPER_QUEUE_MAX);
	/* The session is over: nothing was dropped in silence. */
	GATE_WAIT(gate.k.failed);
	CHECK_INT(gate.k.status, ==, 1);
	CHECK(gate.k.gone);
	CHECK_INT(gate.k.queued, ==, 0);
	while (gate_next() != 0)
		CHECK_INT(gate.got.hdr.type, ==, SESSION_SIGNAL);
	/* Its gateway is told why. */
	CHECK_STR(gate_up(gate.k.attend->n - 1)->ended->reason,
	    "its supervisor ended");
	CHECK(gate.k.attend->ended);
	/* ctl left no last record: it is ours, and the only one. */
	CHECK_INT(gate.k.journal.head.seq, ==, 1);
	CHECK_STR(ring_at(&gate.k.ring, 1)->message, "SANDBOX_FAILED");
	CHECK_STR(ring_at(&gate.k.ring, 1)->level, "ERROR");
	CHECK(gate.k.told_end);
	gate_close();
}

TEST(queue, a_stop_is_said_once)
{
	gate_open();
	keeper_stop(&gate.k);
	keeper_stop(&gate.k);
	CHECK_INT(gate_next(), ==, SESSION_STOP);
	CHECK_INT(gate_next(), ==, 0);
	gate_close();
}

/* --- commands --- */

static void
ask(const char *relay_id, bool tty)
{
	Openshell__Supervisor__V1__Open o =
	    OPENSHELL__SUPERVISOR__V1__OPEN__INIT;
	request_msg r = OPENSHELL__V1__EXEC_SANDBOX_REQUEST__INIT;
	Openshell__V1__ExecSandboxRequest__EnvironmentEntry
	    entry =
		OPENSHELL__V1__EXEC_SANDBOX_REQUEST__ENVIRONMENT_ENTRY__INIT,
	    *entries[] = { &entry };
	char *argv[] = { (char[]) { "cat" }, (char[]) { "-u" } };

	entry.key = (char[]) { "A" };
	entry.value = (char[]) { "x y" };
	r.environment = entries;
	r.n_environment = 1;
	r.command = argv;
	r.n_command = ARRAY_LEN(argv);
	r.workdir = (char[]) { "/tmp" };
	r.tty = tty;
	o.relay_id = (char *)(uintptr_t)relay_id;
	o.exec = &r;
	command_open(&gate.k, &o);
}

/* A command that has started; in, out and err are the program's ends. */
static struct rpc_out *
begin(int ends[3])
{
	const struct session_started st = { .pid = 7,
		.id = gate.k.next_id + 1 };

	ask("relay-1", false);
	CHECK_INT(gate_next(), ==, SESSION_EXEC);
	CHECK_INT(gate.nfds, ==, 4);
	for (unsigned i = 0; i < 3; i++)
		ends[i] = fd_take(&gate.fds[1 + i]);
	command_started(&gate.k, &st, NULL, 0);
	return gate.relay;
}

static void
exited(enum session_end end, uint32_t status)
{
	const struct session_exited x = {
		.id = gate.k.next_id, .end = end, .status = status
	};

	command_exited(&gate.k, &x);
}

static void
give(struct rpc_out *relay, input_msg *in)
{
	Openshell__Supervisor__V1__RelayDown d =
	    OPENSHELL__SUPERVISOR__V1__RELAY_DOWN__INIT;

	d.input = in;
	relay->hooks.message(relay->hooks.ctx, &d.base);
}

static const Openshell__V1__ExecSandboxEvent *
event(const struct rpc_out *relay, size_t i)
{
	return gate_relay_up(relay, i)->event;
}

#define EVENT(kind) OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_##kind
#define INPUT(kind) OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_##kind

TEST(command, is_refused_before_the_sandbox_stands)
{
	gate_open();
	gate.k.isolated = false;
	ask("early", false);
	CHECK_INT(gate_next(), ==, 0);
	CHECK_INT(gate.k.attend->n, ==, 1);
	CHECK_STR(gate_up(0)->open_failed->relay_id, "early");
	CHECK_HAS(gate_up(0)->open_failed->reason, "not ready");
	gate.k.isolated = gate.k.stopping = true;
	ask("late", false);
	CHECK_STR(gate_up(1)->open_failed->relay_id, "late");
	gate_close();
}

TEST(command, is_told_to_ctl_with_its_words_and_pipes)
{
	struct rpc_out *relay;
	struct blob *b = NULL;
	struct err e;

	gate_open();
	ask("relay-9", false);
	relay = gate.relay;
	CHECK_STR(gate_relay_up(relay, 0)->relay_id, "relay-9");
	CHECK(relay->held); /* nobody takes input yet */
	CHECK_INT(gate_next(), ==, SESSION_EXEC);
	CHECK_INT(gate.got.exec.tty, ==, 0);
	CHECK_INT(gate.nfds, ==, 4);
	CHECK_INT(blob_open(gate.fds[0], &b, &e), ==, 0);
	CHECK_STR(blob_get(b, "arg", 0), "cat");
	CHECK_STR(blob_get(b, "arg", 1), "-u");
	CHECK(blob_get(b, "arg", 2) == NULL);
	CHECK_STR(blob_get(b, "env", 0), "A=x y");
	CHECK_STR(blob_get(b, "cwd", 0), "/tmp");
	blob_free(b);
	gate_close_fds();
	exited(SESSION_END_EXIT, 0);
	GATE_WAIT(relay->ended);
	gate_hang_up(relay);
	gate_close();
}

TEST(command, in_a_terminal_has_no_pipe)
{
	struct rpc_out *relay;

	gate_open();
	ask("relay-1", true);
	relay = gate.relay;
	CHECK_INT(gate_next(), ==, SESSION_EXEC);
	CHECK_INT(gate.got.exec.tty, ==, 1);
	CHECK_INT(gate.got.exec.rows, ==, 24);
	CHECK_INT(gate.got.exec.cols, ==, 80);
	CHECK_INT(gate.nfds, ==, 1);
	exited(SESSION_END_EXIT, 0);
	GATE_WAIT(relay->ended);
	gate_hang_up(relay);
	gate_close();
}

TEST(command, tells_its_status_behind_the_last_of_its_output)
{
	struct rpc_out *relay;
	char out[16] = "", err[16] = "";
	int ends[3];

	gate_open();
	relay = begin(ends);
	CHECK_INT(event(relay, 1)->payload_case, ==, EVENT(STARTED));
	CHECK_INT(event(relay, 1)->started->pid, ==, 7);
	CHECK(!relay->held);
	CHECK_INT(write(ends[1], "out", 3), ==, 3);
	CHECK_INT(write(ends[2], "err", 3), ==, 3);
	for (unsigned i = 0; i < 3; i++)
		fd_close(&ends[i]);
	/* Known before the output was read. */
	exited(SESSION_END_EXIT, 7);
	CHECK(!relay->ended);
	GATE_WAIT(relay->ended);
	CHECK_INT(relay->n, ==, 5);
	for (size_t i = 2; i < 4; i++)
		if (event(relay, i)->payload_case == EVENT(STDOUT))
			memcpy(out, event(relay, i)->stdout->data.data, 3);
		else
			memcpy(err, event(relay, i)->stderr->data.data, 3);
	CHECK_STR(out, "out");
	CHECK_STR(err, "err");
	CHECK_INT(event(relay, 4)->payload_case, ==, EVENT(EXIT));
	CHECK_INT(event(relay, 4)->exit->exit_code, ==, 7);
	CHECK_INT(gate.k.n_commands, ==, 1);
	gate_hang_up(relay);
	gate_close();
}

/* More than one read of a terminal gives, and it has hung up by then. */
TEST(command, in_a_terminal_loses_nothing_of_its_last_words)
{
	struct session_started st = { .pid = 7 };
	char words[10000];
	size_t told = 0, at = 1;
	struct rpc_out *relay;
	int master, slave;

	memset(words, 'w', sizeof(words));
	gate_open();
	ask("relay-1", true);
	relay = gate.relay;
	CHECK_INT(gate_next(), ==, SESSION_EXEC);
	CHECK_INT(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
	st.id = gate.k.next_id;
	command_started(&gate.k, &st, &master, 1);
	CHECK_INT(write(slave, words, sizeof(words)), ==, sizeof(words));
	CHECK_INT(close(slave), ==, 0);
	exited(SESSION_END_EXIT, 0);
	GATE_WAIT(relay->ended);
	while (at < relay->n && event(relay, at)->payload_case != EVENT(EXIT)) {
		if (event(relay, at)->payload_case == EVENT(STDOUT))
			told += event(relay, at)->stdout->data.len;
		at++;
	}
	CHECK_INT(told, ==, sizeof(words));
	gate_hang_up(relay);
	gate_close();
}

TEST(command, has_the_code_of_its_end)
{
	static const struct {
		unsigned end, status;
		int code;
		const char *kind;
	} rows[] = {
		{ SESSION_END_EXIT, 0, 0, "exit" },
		{ SESSION_END_EXIT, 255, 255, "exit" },
		{ SESSION_END_SIGNAL, 9, 137, "signal" },
		{ SESSION_END_TIMEOUT, 5, 124, "timeout" },
		{ SESSION_END_NOT_FOUND, 5, 127, "not-found" },
		{ SESSION_END_NOT_EXECUTABLE, 5, 126, "not-executable" },
		{ 0, 0, 126, "not-executable" },
		{ 999, 0, 126, "not-executable" },
	};

	gate_open();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const Openshell__V1__ExecSandboxExit *x;
		struct rpc_out *relay;
		int ends[3];

		relay = begin(ends);
		for (unsigned j = 0; j < 3; j++)
			fd_close(&ends[j]);
		exited(rows[i].end, rows[i].status);
		GATE_WAIT(relay->ended);
		x = event(relay, relay->n - 1)->exit;
		CHECK_INT(x->exit_code, ==, rows[i].code);
		CHECK_STR(x->kind, rows[i].kind);
		gate_hang_up(relay);
	}
	gate_close();
}

TEST(command, that_left_its_output_open_ends_all_the_same)
{
	struct rpc_out *relay;
	int ends[3];

	gate_open();
	relay = begin(ends);
	CHECK_INT(write(ends[1], "last", 4), ==, 4);
	exited(SESSION_END_EXIT, 3);
	GATE_WAIT(relay->ended); /* ends[1] is still open */
	CHECK_INT(relay->n, ==, 4);
	CHECK_INT(event(relay, 2)->stdout->data.len, ==, 4);
	CHECK_INT(event(relay, 3)->exit->exit_code, ==, 3);
	for (unsigned i = 0; i < 3; i++)
		fd_close(&ends[i]);
	gate_hang_up(relay);
	gate_close();
}

TEST(command, is_not_read_while_its_reader_is_slow)
{
	struct rpc_out *relay;
	int ends[3];

	gate_open();
	relay = begin(ends);
	relay->queued = RPC_HIGH_WATER;
	CHECK_INT(write(ends[1], "one", 3), ==, 3);
	GATE_WAIT(relay->n == 3);
	CHECK_INT(write(ends[1], "two", 3), ==, 3);
	/* Not even for the end of it: nothing may be lost. */
	fd_close(&ends[1]);
	fd_close(&ends[2]);
	exited(SESSION_END_EXIT, 0);
	for (unsigned i = 0; i < 100; i++)
		(void)gate_turn();
	relay->queued = 0;
	relay->hooks.drained(relay->hooks.ctx);
	GATE_WAIT(relay->ended);
	CHECK_INT(relay->n, ==, 5);
	CHECK_INT(event(relay, 3)->stdout->data.len, ==, 3);
	CHECK(memcmp(event(relay, 3)->stdout->data.data, "two", 3) == 0);
	CHECK_INT(event(relay, 4)->payload_case, ==, EVENT(EXIT));
	fd_close(&ends[0]);
	gate_hang_up(relay);
	gate_close();
}

TEST(command, gets_its_input_and_the_end_of_it)
{
	input_msg in = OPENSHELL__V1__EXEC_SANDBOX_INPUT__INIT;
	struct rpc_out *relay;
	char got[16] = "";
	int ends[3];

	gate_open();
	relay = begin(ends);
	in.payload_case = INPUT(STDIN);
	in.stdin = (ProtobufCBinaryData) { 4, (uint8_t *)(char[]) { "word" } };
	give(relay, &in);
	in.payload_case = INPUT(STDIN_EOF);
	in.stdin_eof = true;
	give(relay, &in);
	for (unsigned i = 0; i < 10; i++)
		(void)gate_turn();
	CHECK_INT(read(ends[0], got, sizeof(got)), ==, 4);
	CHECK_STR(got, "word");
	CHECK_INT(read(ends[0], got, sizeof(got)), ==, 0);
	for (unsigned i = 0; i < 3; i++)
		fd_close(&ends[i]);
	exited(SESSION_END_EXIT, 0);
	GATE_WAIT(relay->ended);
	gate_hang_up(relay);
	gate_close();
}

TEST(command, holds_input_that_it_does_not_take)
{
	AUTO_FREE char *much = mem_calloc(1, 1 << 20);
	input_msg in = OPENSHELL__V1__EXEC_SANDBOX_INPUT__INIT;
	AUTO_FREE char *got = mem_calloc(1, 1 << 20);
	struct rpc_out *relay;
	size_t n = 0;
	int ends[3];

	gate_open();
	relay = begin(ends);
	in.payload_case = INPUT(STDIN);
	in.stdin = (ProtobufCBinaryData) { 1 << 20, (uint8_t *)much };
	give(relay, &in);
	CHECK(relay->held);
	while (n < 1 << 20) {
		ssize_t r = read(ends[0], got, 65536);

		CHECK_INT(r, >, 0);
		n += (size_t)r;
		(void)gate_turn();
	}
	CHECK(!relay->held);
	for (unsigned i = 0; i < 3; i++)
		fd_close(&ends[i]);
	exited(SESSION_END_EXIT, 0);
	GATE_WAIT(relay->ended);
	gate_hang_up(relay);
	gate_close();
}

TEST(command, gets_signals_that_are_some_and_no_others)
{
	static const uint32_t bad[] = { 0, 65, UINT32_MAX };
	input_msg in = OPENSHELL__V1__EXEC_SANDBOX_INPUT__INIT;
	struct rpc_out *relay;
	int ends[3];

	gate_open();
	relay = begin(ends);
	in.payload_case = INPUT(SIGNAL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		in.signal = bad[i];
		give(relay, &in);
	}
	CHECK_INT(gate_next(), ==, 0);
	in.signal = SIGINT;
	give(relay, &in);
	CHECK_INT(gate_next(), ==, SESSION_SIGNAL);
	CHECK_INT(gate.got.signal.id, ==, gate.k.next_id);
	CHECK_INT(gate.got.signal.signo, ==, SIGINT);
	for (unsigned i = 0; i < 3; i++)
		fd_close(&ends[i]);
	exited(SESSION_END_SIGNAL, SIGINT);
	/* One that ended gets none: its id may be another's process. */
	give(relay, &in);
	CHECK_INT(gate_next(), ==, 0);
	GATE_WAIT(relay->ended);
	gate_hang_up(relay);
	gate_close();
}

TEST(command, whose_line_is_lost_is_hung_up)
{
	enum session_type type;
	int ends[3];
	char c;

	gate_open();
	gate_hang_up(begin(ends));
	CHECK_INT(gate_next(), ==, SESSION_SIGNAL);
	CHECK_INT(gate.got.signal.signo, ==, SIGHUP);
	CHECK_INT(gate.k.n_commands, ==, 1); /* until ctl tells its end */
	(void)gate_turn();
	CHECK_INT(read(ends[0], &c, 1), ==, 0);
	/* HUP does not help this one. */
	do
		type = gate_next();
	while (type == 0 && gate_turn());
	CHECK_INT(type, ==, SESSION_SIGNAL);
	CHECK_INT(gate.got.signal.signo, ==, SIGKILL);
	exited(SESSION_END_SIGNAL, SIGKILL);
	CHECK_INT(gate.k.n_commands, ==, 0);
	for (unsigned i = 0; i < 3; i++)
		fd_close(&ends[i]);
	gate_close();
}

TEST(command, that_is_one_too_many_is_refused_with_a_reason)
{
	struct rpc_out *relays[KEEPER_COMMANDS_MAX];

	gate_open();
	for (size_t i = 0; i < ARRAY_LEN(relays); i++) {
		ask("one", false);
		relays[i] = gate.relay;
	}
	CHECK_INT(gate.k.attend->n, ==, 0);
	ask("more", false);
	CHECK_INT(gate.k.attend->n, ==, 1);
	CHECK_STR(gate_up(0)->open_failed->relay_id, "more");
	CHECK_HAS(gate_up(0)->open_failed->reason, "too many commands");
	while (gate_next() != 0)
		CHECK_INT(gate.got.hdr.type, ==, SESSION_EXEC);
	/* The sandbox is no more: each is told so. */
	command_end_all(&gate.k);
	for (size_t i = 0; i < ARRAY_LEN(relays); i++) {
		const struct rpc_out *r = relays[i];

		CHECK(r->ended);
		CHECK_INT(event(r, r->n - 1)->exit->exit_code, ==, 137);
		gate_hang_up(relays[i]);
	}
	gate_close();
}
