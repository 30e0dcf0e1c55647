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
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/watch.h"

enum {
	GRACE_MS = 10000,
	HANGUP_MS = 2000,
	END_MS = 15000,
	IDLE_MS = 2000,
	COMMAND_ID = 1
};
enum phase { STARTING, RUNNING, ENDING, GONE };
enum { IN, OUT, ERR, NSTREAMS };

static const int watched_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
	SIGWINCH, SIGTSTP, SIGCONT, SIGUSR1, SIGUSR2 };

struct run {
	struct cli *c;
	const struct run_options *o;
	enum phase phase;
	uv_loop_t loop;
	uv_poll_t sock_poll, watch_poll;
	uv_signal_t signals[ARRAY_LEN(watched_signals)];
	uv_timer_t timer;
	bool loop_on, sock_on, watch_on, timer_on;
	size_t n_signals;
	int sock, watch_fd;
	pid_t pid;
	int pid_status;
	bool reaped;
	int asked_to_end; /* the signal that came first */

	struct policy_file file;
	struct policy *policy; /* last one sent */
	char hash[65]; /* of the last one sent, once hashed; "": refused */
	uint64_t revision;
	dev_t dev; /* of the file the run began with */
	ino_t ino;
	bool pinned; /* only that file counts */
	bool changed_early, hashed;

	bool tty;
	struct term term;
	struct relay relays[NSTREAMS];
	int inner[NSTREAMS]; /* our ends of pipes, until their relay starts */
	int unread; /* sees what the command left of a file as input */
	off_t input_at; /* where that file was */
	int given[NSTREAMS]; /* what EXEC carries */
	bool own_given[NSTREAMS];

	struct run_paths paths;
	struct run_record rec;
	struct run_result result;
	union session_msg got; /* large: not on a stack that waits */
};

/* --- telling the user --- */

/* Whole lines on stderr; a raw terminal does not return the carriage. */
static void
say(struct run *r, const struct buf *b)
{
	AUTO_BUF struct buf crlf = BUF_INIT(4 << 20);

	if (!r->term.raw || !isatty(r->c->err)) {
		cli_note(r->c, b);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		if (b->p[i] == '\n')
			buf_putc(&crlf, '\r');
		buf_putc(&crlf, b->p[i]);
	}
	cli_note(r->c, &crlf);
}

/* A marked line for each line of text. */
static void
say_lines(
    struct run *r, enum cli_color color, const char *mark, struct view text)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text);

		cli_paint(&b, r->c->color_err, color, mark);
		buf_putc(&b, ' ');
		buf_put_escaped(&b, line);
		buf_putc(&b, '\n');
	}
	say(r, &b);
}

static void
say_error(struct run *r, struct view text)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 16);
	const char *before = "";

	cli_paint(&b, r->c->color_err, COLOR_BAD, "Error:");
	buf_putc(&b, ' ');
	while (text.n > 0) {
		struct view line = view_cut(text, '\n', &text);

		buf_puts(&b, before);
		buf_put_escaped(&b, line);
		buf_putc(&b, '\n');
		before = "  ";
	}
	say(r, &b);
}

/* --- ending --- */

