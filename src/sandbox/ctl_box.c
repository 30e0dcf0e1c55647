/*
 * ctl_box: the sandbox and the commands in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sandbox/ctl_impl.h"
#include "sandbox/environ.h"

static struct ctl_command *
command_by(struct ctl *c, uint32_t id)
{
	for (size_t i = 0; i < CTL_COMMANDS_MAX; i++)
		if (c->commands[i].used && c->commands[i].id == id)
			return &c->commands[i];
	return NULL;
}

static void
command_release(struct ctl_command *k)
{
	(void)uv_timer_stop(&k->timer);
	fd_close(&k->blob);
	for (size_t i = 0; i < 3; i++)
		fd_close(&k->stdio[i]);
	free(take_ptr(k->line));
	k->pid = 0;
	k->used = k->waiting = k->started = false;
}

/* --- the end of a command ----------------------------------------------- */

static void
exited(struct ctl_command *k, enum session_end end, unsigned status, bool oom,
    const char *text)
{
	bool late = k->timeout != TIMEOUT_NONE;
	struct session_exited m = { .id = k->id,
		.end = late ? SESSION_END_TIMEOUT : end,
		.status = late ? 124 : status,
		.oom = oom };

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	/* First: with its end the owner may have all it waited for. */
	ctl_record_exited(k, &m);
	command_release(k);
	k->c->m.exited = m;
	ctl_to_owner(k->c, SESSION_EXITED, NULL, 0);
}

/*
 * `detail` is init's "step: reason".  Only a program that is not there is "not
 * found", as in a shell; a directory that is not there is not.
 */
static void
not_run(struct ctl_command *k, int sys, const char *detail)
{
	static const char exec_step[] = "exec:";
	bool at_exec = detail[0] == '\0' ||
		       strncmp(detail, exec_step, sizeof(exec_step) - 1) == 0;
	bool missing = at_exec && sys == ENOENT;
	char text[256];

	if (missing)
		(void)snprintf(text, sizeof(text),
		    "%.80s: not found in the sandbox (the program, or what its "
		    "first line names); --ro PATH shows more of the machine",
		    k->name);
	else if (at_exec)
		(void)snprintf(text, sizeof(text), "%.80s: cannot be run: %s",
		    k->name, strerrordesc_np(sys));
	else
		(void)snprintf(text, sizeof(text),
		    "%.80s: cannot be run: "
		    "%.140s",
		    k->name, detail);
	exited(k, missing ? SESSION_END_NOT_FOUND : SESSION_END_NOT_EXECUTABLE,
	    missing ? 127 : 126, false, text);
}

static void
on_exited(struct ctl *c, const struct spawn_event *ev)
{
	struct ctl_command *k = command_by(c, ev->id);
	char text[256] = "";

	if (k == NULL)
		return;
	if (ev->exec_errno != 0) {
		not_run(k, ev->exec_errno, ev->text);
		return;
	}
	if (ev->oom)
		(void)snprintf(text, sizeof(text),
		    "killed: the sandbox reached its memory limit of %llu MB; "
		    "--memory raises it",
		    (unsigned long long)(plan_sbx(c->plan)->memory_max >> 20));
	if (WIFSIGNALED(ev->wstatus))
		exited(k, SESSION_END_SIGNAL, (unsigned)WTERMSIG(ev->wstatus),
		    ev->oom, text);
	else
		exited(k, SESSION_END_EXIT, (unsigned)WEXITSTATUS(ev->wstatus),
		    ev->oom, text);
}

/* --- time --------------------------------------------------------------- */

static void
on_grace_over(uv_timer_t *t)
{
	struct ctl_command *k = t->data;

	/*
	 * What ignored TERM may have left the process group too: only the end
	 * of the whole sandbox is certain.
	 */
	k->timeout = TIMEOUT_KILL;
	ctl_end(k->c);
}

