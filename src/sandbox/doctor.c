/*
 * doctor: each row is a probe that does the thing itself, in a child and in
 * namespaces of its own, because switches and versions tell only half.  The
 * last row makes a whole sandbox.
 */
#include "sandbox/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "sandbox/cgroup.h"
#include "sandbox/landlock.h"
#include "sandbox/linux_new.h"
#include "sandbox/mount.h"
#include "sandbox/nft.h"
#include "sandbox/seccomp.h"
#include "sandbox/spawn.h"
#include "sandbox/userns.h"

/* What a probe in a child came to. */
struct outcome {
	bool ok;
	char text[160];
};

typedef int probe_fn(struct err *e);

static int
enter_namespaces(int flags, struct err *e)
{
	char map[48];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (unshare(CLONE_NEWUSER | flags) < 0)
		return err_sys(e, "create");
	if (file_put(AT_FDCWD, "/proc/self/setgroups", "deny", e) < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (file_put(AT_FDCWD, "/proc/self/uid_map", map, e) < 0)
		return -1;
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return file_put(AT_FDCWD, "/proc/self/gid_map", map, e);
}

static void
in_child(int flags, probe_fn *fn, int out)
{
	struct outcome o = { 0 };
	struct err e = { 0 };
	const char *cause;

	o.ok = (flags == 0 || enter_namespaces(flags, &e) == 0) &&
	       (fn == NULL || fn(&e) == 0);
	/* The innermost cause is the one that says most. */
	cause = strrchr(e.text, '\n');
	(void)snprintf(o.text, sizeof(o.text), "%.150s",
	    cause != NULL ? cause + 1 : e.text);
	(void)!write(out, &o, sizeof(o));
	_exit(0);
}

/* flags: namespaces to enter besides a user namespace; 0: none at all. */
static struct outcome
try(int flags, probe_fn *fn)
{
	struct outcome o = { false, "the probe died" };
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return o;
	pid = fork();
	if (pid == 0)
		in_child(flags, fn, ends[1]);
	fd_close(&ends[1]);
	if (pid > 0) {
		if (read(ends[0], &o, sizeof(o)) != (ssize_t)sizeof(o))
			o.ok = false;
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fd_close(&ends[0]);
	return o;
}

static struct doctor_row *
row(struct doctor *d, const char *name, const char *title,
    enum doctor_verdict verdict, const char *gives)
{
	struct doctor_row *r = &d->rows[d->n++];

	*r = (struct doctor_row) {
		.name = name, .title = title, .verdict = verdict
	};
	(void)snprintf(r->gives, sizeof(r->gives), "%s", gives);
	return r;
}

#define SAY(field, ...) (void)snprintf(field, sizeof(field), __VA_ARGS__)

static bool
is_missing(const struct doctor *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->rows[i].name, name) == 0)
			return d->rows[i].verdict == DOCTOR_MISSING;
	return false;
}

/* What cannot be tried is neither there nor missing. */
static bool
untried(const struct doctor *d, struct doctor_row *r)
{
	if (!is_missing(d, "user-namespaces"))
		return false;
	r->verdict = DOCTOR_INFO;
	SAY(r->found, "not tried, for want of user namespaces");
	return true;
}

static void
kernel(struct doctor *d)
{
	struct doctor_row *r = row(d, "kernel", "Kernel", DOCTOR_OK,
	    "mounts set up by descriptor (5.12), Landlock in full (6.2)");
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) < 0)
		return;
	SAY(r->found, "%.100s", u.release);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return;
	if (major < 5 || (major == 5 && minor < 12)) {
		r->verdict = DOCTOR_MISSING;
		SAY(r->remedy, "upgrade to Linux 5.12 or later");
	}
}

static void
namespaces(struct doctor *d)
{
	struct doctor_row *r = row(d, "user-namespaces", "User namespaces",
	    DOCTOR_OK, "a sandbox without root; everything rests on them");
	struct outcome o =
	    try(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		    CLONE_NEWUTS | CLONE_NEWCGROUP,
		NULL);
	const char *fix = userns_fix();
	const char *command = strstr(fix, "sudo ");

	SAY(r->found, "%.150s", o.ok ? "they can be made" : o.text);
	if (o.ok)
		return;
	r->verdict = DOCTOR_MISSING;
	SAY(r->remedy, "%s",
	    command != NULL ? command
			    : "run outside the container, or allow user "
			      "namespaces in it (docker: --security-opt "
			      "seccomp=unconfined)");
}

static int
private_root(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "mount");
	return 0;
}

