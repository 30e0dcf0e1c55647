/*
 * spawn_answer: PID 1's loop: messages of ctl, deaths, and the fate of execs.
 *
 * A forked child reports through a close-on-exec pipe: end of file means that
 * it has become the program (STARTED), a fault that it has not (EXITED with
 * exec_errno).  The loop never waits for one child, so a program on a file
 * system that hangs holds up nobody else.
 */
#include "sandbox/spawn_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/landlock.h"
#include "sandbox/pty.h"
#include "sandbox/session.h"
#include "sandbox/spawn_msg.h"

enum { CHILDREN_MAX = 256 };
enum { P_SOCK, P_LIFE, P_SIGNAL, P_FIXED };

struct child {
	uint32_t id;
	pid_t pid;
	int err; /* -1: its fate is known */
	int master; /* kept to resize; -1: no terminal */
};

struct server {
	int sock, life, sig;
	const struct init_rules *rules;
	struct root *root;
	enum spawn_state state;
	struct child child[CHILDREN_MAX];
	size_t n;
};

static int
say_exited(struct server *s, const struct child *c, int wstatus,
    const struct init_fault *f, struct err *e)
{
	union spawn_msg m = { 0 };

	m.exited.id = c->id;
	m.exited.wstatus = wstatus;
	if (f != NULL) {
		char why[64];

		m.exited.exec_errno = f->sys;
		(void)snprintf(m.exited.text, sizeof(m.exited.text), "%s: %s",
		    f->step, strerror_r(f->sys, why, sizeof(why)));
	}
	return spawn_msg_send(s->sock, &m, SPAWN_M_EXITED, NULL, 0, e);
}

static int
say_started(struct server *s, const struct child *c, struct err *e)
{
	union spawn_msg m = { 0 };

	m.started.id = c->id;
	m.started.pid = c->pid;
	return spawn_msg_send(s->sock, &m, SPAWN_M_STARTED, &c->master,
	    c->master >= 0 ? 1 : 0, e);
}

static void
forget(struct server *s, struct child *c)
{
	fd_close(&c->err);
	fd_close(&c->master);
	*c = s->child[--s->n];
}

/* The pipe has spoken, or the child is dead and it must have. */
static int
settle(struct server *s, struct child *c, bool *gone, struct err *e)
{
	struct init_fault f;
	ssize_t got;
	int rc;

	do
		got = read(c->err, &f, sizeof(f));
	while (got < 0 && errno == EINTR);
	fd_close(&c->err);
	*gone = got == (ssize_t)sizeof(f);
	if (!*gone)
		return say_started(s, c, e);
	f.step[sizeof(f.step) - 1] = '\0';
	rc = say_exited(s, c, 127 << 8, &f, e);
	forget(s, c);
	return rc;
}

static struct child *
by_pid(struct server *s, pid_t pid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->child[i].pid == pid)
			return &s->child[i];
	return NULL;
}

static struct child *
by_id(struct server *s, uint32_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->child[i].id == id)
			return &s->child[i];
	return NULL;
}

static int
reap(struct server *s, struct err *e)
{
	struct signalfd_siginfo si;
	int wstatus;
	pid_t pid;

	(void)!read(s->sig, &si, sizeof(si));
	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
		struct child *c = by_pid(s, pid);
		bool gone = false;

		if (c == NULL)
			continue; /* an orphan of the sandbox */
		if (c->err >= 0 && settle(s, c, &gone, e) < 0)
			return -1;
		if (gone)
			continue;
		if (say_exited(s, c, wstatus, NULL, e) < 0)
			return -1;
		forget(s, c);
	}
	return 0;
}

static int
start(struct server *s, uint32_t id, const struct init_program *p, int master,
    struct err *e)
{
	struct child *c = &s->child[s->n];
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	pid = fork();
	if (pid == 0) {
		init_child(s->rules, p, ends[1]);
		_exit(127);
	}
	fd_close(&ends[1]);
	if (pid < 0) {
		(void)err_sys(e, "fork");
		fd_close(&ends[0]);
		return -1;
	}
	*c = (struct child) { id, pid, ends[0], master };
	s->n++;
	return 0;
}

/* Not the end of the sandbox: ctl learns that this one could not start. */
static int
refuse(struct server *s, uint32_t id, const struct err *why, struct err *e)
{
	struct child none = { .id = id, .err = -1, .master = -1 };
	struct init_fault f = { .step = "start", .sys = why->sys };

	if (f.sys == 0)
		f.sys = EAGAIN;
	return say_exited(s, &none, 127 << 8, &f, e);
}

static int
launch(
    struct server *s, const struct spawn_m_exec *m, int *fds, struct err *why)
{
	struct spawn_args a;
	AUTO_CLOSE int master = -1, slave = -1;
	struct init_program p = { .tty = m->tty != 0 };
	int terminal[3];
	char *text;
	size_t n;
	int rc;

	if (s->n == CHILDREN_MAX)
		return err_set(why, ERR_LIMIT, "too many programs");
	if (memfd_read(fds[0], SPAWN_ARGS_BYTES, &text, &n, why) < 0 ||
	    spawn_args_open(&a, text, n, m->argc, m->envc, why) < 0)
		return -1;
	if (p.tty) {
		if (pty_open(m->rows, m->cols, &master, &slave, why) < 0) {
			spawn_args_fini(&a);
			return -1;
		}
		terminal[0] = terminal[1] = terminal[2] = slave;
	}
	p.argv = a.argv;
	p.env = a.env;
	p.cwd = a.cwd;
	p.stdio = p.tty ? terminal : fds + 1;
	for (size_t i = 1; i < 3; i++)
		landlock_add_output(s->rules->landlock, p.stdio[i]);
	rc = start(s, m->id, &p, master, why);
	if (rc == 0)
		(void)take_fd(master);
	spawn_args_fini(&a);
	return rc;
}