static void
on_timeout(uv_timer_t *t)
{
	struct ctl_command *k = t->data;
	struct err e;

	k->timeout = TIMEOUT_TERM;
	if (k->started && spawn_signal(k->c->spawn, k->id, SIGTERM, &e) < 0)
		LOG_WARN("TIMEOUT_TERM", KV_STR("reason", e.text));
	(void)uv_timer_start(&k->timer, on_grace_over,
	    k->grace_ms > 0 ? k->grace_ms : CTL_GRACE_MS, 0);
}

/* --- the start of a command --------------------------------------------- */

struct lists {
	const char **argv, **env;
	size_t argc, n_env;
};

static void
lists_fini(struct lists *l)
{
	free(l->argv);
	free(l->env);
}

static const char **
list_of(const struct blob *b, const char *key, size_t *n)
{
	const char **v;

	*n = 0;
	while (blob_get(b, key, *n) != NULL)
		++*n;
	v = mem_calloc(*n + 1, sizeof(*v));
	for (size_t i = 0; i < *n; i++)
		v[i] = blob_get(b, key, i);
	return v;
}

static int
run(struct ctl_command *k, const struct blob *b, struct lists *l, struct err *e)
{
	struct ctl *c = k->c;
	char url[64];
	struct environ_base base = { SBX_HOME, SBX_USER, plan_shell(c->plan),
		plan_path(c->plan), url, k->tty };
	struct environ_list env = { NULL, 0 };
	struct spawn_exec x = { .id = k->id,
		.tty = k->tty,
		.rows = k->rows,
		.cols = k->cols,
		.cwd = blob_get(b, "cwd", 0) };
	int rc;

	(void)snprintf(url, sizeof(url), "http://%s:%d", SBX_PROXY_ADDR,
	    (int)SBX_PROXY_PORT);
	l->argv = list_of(b, "arg", &l->argc);
	l->env = list_of(b, "env", &l->n_env);
	if (l->argc == 0)
		return err_set(e, ERR_INVALID, "no command");
	(void)snprintf(k->name, sizeof(k->name), "%s", l->argv[0]);
	ctl_record_line(k, l->argv, l->argc);
	if (x.cwd == NULL)
		x.cwd = plan_cwd(c->plan);
	/* init takes it for a broken ctl, and ends: not for one command. */
	if (x.cwd[0] != '/')
		return err_set(e, ERR_INVALID,
		    "the working directory %.100s is not absolute", x.cwd);
	if (environ_build(&base, l->env, l->n_env, &env, e) < 0)
		return -1;
	x.argv = l->argv;
	x.env = (const char *const *)env.v;
	rc = spawn_exec(c->spawn, &x, k->stdio, e);
	environ_fini(&env);
	return rc;
}

static void
start(struct ctl_command *k)
{
	struct lists l = { NULL, NULL, 0, 0 };
	struct blob *b = NULL;
	struct err e;
	int rc = blob_open(k->blob, &b, &e);

	k->waiting = false;
	if (rc == 0)
		rc = run(k, b, &l, &e);
	lists_fini(&l);
	blob_free(b);
	fd_close(&k->blob);
	for (size_t i = 0; i < 3; i++)
		fd_close(&k->stdio[i]); /* init has its own */
	/* init has just ended; not the command's fault. */
	if (rc < 0 && e.code == ERR_IO) {
		ctl_fail_err(k->c, "the sandbox ended", &e);
		return;
	}
	if (rc < 0) {
		exited(k, SESSION_END_NOT_EXECUTABLE, 126, false, e.text);
		return;
	}
	if (k->timeout_s > 0)
		(void)uv_timer_start(
		    &k->timer, on_timeout, (uint64_t)k->timeout_s * 1000, 0);
}

/* No place is free: it costs this command, not those that run. */
static void
refuse_exec(struct ctl *c, uint32_t id)
{
	struct session_exited *m = &c->m.exited;

	memset(m, 0, sizeof(*m));
	m->id = id;
	m->end = SESSION_END_NOT_EXECUTABLE;
	m->status = 126;
	(void)snprintf(m->text, sizeof(m->text),
	    "%d commands run in this sandbox already", (int)CTL_COMMANDS_MAX);
	ctl_to_owner(c, SESSION_EXITED, NULL, 0);
}