static void
apparmor(struct doctor *d)
{
	static const char path[] =
	    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
	struct doctor_row *r = row(d, "apparmor", "AppArmor limits", DOCTOR_OK,
	    "rights inside a user namespace, needed to mount");
	struct outcome o = try(CLONE_NEWNS, private_root);
	char *text = NULL;
	size_t n;
	struct err e;
	bool on = file_read_path(path, false, 16, &text, &n, &e) == 0 &&
		  text[0] != '0';

	free(text);
	SAY(r->found, "%s",
	    on ? "unprivileged user namespaces are restricted"
	       : "no restriction");
	if (o.ok || !on)
		return;
	r->verdict = DOCTOR_MISSING;
	SAY(r->remedy, "sudo sysctl -w "
		       "kernel.apparmor_restrict_unprivileged_userns=0");
}

static int
fresh_proc(struct err *e)
{
	int status;
	pid_t pid;

	/* The first child is the one inside the new pid namespace. */
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0)
		_exit(mount("proc", "/proc", "proc",
			  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0
			  ? errno
			  : 0);
	if (waitpid(pid, &status, 0) < 0)
		return err_sys(e, "wait");
	errno = WEXITSTATUS(status);
	return errno == 0 ? 0 : err_sys(e, "mount /proc");
}

static void
proc(struct doctor *d)
{
	struct doctor_row *r = row(d, "proc", "A /proc of its own", DOCTOR_OK,
	    "the sandbox sees its own processes only");
	struct outcome o;

	if (untried(d, r))
		return;
	o = try(CLONE_NEWNS | CLONE_NEWPID, fresh_proc);
	SAY(r->found, "%.150s", o.ok ? "it can be mounted" : o.text);
	if (o.ok)
		return;
	r->verdict = DOCTOR_MISSING;
	SAY(r->remedy, "run outside the container, or unmask its /proc "
		       "(docker: --security-opt systempaths=unconfined)");
}

static void
landlock(struct doctor *d)
{
	struct doctor_row *r = row(d, "landlock", "Landlock", DOCTOR_OK,
	    "a second wall for files; no signals or abstract sockets out");
	int abi = landlock_abi();

	SAY(r->found, abi > 0 ? "ABI %d" : "not there", abi);
	if (abi >= 3)
		return;
	r->verdict = DOCTOR_DEGRADED;
	SAY(r->remedy, "%s",
	    abi > 0
		? "upgrade to Linux 6.2 or later"
		: "put landlock first in lsm= of the kernel command line (what "
		  "is there now: cat /sys/kernel/security/lsm) and reboot");
}

static void
seccomp(struct doctor *d)
{
	struct doctor_row *r = row(d, "seccomp", "seccomp filters", DOCTOR_OK,
	    "dangerous system calls are refused");
	uint32_t action = SECCOMP_RET_ERRNO;
	bool ok =
	    syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;

	SAY(r->found, ok ? "there" : "not there");
	if (!ok) {
		r->verdict = DOCTOR_MISSING;
		SAY(r->remedy, "use a kernel with CONFIG_SECCOMP_FILTER=y");
	}
}

static int
ask_sockets(struct err *e)
{
	struct seccomp_prog p;

	seccomp_ask(&p);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    seccomp_listen(&p) < 0)
		return err_sys(e, "seccomp listener");
	return 0;
}

static void
seccomp_listener(struct doctor *d)
{
	struct doctor_row *r = row(d, "seccomp_listener", "Socket log",
	    DOCTOR_OK, "ICMP and raw sockets are recorded, not only refused");
	struct outcome o = try(0, ask_sockets);

	SAY(r->found, "%.150s", o.ok ? "a filter can ask" : o.text);
	if (o.ok)
		return;
	r->verdict = DOCTOR_DEGRADED;
	SAY(r->remedy, "upgrade to Linux 5.0 or later, and run under no "
		       "seccomp filter that asks a supervisor");
}

static void
cgroups(struct doctor *d)
{
	static const char *const shapes[] = { "none that we may write",
		"version 1", "version 2" };
	struct doctor_row *r = row(d, "cgroup", "Control groups", DOCTOR_OK,
	    "limits on memory and processes of the whole sandbox");
	struct cgroup cg;
	char id[20] = "doctor-";

	random_hex(id + strlen(id), 8);
	cgroup_make(&cg, id, UINT64_C(64) << 20, 64);
	SAY(r->found, "%s%s%s", shapes[cg.shape], cg.memory ? ", memory" : "",
	    cg.pids ? ", processes" : "");
	if (!cg.memory || !cg.pids) {
		r->verdict = DOCTOR_DEGRADED;
		SAY(r->remedy, "%s", cgroup_fix());
	}
	cgroup_remove(&cg);
}

