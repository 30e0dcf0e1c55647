/*
 * run: the life of one sandbox, from the owner's side.
 *
 *   STARTING  SPEC is sent; ISOLATED lets the command be sent
 *   RUNNING   STARTED came; streams flow, signals and policies pass
 *   ENDING    the command is over or unwanted; STOP is sent
 *   GONE      the session is closed; what is left is output to be written
 *
 * The phase only grows.  Whatever ends the session ends the sandbox, so the
 * worst this file can do by failing is to end it too early.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/run_impl.h"
#include "rpc/carry.h"
#include "cli/watch.h"

enum { END_MS = 15000, IDLE_MS = 2000 };

/* --- ending --- */

void
run_send(struct run *r, union session_msg *m, enum session_type type,
    const int *fds, unsigned nfds)
{
	struct err e;

	if (r->sock < 0)
		return;
	while (session_send(r->sock, m, type, fds, nfds, &e) < 0) {
		struct pollfd p = { .fd = r->sock, .events = POLLOUT };

		/* Anything but a full socket shows in the next receive. */
		if (e.code != ERR_AGAIN || poll(&p, 1, 1000) <= 0)
			return;
	}
}

static void
set_result(
    struct run *r, int status, const char *kind, int detail, struct view text)
{
	if (r->result.kind != NULL)
		return;
	r->result.status = status;
	r->result.kind = kind;
	r->result.detail = detail;
	text.n = MIN(text.n, sizeof(r->result.text) - 1);
	if (text.n > 0)
		memcpy(r->result.text, text.p, text.n);
}

/* Ends the sandbox; the result that is set first counts. */
static void
stop(struct run *r)
{
	union session_msg m = { 0 };

	if (r->phase >= RUN_ENDING)
		return;
	r->phase = RUN_ENDING;
	watch_end(r->watch_fd);
	relay_stop(&r->relays[RUN_IN]);
	run_send(r, &m, SESSION_STOP, NULL, 0);
	run_timer(r, END_MS);
}

/* Something of ours failed while the sandbox runs. */
static void
fail(struct run *r, const struct err *e)
{
	set_result(r, CLI_NO_SANDBOX, "failed", 0, view_of(e->text));
	stop(r);
}

/* A record that cannot be kept is no record: end, and say why. */
static void
record_lost(struct run *r, const struct err *e)
{
	fd_close(&r->rec.events);
	fail(r, e);
}

void
run_record_own(struct run *r, struct audit_event *ev)
{
	struct err e;

	if (run_record_event(&r->rec, ev, &e) < 0)
		record_lost(r, &e);
}

void
run_interrupt(struct run *r, int signo)
{
	set_result(
	    r, CLI_SIGNAL + signo, "interrupted", signo, (struct view) { 0 });
	stop(r);
}

/*
 * With the sandbox everything that wrote is dead, so a stream that gives
 * nothing for a while gives nothing more; one that waits for its reader does.
 */
static void
stop_idle(struct run *r)
{
	run_streams_stop_idle(r);
	run_timer(r, IDLE_MS);
}

static void
on_timer(uv_timer_t *t)
{
	struct run *r = t->data;

	switch (r->phase) {
	case RUN_STARTING:
		return;
	case RUN_RUNNING:
		run_interrupt(r, r->asked_to_end);
		return;
	case RUN_ENDING:
		/* Our child, not yet waited for: the number is still its. */
		if (!r->reaped)
			(void)kill(r->pid, SIGKILL);
		return;
	case RUN_GONE:
		stop_idle(r);
		return;
	}
}

void
run_timer(struct run *r, unsigned ms)
{
	(void)uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void
close_rest(struct run *r)
{
	run_signals_close(r);
	if (r->timer_on)
		uv_close((uv_handle_t *)&r->timer, NULL);
	r->timer_on = false;
}

void
run_relay_done(struct relay *relay)
{
	struct run *r = relay->owner;

	if (r->phase == RUN_GONE && !run_streams_active(r))
		close_rest(r);
}

static void
reap(struct run *r)
{
	if (r->reaped || r->pid <= 0)
		return;
	while (waitpid(r->pid, &r->pid_status, 0) < 0 && errno == EINTR)
		continue;
	r->reaped = true;
}

static void
describe_death(struct run *r)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	if (WIFSIGNALED(r->pid_status))
		buf_printf(&b, "the sandbox supervisor was killed by signal %d",
		    WTERMSIG(r->pid_status));
	else
		buf_printf(&b,
		    "the sandbox supervisor ended unexpectedly "
		    "(status %d)",
		    WEXITSTATUS(r->pid_status));
	buf_puts(&b, "\nthe sandbox ended with it");
	set_result(r, CLI_NO_SANDBOX, "failed", 0, buf_view(&b));
}