void
ctl_exec(struct ctl *c, const struct session_exec *m, int *fds, unsigned nfds)
{
	struct ctl_command *k = NULL;

	if (command_by(c, m->id) != NULL) {
		ctl_fail(c, "session: two commands with one id");
		return;
	}
	for (size_t i = 0; i < CTL_COMMANDS_MAX && k == NULL; i++)
		if (!c->commands[i].used)
			k = &c->commands[i];
	if (k == NULL) {
		refuse_exec(c, m->id);
		return;
	}
	/* A place that was never used is memory that was never touched. */
	if (k->c == NULL) {
		k->c = c;
		(void)uv_timer_init(&c->loop, &k->timer);
		k->timer.data = k;
	}
	k->id = m->id;
	k->used = k->waiting = true;
	k->started = false;
	k->tty = m->tty != 0;
	k->rows = m->rows;
	k->cols = m->cols;
	k->timeout_s = m->timeout_s;
	k->grace_ms = m->grace_ms;
	k->timeout = TIMEOUT_NONE;
	(void)snprintf(k->name, sizeof(k->name), "command");
	k->blob = fd_take(&fds[0]);
	for (size_t i = 0; i < 3; i++)
		k->stdio[i] = nfds == 4 ? fd_take(&fds[i + 1]) : -1;
	if (c->state == CTL_ISOLATED)
		start(k);
}

void
ctl_signal(struct ctl *c, uint32_t id, int signo)
{
	struct ctl_command *k = command_by(c, id);
	struct err e;

	/* One that has just ended, or has not begun: not an error. */
	if (k == NULL || k->waiting || c->spawn == NULL)
		return;
	if (spawn_signal(c->spawn, id, signo, &e) < 0)
		LOG_WARN("SIGNAL", KV_STR("reason", e.text));
}

void
ctl_resize(struct ctl *c, uint32_t id, uint16_t rows, uint16_t cols)
{
	struct ctl_command *k = command_by(c, id);
	struct err e;

	if (k == NULL || !k->tty)
		return;
	k->rows = rows;
	k->cols = cols;
	if (!k->waiting && spawn_resize(c->spawn, id, rows, cols, &e) < 0)
		LOG_WARN("RESIZE", KV_STR("reason", e.text));
}

/* --- the sandbox stands -------------------------------------------------- */

static void
on_identity(void *ctx, const struct net_identity *m)
{
	struct ctl *c = ctx;

	if (m->changed)
		ctl_record_changed(c, m);
	c->n.identity = *m;
	ctl_to_net(c, NET_IDENTITY, NULL, 0);
	ctl_watch(c);
}

static void
hand_sockets(struct ctl *c)
{
	unsigned n = 0;

	while (n < NET_NSOCKS && c->sockets[n] >= 0)
		n++;
	memset(&c->n.listen, 0, sizeof(c->n.listen));
	c->n.listen.n = (uint8_t)n;
	ctl_to_net(c, NET_LISTEN, c->sockets, n);
	for (unsigned i = 0; i < n; i++)
		fd_close(&c->sockets[i]);
}

void
ctl_try_isolate(struct ctl *c)
{
	struct err e;

	if (!c->ready || c->ca.n == 0 || c->state != CTL_STARTING)
		return;
	if (ctl_put_files(c, &e) < 0) {
		ctl_fail_err(c, "write the sandbox's own files", &e);
		return;
	}
	(void)uv_timer_stop(&c->deadline);
	c->identity = identity_new(&c->loop, c->diag, c->proc, on_identity, c);
	c->links = links_new(c->root);
	ctl_follow_links(c, c->policy);
	for (size_t i = 0; i < c->n_sent; i++)
		ctl_follow_links(c, c->sent[i].policy);
	hand_sockets(c);
	c->packets_poll.data = c;
	if (c->packets >= 0 &&
	    uv_poll_init(&c->loop, &c->packets_poll, c->packets) < 0)
		fd_close(&c->packets);
	c->questions_poll.data = c;
	if (c->questions >= 0 &&
	    uv_poll_init(&c->loop, &c->questions_poll, c->questions) < 0)
		fd_close(&c->questions);
	c->state = CTL_ISOLATED;
	ctl_record_standing(c, c->hash);
	ctl_send_state(c, SESSION_ISOLATED);
	for (size_t i = 0; i < CTL_COMMANDS_MAX; i++)
		if (c->commands[i].used && c->commands[i].waiting)
			start(&c->commands[i]);
}