static int
overlay(struct err *e)
{
	static const char *const opts[] = { "lowerdir", "l", "upperdir", "u",
		"workdir", "w", "userxattr", NULL, NULL };
	AUTO_CLOSE int space = -1, fd = -1, at = -1;

	if (private_root(e) < 0)
		return -1;
	space = mount_new("tmpfs", NULL, 0, e);
	at = open("/", O_PATH | O_CLOEXEC);
	if (space < 0 || mount_move(space, at, e) < 0)
		return -1;
	if (mkdirat(space, "l", 0755) < 0 || mkdirat(space, "u", 0755) < 0 ||
	    mkdirat(space, "w", 0755) < 0 || fchdir(space) < 0)
		return err_sys(e, "mkdir");
	fd = mount_new("overlay", opts, 0, e);
	return fd < 0 ? -1 : 0;
}

static void
overlays(struct doctor *d)
{
	struct doctor_row *r = row(d, "overlay", "Overlays", DOCTOR_OK,
	    "writable paths of the policy without changing the machine");
	struct outcome o;

	if (untried(d, r))
		return;
	o = try(CLONE_NEWNS, overlay);
	SAY(r->found, "%.150s", o.ok ? "they can be mounted" : o.text);
	if (o.ok)
		return;
	r->verdict = DOCTOR_DEGRADED;
	SAY(r->remedy, "sudo modprobe overlay");
}

static int
capture(struct err *e)
{
	struct in_addr proxy = { htonl(0x0ac80001) };

	return nft_capture(proxy, 3128, 3129, e);
}

static void
nftables(struct doctor *d)
{
	struct doctor_row *r = row(d, "nftables", "nf_tables", DOCTOR_OK,
	    "programs that ignore the proxy work, and names resolve, where the "
	    "policy allows it");
	struct outcome o;

	if (untried(d, r))
		return;
	o = try(CLONE_NEWNET, capture);
	SAY(r->found, "%.150s", o.ok ? "rules can be set" : o.text);
	if (o.ok)
		return;
	r->verdict = DOCTOR_DEGRADED;
	SAY(r->remedy, "sudo modprobe -a nf_tables nft_chain_nat nft_redir");
}

static int
packet_log(struct err *e)
{
	AUTO_CLOSE int log = -1;

	return capture(e) < 0 ? -1 : nft_log(3129, &log, e);
}

static void
nfnetlink_log(struct doctor *d)
{
	struct doctor_row *r = row(d, "nfnetlink_log", "Packet log", DOCTOR_OK,
	    "UDP that is refused is recorded, not only refused");
	struct outcome o;

	if (untried(d, r))
		return;
	o = try(CLONE_NEWNET, packet_log);
	SAY(r->found, "%.150s", o.ok ? "packets can be logged" : o.text);
	if (o.ok)
		return;
	r->verdict = DOCTOR_DEGRADED;
	SAY(r->remedy, "sudo modprobe -a nfnetlink_log nft_log nft_limit");
}

static int
map_here(struct err *e)
{
	struct userns_ids ids = { .range = true,
		.uid = 1000,
		.gid = 1000,
		.out_uid = 0x70000001,
		.out_gid = 0x70000001,
		.lock = -1 };
	AUTO_CLOSE int tree = -1, ns = -1;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "mount namespace");
	tree = mount_clone(AT_FDCWD, ".", AT_RECURSIVE, e);
	if (tree < 0 || userns_for_mount(&ids, 0, 0, &ns, e) < 0)
		return -1;
	return mount_attr(tree, AT_RECURSIVE, MOUNT_ATTR_IDMAP, ns, e);
}

static void
idmap(struct doctor *d)
{
	struct doctor_row *r = row(d, "idmap", "Mapped owners", DOCTOR_INFO,
	    "as root: files keep the owner of the work directory");
	struct outcome o;

	if (geteuid() != 0) {
		SAY(r->found, "only needed when started as root");
		return;
	}
	if (untried(d, r))
		return;
	o = try(0, map_here);
	SAY(r->found, "%.150s",
	    o.ok ? "the current directory can be mapped" : o.text);
	r->verdict = o.ok ? DOCTOR_OK : DOCTOR_DEGRADED;
	if (!o.ok)
		SAY(r->remedy, "run as the owner of the directory, or work "
			       "on ext4, xfs or btrfs");
}

/* Whether some line of `path` begins with "FIRST:". */
static bool
has_line(const char *path, struct view first)
{
	char *text = NULL;
	size_t n;
	struct err e;
	bool found = false;
	struct view rest = { 0 }, line;

	if (file_read_path(path, false, 1 << 20, &text, &n, &e) == 0)
		rest = (struct view) { text, n };
	while (rest.n > 0 && !found) {
		line = view_cut(rest, '\n', &rest);
		found = view_eq(view_cut(line, ':', &line), first);
	}
	free(text);
	return found;
}

