/*
 * session: the client's end of a command in a sandbox.
 *
 *   ASKED    the call is made; nothing is read from the user yet
 *   RUNNING  `started` came: streams flow, signals pass
 *   OVER     the call is closed; what is left is output to be written
 *
 * One loop, that of the client.  `done` ends it: the call is closed and every
 * byte is written, or it was given up.
 */
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/relay.h"
#include "cli/term.h"

enum {
	CHUNK = 32768,
	HELD_MAX = 8 << 20, /* one message is at most 1 MB; see hold */
	GRACE_MS = 10000,
	HANGUP_MS = 2000,
	KEY_MS = 400,
	EOF_MS = 500,
	CTRL_P = 0x10,
	CTRL_Q = 0x11
};
enum phase { ASKED, RUNNING, OVER };

static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1,
	SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT };

/* One of the user's streams. */
struct stream {
	int fd, flags; /* our descriptor, and what to restore on it */
	uv_poll_t poll;
	bool poll_on, closed;
	struct buf held; /* output that did not fit */
	size_t at;
};

enum { IN, OUT, ERR, NSTREAMS };

struct attach {
	struct cli *c;
	const struct attach_options *o;
	uv_loop_t *loop;
	struct rpc_out *call; /* NULL once closed */
	enum phase phase;
	bool tty, done, exited, detached, failed;
	bool paused; /* input waits for the gateway */
	bool on_hold; /* the call waits for our output */
	bool key; /* a Ctrl-P is held back */
	int gave_up; /* the signal it was given up for */
	int asked; /* the signal that came first */
	int status;
	char message[512];
	enum rpc_code code;
	char text[400];
	struct err why;
	struct term term;
	struct stream streams[NSTREAMS];
	uv_signal_t signals[ARRAY_LEN(watched)];
	size_t n_signals;
	uv_timer_t timer, key_timer;
	unsigned open_handles;
	unsigned char chunk[CHUNK + 1];
};

/* --- sending --- */

static void
send_input(struct attach *a, Openshell__V1__ExecSandboxInput *m,
    Openshell__V1__ExecSandboxInput__PayloadCase which)
{
	m->payload_case = which;
	if (a->call != NULL)
		rpc_out_send(a->call, &m->base);
}

#define INPUT(name) \
	Openshell__V1__ExecSandboxInput name = \
	    OPENSHELL__V1__EXEC_SANDBOX_INPUT__INIT

static void
send_bytes(struct attach *a, unsigned char *p, size_t n)
{
	INPUT(m);

	if (n == 0)
		return;
	m.stdin = (ProtobufCBinaryData) { n, p };
	send_input(a, &m, OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN);
}

static void
send_eof(struct attach *a)
{
	INPUT(m);

	m.stdin_eof = true;
	send_input(a, &m, OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN_EOF);
}

static void
send_signal(struct attach *a, int signo)
{
	INPUT(m);

	m.signal = (uint32_t)signo;
	send_input(a, &m, OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_SIGNAL);
}

static void
get_size(const struct attach *a, uint32_t *rows, uint32_t *cols)
{
	const int fds[] = { a->c->in, a->c->out, a->c->err };
	uint16_t r, w;

	term_size(fds, ARRAY_LEN(fds), &r, &w);
	*rows = r;
	*cols = w;
}

static void
send_size(struct attach *a)
{
	Openshell__V1__ExecSandboxResize size =
	    OPENSHELL__V1__EXEC_SANDBOX_RESIZE__INIT;
	INPUT(m);

	if (!a->tty || a->phase != RUNNING)
		return;
	get_size(a, &size.rows, &size.cols);
	m.resize = &size;
	send_input(a, &m, OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_RESIZE);
}

/* --- ending --- */

static bool
output_waits(const struct attach *a)
{
	return a->streams[OUT].held.n > 0 || a->streams[ERR].held.n > 0;
}

static void
settle(struct attach *a)
{
	if (a->phase == OVER && !output_waits(a))
		a->done = true;
}

static void
stream_ignore(struct stream *s)
{
	s->closed = true;
	buf_reset(&s->held);
	s->at = 0;
	if (s->poll_on)
		(void)uv_poll_stop(&s->poll);
}

/* Resets the call: the sandbox ends what it runs for us. */
static void
leave(struct attach *a)
{
	if (a->call != NULL)
		rpc_out_cancel(a->call);
	a->call = NULL;
	a->phase = OVER;
	stream_ignore(&a->streams[IN]);
	settle(a);
}

