/*
 * spawn_ask: ctl's end: starts the spawner, asks init.
 */
#include "sandbox/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/session.h"
#include "sandbox/spawn_msg.h"
#include "sandbox/spawn_run.h"

enum { INIT_GONE_MS = 10000 };

struct spawn {
	struct box box; /* plan and socket; the rest is the spawner's */
	int sock;
	pid_t spawner;
	int pidfd;
	bool gone;
	uint64_t oom_seen;
};

/* The spawner puts the null device on 0 to 2: nothing of ours may be there. */
static int
fill_streams(struct err *e)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return err_sys(e, "open /dev/null");
	fd_close(&fd);
	return 0;
}

static int
fork_spawner(struct spawn *s, int foreign, struct err *e)
{
	int ends[2];
	AUTO_CLOSE int owner = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (owner < 0)
		return err_sys(e, "pidfd_open");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "socketpair");
	s->sock = ends[0];
	s->box.sock = ends[1];
	s->spawner = fork();
	if (s->spawner == 0) {
		fd_close(&s->sock);
		fd_close(&foreign);
		_exit(spawn_run(&s->box, owner));
	}
	fd_close(&s->box.sock);
	if (s->spawner < 0)
		return err_sys(e, "fork spawner");
	s->pidfd = (int)syscall(SYS_pidfd_open, s->spawner, 0);
	if (s->pidfd < 0)
		return err_sys(e, "pidfd_open spawner");
	return fd_set_nonblock(s->sock, true, e);
}

