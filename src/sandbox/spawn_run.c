/*
 * spawn_run: the spawner is forked from ctl without exec, has one thread, and
 * talks with nobody: it clones init, writes its maps, waits for whichever ends
 * first (init, ctl, or ctl's SIGTERM), kills init, and removes what the
 * sandbox left on the host.  What is made on the host (ids, placeholders,
 * cgroup) is made here, so that ctl may be killed at any moment.  When the
 * spawner is, ctl finds what was made and removes it.
 */
#include "sandbox/spawn_run.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/spawn_msg.h"

#define NAMESPACES \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | \
	    CLONE_NEWIPC | CLONE_NEWUTS)

/* What is left of a sandbox whose processes have ended. */
static void
spawn_clean(struct box *b)
{
	cgroup_remove(&b->cg);
	protect_end(&b->protect);
	userns_ids_release(&b->ids);
}

/* What has to go again when the sandbox ends. */
static int
take_host(struct box *b, struct err *e)
{
	if (userns_ids_take(&b->ids, b->plan->uid, b->plan->gid, e) < 0 ||
	    protect_prepare(&b->protect, b->plan, &b->ids, e) < 0)
		return -1;
	cgroup_make(
	    &b->cg, b->plan->id, b->plan->memory_max, b->plan->pids_max);
	return 0;
}

void
spawn_clean_after(struct box *b)
{
	struct err ignored;

	/* Placeholders that a crash left are known by their stamp. */
	(void)(userns_ids_take(&b->ids, b->plan->uid, b->plan->gid, &ignored) <
		   0 ||
	       protect_prepare(&b->protect, b->plan, &b->ids, &ignored) < 0);
	cgroup_find(&b->cg, b->plan->id);
	spawn_clean(b);
}

static pid_t
clone_init(struct box *b, int *pidfd)
{
	struct clone_args a = { .flags = NAMESPACES | CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD };
	pid_t pid;

	if (b->cg.v2 >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)b->cg.v2;
	}
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (pid >= 0 || !(a.flags & CLONE_INTO_CGROUP))
		return pid;
	/* The leaf is ours but the way from our own cgroup is not. */
	cgroup_remove(&b->cg);
	b->cg.shape = CGROUP_NONE;
	b->cg.memory = b->cg.pids = false;
	a.flags &= ~(uint64_t)CLONE_INTO_CGROUP;
	a.cgroup = 0;
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* Standard streams and descriptors of ctl are not ours to hold open. */
static int
detach(struct err *e)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (setsid() < 0 && errno != EPERM)
		return err_sys(e, "new session");
	for (int i = 0; i < 3; i++)
		if (null < 0 || dup2(null, i) < 0)
			return err_sys(e, "open /dev/null");
	return 0;
}

