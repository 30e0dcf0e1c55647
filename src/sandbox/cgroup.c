/*
 * cgroup: the leaf.
 *
 * v2: a process may be cloned straight into a leaf.  The leaf must lie under
 * a node that has no process of its own, so the parent of our own cgroup is
 * tried first (a delegated user slice), then our own, then as root the top.
 *
 * v1: memory and pids are separate trees.  Entering by writing "0" to `tasks`
 * moves the writing thread alone, which spares the lock that makes a move by
 * cgroup.procs wait for an RCU grace period (milliseconds).
 *
 * The whole sandbox dies with PID 1, so cgroup.kill is not needed to end it.
 */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

/* What /proc/self/cgroup says of one hierarchy: its line's path, or false. */
static bool
own_path(const char *text, const char *controller, char *out, size_t n)
{
	struct view rest = view_of(text), line;
	struct view want = view_of(controller);

	while (rest.n > 0) {
		struct view list, path;

		line = view_cut(rest, '\n', &rest);
		(void)view_cut(line, ':', &line);
		list = view_cut(line, ':', &path);
		if (want.n == 0 ? list.n != 0 : list.n == 0)
			continue;
		while (want.n > 0) {
			struct view one = view_cut(list, ',', &list);

			if (view_eq(one, want))
				break;
			if (list.n == 0) {
				path.n = 0;
				break;
			}
		}
		if (path.n > 0 && path.n < n) {
			memcpy(out, path.p, path.n);
			out[path.n] = '\0';
			return true;
		}
	}
	return false;
}

static bool
read_small(const char *path, char *text, size_t n)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, n - 1) : -1;

	text[got > 0 ? got : 0] = '\0';
	return got >= 0;
}

/* false when the file is absent or refuses. */
static bool
put(const char *dir, const char *file, const char *text)
{
	char path[CGROUP_PATH + 64];
	struct err ignored = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	return file_put(AT_FDCWD, path, text, &ignored) == 0;
}

static bool
put_number(const char *dir, const char *file, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, v);
	return put(dir, file, text);
}

