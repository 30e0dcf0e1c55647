/*
 * init: PID 1 of a sandbox.
 *
 * It builds the sandbox from inside (network, root, rules), gives up every
 * right, and then only reaps and answers ctl (spawn_answer.c).  It never
 * execs, so it stays non-dumpable: nothing inside can read its memory or its
 * descriptors, though it has the agent's id.  Signals from inside do not reach
 * a PID 1 without handlers.  Its end ends the pid namespace and so everything
 * in it; it ends when ctl's socket closes, when the spawner's pipe closes, or
 * by PDEATHSIG.
 */
#include "sandbox/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/landlock.h"
#include "sandbox/spawn_answer.h"
#include "sandbox/spawn_msg.h"

struct making {
	struct box *b;
	struct netns net;
	struct root root;
	struct init_rules rules;
	int abi;
	int questions; /* seccomp_listen, or -1 */
	char uncaptured[256], unasked[160];
};

/* The spawner writes a byte once our ids are mapped. */
static int
wait_mapped(int life, struct err *e)
{
	char byte;
	ssize_t got;

	do
		got = read(life, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		return err_set(e, ERR_INTERNAL, "the spawner is gone");
	return 0;
}

static int
become_agent(const struct userns_ids *ids, struct err *e)
{
	if (!ids->range)
		return 0;
	/* Uid 0 is not mapped, so the change keeps our capabilities. */
	if (setresgid(ids->gid, ids->gid, ids->gid) < 0 ||
	    setresuid(ids->uid, ids->uid, ids->uid) < 0)
		return err_sys(e, "take the agent's ids");
	return 0;
}

/*
 * Memory files cannot be executed, as far as the kernel (6.3) and our rights
 * go: the switch of a pid namespace is the host root's, whom we are until the
 * agent's ids are taken.  Otherwise such a program runs, and is nobody to the
 * proxy.
 */
static void
refuse_memfd_exec(const struct box *b)
{
	struct err ignored;

	if (b->ids.range)
		(void)!file_put(
		    AT_FDCWD, "/proc/sys/vm/memfd_noexec", "1", &ignored);
}

static int
begin(struct making *k, struct err *e)
{
	struct box *b = k->b;

	if (setsid() < 0)
		return err_sys(e, "new session");
	(void)umask(0);
	/* Not the caller's keys; keyctl itself is refused later. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	refuse_memfd_exec(k->b);
	if (cgroup_enter(&b->cg, e) < 0)
		return -1;
	/* Only now: the namespace's root is where we are. */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, "cgroup namespace");
	if (sethostname(b->plan->hostname, strlen(b->plan->hostname)) < 0)
		return err_sys(e, "set host name");
	return 0;
}

static int
confine(struct making *k, struct err *e)
{
	const struct sbx_plan *plan = k->b->plan;
	const struct userns_ids *ids = &k->b->ids;

	if (landlock_build(plan->rules, plan->n_rules, plan->landlock_hard,
		&k->rules.landlock, &k->abi, e) < 0)
		return -1;
	k->rules.uid = ids->uid;
	k->rules.gid = ids->gid;
	k->rules.nofile = plan->nofile_max;
	k->rules.nproc = plan->pids_max;
	k->rules.data = k->b->cg.memory ? RLIM_INFINITY : plan->memory_max;
	return 0;
}

/* For init too, so that whatever it forks has it. */
static void
filter(struct making *k)
{
	struct seccomp_prog *p = &k->rules.seccomp;

	seccomp_ask(p);
	k->questions = seccomp_listen(p);
	if (k->questions < 0)
		(void)snprintf(k->unasked, sizeof(k->unasked),
		    "ICMP and raw sockets are refused but not recorded (%s): "
		    "run kernel 5.0 or later, under no filter that asks",
		    strerrordesc_np(errno));
	/* As root what is made may belong to root's group. */
	seccomp_build(
	    p, S_ISUID | (k->b->ids.range ? S_ISGID : 0), k->questions >= 0);
}

static int
give_up(struct making *k, struct err *e)
{
	/* Maps are written through files that only a dumpable task owns. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_sys(e, "dumpable");
	if (userns_nest(k->root.proc, &k->b->ids, e) < 0)
		return -1;
	if (init_drop(e) < 0)
		return -1;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(e, "tie to the spawner");
	filter(k); /* no_new_privs is set */
	return 0;
}

static int
make(struct making *k, struct err *e)
{
	struct box *b = k->b;
	const struct sbx_plan *plan = b->plan;

	if (begin(k, e) < 0 || netns_setup(&k->net, plan->proxy_addr,
				   plan->proxy_port, plan->capture_port,
				   k->uncaptured, sizeof(k->uncaptured), e) < 0)
		return err_wrap(e, "network of the sandbox");
	if (wait_mapped(b->life, e) < 0 || become_agent(&b->ids, e) < 0)
		return -1;
	if (mount_build(&k->root, plan, &b->ids, b->src, e) < 0 ||
	    mount_protect(&k->root, plan, &b->protect, e) < 0)
		return err_wrap(e, "root of the sandbox");
	if (userns_last(k->root.proc, e) < 0 ||
	    mount_freeze_proc(&k->root, e) < 0 || mount_enter(&k->root, e) < 0)
		return err_wrap(e, "root of the sandbox");
	if (confine(k, e) < 0 || give_up(k, e) < 0)
		return -1;
	return 0;
}

