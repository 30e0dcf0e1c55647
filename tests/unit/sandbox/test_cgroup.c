/*
 * The leaf of a sandbox in trees that this machine need not have: a directory
 * plays the kernel, mkdir(2) and rmdir(2) being ours (--wrap, ld(1)), which
 * fill and empty a leaf as cgroupfs does.  What a directory cannot play, to be
 * cloned into a leaf, is done in the machine's own cgroup2, where it has one.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/box.h"
#include "test.h"

#include "base/fd.h"
#include "sandbox/cgroup.h"

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);
void __real_cgroup_make(
    struct cgroup *cg, const char *id, uint64_t memory_max, uint32_t pids_max);
void __wrap_cgroup_make(
    struct cgroup *cg, const char *id, uint64_t memory_max, uint32_t pids_max);

/* Files that leaves below `fake.below` have; where others have none. */
static struct {
	const char *below;
	const char *const *files;
	int busy; /* so many attempts to remove it fail first */
} fake;

static const char *const everything[] = { "memory.max", "memory.swap.max",
	"memory.oom.group", "memory.events", "pids.max", NULL };
static const char *const only_pids[] = { "pids.max", NULL };

static bool
is_fake_leaf(const char *path)
{
	return fake.below != NULL &&
	       strncmp(path, fake.below, strlen(fake.below)) == 0 &&
	       strncmp(path + strlen(fake.below), "/openshell-", 11) == 0;
}

static void
put_text(const char *dir, const char *name, const char *text)
{
	char path[512];
	AUTO_CLOSE int fd = -1;
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, text, strlen(text), &e), ==, 0);
}

static const char *
text_of(const char *dir, const char *name)
{
	static char text[64];
	char path[512];
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	text[n > 0 ? n : 0] = '\0';
	return n >= 0 ? text : "(absent)";
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
	int rc = __real_mkdir(path, mode);

	for (size_t i = 0;
	     rc == 0 && is_fake_leaf(path) && fake.files[i] != NULL; i++)
		put_text(path, fake.files[i], "");
	return rc;
}

int
__wrap_rmdir(const char *path)
{
	char file[512];

	if (is_fake_leaf(path) && fake.busy-- > 0) {
		errno = EBUSY;
		return -1;
	}
	for (size_t i = 0; is_fake_leaf(path) && fake.files[i] != NULL; i++) {
		(void)snprintf(
		    file, sizeof(file), "%s/%s", path, fake.files[i]);
		(void)unlink(file);
	}
	return __real_rmdir(path);
}

/* A tree with our own cgroup at /slice/own. */
struct tree {
	char top[64], slice[96], own[128];
};

static void
tree_make(struct tree *t)
{
	(void)snprintf(t->top, sizeof(t->top), "/var/tmp/cgroup-XXXXXX");
	CHECK(mkdtemp(t->top) != NULL);
	(void)snprintf(t->slice, sizeof(t->slice), "%s/slice", t->top);
	(void)snprintf(t->own, sizeof(t->own), "%s/own", t->slice);
	CHECK_INT(mkdir(t->slice, 0755) | mkdir(t->own, 0755), ==, 0);
	put_text(t->slice, "cgroup.subtree_control", "");
}

/* Fails when a leaf was left. */
static void
tree_end(const struct tree *t)
{
	char path[160];

	(void)snprintf(
	    path, sizeof(path), "%s/cgroup.subtree_control", t->slice);
	CHECK_INT(unlink(path), ==, 0);
	CHECK_INT(rmdir(t->own) | rmdir(t->slice) | rmdir(t->top), ==, 0);
	fake.below = NULL;
}

static void
make(struct cgroup *cg, const struct tree *t)
{
	struct cgroup_place at = { t->top, "1:cpu:/else\n0::/slice/own\n",
		true };

	cgroup_make_at(cg, &at, "0123456789ab", 300 << 20, 200);
}

TEST(cgroup, v2_leaf_beside_our_own_carries_every_limit)
{
	struct tree t;
	struct cgroup cg;
	char limits[128], leaf[160];

	tree_make(&t);
	fake.below = t.slice;
	fake.files = everything;
	make(&cg, &t);
	CHECK_INT(cg.shape, ==, CGROUP_V2);
	CHECK(cg.memory && cg.pids && cg.v2 >= 0);
	(void)snprintf(
	    leaf, sizeof(leaf), "%s/openshell-0123456789ab", t.slice);
	CHECK_STR(cg.dir[0], leaf);
	CHECK_STR(text_of(leaf, "memory.max"), "314572800");
	CHECK_STR(text_of(leaf, "memory.swap.max"), "0");
	CHECK_STR(text_of(leaf, "memory.oom.group"), "1");
	CHECK_STR(text_of(leaf, "pids.max"), "200");
	/* One write for each, over one another in a file that keeps them. */
	CHECK_STR(text_of(t.slice, "cgroup.subtree_control"), "+pidsry");
	CHECK_INT(cgroup_oom_kills(&cg), ==, 0);
	put_text(leaf, "memory.events", "low 0\noom 2\noom_kill 3\n");
	CHECK_INT(cgroup_oom_kills(&cg), ==, 3);
	cgroup_text(&cg, 300 << 20, 200, limits, sizeof(limits));
	CHECK_STR(
	    limits, "memory 300 MiB by cgroup v2, 200 processes by cgroup v2");
	/* The last process may still be on its way out. */
	fake.busy = 3;
	cgroup_remove(&cg);
	CHECK_INT(fake.busy, <, 0);
	CHECK_INT(cg.v2, ==, -1);
	tree_end(&t);
}

