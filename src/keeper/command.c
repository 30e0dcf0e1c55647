/*
 * command: one program in the sandbox and the relay that carries its bytes.
 *
 *   open     a Relay call, pipes, EXEC to ctl
 *   started  told; with a terminal its master comes along
 *   exited   its status is kept until its output is drained, then told
 *
 * Flow control: output is not read while the relay's queue is full, and input
 * is not taken from the relay while the command's pipe is.  A relay that is
 * lost hangs the command up, and kills it when that does not help.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "keeper/impl.h"
#include "secrets/placeholder.h"

typedef Openshell__V1__ExecSandboxRequest request_msg;
typedef Openshell__V1__ExecSandboxInput input_msg;
typedef Openshell__V1__ExecSandboxEvent event_msg;
typedef Openshell__Supervisor__V1__RelayUp relay_up;
typedef Openshell__Supervisor__V1__RelayDown relay_down;

enum { IN, OUT, ERR, NPIPES, CHUNK = 32768, IN_QUEUE_MAX = 256 << 10, EOT = 4 };

struct pipe_end {
	uv_pipe_t h;
	struct command *c;
	bool open, reading, eof;
};

struct command {
	struct keeper *k;
	struct command *next, *prev;
	uint32_t id;
	bool tty, running; /* running: ctl has it and has not told its end */
	bool waiting; /* input waits for the start: a terminal comes with it */
	bool held, dead; /* dead: nobody listens any more */
	bool ended; /* exit was told, or cannot be */
	struct rpc_out *relay;
	struct pipe_end ends[NPIPES]; /* with a terminal OUT is both ways */
	uv_timer_t timer, clock;
	bool timed_out;
	struct session_exited exit;
	bool has_exit;
	unsigned handles;
	char buf[CHUNK];
};

static void try_finish(struct command *c);
static void take_input(struct command *c);

/* --- life ---------------------------------------------------------------- */

static void
on_handle_closed(uv_handle_t *h)
{
	struct command *c = h->data;

	if (--c->handles == 0)
		free(c);
}

static void
on_pipe_closed(uv_handle_t *h)
{
	struct pipe_end *p = h->data;
	struct command *c = p->c;

	if (--c->handles == 0)
		free(c);
}

static void
close_end(struct pipe_end *p)
{
	if (!p->open)
		return;
	p->open = p->reading = false;
	p->eof = true;
	uv_close((uv_handle_t *)&p->h, on_pipe_closed);
}

/* Both of the relay and of ctl are done with it. */
static void
release(struct command *c)
{
	if (c->running || c->relay != NULL || c->ended == false)
		return;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->k->commands = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->k->n_commands--;
	for (size_t i = 0; i < NPIPES; i++)
		close_end(&c->ends[i]);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	uv_close((uv_handle_t *)&c->clock, on_handle_closed);
}

static void
send_signal(struct command *c, int signo)
{
	struct keeper *k = c->k;

	if (!c->running)
		return;
	memset(&k->m.signal, 0, sizeof(k->m.signal));
	k->m.signal.id = c->id;
	k->m.signal.signo = (uint32_t)signo;
	keeper_tell(k, SESSION_SIGNAL);
}

static void
on_kill(uv_timer_t *t)
{
	send_signal(t->data, SIGKILL);
}

/* `signo` first, and KILL when it does not help. */
static void
put_down(struct command *c, int signo)
{
	if (!c->running)
		return;
	send_signal(c, signo);
	(void)uv_timer_start(&c->timer, on_kill, KEEPER_KILL_MS, 0);
}

static void
on_timeout(uv_timer_t *t)
{
	struct command *c = t->data;

	c->timed_out = true;
	put_down(c, SIGTERM);
}

/* --- up ------------------------------------------------------------------ */

static void
send_event(struct command *c, event_msg *ev)
{
	relay_up up = OPENSHELL__SUPERVISOR__V1__RELAY_UP__INIT;

	if (c->relay == NULL)
		return;
	up.payload_case = OPENSHELL__SUPERVISOR__V1__RELAY_UP__PAYLOAD_EVENT;
	up.event = ev;
	rpc_out_send(c->relay, &up.base);
}

static void
send_bytes(struct command *c, size_t from, char *p, size_t n)
{
	Openshell__V1__ExecSandboxStdout out =
	    OPENSHELL__V1__EXEC_SANDBOX_STDOUT__INIT;
	Openshell__V1__ExecSandboxStderr err =
	    OPENSHELL__V1__EXEC_SANDBOX_STDERR__INIT;
	event_msg ev = OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;

	if (from == OUT) {
		out.data = (ProtobufCBinaryData) { n, (uint8_t *)p };
		ev.payload_case =
		    OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDOUT;
		ev.stdout = &out;
	} else {
		err.data = (ProtobufCBinaryData) { n, (uint8_t *)p };
		ev.payload_case =
		    OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STDERR;
		ev.stderr = &err;
	}
	send_event(c, &ev);
}