static int
prepare(struct box *b, struct err *e)
{
	/*
	 * The maps of a child are written through files that belong to us
	 * only while we are dumpable; ctl may not be.
	 */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_sys(e, "dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	if (!b->ids.range)
		return 0;
	if (setgroups(0, NULL) < 0)
		return err_sys(e, "drop groups");
	return mount_open(b->plan, &b->ids, &b->src, e);
}

/* How to get into the sandbox's mounts again; -1 each when not needed. */
struct inside {
	int user, mounts, changes;
};

/* While init is still dumpable, or its files are not ours to open. */
static int
open_inside(struct inside *in, const struct box *b, pid_t pid, struct err *e)
{
	static const char *const names[] = { "ns/user", "ns/mnt", "mountinfo" };
	int *const fds[] = { &in->user, &in->mounts, &in->changes };
	char path[48];

	for (size_t i = 0; b->protect.n > 0 && i < ARRAY_LEN(names); i++) {
		(void)snprintf(
		    path, sizeof(path), "/proc/%d/%s", (int)pid, names[i]);
		*fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (*fds[i] < 0)
			return err_sys(e, "open %s", path);
	}
	return 0;
}

enum { BOUND, FAILED, ABSENT };

/* In a child: the host took a mount away, put it back.  Never returns. */
static void
bind_anew(const struct box *b, const struct inside *in)
{
	struct err e = { 0 };

	if (setns(in->user, CLONE_NEWUSER) < 0 ||
	    setns(in->mounts, CLONE_NEWNS) < 0)
		_exit(FAILED);
	if (b->ids.range &&
	    (setresgid(b->ids.gid, b->ids.gid, b->ids.gid) < 0 ||
		setresuid(b->ids.uid, b->ids.uid, b->ids.uid) < 0))
		_exit(FAILED);
	switch (mount_protect(NULL, b->plan, &b->protect, &e)) {
	case 0:
		_exit(BOUND);
	case 1:
		_exit(ABSENT);
	default:
		_exit(FAILED);
	}
}

/* One look and one try; what bind_anew said, or -1. */
static int
try_repair(struct box *b, const struct inside *in, struct err *e)
{
	int status = 0;
	pid_t pid;

	if (protect_scan(&b->protect, b->plan, &b->ids, e) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		bind_anew(b, in);
	if (pid < 0)
		return err_sys(e, "fork");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

/*
 * A name that is just being removed is still found for a moment, and nobody
 * wakes us again when it is gone; so what was absent is looked at once more.
 */
static int
repair(struct box *b, const struct inside *in, struct err *e)
{
	enum { TRIES = 5, PAUSE_NS = 1000000 };
	int rc = ABSENT;

	for (int i = 0; i < TRIES && rc == ABSENT; i++) {
		struct timespec ts = { 0, i * PAUSE_NS };

		(void)nanosleep(&ts, NULL);
		rc = try_repair(b, in, e);
	}
	if (rc == FAILED)
		return err_set(e, ERR_DENIED, "protect again");
	return rc < 0 ? -1 : 0;
}

/* Until init, ctl, or its patience ends, or protection cannot be kept up. */
static int
watch(struct box *b, const struct inside *in, int init, int owner, int sig,
    int life, struct err *e)
{
	enum { INIT, OWNER, SIG, READY, CHANGE, N };
	struct pollfd p[N] = { [INIT] = { init, POLLIN, 0 },
		[OWNER] = { owner, POLLIN, 0 },
		[SIG] = { sig, POLLIN, 0 },
		[READY] = { in->changes >= 0 ? life : -1, POLLIN, 0 },
		[CHANGE] = { -1, POLLPRI, 0 } };
	char byte;

	mem_settle();
	for (;;) {
		if (poll(p, N, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(e, "poll");
		}
		if (p[INIT].revents || p[OWNER].revents || p[SIG].revents)
			return 0;
		if (p[READY].revents != 0) {
			if (read(life, &byte, 1) != 1)
				return 0;
			/* What construction did is no news. */
			p[READY].fd = -1;
			p[CHANGE].fd = in->changes;
			(void)poll(&p[CHANGE], 1, 0);
			continue;
		}
		/* Our own mounts wake us once more; then nothing is to do. */
		if (p[CHANGE].fd >= 0 && p[CHANGE].revents != 0 &&
		    repair(b, in, e) < 0)
			return -1;
	}
}

static void
kill_and_wait(pid_t pid)
{
	/* The pid namespace, and everything in it, goes with its PID 1. */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int
block_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	for (int s = 1; s <= SIGRTMAX; s++)
		(void)signal(s, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Init: the child's side of the clone. */
static void
become_init(struct box *b, int life[2], int owner, int sig)
{
	fd_close(&life[1]);
	fd_close(&owner);
	fd_close(&sig);
	fd_close(&b->protect.lock);
	b->life = life[0];
	_exit(init_main(b));
}

static int
make(struct box *b, int owner, int sig, pid_t *pid, int *pidfd, int *life,
    struct inside *in, struct err *e)
{
	int ends[2];

	if (detach(e) < 0 || take_host(b, e) < 0 || prepare(b, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "socketpair");
	*pid = clone_init(b, pidfd);
	if (*pid == 0)
		become_init(b, ends, owner, sig);
	fd_close(&ends[0]);
	*life = ends[1];
	if (*pid < 0) {
		const char *fix;

		(void)err_sys(e, "create namespaces");
		fix = userns_fix(); /* after errno was read */
		return err_wrap(e, "%s",
		    fix[0] != '\0'
			? fix
			: "the kernel or a container around us refuses user "
			  "namespaces: run on the host, or allow them there");
	}
	if (userns_map(*pid, &b->ids, e) < 0)
		return err_wrap(e, "map ids%s%s",
		    userns_fix()[0] != '\0' ? ": " : "", userns_fix());
	if (open_inside(in, b, *pid, e) < 0)
		return -1;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (write(*life, "m", 1) != 1)
		return err_sys(e, "release init");
	return 0;
}

static void
close_sources(struct box *b)
{
	for (size_t i = 0; b->src != NULL && i < b->plan->n_mounts; i++)
		fd_close(&b->src[i]);
}

int
spawn_run(struct box *b, int owner)
{
	struct err e = { 0 };
	int pidfd = -1, life = -1, sig = block_signals();
	struct inside in = { -1, -1, -1 };
	pid_t pid = -1;
	int rc;

	(void)prctl(PR_SET_NAME, "openshell-spawn", 0, 0, 0);
	rc = make(b, owner, sig, &pid, &pidfd, &life, &in, &e);
	if (rc < 0)
		spawn_msg_failed(b->sock, &e);
	/* init alone speaks with ctl from here. */
	fd_close(&b->sock);
	close_sources(b);
	cgroup_close(&b->cg);
	if (rc == 0)
		(void)watch(b, &in, pidfd, owner, sig, life, &e);
	if (pid > 0)
		kill_and_wait(pid);
	/*
	 * The mounts go with the last of these: to remove a directory that is
	 * still a mount point somewhere costs an RCU grace period each.
	 */
	fd_close(&in.user);
	fd_close(&in.mounts);
	fd_close(&in.changes);
	spawn_clean(b);
	return rc < 0;
}