TEST(cgroup, v2_leaf_lies_in_our_own_where_only_that_is_delegated)
{
	struct tree t;
	struct cgroup cg;

	tree_make(&t);
	fake.below = t.own;
	fake.files = everything;
	make(&cg, &t);
	CHECK_INT(cg.shape, ==, CGROUP_V2);
	CHECK_HAS(cg.dir[0], "/slice/own/openshell-");
	cgroup_remove(&cg);
	tree_end(&t);
}

TEST(cgroup, v2_with_one_controller_says_which_limit_is_not_its)
{
	struct tree t;
	struct cgroup cg;
	char limits[128];

	tree_make(&t);
	fake.below = t.slice;
	fake.files = only_pids;
	make(&cg, &t);
	CHECK_INT(cg.shape, ==, CGROUP_V2);
	CHECK(!cg.memory && cg.pids);
	CHECK_INT(cgroup_oom_kills(&cg), ==, 0);
	cgroup_text(&cg, 300 << 20, 200, limits, sizeof(limits));
	CHECK_STR(limits, "memory 300 MiB by RLIMIT_DATA for each process, "
			  "200 processes by cgroup v2");
	cgroup_remove(&cg);
	tree_end(&t);
}

TEST(cgroup, v2_without_controllers_is_no_limit_and_leaves_nothing)
{
	struct tree t;
	struct cgroup cg;

	tree_make(&t);
	make(&cg, &t);
	CHECK_INT(cg.shape, ==, CGROUP_NONE);
	CHECK(!cg.memory && !cg.pids);
	CHECK_INT(cg.v2, ==, -1);
	CHECK_STR(cg.dir[0], "");
	cgroup_remove(&cg);
	tree_end(&t);
}

TEST(cgroup, reads_its_place_from_lines_of_either_version)
{
	struct tree t;
	struct cgroup cg;
	struct cgroup_place at = { t.top,
		"3:cpu,cpuacct:/no\n2:memoryx:/no\n0::/no\n", false };

	tree_make(&t);
	cgroup_make_at(&cg, &at, "0123456789ab", 1 << 20, 1);
	CHECK_INT(cg.shape, ==, CGROUP_NONE);
	at.v2 = true;
	at.self = "3:memory,pids:/slice/own\n";
	cgroup_make_at(&cg, &at, "0123456789ab", 1 << 20, 1);
	CHECK_INT(cg.shape, ==, CGROUP_NONE);
	tree_end(&t);
}

/* --- being cloned into a leaf ------------------------------------------- */

static struct {
	const char *dir; /* NULL: leave cgroup_make alone */
} given;

void
__wrap_cgroup_make(
    struct cgroup *cg, const char *id, uint64_t memory_max, uint32_t pids_max)
{
	if (given.dir == NULL) {
		__real_cgroup_make(cg, id, memory_max, pids_max);
		return;
	}
	*cg = (struct cgroup) { .shape = CGROUP_V2,
		.tasks = { -1, -1 },
		.oom = -1,
		.memory = true,
		.pids = true };
	(void)snprintf(cg->dir[0], sizeof(cg->dir[0]), "%s", given.dir);
	cg->v2 = open(given.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(cg->v2 >= 0);
}

/* Where a cgroup2 is mounted that we may make groups in, or false. */
static bool
real_leaf(char leaf[256])
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	const struct mntent *m;
	bool made = false;

	leaf[0] = '\0';
	while (f != NULL && !made && (m = getmntent(f)) != NULL) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		(void)snprintf(leaf, 256, "%s/openshell-unit-%d", m->mnt_dir,
		    (int)getpid());
		made = __real_mkdir(leaf, 0755) == 0;
	}
	if (f != NULL)
		(void)endmntent(f);
	return made;
}

TEST(cgroup, the_sandbox_is_born_in_a_v2_leaf_which_goes_with_it)
{
	struct test_box b;
	char leaf[256], pid[16];

	if (!real_leaf(leaf)) {
		/* Only root, and only on a machine that has a cgroup2. */
		CHECK(!box_is_root() || leaf[0] == '\0' || errno == EROFS);
		return;
	}
	box_plan(&b);
	given.dir = leaf;
	CHECK(box_start(&b));
	given.dir = NULL;
	CHECK_STR(b.ready.report.cgroup, "v2");
	(void)snprintf(
	    pid, sizeof(pid), "%.15s", text_of(leaf, "cgroup.procs"));
	CHECK_INT(strtol(pid, NULL, 10), >, 1);
	/* Its namespace's root is the leaf: no path of the host shows. */
	CHECK_INT(box_sh(&b, "grep ^0: /proc/self/cgroup"), ==, 0);
	CHECK_STR(b.out, "0::/\n");
	box_end(&b);
	CHECK_INT(access(leaf, F_OK), ==, -1);
}

TEST(cgroup, a_leaf_that_cannot_be_entered_is_no_limit_but_no_end)
{
	struct test_box b;
	char dir[] = "/var/tmp/cgroup-XXXXXX";

	CHECK(mkdtemp(dir) != NULL);
	box_plan(&b);
	given.dir = dir;
	CHECK(box_start(&b));
	given.dir = NULL;
	CHECK_STR(b.ready.report.cgroup, "none");
	CHECK_HAS(
	    b.ready.report.missing, "no cgroup limit on memory and processes");
	/* The limits of each process hold instead. */
	CHECK_INT(box_sh(&b, "ulimit -d"), ==, 0);
	CHECK_STR(b.out, "524288\n");
	box_end(&b);
	CHECK_INT(access(dir, F_OK), ==, -1);
}