/* The supervisor, whose record it is, could not say how it ended. */
static void
record_end(struct run *r)
{
	struct audit_event ev = { .kind = AUDIT_SANDBOX_FAILED,
		.action = AUDIT_INFO,
		.reason = r->result.text[0] != '\0'
			      ? view_of(r->result.text)
			      : VIEW("the supervisor was killed at its end") };
	struct err e;

	if (r->rec.told_end || r->rec.events < 0)
		return;
	if (run_record_event(&r->rec, &ev, &e) < 0)
		run_say_error(r, view_of(e.text));
}

/* The session is closed: the sandbox is no more. */
static void
gone(struct run *r)
{
	if (r->phase == RUN_GONE)
		return;
	r->phase = RUN_GONE;
	if (r->sock_on)
		uv_close((uv_handle_t *)&r->sock_poll, NULL);
	r->sock_on = false;
	fd_close(&r->sock);
	run_policy_unwatch(r);
	reap(r);
	describe_death(r); /* unless there is a result already */
	record_end(r);
	run_streams_cut(r);
	if (!run_streams_active(r))
		close_rest(r);
	else
		run_timer(r, IDLE_MS);
}

/* --- messages --- */

static void
send_command(struct run *r)
{
	union session_msg m = { .exec = { .id = RUN_COMMAND_ID,
				    .tty = r->tty,
				    .timeout_s = r->o->timeout_s } };
	const int user[] = { r->c->in, r->c->out, r->c->err };
	AUTO_CLOSE int blob = -1;
	struct err e;
	int fds[1 + RUN_STREAMS];

	if (run_command_blob(r->o, &r->paths, r->tty, &blob, &e) < 0) {
		fail(r, &e);
		return;
	}
	term_size(user, ARRAY_LEN(user), &m.exec.rows, &m.exec.cols);
	fds[0] = blob;
	for (size_t i = 0; i < RUN_STREAMS; i++)
		fds[1 + i] = r->given[i];
	run_send(r, &m, SESSION_EXEC, fds, r->tty ? 1 : ARRAY_LEN(fds));
	run_streams_given(r);
}

static void
on_state(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	if (m->state.phase != SESSION_ISOLATED || r->phase != RUN_STARTING)
		return;
	r->rec.state = m->state;
	r->rec.isolated = true;
	if (!r->o->quiet && m->state.missing[0] != '\0')
		run_say_lines(r, COLOR_WARN,
		    "! not in force:", view_of(m->state.missing));
}

static void
on_started(
    struct run *r, const union session_msg *m UNUSED, int *fds, unsigned nfds)
{
	struct err e;

	if (r->phase != RUN_STARTING)
		return;
	r->phase = RUN_RUNNING;
	if (nfds != (r->tty ? 1U : 0U)) {
		(void)err_set(&e, ERR_PROTO,
		    "the supervisor sent %u "
		    "descriptors with STARTED",
		    nfds);
		fail(r, &e);
		return;
	}
	if (run_streams_start(r, r->tty ? fds[0] : -1, &e) < 0) {
		fail(r, &e);
		return;
	}
	run_streams_size(r);
	mem_settle();
	if (r->changed_early)
		run_policy_reload(r);
}

static const struct ending {
	const char *kind;
	int status; /* plus that of the message when `adds` */
	bool adds;
} endings[] = {
	[SESSION_END_EXIT] = { "exit", 0, true },
	[SESSION_END_SIGNAL] = { "signal", CLI_SIGNAL, true },
	[SESSION_END_TIMEOUT] = { "timeout", CLI_TIMEOUT, false },
	[SESSION_END_NOT_FOUND] = { "not-found", CLI_NOT_FOUND, false },
	[SESSION_END_NOT_EXECUTABLE] = { "not-executable", CLI_NOT_EXECUTABLE,
	    false },
};