/* By name or by number, subuid(5); USER, as libc's lookup needs plugins. */
static bool
has_subuid(void)
{
	const char *user = getenv("USER");
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", getuid());
	return (user != NULL && has_line("/etc/subuid", view_of(user))) ||
	       has_line("/etc/subuid", view_of(number));
}

static void
subuid(struct doctor *d)
{
	struct doctor_row *r = row(d, "subuid", "Subordinate ids", DOCTOR_INFO,
	    "several users inside one sandbox (images); not "
	    "needed to run an agent");
	bool range = has_subuid();
	bool tool = access("/usr/bin/newuidmap", X_OK) == 0;

	SAY(r->found, "%s, %s", range ? "a range is assigned" : "no range",
	    tool ? "newuidmap is there" : "newuidmap is not there");
	if (!tool)
		SAY(r->remedy, "sudo apt-get install uidmap");
	else if (!range && geteuid() != 0)
		SAY(r->remedy, "sudo usermod --add-subuids 100000-165535 "
			       "--add-subgids 100000-165535 \"$USER\"");
}

static void
container(struct doctor *d)
{
	static const char *const marks[] = { "/.dockerenv",
		"/run/.containerenv", "/run/systemd/container" };
	struct doctor_row *r = row(d, "container", "Container around us",
	    DOCTOR_INFO, "none is needed; one may refuse namespaces");
	bool inside = getenv("container") != NULL;

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		inside |= access(marks[i], F_OK) == 0;
	SAY(r->found, "%s", inside ? "we are inside one" : "none seen");
}

/* The proof: everything above together. */
static int
whole(struct err *e)
{
	static const struct sbx_mount mounts[] = {
		{ SBX_BIND_RO, "/usr", "/usr", false, 0 },
		{ SBX_TMPFS, NULL, "/tmp", false, 01777 },
	};
	static const struct sbx_rule rules[] = { { "/usr", false, false } };
	struct sbx_plan plan = { .hostname = "sandbox",
		.mounts = mounts,
		.n_mounts = ARRAY_LEN(mounts),
		.rules = rules,
		.n_rules = ARRAY_LEN(rules),
		.pids_max = 64,
		.nofile_max = 1024,
		.memory_max = UINT64_C(256) << 20,
		.disk_max = UINT64_C(16) << 20,
		.proxy_addr = "10.200.0.1",
		.proxy_port = 3128,
		.capture_port = 3129 };
	enum { PATIENCE_MS = 5000 };
	struct spawn_event ev = { 0 };
	struct spawn *s = NULL;
	struct pollfd p = { .events = POLLIN };
	int rc = -1;

	(void)snprintf(plan.id, sizeof(plan.id), "doctor-");
	random_hex(plan.id + strlen(plan.id), 8);
	if (spawn_start(&plan, -1, &s, e) < 0)
		return -1;
	p.fd = spawn_fd(s);
	if (poll(&p, 1, PATIENCE_MS) != 1)
		(void)err_set(e, ERR_IO, "no answer");
	else if (spawn_read(s, &ev, e) == 1)
		rc = ev.type == SPAWN_READY
			 ? 0
			 : err_set(e, ERR_IO, "%.400s", ev.text);
	spawn_free(s);
	return rc;
}

static void
sandbox(struct doctor *d)
{
	struct doctor_row *r = row(d, "sandbox", "A whole sandbox", DOCTOR_OK,
	    "what `openshell run` needs, made and ended just now");
	struct outcome o = try(0, whole);
	bool above = false;

	if (o.ok) {
		SAY(r->found, "it can be made");
		return;
	}
	for (size_t i = 0; i + 1 < d->n; i++)
		above |= d->rows[i].verdict == DOCTOR_MISSING;
	r->verdict = DOCTOR_MISSING;
	SAY(r->found, "%.150s", o.text);
	SAY(r->remedy, "%s",
	    above ? "mend the rows above, then: openshell doctor"
		  : "openshell run -- true");
}

void
doctor_run(struct doctor *d)
{
	static void (*const checks[])(struct doctor *) = { kernel, namespaces,
		apparmor, proc, landlock, seccomp, seccomp_listener, cgroups,
		overlays, nftables, nfnetlink_log, idmap, subuid, container,
		sandbox };

	*d = (struct doctor) { .usable = 1 };
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i](d);
	for (size_t i = 0; i < d->n; i++)
		if (d->rows[i].verdict == DOCTOR_MISSING)
			d->usable = 0;
}