static void
add_line(char *text, size_t n, const char *line)
{
	size_t used = strlen(text);

	if (line[0] != '\0' && used + 2 < n)
		(void)snprintf(
		    text + used, n - used, "%s%s", used > 0 ? "\n" : "", line);
}

static void
say_missing(const struct making *k, char *text, size_t n)
{
	const struct cgroup *cg = &k->b->cg;
	char line[256];

	add_line(text, n, k->uncaptured);
	add_line(text, n, k->unasked);
	if (k->abi == 0)
		add_line(text, n,
		    "Landlock is not there: add lsm=landlock,... to the "
		    "kernel command line");
	else if (k->abi < 3)
		add_line(text, n,
		    "Landlock does not cover truncate: run kernel 6.2 or "
		    "later");
	if (!cg->memory || !cg->pids) {
		(void)snprintf(line, sizeof(line),
		    "no cgroup limit on %s%s%s: %s", cg->memory ? "" : "memory",
		    !cg->memory && !cg->pids ? " and " : "",
		    cg->pids ? "" : "processes", cgroup_fix());
		add_line(text, n, line);
	}
}

static int
say_ready(const struct making *k, struct err *e)
{
	static const char *const shapes[] = { "none", "v1", "v2" };
	const struct box *b = k->b;
	union spawn_msg m = { 0 };
	struct spawn_m_ready *r = &m.ready;
	/* As the programs see it: its mounts are there, the old root is not. */
	AUTO_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fds[5 + NET_NSOCKS] = { k->net.diag, k->root.proc, root,
		k->net.proxy, k->net.capture, k->net.dns };
	unsigned n;

	if (root < 0)
		return err_sys(e, "open the root of the sandbox");
	r->rootless = geteuid() != 0 && !b->ids.range;
	r->seccomp = 1;
	r->sockets = k->net.captured ? NET_NSOCKS : NET_SOCK_PROXY + 1;
	n = 3u + r->sockets;
	r->packets = k->net.packets >= 0;
	if (r->packets)
		fds[n++] = k->net.packets;
	r->questions = k->questions >= 0;
	if (r->questions)
		fds[n++] = k->questions;
	r->landlock_abi = k->rules.landlock >= 0 ? k->abi : 0;
	(void)snprintf(r->cgroup, sizeof(r->cgroup), "%s", shapes[b->cg.shape]);
	cgroup_text(&b->cg, b->plan->memory_max, b->plan->pids_max, r->limits,
	    sizeof(r->limits));
	say_missing(k, r->missing, sizeof(r->missing));
	return spawn_msg_send(b->sock, &m, SPAWN_M_READY, fds, n, e);
}

/* Everything inherited but what init itself needs. */
static int
keep(const int *fds, size_t n, struct err *e)
{
	/* Sorted, few: close the gaps. */
	unsigned from = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned fd = (unsigned)fds[i];

		if (fds[i] < 0)
			continue;
		if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) < 0)
			return err_sys(e, "close descriptors");
		from = fd + 1;
	}
	if (syscall(SYS_close_range, from, ~0U, 0) < 0)
		return err_sys(e, "close descriptors");
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int
let_go(const struct making *k, struct err *e)
{
	int fds[] = { k->b->sock, k->b->life, k->rules.landlock, k->root.late };

	/* From here a change of mounts is somebody else's. */
	if (write(k->b->life, "r", 1) != 1)
		return err_sys(e, "tell the spawner");
	qsort(fds, ARRAY_LEN(fds), sizeof(fds[0]), by_value);
	return keep(fds, ARRAY_LEN(fds), e);
}

int
init_main(struct box *b)
{
	struct making *k = NEW(struct making);
	struct err e = { 0 };

	(void)prctl(PR_SET_NAME, "openshell-init", 0, 0, 0);
	k->b = b;
	k->root = (struct root) { -1, -1, -1, -1, -1, 0, 0 };
	k->rules.landlock = k->questions = -1;
	if (make(k, &e) < 0 || say_ready(k, &e) < 0 || let_go(k, &e) < 0) {
		/* Namespaces that exist but carry no rights (AppArmor). */
		if ((e.sys == EPERM || e.sys == EACCES) &&
		    userns_fix()[0] != '\0')
			(void)err_wrap(&e, "%s", userns_fix());
		spawn_msg_failed(b->sock, &e);
		return 1;
	}
	return spawn_answer(b->sock, b->life, &k->rules, &k->root);
}