static void
send_msg(struct run *r, union session_msg *m, enum session_type type,
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

static void on_timer(uv_timer_t *t);

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

static void
stop(struct run *r)
{
	union session_msg m = { 0 };

	if (r->phase >= ENDING)
		return;
	r->phase = ENDING;
	watch_end(r->watch_fd);
	relay_stop(&r->relays[IN]);
	send_msg(r, &m, SESSION_STOP, NULL, 0);
	(void)uv_timer_start(&r->timer, on_timer, END_MS, 0);
}

/* Something of ours failed while the sandbox runs. */
static void
fail(struct run *r, const struct err *e)
{
	set_result(r, CLI_NO_SANDBOX, "failed", 0, view_of(e->text));
	stop(r);
}

static void
stop_for_signal(struct run *r, int signo)
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
stop_idle_relays(struct run *r)
{
	for (size_t i = 0; i < NSTREAMS; i++)
		if (r->relays[i].active && r->relays[i].n == 0)
			relay_stop(&r->relays[i]);
	(void)uv_timer_start(&r->timer, on_timer, IDLE_MS, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct run *r = t->data;

	switch (r->phase) {
	case STARTING:
		return;
	case RUNNING:
		stop_for_signal(r, r->asked_to_end);
		return;
	case ENDING:
		/* Our child, not yet waited for: the number is still its. */
		if (!r->reaped)
			(void)kill(r->pid, SIGKILL);
		return;
	case GONE:
		stop_idle_relays(r);
		return;
	}
}

static bool
relays_active(const struct run *r)
{
	for (size_t i = 0; i < NSTREAMS; i++)
		if (r->relays[i].active)
			return true;
	return false;
}

static void
close_rest(struct run *r)
{
	for (size_t i = 0; i < r->n_signals; i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	r->n_signals = 0;
	if (r->timer_on)
		uv_close((uv_handle_t *)&r->timer, NULL);
	r->timer_on = false;
}

static void
on_relay_done(struct relay *relay)
{
	struct run *r = relay->owner;

	if (r->phase == GONE && !relays_active(r))
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

/* The session is closed: the sandbox is no more. */
static void
gone(struct run *r)
{
	if (r->phase == GONE)
		return;
	r->phase = GONE;
	if (r->sock_on)
		uv_close((uv_handle_t *)&r->sock_poll, NULL);
	r->sock_on = false;
	fd_close(&r->sock);
	if (r->watch_on)
		uv_close((uv_handle_t *)&r->watch_poll, NULL);
	r->watch_on = false;
	reap(r);
	describe_death(r); /* unless there is a result already */
	relay_stop(&r->relays[IN]);
	for (size_t i = 0; i < NSTREAMS; i++)
		fd_close(&r->inner[i]);
	if (!relays_active(r))
		close_rest(r);
	else
		(void)uv_timer_start(&r->timer, on_timer, IDLE_MS, 0);
}

/* --- signals --- */

static void
forward(struct run *r, int signo)
{
	union session_msg m = { .signal = { .id = COMMAND_ID,
				    .signo = (uint32_t)signo } };

	send_msg(r, &m, SESSION_SIGNAL, NULL, 0);
}

static void
on_end_signal(struct run *r, int signo)
{
	switch (r->phase) {
	case STARTING:
		stop_for_signal(r, signo);
		return;
	case RUNNING:
		if (r->asked_to_end != 0) {
			stop_for_signal(r, signo);
			return;
		}
		r->asked_to_end = signo;
		forward(r, signo);
		/* A shell may well ignore SIGINT; nothing may ignore these. */
		if (signo == SIGTERM || signo == SIGHUP)
			(void)uv_timer_start(&r->timer, on_timer,
			    signo == SIGHUP ? HANGUP_MS : GRACE_MS, 0);
		return;
	case ENDING:
		if (!r->reaped)
			(void)kill(r->pid, SIGKILL);
		return;
	case GONE:
		for (size_t i = 0; i < NSTREAMS; i++)
			relay_stop(&r->relays[i]);
		return;
	}
}

static void
send_size(struct run *r)
{
	union session_msg m = { .resize = { .id = COMMAND_ID } };
	const int fds[] = { r->c->in, r->c->out, r->c->err };

	if (!r->tty || r->phase != RUNNING)
		return;
	term_size(fds, ARRAY_LEN(fds), &m.resize.rows, &m.resize.cols);
	send_msg(r, &m, SESSION_RESIZE, NULL, 0);
}

/*
 * Stopped from outside: the command stops too, and the terminal is sane.  It
 * may run before we are told that it has started.
 */
static void
on_stop_signal(struct run *r)
{
	bool was_raw = r->term.raw;
	struct err ignored;

	if (r->phase <= RUNNING)
		forward(r, SIGSTOP);
	term_restore(&r->term);
	(void)raise(SIGSTOP);
	if (was_raw && term_raw(&r->term, r->term.fd, &ignored) < 0)
		stop_for_signal(r, SIGHUP);
	if (r->phase <= RUNNING)
		forward(r, SIGCONT);
	send_size(r);
}

static void
on_signal(uv_signal_t *h, int signo)
{
	struct run *r = h->data;

	if (signo == SIGWINCH)
		send_size(r);
	else if (signo == SIGTSTP)
		on_stop_signal(r);
	else if (signo != SIGCONT && signo != SIGUSR1 && signo != SIGUSR2)
		on_end_signal(r, signo);
	else if (r->phase == RUNNING)
		forward(r, signo);
}

/* --- policy --- */

static void
report_findings(struct run *r, const struct policy_findings *f)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	policy_findings_print(f, r->o->policy, &b);
	say(r, &b);
}

static void
keep_policy(struct run *r, const char *why)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);

	buf_printf(&b, "policy not applied: %s; revision %llu stays in force",
	    why, (unsigned long long)r->rec.revision);
	say_lines(r, COLOR_WARN, "!", buf_view(&b));
}

static int
send_policy(struct run *r, struct view text, struct err *e)
{
	union session_msg m = { .policy = { .revision = r->revision + 1 } };
	AUTO_CLOSE int fd = -1;

	if (memfd_seal(text, &fd, e) < 0)
		return -1;
	r->revision++;
	send_msg(r, &m, SESSION_POLICY, &fd, 1);
	return 0;
}

static void
reload(struct run *r)
{
	AUTO_FREE char *text = NULL;
	AUTO_POLICY struct policy *next = NULL;
	AUTO_FINDINGS struct policy_findings found = { 0 };
	struct err e;
	char hash[65];
	size_t n;

	if (policy_file_read(&r->file, &text, &n, &e) < 0) {
		/* Being written: the end of that write is an event too. */
		if (e.code == ERR_AGAIN)
			return;
		say_error(r, view_of(e.text));
		keep_policy(r, "it cannot be read");
		return;
	}
	/*
	 * Attack: a program in the sandbox puts a policy of its own in place
	 * of this one.  The file itself is read-only inside.
	 */
	if (r->pinned && (r->file.dev != r->dev || r->file.ino != r->ino)) {
		keep_policy(r, "the file was replaced, in a directory where "
			       "the sandbox can write; edit it in place or "
			       "keep it elsewhere");
		return;
	}
	if (policy_parse((struct view) { text, n }, &next, &found) < 0) {
		report_findings(r, &found);
		keep_policy(r, "it has errors");
		return;
	}
	if (!r->hashed) {
		policy_hash(r->policy, r->hash);
		r->hashed = true;
	}
	policy_hash(next, hash);
	if (strcmp(hash, r->hash) == 0)
		return;
	if (policy_static_check(r->policy, next, &found) < 0) {
		report_findings(r, &found);
		keep_policy(r, "this needs a new run");
		return;
	}
	if (send_policy(r, (struct view) { text, n }, &e) < 0) {
		say_error(r, view_of(e.text));
		return;
	}
	if (!r->o->quiet)
		report_findings(r, &found);
	policy_free(r->policy);
	r->policy = take_ptr(next);
	memcpy(r->hash, hash, sizeof(hash));
}

static void
on_watch(uv_poll_t *h, int status UNUSED, int events UNUSED)
{
	struct run *r = h->data;

	if (!watch_changed(r->watch_fd, r->file.dirfd, r->file.base))
		return;
	if (r->phase == STARTING)
		r->changed_early = true;
	else if (r->phase == RUNNING)
		reload(r);
}

/* --- messages --- */

static void
close_given(struct run *r)
{
	for (size_t i = 0; i < NSTREAMS; i++)
		if (r->own_given[i])
			fd_close(&r->given[i]);
}

static void
send_command(struct run *r)
{
	union session_msg m = { .exec = { .id = COMMAND_ID,
				    .tty = r->tty,
				    .timeout_s = r->o->timeout_s } };
	const int user[] = { r->c->in, r->c->out, r->c->err };
	AUTO_CLOSE int blob = -1;
	struct err e;
	int fds[1 + NSTREAMS];

	if (run_command_blob(r->o, &r->paths, r->tty, &blob, &e) < 0) {
		fail(r, &e);
		return;
	}
	term_size(user, ARRAY_LEN(user), &m.exec.rows, &m.exec.cols);
	fds[0] = blob;
	for (size_t i = 0; i < NSTREAMS; i++)
		fds[1 + i] = r->given[i];
	send_msg(r, &m, SESSION_EXEC, fds, r->tty ? 1 : ARRAY_LEN(fds));
	close_given(r);
}

static void
on_state(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	if (m->state.phase != SESSION_ISOLATED || r->phase != STARTING)
		return;
	r->rec.state = m->state;
	r->rec.isolated = true;
	if (!r->o->quiet && m->state.missing[0] != '\0')
		say_lines(r, COLOR_WARN,
		    "! not in force:", view_of(m->state.missing));
}

static void
on_policy_status(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	AUTO_BUF struct buf b = BUF_INIT(128);

	if (!m->policy_status.loaded) {
		say_error(r, view_of(m->policy_status.text));
		keep_policy(r, "the supervisor refused it");
		r->hash[0] = '\0'; /* saving it again tries again */
		return;
	}
	r->rec.revision = m->policy_status.revision;
	if (m->policy_status.revision <= 1 || r->o->quiet)
		return;
	buf_printf(&b, "policy revision %llu in force",
	    (unsigned long long)m->policy_status.revision);
	say_lines(r, COLOR_OK, r->c->utf8 ? "✓" : "*", buf_view(&b));
}

static int
start_relay(struct run *r, size_t i, int in, int in_flags, int out,
    int out_flags, struct err *e)
{
	struct relay *relay = &r->relays[i];

	relay->owner = r;
	relay->done = on_relay_done;
	relay->in_flags = in_flags;
	relay->out_flags = out_flags;
	return relay_start(&r->loop, relay, in, out, e);
}

static int
start_pipes(struct run *r, struct err *e)
{
	const int user[NSTREAMS] = { r->c->in, r->c->out, r->c->err };

	for (size_t i = 0; i < NSTREAMS; i++) {
		int own, flags, rc;

		if (r->inner[i] < 0)
			continue;
		if (stream_own(user[i], &own, &flags, e) < 0)
			return -1;
		if (i == IN)
			rc = start_relay(
			    r, i, own, flags, take_fd(r->inner[i]), -1, e);
		else
			rc = start_relay(
			    r, i, take_fd(r->inner[i]), -1, own, flags, e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int
start_tty(struct run *r, int master, struct err *e)
{
	AUTO_CLOSE int to = fcntl(master, F_DUPFD_CLOEXEC, 3);
	AUTO_CLOSE int from = fcntl(master, F_DUPFD_CLOEXEC, 3);
	int own, flags;

	if (to < 0 || from < 0)
		return err_sys(e, "duplicate the pty");
	if (isatty(r->c->in) && term_raw(&r->term, r->c->in, e) < 0)
		return -1;
	if (stream_own(r->c->in, &own, &flags, e) < 0)
		return -1;
	r->relays[IN].at_end_eot = !isatty(r->c->in);
	if (start_relay(r, IN, own, flags, take_fd(to), -1, e) < 0)
		return -1;
	if (stream_own(r->c->out, &own, &flags, e) < 0)
		return -1;
	return start_relay(r, OUT, take_fd(from), -1, own, flags, e);
}

static void
on_started(
    struct run *r, const union session_msg *m UNUSED, int *fds, unsigned nfds)
{
	struct err e;

	if (r->phase != STARTING)
		return;
	r->phase = RUNNING;
	if (nfds != (r->tty ? 1U : 0U)) {
		(void)err_set(&e, ERR_PROTO,
		    "the supervisor sent %u "
		    "descriptors with STARTED",
		    nfds);
		fail(r, &e);
		return;
	}
	if ((r->tty ? start_tty(r, fds[0], &e) : start_pipes(r, &e)) < 0) {
		fail(r, &e);
		return;
	}
	send_size(r);
	mem_settle();
	if (r->changed_early)
		reload(r);
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

	if (x->id != COMMAND_ID || x->end == 0 || x->end >= ARRAY_LEN(endings))
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

	/* A record that cannot be kept is no record: end, and say why. */
	if (run_record_events(&r->rec, lines, &e) == 0)
		return;
	fd_close(&r->rec.events);
	fail(r, &e);
}

static void
on_failed(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	AUTO_BUF struct buf b = BUF_INIT(2 * SESSION_TEXT);

	if (r->phase == STARTING)
		buf_puts(&b, "the sandbox could not be made\n");
	buf_puts(&b, m->failed.text);
	set_result(r, CLI_NO_SANDBOX, "failed", 0, buf_view(&b));
}

static void
on_note(struct run *r, const union session_msg *m, int *fds UNUSED,
    unsigned nfds UNUSED)
{
	if (!r->o->quiet)
		say_lines(r, COLOR_WARN, "!", view_of(m->note.text));
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

static bool
wants_tty(const struct run *r)
{
	if (r->o->tty != RUN_TTY_AUTO)
		return r->o->tty == RUN_TTY_YES;
	return isatty(r->c->in) && isatty(r->c->out);
}

static int
read_policy(struct run *r, char **text, size_t *n, struct err *e)
{
	struct err why;

	if (r->o->policy == NULL) {
		AUTO_BUF struct buf yaml = BUF_INIT(POLICY_TEXT_MAX);

		r->policy = policy_default();
		policy_canonical(r->policy, &yaml);
		(void)buf_str(&yaml);
		*n = yaml.n;
		*text = take_ptr(yaml.p);
		return 0;
	}
	if (policy_file_open(r->o->policy, &r->file, e) < 0)
		return -1;
	/* Before the file is read: no edit falls between. */
	if (watch_open(r->file.dirfd, &r->watch_fd, &why) < 0) {
		say_lines(r, COLOR_WARN,
		    "! policy edits are not followed:", view_of(why.text));
		r->watch_fd = -1;
	}
	if (policy_file_read(&r->file, text, n, e) < 0)
		return -1;
	r->dev = r->file.dev;
	r->ino = r->file.ino;
	return 0;
}

/* The supervisor parses it at the same time; what is wrong is told here. */
static int
check_policy(struct run *r, struct view text, struct err *e)
{
	AUTO_FINDINGS struct policy_findings found = { 0 };

	if (r->policy != NULL)
		return 0; /* the default */
	if (policy_parse(text, &r->policy, &found) < 0) {
		report_findings(r, &found);
		return err_set(e, ERR_INVALID,
		    "failed to parse sandbox policy YAML\n%s is invalid",
		    r->o->policy);
	}
	if (!r->o->quiet)
		report_findings(r, &found);
	r->pinned =
	    r->paths.policy != NULL &&
	    run_paths_writable(r->o, &r->paths, r->policy, r->paths.policy);
	return 0;
}

/* The streams of the command; a closed one becomes /dev/null. */
static int
prepare_streams(struct run *r, struct err *e)
{
	static const char *const names[] = { "standard input",
		"standard output", "standard error" };
	const int user[NSTREAMS] = { r->c->in, r->c->out, r->c->err };

	for (size_t i = 0; i < NSTREAMS; i++) {
		enum stream_kind kind;
		int pair[2];

		if (stream_kind(user[i], names[i], i == IN, &kind, e) < 0)
			return -1;
		if (r->tty)
			continue;
		r->given[i] = user[i];
		if (kind == STREAM_GIVE) {
			stream_open_pipe(user[i]);
			continue;
		}
		r->own_given[i] = true;
		if (kind == STREAM_CLOSED) {
			r->given[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (r->given[i] < 0)
				return err_sys(e, "open /dev/null");
			continue;
		}
		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_sys(e, "pipe");
		stream_open_pipe(pair[0]);
		r->given[i] = pair[i == IN ? 0 : 1];
		r->inner[i] = pair[i == IN ? 1 : 0];
		if (i != IN || !stream_is_file(user[i]))
			continue;
		r->input_at = lseek(user[i], 0, SEEK_CUR);
		r->unread = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
		if (r->unread < 0)
			return err_sys(e, "duplicate a pipe");
	}
	return 0;
}

/*
 * Who reads the file next (`while read LINE; do openshell run ...; done`)
 * begins where the command stopped, as if it had read the file itself.
 */
static void
give_back(struct run *r)
{
	int left;
	off_t to;

	if (r->unread >= 0 && ioctl(r->unread, FIONREAD, &left) == 0) {
		to = lseek(r->c->in, 0, SEEK_CUR) - left -
		     (off_t)r->relays[IN].n;
		/* What it wrote into its own input is not of the file. */
		(void)lseek(r->c->in, MAX(to, r->input_at), SEEK_SET);
	}
	fd_close(&r->unread);
}

/* What the user's shell told us to ignore (nohup, background) stays so. */
static int
watch_signal(struct run *r, int signo, struct err *e)
{
	uv_signal_t *h = &r->signals[r->n_signals];
	int rc;

	if (cli_signal_ignored(signo))
		return 0;
	(void)uv_signal_init(&r->loop, h);
	h->data = r;
	r->n_signals++;
	rc = uv_signal_start(h, on_signal, signo);
	if (rc != 0)
		return err_set(e, ERR_IO, "signals: %s", uv_strerror(rc));
	return 0;
}

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
	for (size_t i = 0; i < ARRAY_LEN(watched_signals); i++)
		if (watch_signal(r, watched_signals[i], e) < 0)
			return -1;
	rc = uv_poll_init(&r->loop, &r->sock_poll, r->sock);
	if (rc != 0)
		return err_set(e, ERR_IO, "event loop: %s", uv_strerror(rc));
	r->sock_on = true;
	r->sock_poll.data = r;
	(void)uv_poll_start(
	    &r->sock_poll, UV_READABLE | UV_DISCONNECT, on_session);
	if (r->watch_fd < 0)
		return 0;
	rc = uv_poll_init(&r->loop, &r->watch_poll, r->watch_fd);
	if (rc != 0)
		return err_set(e, ERR_IO, "event loop: %s", uv_strerror(rc));
	r->watch_on = true;
	r->watch_poll.data = r;
	(void)uv_poll_start(&r->watch_poll, UV_READABLE, on_watch);
	return 0;
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
send_spec(struct run *r, struct view policy, struct err *e)
{
	bool all = r->o->events != NULL || r->o->report != NULL;
	union session_msg m = { .spec = {
				    .event_level = all ? SESSION_EVENTS_ALL
						       : SESSION_EVENTS_DENIED,
				    .pids_max = r->o->pids,
				    .memory_max = r->o->memory,
				    .disk_max = r->o->disk } };
	AUTO_CLOSE int spec = -1, text = -1;
	int fds[2];

	if (run_spec_blob(r->o, &r->paths, &spec, e) < 0 ||
	    memfd_seal(policy, &text, e) < 0)
		return -1;
	fds[0] = spec;
	fds[1] = text;
	r->revision = 1;
	if (session_send(r->sock, &m, SESSION_SPEC, fds, 2, e) < 0)
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

	r->tty = wants_tty(r);
	if (session_spawn(&r->sock, &r->pid, e) < 0)
		return -1;
	if (read_policy(r, &text, &n, e) < 0 ||
	    run_record_open(r->o, &r->rec, e) < 0 ||
	    run_paths_find(r->o, &r->paths, e) < 0 ||
	    prepare_streams(r, e) < 0 ||
	    send_spec(r, (struct view) { text, n }, e) < 0 ||
	    init_loop(r, e) < 0 ||
	    check_policy(r, (struct view) { text, n }, e) < 0)
		return -1;
	/* It waits in the supervisor until the sandbox stands. */
	send_command(r);
	return 0;
}

/* --- afterwards --- */

static void
release(struct run *r)
{
	if (r->loop_on && r->phase != GONE)
		gone(r); /* the start failed */
	if (r->loop_on) {
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&r->loop);
	}
	fd_close(&r->sock);
	reap(r);
	give_back(r);
	term_restore(&r->term);
	close_given(r);
	for (size_t i = 0; i < NSTREAMS; i++)
		fd_close(&r->inner[i]);
	fd_close(&r->watch_fd);
	policy_file_close(&r->file);
	policy_free(r->policy);
	run_paths_fini(&r->paths);
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
		say_error(r, view_of(r->result.text));
	if (!r->o->quiet) {
		run_record_denials(&r->rec, &b);
		say(r, &b);
	}
	if (run_record_report(&r->rec, r->o, r->policy, &r->result, &e) < 0) {
		say_error(r, view_of(e.text));
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
	r->sock = r->watch_fd = r->file.dirfd = r->unread = -1;
	r->rec.events = r->rec.report = -1;
	for (size_t i = 0; i < NSTREAMS; i++)
		r->inner[i] = r->given[i] = r->relays[i].in = r->relays[i].out =
		    -1;
	if (start(r, e) == 0) {
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
		status = finish(r);
	}
	release(r);
	return status;
}