static void
on_exited(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	const struct session_exited *x = &m->exited;
	const struct ending *end;
	AUTO_BUF struct buf text = BUF_INIT(512);
	int detail = (int)(x->status & 0xFF);

	if (x->id != RUN_COMMAND_ID || x->end == 0 ||
	    x->end >= ARRAY_LEN(endings))
		return;
	end = &endings[x->end];
	buf_puts(&text, x->text);
	if (x->end == SESSION_END_TIMEOUT)
		buf_printf(&text,
		    "%sthe command was ended after %u s (--timeout)",
		    text.n > 0 ? "\n" : "", r->o->timeout_s);
	if (x->oom && text.n == 0)
		buf_puts(&text, "out of memory\nraise --memory");
	set_result(r, end->status + (end->adds ? detail : 0), end->kind, detail,
	    buf_view(&text));
	stop(r);
}

static void
on_events(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	struct view lines = { m->events.json, m->events.n };
	struct err e;

	if (run_record_events(&r->rec, lines, &e) < 0)
		record_lost(r, &e);
}

static void
on_failed(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	AUTO_BUF struct buf b = BUF_INIT(2 * SESSION_TEXT);

	if (r->phase == RUN_STARTING)
		buf_puts(&b, "the sandbox could not be made\n");
	buf_puts(&b, m->failed.text);
	set_result(r, CLI_NO_SANDBOX, "failed", 0, buf_view(&b));
}

static void
on_note(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	if (!r->o->quiet)
		run_say_lines(r, COLOR_WARN, "!", view_of(m->note.text));
}

static void
on_policy_status(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	run_policy_status(r, &m->policy_status);
}

static void
on_propose(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	run_propose(r, &m->propose);
}

static void
on_inquire(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	run_inquire(r, &m->inquire);
}

static const struct handler {
	enum session_type type;
	void (*run)(
	    struct run *r, const union session_msg *m, int *fds, unsigned nfds);
} handlers[] = {
	{ SESSION_STATE, on_state },
	{ SESSION_POLICY_STATUS, on_policy_status },
	{ SESSION_STARTED, on_started },
	{ SESSION_EXITED, on_exited },
	{ SESSION_EVENTS, on_events },
	{ SESSION_FAILED, on_failed },
	{ SESSION_NOTE, on_note },
	{ SESSION_PROPOSE, on_propose },
	{ SESSION_INQUIRE, on_inquire },
};

static void
on_session(uv_poll_t *h, int status UNUSED, int events UNUSED)
{
	struct run *r = h->data;
	union session_msg *m = &r->got;
	int fds[FD_MSG_MAX];
	unsigned nfds;
	struct err e;

	while (r->sock >= 0) {
		int rc =
		    session_recv(r->sock, SESSION_OWNER, m, fds, &nfds, &e);

		if (rc < 0 && e.code == ERR_AGAIN)
			return;
		if (rc < 0 && e.code == ERR_PROTO)
			set_result(
			    r, CLI_NO_SANDBOX, "failed", 0, view_of(e.text));
		if (rc <= 0) {
			gone(r);
			return;
		}
		for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
			if (handlers[i].type == m->hdr.type)
				handlers[i].run(r, m, fds, nfds);
		for (unsigned i = 0; i < nfds; i++)
			fd_close(&fds[i]);
	}
}

/* --- setting up --- */

static int
init_loop(struct run *r, struct err *e)
{
	int rc = uv_loop_init(&r->loop);

	if (rc != 0)
		return err_set(e, ERR_IO, "event loop: %s", uv_strerror(rc));
	r->loop_on = true;
	(void)uv_timer_init(&r->loop, &r->timer);
	r->timer.data = r;
	r->timer_on = true;
	if (run_signals_watch(r, e) < 0)
		return -1;
	rc = uv_poll_init(&r->loop, &r->sock_poll, r->sock);
	if (rc != 0)
		return err_set(e, ERR_IO, "event loop: %s", uv_strerror(rc));
	r->sock_on = true;
	r->sock_poll.data = r;
	(void)uv_poll_start(
	    &r->sock_poll, UV_READABLE | UV_DISCONNECT, on_session);
	return run_policy_watch(r, e);
}

static int
send_credentials(struct run *r, struct err *e)
{
	union session_msg m = { .credentials = { .revision = 1 } };
	AUTO_CLOSE int fd = -1;
	size_t n = 0;

	if (run_creds_seal(r->o, &fd, &n, e) < 0)
		return -1;
	m.credentials.n = (uint32_t)n;
	return session_send(r->sock, &m, SESSION_CREDENTIALS, &fd, 1, e);
}

