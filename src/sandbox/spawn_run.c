/*
 * spawn_run: the spawner is forked from ctl without exec, has one thread, and
 * talks with nobody: it clones init, writes its maps, waits for whichever ends
 * first (init, ctl, or ctl's SIGTERM), kills init, and removes what the
 * sandbox left on the host.  ctl does the same removal when the spawner was
 * killed; both may, for removing twice does nothing.
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/spawn_msg.h"

#define NAMESPACES                                                             \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |           \
	    CLONE_NEWIPC | CLONE_NEWUTS)

void
spawn_clean(struct box *b)
{
	cgroup_remove(&b->cg);
	protect_end(&b->protect);
	userns_ids_release(&b->ids);
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
	if (!b->ids.range)
		return 0;
	if (setgroups(0, NULL) < 0)
		return err_sys(e, "drop groups");
	return mount_open(b->plan, &b->ids, &b->src, e);
}

static int
watch(int init, int owner, int sig, struct err *e)
{
	struct pollfd p[] = { { init, POLLIN, 0 }, { owner, POLLIN, 0 },
		{ sig, POLLIN, 0 } };

	while (poll(p, ARRAY_LEN(p), -1) < 0)
		if (errno != EINTR)
			return err_sys(e, "poll");
	return 0;
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
	b->life = life[0];
	_exit(init_main(b));
}

static int
make(struct box *b, int owner, int sig, pid_t *pid, int *pidfd, int *life,
    struct err *e)
{
	int ends[2];

	if (detach(e) < 0 || prepare(b, e) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	*pid = clone_init(b, pidfd);
	if (*pid == 0)
		become_init(b, ends, owner, sig);
	fd_close(&ends[0]);
	*life = ends[1];
	if (*pid < 0) {
		const char *fix = userns_fix();

		(void)err_sys(e, "create namespaces");
		return err_wrap(e, "%s",
		    fix[0] != '\0'
			? fix
			: "the kernel or a container around us refuses user "
			  "namespaces: run on the host, or allow them there");
	}
	if (userns_map(*pid, &b->ids, e) < 0)
		return err_wrap(e, "map ids%s%s",
		    userns_fix()[0] != '\0' ? ": " : "", userns_fix());
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
	pid_t pid = -1;
	int rc = make(b, owner, sig, &pid, &pidfd, &life, &e);

	if (rc < 0)
		spawn_msg_failed(b->sock, &e);
	/* init alone speaks with ctl from here. */
	fd_close(&b->sock);
	close_sources(b);
	cgroup_close(&b->cg);
	if (rc == 0)
		(void)watch(pidfd, owner, sig, &e);
	if (pid > 0)
		kill_and_wait(pid);
	spawn_clean(b);
	return rc < 0;
}