static int
answer_exec(struct server *s, const union spawn_msg *m, int *fds, struct err *e)
{
	struct err why = { 0 };
	bool first = s->state == SPAWN_SETUP;
	int rc;

	/* From now on the root is as it is. */
	s->state = SPAWN_RUNNING;
	fd_close(&s->root->late);
	rc = launch(s, &m->exec, fds, &why);
	if (first)
		mem_settle();
	if (rc == 0)
		return 0;
	return why.code == ERR_PROTO ? (*e = why, -1)
				     : refuse(s, m->exec.id, &why, e);
}

static int
answer_signal(
    struct server *s, const union spawn_msg *m, int *fds, struct err *e)
{
	struct child *c = by_id(s, m->signal.id);

	(void)fds;
	(void)e;
	/* Before its setsid there is no group yet: the process alone. */
	if (c != NULL && kill(-c->pid, m->signal.signo) < 0)
		(void)kill(c->pid, m->signal.signo);
	return 0;
}

static int
answer_resize(
    struct server *s, const union spawn_msg *m, int *fds, struct err *e)
{
	struct child *c = by_id(s, m->resize.id);
	struct err ignored;

	(void)fds;
	(void)e;
	if (c != NULL && c->master >= 0)
		(void)!pty_resize(
		    c->master, m->resize.rows, m->resize.cols, &ignored);
	return 0;
}

static int
answer_file(struct server *s, const union spawn_msg *m, int *fds, struct err *e)
{
	AUTO_CLOSE int file = -1;
	size_t n = 0;

	if (mount_put_file(s->root, m->file.path, &file, e) < 0)
		return -1;
	for (size_t i = 0; i < 2 && fds[i] >= 0; i++)
		if (memfd_copy(file, fds[i], SPAWN_FILE_BYTES, &n, e) < 0)
			return err_wrap(e, "put %s", m->file.path);
	return 0;
}

static int (*const answers[SPAWN_M_COUNT])(
    struct server *, const union spawn_msg *, int *, struct err *) = {
	[SPAWN_M_EXEC] = answer_exec,
	[SPAWN_M_SIGNAL] = answer_signal,
	[SPAWN_M_RESIZE] = answer_resize,
	[SPAWN_M_FILE] = answer_file,
};

/* 1: go on, 0: ctl is gone, -1. */
static int
message(struct server *s, struct err *e)
{
	union spawn_msg m;
	int fds[FD_MSG_MAX] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	unsigned nfds;
	int rc =
	    spawn_msg_recv(SPAWN_INIT, s->state, s->sock, &m, fds, &nfds, e);

	if (rc <= 0)
		return rc;
	if (answers[m.hdr.type](s, &m, fds, e) < 0)
		rc = -1;
	while (nfds > 0)
		fd_close(&fds[--nfds]);
	return rc;
}

/* Which children have told their fate. */
static int
fates(struct server *s, const struct pollfd *p, size_t n, struct err *e)
{
	/* From the end: settling may move the last into a gap. */
	for (size_t i = n; i > P_FIXED; i--) {
		struct child *c = NULL;
		bool gone;

		if (p[i - 1].fd < 0 || p[i - 1].revents == 0)
			continue;
		for (size_t k = 0; k < s->n; k++)
			if (s->child[k].err == p[i - 1].fd)
				c = &s->child[k];
		if (c != NULL && settle(s, c, &gone, e) < 0)
			return -1;
	}
	return 0;
}

static int
turn(struct server *s, struct err *e)
{
	struct pollfd p[P_FIXED + CHILDREN_MAX] = {
		[P_SOCK] = { s->sock, POLLIN, 0 },
		[P_LIFE] = { s->life, POLLIN, 0 },
		[P_SIGNAL] = { s->sig, POLLIN, 0 },
	};
	size_t n = P_FIXED;

	for (size_t i = 0; i < s->n; i++)
		if (s->child[i].err >= 0)
			p[n++] = (struct pollfd) { s->child[i].err, POLLIN, 0 };
	if (poll(p, n, -1) < 0)
		return errno == EINTR ? 1 : err_sys(e, "poll");
	if (p[P_LIFE].revents != 0)
		return 0;
	if (fates(s, p, n, e) < 0)
		return -1;
	if (p[P_SIGNAL].revents != 0 && reap(s, e) < 0)
		return -1;
	return p[P_SOCK].revents != 0 ? message(s, e) : 1;
}

int
spawn_answer(
    int sock, int life, const struct init_rules *rules, struct root *root)
{
	struct server *s = NEW(struct server);
	struct err e = { 0 };
	sigset_t set;
	int rc;

	s->sock = sock;
	s->life = life;
	s->rules = rules;
	s->root = root;
	s->state = SPAWN_SETUP;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	s->sig = -1;
	if (sigprocmask(SIG_SETMASK, &set, NULL) == 0)
		s->sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	rc = s->sig >= 0 ? 1 : err_sys(&e, "signalfd");
	while (rc > 0)
		rc = turn(s, &e);
	if (rc < 0)
		spawn_msg_failed(sock, &e);
	return rc < 0;
}