static void
give_up(struct attach *a, int signo)
{
	a->gave_up = signo;
	stream_ignore(&a->streams[OUT]);
	stream_ignore(&a->streams[ERR]);
	leave(a);
}

static void
fail(struct attach *a, const struct err *e)
{
	a->failed = true;
	a->why = *e;
	give_up(a, 0);
}

/* --- output --- */

static void on_writable(uv_poll_t *h, int status, int events);

static int
watch(struct attach *a, struct stream *s, int events, uv_poll_cb cb)
{
	if (!s->poll_on) {
		if (uv_poll_init(a->loop, &s->poll, s->fd) != 0)
			return -1;
		s->poll.data = a;
		s->poll_on = true;
		a->open_handles++;
	}
	return uv_poll_start(&s->poll, events, cb);
}

/* A reader that went away: as a pipe would tell the command. */
static void
broken(struct attach *a, struct stream *s)
{
	bool out = s == &a->streams[OUT];

	stream_ignore(s);
	if (out)
		give_up(a, SIGPIPE);
}

/* Writes what it can; false when some is left. */
static bool
push(struct attach *a, struct stream *s, const char *p, size_t n, size_t *put)
{
	*put = 0;
	while (*put < n) {
		ssize_t k = write(s->fd, p + *put, n - *put);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return false;
		if (k < 0) {
			struct err e;

			if (errno == EPIPE || errno == EIO) {
				broken(a, s);
				return true;
			}
			(void)err_sys(&e, "write the command's output");
			fail(a, &e);
			return true;
		}
		*put += (size_t)k;
	}
	return true;
}

static void
hold(struct attach *a)
{
	if (a->on_hold || a->call == NULL)
		return;
	a->on_hold = true;
	rpc_out_hold(a->call);
}

static void
on_output(struct attach *a, struct stream *s, ProtobufCBinaryData data)
{
	const char *p = (const char *)data.data;
	size_t put = 0;

	if (s->closed || data.len == 0)
		return;
	if (s->held.n == 0 && push(a, s, p, data.len, &put))
		return;
	buf_put(&s->held, (struct view) { p + put, data.len - put });
	hold(a);
	if (s->held.full || watch(a, s, UV_WRITABLE, on_writable) != 0) {
		struct err e;

		(void)err_set(
		    &e, ERR_IO, "the command's output cannot be written");
		fail(a, &e);
	}
}

static void
on_writable(uv_poll_t *h, int status UNUSED, int events UNUSED)
{
	struct attach *a = h->data;
	struct stream *s = CONTAINER_OF(h, struct stream, poll);
	size_t put;
	bool all = push(a, s, s->held.p + s->at, s->held.n - s->at, &put);

	s->at += put;
	if (!all)
		return;
	(void)uv_poll_stop(h);
	buf_reset(&s->held);
	s->at = 0;
	if (a->on_hold && !output_waits(a) && a->call != NULL) {
		a->on_hold = false;
		rpc_out_resume(a->call);
	}
	settle(a);
}

/* --- input --- */

static void on_readable(uv_poll_t *h, int status, int events);

static void
detach(struct attach *a)
{
	a->detached = true;
	leave(a);
}

static void
on_key_timer(uv_timer_t *t)
{
	struct attach *a = t->data;
	unsigned char p = CTRL_P;

	if (a->key)
		send_bytes(a, &p, 1);
	a->key = false;
}

/*
 * Ctrl-P Ctrl-Q, also when they come in two reads.  A Ctrl-P alone is held
 * back for a moment only: it is "previous line" to every shell.
 */
static void
typed(struct attach *a, unsigned char *p, size_t n)
{
	if (!a->o->detach_keys || !a->term.raw) {
		send_bytes(a, p, n);
		return;
	}
	if (a->key) { /* CHUNK + 1: room for the byte held back */
		memmove(p + 1, p, n);
		p[0] = CTRL_P;
		n++;
		a->key = false;
	}
	for (size_t i = 0; i + 1 < n; i++)
		if (p[i] == CTRL_P && p[i + 1] == CTRL_Q) {
			send_bytes(a, p, i);
			detach(a);
			return;
		}
	if (p[n - 1] == CTRL_P) {
		a->key = true;
		n--;
		(void)uv_timer_start(&a->key_timer, on_key_timer, KEY_MS, 0);
	}
	send_bytes(a, p, n);
}