static const struct {
	const char *kind;
	int base; /* of the exit code */
	bool adds; /* the status of the message */
} ends_of[] = {
	[SESSION_END_EXIT] = { "exit", 0, true },
	[SESSION_END_SIGNAL] = { "signal", 128, true },
	[SESSION_END_TIMEOUT] = { "timeout", 124, false },
	[SESSION_END_NOT_FOUND] = { "not-found", 127, false },
	[SESSION_END_NOT_EXECUTABLE] = { "not-executable", 126, false },
};

static void
send_exit(struct command *c)
{
	Openshell__V1__ExecSandboxExit x =
	    OPENSHELL__V1__EXEC_SANDBOX_EXIT__INIT;
	event_msg ev = OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;
	unsigned end = c->timed_out ? SESSION_END_TIMEOUT : c->exit.end;

	if (end == 0 || end >= ARRAY_LEN(ends_of))
		end = SESSION_END_NOT_EXECUTABLE;
	x.exit_code =
	    ends_of[end].base + (ends_of[end].adds ? (int)c->exit.status : 0);
	x.kind = (char *)(uintptr_t)ends_of[end].kind;
	x.signal = end == SESSION_END_SIGNAL ? c->exit.status : 0;
	x.message = c->exit.text;
	ev.payload_case = OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_EXIT;
	ev.exit = &x;
	send_event(c, &ev);
}

/* --- output -------------------------------------------------------------- */

static void
on_alloc(uv_handle_t *h, size_t hint UNUSED, uv_buf_t *out)
{
	struct pipe_end *p = h->data;

	*out = uv_buf_init(p->c->buf, sizeof(p->c->buf));
}

static void on_silent(uv_timer_t *t);

/*
 * A terminal that hung up may have more than one read found: what was written
 * last is on its way still, and libuv takes a short read with a hang-up for the
 * end.
 */