static int
open_in(const char *dir, const char *file, int flags)
{
	char path[CGROUP_PATH + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	return open(path, flags | O_CLOEXEC);
}

/* The leaf's path, when `ready` (make it, or find it) says yes. */
static bool
leaf(char dir[CGROUP_PATH], const char *under, const char *path, const char *id,
    bool (*ready)(const char *dir))
{
	int n = snprintf(dir, CGROUP_PATH, "%s%s/openshell-%s", under,
	    strcmp(path, "/") == 0 ? "" : path, id);

	if (n > 0 && n < CGROUP_PATH && ready(dir))
		return true;
	dir[0] = '\0';
	return false;
}

static bool
made(const char *dir)
{
	return mkdir(dir, 0755) == 0;
}

static bool
there(const char *dir)
{
	return access(dir, F_OK) == 0;
}

static void
parent_of(char parent[CGROUP_PATH], const char *own)
{
	char *slash;

	(void)snprintf(parent, CGROUP_PATH, "%s", own);
	slash = strrchr(parent, '/');
	if (slash != NULL)
		slash[slash == parent ? 1 : 0] = '\0';
}

static bool
try_v2(struct cgroup *cg, const char *top, const char *base, const char *id,
    uint64_t memory_max, uint32_t pids_max)
{
	char node[CGROUP_PATH];

	(void)snprintf(node, sizeof(node), "%s%s", top,
	    strcmp(base, "/") == 0 ? "" : base);
	if (access(node, W_OK) < 0)
		return false;
	(void)put(node, "cgroup.subtree_control", "+memory");
	(void)put(node, "cgroup.subtree_control", "+pids");
	if (!leaf(cg->dir[0], top, base, id, made))
		return false;
	cg->memory = put_number(cg->dir[0], "memory.max", memory_max);
	cg->pids = put_number(cg->dir[0], "pids.max", pids_max);
	cg->v2 = open(cg->dir[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if ((!cg->memory && !cg->pids) || cg->v2 < 0) {
		(void)rmdir(cg->dir[0]);
		fd_close(&cg->v2);
		cg->dir[0][0] = '\0';
		cg->memory = cg->pids = false;
		return false;
	}
	(void)put(cg->dir[0], "memory.swap.max", "0");
	(void)put(cg->dir[0], "memory.oom.group", "1");
	cg->oom = open_in(cg->dir[0], "memory.events", O_RDONLY);
	cg->shape = CGROUP_V2;
	return true;
}

static void
make_v2(struct cgroup *cg, const char *top, const char *own, const char *id,
    uint64_t memory_max, uint32_t pids_max)
{
	char parent[CGROUP_PATH];

	parent_of(parent, own);
	if (try_v2(cg, top, parent, id, memory_max, pids_max) ||
	    try_v2(cg, top, own, id, memory_max, pids_max))
		return;
	if (geteuid() == 0)
		(void)try_v2(cg, top, "/", id, memory_max, pids_max);
}

static bool
v1_leaf(struct cgroup *cg, size_t i, const struct cgroup_place *at,
    const char *controller, const char *id, bool (*ready)(const char *dir))
{
	char top[128], path[256];

	(void)snprintf(top, sizeof(top), "%s/%s", at->top, controller);
	return own_path(at->self, controller, path, sizeof(path)) &&
	       leaf(cg->dir[i], top, path, id, ready);
}

static void
make_v1(struct cgroup *cg, const struct cgroup_place *at, const char *id,
    uint64_t memory_max, uint32_t pids_max)
{
	if (v1_leaf(cg, 0, at, "memory", id, made)) {
		cg->memory =
		    put_number(cg->dir[0], "memory.limit_in_bytes", memory_max);
		/* Memory and swap together; absent without swap accounting. */
		if (!put_number(
			cg->dir[0], "memory.memsw.limit_in_bytes", memory_max))
			(void)put(cg->dir[0], "memory.swappiness", "0");
		cg->tasks[0] = open_in(cg->dir[0], "tasks", O_WRONLY);
		cg->oom = open_in(cg->dir[0], "memory.oom_control", O_RDONLY);
	}
	if (v1_leaf(cg, 1, at, "pids", id, made)) {
		cg->pids = put_number(cg->dir[1], "pids.max", pids_max);
		cg->tasks[1] = open_in(cg->dir[1], "tasks", O_WRONLY);
	}
	if (cg->memory || cg->pids)
		cg->shape = CGROUP_V1;
	else
		cgroup_remove(cg);
}

void
cgroup_make_at(struct cgroup *cg, const struct cgroup_place *at, const char *id,
    uint64_t memory_max, uint32_t pids_max)
{
	char own[256];

	*cg = (struct cgroup) { .v2 = -1, .tasks = { -1, -1 }, .oom = -1 };
	if (!at->v2)
		make_v1(cg, at, id, memory_max, pids_max);
	else if (own_path(at->self, "", own, sizeof(own)))
		make_v2(cg, at->top, own, id, memory_max, pids_max);
}

static void
find_v1(struct cgroup *cg, const struct cgroup_place *at, const char *id)
{
	if (v1_leaf(cg, 0, at, "memory", id, there))
		cg->oom = open_in(cg->dir[0], "memory.oom_control", O_RDONLY);
	(void)v1_leaf(cg, 1, at, "pids", id, there);
}

static void
find_v2(struct cgroup *cg, const char *top, const char *own, const char *id)
{
	char parent[CGROUP_PATH];

	parent_of(parent, own);
	if (leaf(cg->dir[0], top, parent, id, there) ||
	    leaf(cg->dir[0], top, own, id, there) ||
	    leaf(cg->dir[0], top, "/", id, there))
		cg->oom = open_in(cg->dir[0], "memory.events", O_RDONLY);
}

static void
cgroup_find_at(struct cgroup *cg, const struct cgroup_place *at, const char *id)
{
	char own[256];

	*cg = (struct cgroup) { .v2 = -1, .tasks = { -1, -1 }, .oom = -1 };
	if (!at->v2)
		find_v1(cg, at, id);
	else if (own_path(at->self, "", own, sizeof(own)))
		find_v2(cg, at->top, own, id);
}

static struct cgroup_place
here(char *text, size_t n)
{
	struct cgroup_place at = { "/sys/fs/cgroup", text, false };
	struct statfs fs;

	/* Without either nothing is found there. */
	(void)read_small("/proc/self/cgroup", text, n);
	at.v2 = statfs(at.top, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
	return at;
}

void
cgroup_make(
    struct cgroup *cg, const char *id, uint64_t memory_max, uint32_t pids_max)
{
	char text[4096] = "";
	struct cgroup_place at = here(text, sizeof(text));

	cgroup_make_at(cg, &at, id, memory_max, pids_max);
}

void
cgroup_find(struct cgroup *cg, const char *id)
{
	char text[4096] = "";
	struct cgroup_place at = here(text, sizeof(text));

	cgroup_close(cg);
	cgroup_find_at(cg, &at, id);
}

int
cgroup_enter(const struct cgroup *cg, struct err *e)
{
	for (size_t i = 0; i < CGROUP_DIRS; i++)
		if (cg->tasks[i] >= 0 && write(cg->tasks[i], "0", 1) != 1)
			return err_sys(e, "enter cgroup %s", cg->dir[i]);
	return 0;
}

uint64_t
cgroup_oom_kills(const struct cgroup *cg)
{
	char text[512];
	const char *at;
	ssize_t got =
	    cg->oom >= 0 ? pread(cg->oom, text, sizeof(text) - 1, 0) : -1;

	if (got <= 0)
		return 0;
	text[got] = '\0';
	at = strstr(text, "oom_kill ");
	return at != NULL ? strtoull(at + sizeof("oom_kill ") - 1, NULL, 10)
			  : 0;
}

void
cgroup_close(struct cgroup *cg)
{
	fd_close(&cg->v2);
	fd_close(&cg->oom);
	for (size_t i = 0; i < CGROUP_DIRS; i++)
		fd_close(&cg->tasks[i]);
}

void
cgroup_remove(struct cgroup *cg)
{
	enum { TRIES = 2500, PAUSE_NS = 2000000 };

	cgroup_close(cg);
	for (size_t i = 0; i < CGROUP_DIRS; i++) {
		/* The last process may be on its way out: EBUSY.  PID 1 lets
		 * go of its descriptors before it kills the others, so when
		 * the spawner was killed nobody can say that all are gone. */
		for (int t = 0; cg->dir[i][0] != '\0' && t < TRIES; t++) {
			struct timespec ts = { 0, PAUSE_NS };

			if (rmdir(cg->dir[i]) == 0 || errno != EBUSY)
				break;
			(void)nanosleep(&ts, NULL);
		}
		cg->dir[i][0] = '\0';
	}
}

void
cgroup_forget(const char *id)
{
	struct cgroup cg = { .v2 = -1, .tasks = { -1, -1 }, .oom = -1 };

	cgroup_find(&cg, id);
	cgroup_close(&cg);
	for (size_t i = 0; i < CGROUP_DIRS; i++)
		if (cg.dir[i][0] != '\0')
			(void)rmdir(cg.dir[i]);
}

const char *
cgroup_fix(void)
{
	return geteuid() == 0
		   ? "mount a writable cgroup2 with the memory and pids "
		     "controllers"
		   : "run under: systemd-run --user --scope -p Delegate=yes";
}

void
cgroup_text(const struct cgroup *cg, uint64_t memory_max, uint32_t pids_max,
    char *limits, size_t n)
{
	static const char *const shapes[] = { "none", "cgroup v1",
		"cgroup v2" };

	(void)snprintf(limits, n,
	    "memory %" PRIu64 " MiB by %s, %u processes by %s",
	    memory_max >> 20,
	    cg->memory ? shapes[cg->shape] : "RLIMIT_DATA for each process",
	    pids_max, cg->pids ? shapes[cg->shape] : "RLIMIT_NPROC");
}