/*
 * A terminal has no end of input, only a ^D for whoever reads just then.  One
 * that comes while a shell changes the terminal's mode is lost; and each
 * program after it wants one of its own.
 */
static void
on_eof_again(uv_timer_t *t)
{
	struct attach *a = t->data;

	if (a->phase == RUNNING)
		send_eof(a);
}

static void
end_input(struct attach *a)
{
	if (a->streams[IN].closed)
		return;
	stream_ignore(&a->streams[IN]);
	send_eof(a);
	/* Nothing is typed any more that this timer would be needed for. */
	if (a->tty)
		(void)uv_timer_start(
		    &a->key_timer, on_eof_again, EOF_MS, EOF_MS);
}

/* Reads until nothing is there or the gateway has enough. */
static void
pump(struct attach *a)
{
	struct stream *s = &a->streams[IN];

	while (!s->closed && a->phase == RUNNING && a->call != NULL) {
		ssize_t got;

		if (rpc_out_queued(a->call) >= RPC_HIGH_WATER) {
			a->paused = true; /* on_drained goes on */
			if (s->poll_on)
				(void)uv_poll_stop(&s->poll);
			return;
		}
		got = read(s->fd, a->chunk, CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN) {
			if (watch(a, s, UV_READABLE, on_readable) != 0)
				end_input(a);
			return;
		}
		/* EIO: the terminal is gone; an end like any other. */
		if (got <= 0)
			end_input(a);
		else
			typed(a, a->chunk, (size_t)got);
	}
}

static void
on_readable(uv_poll_t *h, int status UNUSED, int events UNUSED)
{
	pump(h->data);
}

static void
on_drained(void *ctx)
{
	struct attach *a = ctx;

	if (!a->paused)
		return;
	a->paused = false;
	/* From a fresh turn of the loop: this is called while it sends. */
	if (watch(a, &a->streams[IN], UV_READABLE, on_readable) != 0)
		pump(a); /* a file: always ready, no poll */
}

/* --- signals --- */

static void
on_timer(uv_timer_t *t)
{
	struct attach *a = t->data;

	give_up(a, a->asked);
}

static void
on_end_signal(struct attach *a, int signo)
{
	if (a->phase != RUNNING || a->asked != 0) {
		give_up(a, signo);
		return;
	}
	a->asked = signo;
	send_signal(a, signo);
	/* A shell may well ignore SIGINT; nothing may ignore these. */
	if (signo == SIGTERM || signo == SIGHUP)
		(void)uv_timer_start(&a->timer, on_timer,
		    signo == SIGHUP ? HANGUP_MS : GRACE_MS, 0);
}

static void
raw_again(struct attach *a)
{
	struct err e;
	int fd = a->term.fd;

	if (a->phase == RUNNING && term_raw(&a->term, fd, &e) < 0)
		fail(a, &e);
	send_size(a);
}

/* Stopped from outside: the user's shell gets a sane terminal. */
static void
on_stop_signal(struct attach *a)
{
	bool was_raw = a->term.raw;

	term_restore(&a->term);
	(void)raise(SIGSTOP);
	if (was_raw)
		raw_again(a);
}

static void
on_signal(uv_signal_t *h, int signo)
{
	struct attach *a = h->data;

	switch (signo) {
	case SIGWINCH:
		send_size(a);
		return;
	case SIGTSTP:
		on_stop_signal(a);
		return;
	case SIGCONT:
		/* After a SIGSTOP the shell has set the terminal its way. */
		if (a->term.raw) {
			term_restore(&a->term);
			raw_again(a);
		}
		return;
	case SIGUSR1:
	case SIGUSR2:
		if (a->phase == RUNNING)
			send_signal(a, signo);
		return;
	default: /* a number, not an enum of ours */
		on_end_signal(a, signo);
	}
}

/* --- what comes --- */

static void
on_started(struct attach *a)
{
	struct err e;

	if (a->phase != ASKED)
		return;
	a->phase = RUNNING;
	if (a->tty && isatty(a->c->in) &&
	    term_raw(&a->term, a->c->in, &e) < 0) {
		fail(a, &e);
		return;
	}
	send_size(a);
	pump(a);
}

static void
on_exit_event(struct attach *a, const Openshell__V1__ExecSandboxExit *x)
{
	a->exited = true;
	/* What is beyond a byte is nobody's status. */
	a->status = x->exit_code >= 0 && x->exit_code <= 255 ? x->exit_code
							     : CLI_FAILED;
	(void)snprintf(a->message, sizeof(a->message), "%s", x->message);
	stream_ignore(&a->streams[IN]);
}