int
spawn_start(
    const struct sbx_plan *plan, int foreign, struct spawn **out, struct err *e)
{
	struct spawn *s = NEW(struct spawn);

	s->sock = s->pidfd = s->box.sock = -1;
	s->spawner = -1;
	s->box.plan = plan;
	s->box.ids.lock = s->box.protect.dir = s->box.protect.lock = -1;
	s->box.cg =
	    (struct cgroup) { .v2 = -1, .tasks = { -1, -1 }, .oom = -1 };
	if (fill_streams(e) < 0 || fork_spawner(s, foreign, e) < 0) {
		spawn_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

int
spawn_fd(const struct spawn *s)
{
	return s->sock;
}

/* Whether the OOM killer struck since we last asked. */
static bool
oom(struct spawn *s)
{
	uint64_t now = cgroup_oom_kills(&s->box.cg);
	bool more = now > s->oom_seen;

	s->oom_seen = now;
	return more;
}

static void
fill_ready(struct spawn_event *ev, const struct spawn_m_ready *m, int *fds)
{
	unsigned n = 3u + m->sockets;

	ev->type = SPAWN_READY;
	ev->diag = fd_take(&fds[0]);
	ev->proc = fd_take(&fds[1]);
	ev->root = fd_take(&fds[2]);
	for (unsigned i = 0; i < m->sockets; i++)
		ev->sockets[i] = fd_take(&fds[3 + i]);
	if (m->packets)
		ev->packets = fd_take(&fds[n++]);
	if (m->questions)
		ev->questions = fd_take(&fds[n]);
	ev->report.rootless = m->rootless != 0;
	ev->report.seccomp = m->seccomp != 0;
	ev->report.capture = m->sockets > NET_SOCK_CAPTURE;
	ev->report.landlock_abi = m->landlock_abi;
	(void)snprintf(
	    ev->report.cgroup, sizeof(ev->report.cgroup), "%s", m->cgroup);
	(void)snprintf(
	    ev->report.limits, sizeof(ev->report.limits), "%s", m->limits);
	(void)snprintf(
	    ev->report.missing, sizeof(ev->report.missing), "%s", m->missing);
}

static void
fill(struct spawn *s, struct spawn_event *ev, const union spawn_msg *m,
    int *fds, unsigned nfds)
{
	switch ((enum spawn_type)m->hdr.type) {
	case SPAWN_M_READY:
		fill_ready(ev, &m->ready, fds);
		cgroup_find(&s->box.cg, s->box.plan->id);
		return;
	case SPAWN_M_STARTED:
		ev->type = SPAWN_STARTED;
		ev->id = m->started.id;
		ev->pid = m->started.pid;
		if (nfds > 0)
			ev->pty_master = fd_take(&fds[0]);
		return;
	case SPAWN_M_EXITED:
		ev->type = SPAWN_EXITED;
		ev->id = m->exited.id;
		ev->wstatus = m->exited.wstatus;
		ev->exec_errno = m->exited.exec_errno;
		ev->oom = oom(s);
		(void)snprintf(
		    ev->text, sizeof(ev->text), "%s", m->exited.text);
		return;
	case SPAWN_M_FAILED:
		ev->type = SPAWN_FAILED;
		(void)snprintf(
		    ev->text, sizeof(ev->text), "%s", m->failed.text);
		return;
	case SPAWN_M_EXEC:
	case SPAWN_M_SIGNAL:
	case SPAWN_M_RESIZE:
	case SPAWN_M_FILE:
	case SPAWN_M_COUNT:
		return; /* refused by the table: they are not for us */
	}
}

int
spawn_read(struct spawn *s, struct spawn_event *ev, struct err *e)
{
	union spawn_msg m;
	int fds[FD_MSG_MAX];
	unsigned nfds;
	int rc;

	*ev = (struct spawn_event) { .type = SPAWN_GONE,
		.pty_master = -1,
		.sockets = { -1, -1, -1 },
		.packets = -1,
		.questions = -1,
		.diag = -1,
		.proc = -1,
		.root = -1 };
	if (s->gone)
		return err_set(e, ERR_AGAIN, "the sandbox has ended");
	rc = spawn_msg_recv(
	    SPAWN_CTL, SPAWN_RUNNING, s->sock, &m, fds, &nfds, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		s->gone = true;
		ev->oom = oom(s);
		return 1;
	}
	fill(s, ev, &m, fds, nfds);
	while (nfds > 0)
		fd_close(&fds[--nfds]);
	return 1;
}

int
spawn_put_parts(struct spawn *s, const char *path, const int *parts, unsigned n,
    struct err *e)
{
	union spawn_msg m = { 0 };

	if (strlen(path) >= sizeof(m.file.path))
		return err_set(e, ERR_LIMIT, "path too long");
	(void)snprintf(m.file.path, sizeof(m.file.path), "%s", path);
	return spawn_msg_send(s->sock, &m, SPAWN_M_FILE, parts, n, e);
}

int
spawn_exec(struct spawn *s, const struct spawn_exec *x, const int stdio[3],
    struct err *e)
{
	union spawn_msg m = { 0 };
	AUTO_CLOSE int args = -1;
	int fds[4] = { -1, -1, -1, -1 };

	m.exec.id = x->id;
	m.exec.tty = x->tty;
	m.exec.rows = x->rows;
	m.exec.cols = x->cols;
	if (spawn_args_seal(x, &m.exec.argc, &m.exec.envc, &args, e) < 0)
		return -1;
	fds[0] = args;
	if (!x->tty)
		memcpy(fds + 1, stdio, 3 * sizeof(stdio[0]));
	return spawn_msg_send(
	    s->sock, &m, SPAWN_M_EXEC, fds, x->tty ? 1 : 4, e);
}

int
spawn_signal(struct spawn *s, uint32_t id, int signo, struct err *e)
{
	union spawn_msg m = { 0 };

	m.signal.id = id;
	m.signal.signo = signo;
	return spawn_msg_send(s->sock, &m, SPAWN_M_SIGNAL, NULL, 0, e);
}

int
spawn_resize(
    struct spawn *s, uint32_t id, uint16_t rows, uint16_t cols, struct err *e)
{
	union spawn_msg m = { 0 };

	m.resize.id = id;
	m.resize.rows = rows;
	m.resize.cols = cols;
	return spawn_msg_send(s->sock, &m, SPAWN_M_RESIZE, NULL, 0, e);
}

void
spawn_kill(struct spawn *s)
{
	if (s->pidfd >= 0)
		(void)syscall(
		    SYS_pidfd_send_signal, s->pidfd, SIGTERM, NULL, 0);
}

/* Killed together with the spawner, init may take a moment to be gone. */
static void
await_init(int sock)
{
	struct pollfd p = { sock, 0, 0 }; /* POLLHUP needs no asking */

	while (poll(&p, 1, INIT_GONE_MS) < 0 && errno == EINTR)
		;
}

void
spawn_free(struct spawn *s)
{
	int status = 0;

	if (s == NULL)
		return;
	spawn_kill(s);
	/* Before the wait: init ends even if the spawner hangs. */
	if (s->sock >= 0)
		(void)shutdown(s->sock, SHUT_WR);
	while (s->spawner > 0 && waitpid(s->spawner, &status, 0) < 0 &&
	       errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		await_init(s->sock);
		spawn_clean_after(&s->box);
	}
	cgroup_close(&s->box.cg);
	fd_close(&s->sock);
	fd_close(&s->pidfd);
	free(s);
}