/* --- events of the sandbox ---------------------------------------------- */

static void
on_ready(struct ctl *c, const struct spawn_event *ev)
{
	c->ready = true;
	memcpy(c->sockets, ev->sockets, sizeof(c->sockets));
	c->packets = ev->packets;
	c->questions = ev->questions;
	c->diag = ev->diag;
	c->proc = ev->proc;
	c->root = ev->root;
	c->report = ev->report;
	if (c->sockets[NET_SOCK_PROXY] < 0 || c->proc < 0 || c->root < 0)
		ctl_fail(c, "the sandbox came without its listener");
	else
		ctl_try_isolate(c);
}

/* While the agent starts, the other core reads it. */
static void
warm(struct ctl *c)
{
	const char *program = plan_program(c->plan);
	int fd = program != NULL && !c->warmed && c->identity != NULL
		     ? open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
		     : -1;

	c->warmed = true;
	if (fd >= 0)
		identity_warm(c->identity, fd);
}

static void
on_started(struct ctl *c, const struct spawn_event *ev)
{
	struct ctl_command *k = command_by(c, ev->id);
	int pty = ev->pty_master;

	if (k != NULL) {
		k->started = true;
		k->pid = (uint32_t)ev->pid;
		ctl_record_started(k);
		memset(&c->m.started, 0, sizeof(c->m.started));
		c->m.started.id = ev->id;
		c->m.started.pid = (uint32_t)ev->pid;
		ctl_to_owner(c, SESSION_STARTED, &pty, pty >= 0);
		if (!c->warmed)
			mem_settle();
		warm(c);
	}
	fd_close(&pty);
}

/*
 * Not by our wish: the owner is told why before its commands are reported as
 * killed.  A memory limit that holds for the sandbox as a whole takes its
 * first process along.
 */
static void
on_gone(struct ctl *c, bool oom)
{
	char text[200];

	(void)snprintf(text, sizeof(text),
	    "the sandbox ended: it reached its memory limit of %llu MB; "
	    "--memory raises it",
	    (unsigned long long)(plan_sbx(c->plan)->memory_max >> 20));
	if (c->state < CTL_ENDING)
		ctl_fail(c, oom ? text
				: "the sandbox ended: its first process "
				  "or its builder was killed");
	for (size_t i = 0; i < CTL_COMMANDS_MAX; i++)
		if (c->commands[i].used)
			exited(&c->commands[i], SESSION_END_SIGNAL, SIGKILL,
			    false, "");
	ctl_gone(c);
}

void
ctl_read_spawn(struct ctl *c)
{
	while (c->spawn != NULL) {
		struct spawn_event ev;
		struct err e;

		if (spawn_read(c->spawn, &ev, &e) < 0) {
			if (e.code == ERR_AGAIN)
				return;
			ctl_fail_err(c, "the sandbox ended", &e);
			on_gone(c, false);
			return;
		}
		switch (ev.type) {
		case SPAWN_READY:
			on_ready(c, &ev);
			break;
		case SPAWN_STARTED:
			on_started(c, &ev);
			break;
		case SPAWN_EXITED:
			on_exited(c, &ev);
			break;
		case SPAWN_FAILED:
			ctl_fail(c, ev.text);
			break;
		case SPAWN_GONE:
			on_gone(c, ev.oom);
			return;
		}
	}
}