static void
on_message(void *ctx, const ProtobufCMessage *m)
{
	struct attach *a = ctx;
	const Openshell__V1__ExecSandboxEvent *ev =
	    (const Openshell__V1__ExecSandboxEvent *)(const void *)m;

	switch (ev->payload_case) {
	case OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STARTED:
		on_started(a);
		return;
	case OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDOUT:
		on_output(a, &a->streams[OUT], ev->stdout->data);
		return;
	case OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDERR:
		on_output(a, &a->streams[ERR], ev->stderr->data);
		return;
	case OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_EXIT:
		on_exit_event(a, ev->exit);
		return;
	case OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD__NOT_SET:
	case _OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD__CASE_IS_INT_SIZE:
		return;
	}
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct attach *a = ctx;

	a->call = NULL;
	a->code = code;
	(void)snprintf(a->text, sizeof(a->text), "%s", text);
	a->phase = OVER;
	stream_ignore(&a->streams[IN]);
	settle(a);
}

/* --- asking --- */

static int
ask(struct attach *a, struct rpc_client *rpc, const char *id, struct err *e)
{
	static const char path[] =
	    "/openshell.v1.OpenShell/ExecSandboxInteractive";
	const struct rpc_out_hooks hooks = { .message = on_message,
		.drained = on_drained,
		.closed = on_closed,
		.ctx = a };
	Openshell__V1__ExecSandboxRequest *req = NULL;
	INPUT(m);

	if (session_request(id, a->o, a->tty, &req, e) < 0)
		return -1;
	if (a->tty)
		get_size(a, &req->rows, &req->cols);
	m.start = req;
	a->call = rpc_out_new(rpc, path,
	    &openshell__v1__exec_sandbox_event__descriptor, &hooks, 0);
	send_input(a, &m, OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_START);
	openshell__v1__exec_sandbox_request__free_unpacked(req, NULL);
	return 0;
}

/* --- setting up --- */

static int
open_streams(struct attach *a, struct err *e)
{
	const int user[NSTREAMS] = { a->c->in, a->c->out, a->c->err };

	for (size_t i = 0; i < NSTREAMS; i++) {
		struct stream *s = &a->streams[i];

		s->held = BUF_INIT(HELD_MAX);
		if (stream_own(user[i], &s->fd, &s->flags, e) < 0)
			return -1;
	}
	/* All flags are known before any changes: streams share open files. */
	for (size_t i = 0; i < NSTREAMS; i++)
		if (fd_set_nonblock(a->streams[i].fd, true, e) < 0)
			return -1;
	return 0;
}

static void
open_timer(struct attach *a, uv_timer_t *t)
{
	(void)uv_timer_init(a->loop, t);
	t->data = a;
	a->open_handles++;
}

static int
open_signals(struct attach *a, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		uv_signal_t *h = &a->signals[a->n_signals];
		int rc;

		if (cli_signal_ignored(watched[i]))
			continue;
		(void)uv_signal_init(a->loop, h);
		h->data = a;
		a->n_signals++;
		a->open_handles++;
		rc = uv_signal_start(h, on_signal, watched[i]);
		if (rc != 0)
			return err_set(
			    e, ERR_IO, "signals: %s", uv_strerror(rc));
	}
	return 0;
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct attach *a = h->data;

	a->open_handles--;
}

static void
release(struct attach *a)
{
	if (a->call != NULL)
		rpc_out_cancel(a->call);
	term_restore(&a->term);
	for (size_t i = 0; i < a->n_signals; i++)
		uv_close((uv_handle_t *)&a->signals[i], on_handle_closed);
	uv_close((uv_handle_t *)&a->timer, on_handle_closed);
	uv_close((uv_handle_t *)&a->key_timer, on_handle_closed);
	for (size_t i = 0; i < NSTREAMS; i++)
		if (a->streams[i].poll_on)
			uv_close((uv_handle_t *)&a->streams[i].poll,
			    on_handle_closed);
	while (a->open_handles > 0)
		(void)uv_run(a->loop, UV_RUN_ONCE);
	for (size_t i = 0; i < NSTREAMS; i++) {
		struct stream *s = &a->streams[i];

		if (s->fd >= 0 && s->flags >= 0)
			(void)fcntl(s->fd, F_SETFL, s->flags);
		fd_close(&s->fd);
		buf_fini(&s->held);
	}
	free(a);
}