static void
send_rest(struct command *c, struct pipe_end *p)
{
	uv_os_fd_t fd;
	ssize_t n;

	if (uv_fileno((const uv_handle_t *)&p->h, &fd) != 0)
		return;
	do {
		n = read(fd, c->buf, sizeof(c->buf));
		if (n > 0)
			send_bytes(c, OUT, c->buf, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
}

static void
on_output(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct pipe_end *p = s->data;
	struct command *c = p->c;
	size_t which = (size_t)(p - c->ends);

	if (n == 0)
		return;
	if (n < 0) { /* EOF; of a terminal EIO */
		if (which == OUT && c->tty) {
			send_rest(c, p);
			close_end(&c->ends[IN]);
		}
		close_end(p);
		try_finish(c);
		return;
	}
	send_bytes(c, which, b->base, (size_t)n);
	if (c->has_exit)
		(void)uv_timer_start(&c->timer, on_silent, KEEPER_DRAIN_MS, 0);
	if (c->relay != NULL && rpc_out_queued(c->relay) >= RPC_HIGH_WATER)
		for (size_t i = OUT; i < NPIPES; i++)
			if (c->ends[i].reading) {
				(void)uv_read_stop(
				    (uv_stream_t *)&c->ends[i].h);
				c->ends[i].reading = false;
			}
}

static void
read_more(struct command *c)
{
	for (size_t i = OUT; i < NPIPES; i++) {
		struct pipe_end *p = &c->ends[i];

		if (p->open && !p->reading && !p->eof)
			p->reading = uv_read_start((uv_stream_t *)&p->h,
					 on_alloc, on_output) == 0;
	}
}

/* --- the end ------------------------------------------------------------- */

static bool
is_draining(const struct command *c)
{
	return (c->ends[OUT].open && !c->ends[OUT].eof) ||
	       (c->ends[ERR].open && !c->ends[ERR].eof);
}

static void
try_finish(struct command *c)
{
	if (!c->has_exit || c->ended || (is_draining(c) && !c->dead))
		return;
	c->ended = true;
	(void)uv_timer_stop(&c->timer);
	(void)uv_timer_stop(&c->clock);
	if (c->relay != NULL) {
		send_exit(c);
		rpc_out_end(c->relay);
		take_input(c);
		return; /* released when the relay is closed */
	}
	release(c);
}

/* From here on there is where input goes. */
static void
take_input(struct command *c)
{
	bool waited = c->waiting;

	c->waiting = false;
	if (waited && c->relay != NULL)
		rpc_out_resume(c->relay); /* may be its end */
}

/* Does the pipe hold what was written and not read yet? */
static bool
has_bytes(const struct pipe_end *p)
{
	uv_os_fd_t fd;
	int n = 0;

	return p->open && !p->eof &&
	       uv_fileno((const uv_handle_t *)&p->h, &fd) == 0 &&
	       ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

/*
 * What the command left behind may hold its output open for ever; what it
 * wrote itself is there by now.  While the reader is slow nothing is silent.
 */
static void
on_silent(uv_timer_t *t)
{
	struct command *c = t->data;
	bool reading = c->ends[OUT].reading || c->ends[ERR].reading;

	/* Held back by a slow reader, or about to be read. */
	if (c->relay != NULL && is_draining(c) &&
	    (!reading || has_bytes(&c->ends[OUT]) ||
		has_bytes(&c->ends[ERR]))) {
		(void)uv_timer_start(t, on_silent, KEEPER_DRAIN_MS, 0);
		return;
	}
	close_end(&c->ends[OUT]);
	close_end(&c->ends[ERR]);
	try_finish(c);
}

/* --- input --------------------------------------------------------------- */

struct write {
	uv_write_t req;
	struct command *c;
	char bytes[];
};

static void
on_input_written(uv_write_t *w, int status UNUSED)
{
	struct write *x = (struct write *)(void *)w;
	struct command *c = x->c;
	uv_stream_t *to = w->handle;

	free(x);
	if (!c->held || uv_stream_get_write_queue_size(to) > IN_QUEUE_MAX / 2)
		return;
	c->held = false;
	if (c->relay != NULL)
		rpc_out_resume(c->relay);
}

static void
write_input(struct command *c, const void *p, size_t n)
{
	struct pipe_end *to = &c->ends[c->tty ? OUT : IN];
	struct write *w;
	uv_buf_t b;

	if (!to->open || n == 0)
		return; /* it reads no more: as a closed pipe */
	w = mem_calloc(1, sizeof(*w) + n);
	w->c = c;
	memcpy(w->bytes, p, n);
	b = uv_buf_init(w->bytes, (unsigned)n);
	if (uv_write(&w->req, (uv_stream_t *)&to->h, &b, 1, on_input_written) <
	    0) {
		free(w);
		return;
	}
	if (uv_stream_get_write_queue_size((uv_stream_t *)&to->h) >
		IN_QUEUE_MAX &&
	    c->relay != NULL) {
		c->held = true;
		rpc_out_hold(c->relay);
	}
}

struct shut {
	uv_shutdown_t req;
	struct pipe_end *p;
};

static void
on_input_shut(uv_shutdown_t *s, int status UNUSED)
{
	struct shut *x = (struct shut *)(void *)s;
	struct pipe_end *p = x->p;

	free(x);
	close_end(p);
}

static void
end_input(struct command *c)
{
	static const char eot = EOT;
	struct pipe_end *in = &c->ends[IN];
	struct shut *x;

	if (c->tty) {
		write_input(c, &eot, 1);
		return;
	}
	if (!in->open || in->eof)
		return;
	in->eof = true;
	x = NEW(struct shut);
	x->p = in;
	/* After what is queued has been written. */
	if (uv_shutdown(&x->req, (uv_stream_t *)&in->h, on_input_shut) < 0) {
		free(x);
		close_end(in);
	}
}

static void
resize(struct command *c, const Openshell__V1__ExecSandboxResize *r)
{
	struct keeper *k = c->k;

	if (!c->tty || !c->running)
		return;
	memset(&k->m.resize, 0, sizeof(k->m.resize));
	k->m.resize.id = c->id;
	k->m.resize.rows = (uint16_t)MIN(r->rows, 65535u);
	k->m.resize.cols = (uint16_t)MIN(r->cols, 65535u);
	keeper_tell(k, SESSION_RESIZE);
}

static void
on_relay_message(void *ctx, const ProtobufCMessage *msg)
{
	const relay_down *m = (const void *)msg;
	struct command *c = ctx;
	const input_msg *in = m->input;

	if (in == NULL)
		return;
	switch ((int)in->payload_case) {
	case OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN:
		write_input(c, in->stdin.data, in->stdin.len);
		break;
	case OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_STDIN_EOF:
		end_input(c);
		break;
	case OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_RESIZE:
		resize(c, in->resize);
		break;
	case OPENSHELL__V1__EXEC_SANDBOX_INPUT__PAYLOAD_SIGNAL:
		if (in->signal >= 1 && in->signal <= 64)
			send_signal(c, (int)in->signal);
		break;
	default:
		break;
	}
}

static void
on_relay_drained(void *ctx)
{
	read_more(ctx);
}

static void
on_relay_closed(void *ctx, enum rpc_code code UNUSED, const char *text UNUSED)
{
	struct command *c = ctx;

	c->relay = NULL;
	c->held = false;
	if (c->ended) {
		release(c);
		return;
	}
	/* Nobody listens: the command is hung up, as by a lost line. */
	c->dead = true;
	close_end(&c->ends[IN]);
	if (c->running)
		put_down(c, SIGHUP);
	else
		try_finish(c);
}

/* --- the start ----------------------------------------------------------- */

static void
open_failed(struct keeper *k, const char *relay_id, const char *reason)
{
	Openshell__Supervisor__V1__OpenFailed f =
	    OPENSHELL__SUPERVISOR__V1__OPEN_FAILED__INIT;
	up_msg up = OPENSHELL__SUPERVISOR__V1__UP__INIT;

	f.relay_id = (char *)(uintptr_t)relay_id;
	f.reason = (char *)(uintptr_t)reason;
	up.payload_case = OPENSHELL__SUPERVISOR__V1__UP__PAYLOAD_OPEN_FAILED;
	up.open_failed = &f;
	rpc_out_send(k->attend, &up.base);
}

static void
open_end(struct command *c, size_t i, int fd)
{
	struct pipe_end *p = &c->ends[i];

	(void)uv_pipe_init(&c->k->loop, &p->h, 0);
	p->h.data = p;
	p->c = c;
	p->open = true;
	c->handles++;
	if (uv_pipe_open(&p->h, fd) < 0) {
		(void)close(fd);
		close_end(p);
	}
}

/*
 * As root the agent has another id than we have, and programs open /dev/stdout
 * anew.  Nobody else gets at a pipe that has no name.
 */
static void
open_to_agent(int fd)
{
	if (geteuid() == 0)
		(void)fchmod(fd, 0666);
}

static int
make_pipes(struct command *c, int given[NPIPES], struct err *e)
{
	for (size_t i = 0; i < NPIPES; i++) {
		int pair[2];

		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_sys(e, "pipe");
		open_to_agent(pair[0]);
		given[i] = pair[i == IN ? 0 : 1];
		open_end(c, i, pair[i == IN ? 1 : 0]);
	}
	return 0;
}

static void
add_env(struct blob *b, const char *key, const char *value)
{
	AUTO_FREE char *kv = mem_printf("%s=%s", key, value);

	blob_add(b, "env", kv);
}

static int
seal_command(struct keeper *k, const request_msg *r, int *fd, struct err *e)
{
	const Openshell__Datamodel__V1__SandboxSpec *spec = k->msg->spec;
	struct blob *b = blob_new();
	int rc;

	for (size_t i = 0; i < r->n_command; i++)
		blob_add(b, "arg", r->command[i]);
	/* No command is a shell. */
	if (r->n_command == 0) {
		blob_add(b, "arg",
		    access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh");
		if (r->tty)
			blob_add(b, "arg", "-i");
	}
	if (r->workdir[0] != '\0')
		blob_add(b, "cwd", r->workdir);
	/* First: what the user sets himself stays as he set it. */
	for (size_t i = 0; i < k->n_keys; i++) {
		AUTO_BUF struct buf kv = BUF_INIT(1024);

		ph_environ(view_of(k->keys[i]), &kv);
		blob_add(b, "env", buf_str(&kv));
	}
	for (size_t i = 0; i < spec->n_environment; i++)
		add_env(
		    b, spec->environment[i]->key, spec->environment[i]->value);
	for (size_t i = 0; i < r->n_environment; i++)
		add_env(b, r->environment[i]->key, r->environment[i]->value);
	rc = blob_seal(b, fd, e);
	blob_free(b);
	return rc;
}

static int
start(struct command *c, const request_msg *r, struct err *e)
{
	struct keeper *k = c->k;
	AUTO_CLOSE int blob = -1;
	int given[NPIPES] = { -1, -1, -1 };
	int fds[1 + NPIPES];
	int rc = 0;

	if (seal_command(k, r, &blob, e) < 0)
		return -1;
	if (!c->tty)
		rc = make_pipes(c, given, e);
	if (rc == 0) {
		fds[0] = blob;
		memcpy(fds + 1, given, sizeof(given));
		memset(&k->m.exec, 0, sizeof(k->m.exec));
		k->m.exec.id = c->id;
		k->m.exec.tty = c->tty;
		k->m.exec.rows = (uint16_t)(r->rows > 0 ? r->rows : 24);
		k->m.exec.cols = (uint16_t)(r->cols > 0 ? r->cols : 80);
		rc = keeper_send(
		    k, SESSION_EXEC, fds, c->tty ? 1 : 1 + NPIPES, e);
		c->running = rc == 0;
	}
	for (size_t i = 0; i < NPIPES; i++)
		fd_close(&given[i]);
	return rc;
}

void
command_open(struct keeper *k, const Openshell__Supervisor__V1__Open *o)
{
	const struct rpc_out_hooks hooks = { .message = on_relay_message,
		.drained = on_relay_drained,
		.closed = on_relay_closed };
	relay_up up = OPENSHELL__SUPERVISOR__V1__RELAY_UP__INIT;
	struct rpc_out_hooks mine = hooks;
	struct command *c;
	struct err e;

	if (o->exec == NULL || !k->isolated || k->stopping) {
		open_failed(k, o->relay_id, "the sandbox is not ready");
		return;
	}
	if (k->n_commands >= KEEPER_COMMANDS_MAX) {
		open_failed(k, o->relay_id,
		    "too many commands run in this sandbox already");
		return;
	}
	c = NEW(struct command);
	c->k = k;
	c->id = ++k->next_id;
	c->tty = o->exec->tty;
	(void)uv_timer_init(&k->loop, &c->timer);
	(void)uv_timer_init(&k->loop, &c->clock);
	c->timer.data = c->clock.data = c;
	c->handles = 2;
	c->next = k->commands;
	if (c->next != NULL)
		c->next->prev = c;
	k->commands = c;
	k->n_commands++;
	mine.ctx = c;
	c->relay =
	    rpc_out_new(k->client, "/openshell.supervisor.v1.Supervisor/Relay",
		&openshell__supervisor__v1__relay_down__descriptor, &mine, 0);
	up.payload_case = OPENSHELL__SUPERVISOR__V1__RELAY_UP__PAYLOAD_RELAY_ID;
	up.relay_id = o->relay_id;
	rpc_out_send(c->relay, &up.base);
	c->waiting = true;
	rpc_out_hold(c->relay);
	if (start(c, o->exec, &e) < 0) {
		c->has_exit = true;
		c->exit.end = SESSION_END_NOT_EXECUTABLE;
		(void)snprintf(
		    c->exit.text, sizeof(c->exit.text), "%.250s", e.text);
		for (size_t i = 0; i < NPIPES; i++)
			close_end(&c->ends[i]);
		try_finish(c);
		return;
	}
	if (o->exec->timeout_seconds > 0)
		(void)uv_timer_start(&c->clock, on_timeout,
		    (uint64_t)o->exec->timeout_seconds * 1000, 0);
}

static struct command *
command_by(struct keeper *k, uint32_t id)
{
	struct command *c = k->commands;

	while (c != NULL && c->id != id)
		c = c->next;
	return c;
}

void
command_started(
    struct keeper *k, const struct session_started *m, int *fds, unsigned nfds)
{
	Openshell__V1__ExecSandboxStarted started =
	    OPENSHELL__V1__EXEC_SANDBOX_STARTED__INIT;
	event_msg ev = OPENSHELL__V1__EXEC_SANDBOX_EVENT__INIT;
	struct command *c = command_by(k, m->id);

	if (c == NULL)
		return;
	if (c->tty && nfds == 1)
		open_end(c, OUT, fd_take(&fds[0]));
	started.pid = m->pid;
	ev.payload_case = OPENSHELL__V1__EXEC_SANDBOX_EVENT__PAYLOAD_STARTED;
	ev.started = &started;
	send_event(c, &ev);
	read_more(c);
	take_input(c);
	/* Its client went while it started. */
	if (c->dead)
		put_down(c, SIGHUP);
}

void
command_exited(struct keeper *k, const struct session_exited *m)
{
	struct command *c = command_by(k, m->id);

	if (c == NULL)
		return;
	c->running = false;
	c->has_exit = true;
	c->exit = *m;
	(void)uv_timer_stop(&c->clock);
	close_end(&c->ends[IN]);
	read_more(c);
	(void)uv_timer_start(&c->timer, on_silent, KEEPER_DRAIN_MS, 0);
	try_finish(c);
}

void
command_end_all(struct keeper *k)
{
	for (struct command *c = k->commands, *next; c != NULL; c = next) {
		next = c->next;
		c->running = false;
		if (!c->has_exit) {
			c->has_exit = true;
			c->exit.end = SESSION_END_SIGNAL;
			c->exit.status = SIGKILL;
		}
		c->dead = true;
		try_finish(c);
	}
}