static int
send_settings(struct run *r, struct err *e)
{
	union session_msg m = { .settings = { .proposals = 1 } };

	return session_send(r->sock, &m, SESSION_SETTINGS, NULL, 0, e);
}

static int
send_spec(struct run *r, struct view policy, struct err *e)
{
	bool all = r->o->events != NULL || r->o->report != NULL;
	union session_msg m = { .spec = {
				    .event_level = all ? SESSION_EVENTS_ALL
						       : SESSION_EVENTS_DENIED,
				    .pids_max = r->o->pids,
				    .memory_max = r->o->memory,
				    .disk_max = r->o->disk } };
	AUTO_CLOSE int spec = -1, text = -1, egress = -1, carrier = -1;
	int fds[4];

	if (r->o->egress.any_binary && !r->o->quiet)
		run_say_lines(r, COLOR_WARN, "!",
		    VIEW("not in force: binaries (--ignore-binaries): what "
			 "the policy allows one program it allows all"));
	if (run_spec_blob(r->o, &r->paths, &r->services, &spec, e) < 0 ||
	    memfd_seal(policy, &text, e) < 0 ||
	    run_egress_seal(r->o, &egress, e) < 0 ||
	    carry_start(&r->services, &carrier, e) < 0)
		return -1;
	fds[0] = spec;
	fds[1] = text;
	fds[2] = egress;
	fds[3] = carrier;
	r->revision = 1;
	if (session_send(
		r->sock, &m, SESSION_SPEC, fds, carrier >= 0 ? 4 : 3, e) < 0)
		return -1;
	if (r->o->advisor && send_settings(r, e) < 0)
		return -1;
	return r->o->providers.n > 0 ? send_credentials(r, e) : 0;
}

/*
 * The supervisor is started first and works at the same time: it comes to life
 * while the policy is read, and builds the sandbox while it is parsed here.
 */
static int
start(struct run *r, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t n;

	for (size_t i = 0; i < r->o->middlewares.n; i++)
		if (services_add(
			&r->services, view_of(r->o->middlewares.v[i]), e) < 0)
			return err_wrap(e, "--middleware");
	if (session_spawn(&r->sock, &r->pid, e) < 0)
		return -1;
	if (run_policy_read(r, &text, &n, e) < 0 ||
	    run_record_open(r->o, &r->rec, e) < 0 ||
	    run_paths_find(r->o, &r->paths, e) < 0 ||
	    run_streams_prepare(r, e) < 0 ||
	    send_spec(r, (struct view) { text, n }, e) < 0 ||
	    init_loop(r, e) < 0 ||
	    run_policy_check(r, (struct view) { text, n }, e) < 0)
		return -1;
	/* It waits in the supervisor until the sandbox stands. */
	send_command(r);
	return 0;
}

/* --- afterwards --- */

static void
release(struct run *r)
{
	if (r->loop_on && r->phase != RUN_GONE)
		gone(r); /* the start failed */
	if (r->loop_on) {
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&r->loop);
	}
	fd_close(&r->sock);
	reap(r);
	run_streams_fini(r);
	run_advice_fini(r);
	run_policy_fini(r);
	run_paths_fini(&r->paths);
	services_fini(&r->services);
	run_record_fini(&r->rec);
	free(r);
}

static int
finish(struct run *r)
{
	AUTO_BUF struct buf b = BUF_INIT(4 << 20);
	struct err e;

	term_restore(&r->term);
	if (r->result.text[0] != '\0')
		run_say_error(r, view_of(r->result.text));
	if (!r->o->quiet) {
		run_record_denials(&r->rec, &b);
		run_advice_left(r, &b);
		run_say(r, &b);
	}
	if (run_record_report(&r->rec, r->o, r->policy, &r->result, &e) < 0) {
		run_say_error(r, view_of(e.text));
		/* Not to be taken for a run with a report. */
		if (r->result.status == 0)
			return CLI_NO_SANDBOX;
	}
	return r->result.status;
}

int
run_sandbox(struct cli *c, const struct run_options *o, struct err *e)
{
	struct run *r = NEW(struct run);
	int status = -1;

	r->c = c;
	r->o = o;
	r->sock = r->watch_fd = r->file.dirfd = -1;
	r->rec.events = r->rec.report = -1;
	run_streams_init(r);
	if (start(r, e) == 0) {
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
		status = finish(r);
	} else {
		set_result(r, CLI_NO_SANDBOX, "failed", 0, view_of(e->text));
		record_end(r);
	}
	release(r);
	return status;
}