/* --- how it ended --- */

static const struct lost {
	enum rpc_code code;
	const char *what; /* of the sandbox */
	const char *fix; /* a command that takes its name, or NULL */
	const char *more;
} losts[] = {
	{ RPC_UNAVAILABLE, "the gateway or the sandbox went away",
	    "openshell sandbox get", "openshell status" },
	{ RPC_NOT_FOUND, "it does not exist", NULL, "openshell sandbox list" },
	{ RPC_FAILED_PRECONDITION, "it cannot run a command now",
	    "openshell sandbox get", NULL },
	{ RPC_INVALID_ARGUMENT, "the command was refused", NULL,
	    "openshell sandbox exec --help" },
	{ RPC_UNIMPLEMENTED, "the gateway cannot run commands", NULL,
	    "openshell gateway restart" },
	{ RPC_OK, "the session broke off", "openshell sandbox get",
	    "openshell status" },
};

static int
say_lost(const struct attach *a, struct err *e)
{
	const struct lost *l = losts;
	AUTO_BUF struct buf b = BUF_INIT(sizeof(e->text) - 1);

	while (l->code != a->code && l->code != RPC_OK)
		l++;
	buf_printf(&b, "sandbox '%.60s': %s", a->o->sandbox, l->what);
	if (a->text[0] != '\0')
		buf_printf(
		    &b, "\n%.200s (%s)", a->text, rpc_code_name(a->code));
	else
		buf_printf(&b, "\n(%s)", rpc_code_name(a->code));
	buf_puts(&b, "\nto see what happened:");
	if (l->fix != NULL)
		buf_printf(&b, " %s %.60s", l->fix, a->o->sandbox);
	if (l->more != NULL)
		buf_printf(&b, "%s %s", l->fix != NULL ? ";" : "", l->more);
	return err_set(e, ERR_IO, "%s", buf_str(&b));
}

/* A line of ours on stderr, after the terminal is sane again. */
static void
say(struct attach *a, enum cli_color color, const char *mark, const char *text)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);

	cli_paint(&b, a->c->color_err, color, mark);
	buf_putc(&b, ' ');
	buf_put_escaped(&b, view_of(text));
	buf_putc(&b, '\n');
	cli_note(a->c, &b);
}

static int
finish(struct attach *a, struct err *e)
{
	AUTO_FREE char *text = NULL;

	term_restore(&a->term);
	if (a->failed) {
		*e = a->why;
		return -1;
	}
	if (a->gave_up != 0)
		return CLI_SIGNAL + a->gave_up;
	if (a->detached) {
		text = mem_printf(
		    "left sandbox '%.200s'; it keeps running", a->o->sandbox);
		say(a, COLOR_HINT, "\n-", text);
		return CLI_OK;
	}
	if (!a->exited)
		return say_lost(a, e);
	if (a->message[0] != '\0')
		say(a, COLOR_BAD, "Error:", a->message);
	else if (a->status == CLI_TIMEOUT && a->o->timeout_s > 0) {
		text =
		    mem_printf("the command was ended after %u s (--timeout)",
			a->o->timeout_s);
		say(a, COLOR_BAD, "Error:", text);
	}
	return a->status;
}

static bool
wants_tty(const struct attach *a)
{
	if (a->o->tty != ATTACH_TTY_AUTO)
		return a->o->tty == ATTACH_TTY_YES;
	return isatty(a->c->in) && isatty(a->c->out);
}

int
session_attach(struct cli *c, struct rpc_client *rpc, const char *sandbox_id,
    const struct attach_options *o, struct err *e)
{
	struct attach *a = NEW(struct attach);
	int status = -1;

	a->c = c;
	a->o = o;
	a->loop = rpc_client_loop(rpc);
	for (size_t i = 0; i < NSTREAMS; i++)
		a->streams[i].fd = -1;
	a->tty = wants_tty(a);
	open_timer(a, &a->timer);
	open_timer(a, &a->key_timer);
	if (open_streams(a, e) == 0 && open_signals(a, e) == 0 &&
	    ask(a, rpc, sandbox_id, e) == 0) {
		while (!a->done)
			(void)uv_run(a->loop, UV_RUN_ONCE);
		status = finish(a, e);
	}
	release(a);
	return status;
}
