/*
 * userns: ids and user namespaces.
 *
 * Rootless there is one id: the caller's own, mapped to itself or to what the
 * policy says, and
 * setgroups(2) is denied, as the kernel demands of a process without
 * privilege.  As root the agent gets a pair of ids that no account of the host
 * has; the owner's files come in through idmapped mounts.  In a user namespace
 * where we look like root but cannot map a range (a container, the test
 * internet) the one id we have is shown inside as an ordinary user.
 *
 * Attack: an agent that is root inside, or that shares ids with another
 * sandbox.  Inside uid 0 is never mapped, and a range is locked while in use.
 */
#include "sandbox/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "sandbox/spawn.h"

enum { INSIDE_ID = 1000 };
/* 4,096 slots of 65,536 ids each; a pair is used, the rest waits for images. */
#define RANGE_BASE UINT32_C(0x70000000)
#define RANGE_SLOTS UINT32_C(4096)
#define RANGE_STEP UINT32_C(65536)
#define RUN_DIR "/run/openshell"

uid_t
spawn_inside_uid(void)
{
	return geteuid() != 0 ? geteuid() : INSIDE_ID;
}

gid_t
spawn_inside_gid(void)
{
	return geteuid() != 0 ? getegid() : INSIDE_ID;
}

struct extent {
	unsigned long long in, out, n;
};

/* The first line of a map; most have no other. */
static bool
first_extent(const char *path, struct extent *x)
{
	char text[256];
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0 || (got = read(fd, text, sizeof(text) - 1)) <= 0)
		return false;
	text[got] = '\0';
	return sscanf(text, "%llu %llu %llu", &x->in, &x->out, &x->n) == 3;
}

static bool
maps_range(const char *path)
{
	struct extent x;

	return first_extent(path, &x) && x.in <= RANGE_BASE &&
	       x.in + x.n >= RANGE_BASE + (uint64_t)RANGE_SLOTS * RANGE_STEP;
}

uid_t
userns_outer_uid(void)
{
	uid_t uid = geteuid();
	struct extent x;

	if (!first_extent("/proc/self/uid_map", &x) || uid < x.in ||
	    uid - x.in >= x.n)
		return uid;
	return (uid_t)(x.out + (uid - x.in));
}

static int
slot_lock(struct userns_ids *ids, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	uint32_t first;

	if (mkdir(RUN_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create " RUN_DIR);
	fd = open(
	    RUN_DIR "/ids", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "open " RUN_DIR "/ids");
	random_bytes(&first, sizeof(first));
	for (uint32_t i = 0; i < RANGE_SLOTS; i++) {
		uint32_t slot = (first + i) % RANGE_SLOTS;
		struct flock lock = { .l_type = F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = (off_t)slot,
			.l_len = 1 };

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
			ids->out_uid =
			    RANGE_BASE + slot * RANGE_STEP + INSIDE_ID;
			ids->out_gid = ids->out_uid;
			ids->lock = take_fd(fd);
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return err_sys(e, "lock " RUN_DIR "/ids");
	}
	return err_set(e, ERR_LIMIT, "all %u sandbox ids are in use",
	    (unsigned)RANGE_SLOTS);
}

int
userns_ids_take(
    struct userns_ids *ids, uid_t inside_uid, gid_t inside_gid, struct err *e)
{
	*ids =
	    (struct userns_ids) { .uid = inside_uid != 0 ? inside_uid
							 : spawn_inside_uid(),
		    .gid = inside_gid != 0 ? inside_gid : spawn_inside_gid(),
		    .out_uid = geteuid(),
		    .out_gid = getegid(),
		    .lock = -1 };
	ids->range = geteuid() == 0 && maps_range("/proc/self/uid_map") &&
		     maps_range("/proc/self/gid_map");
	return ids->range ? slot_lock(ids, e) : 0;
}

void
userns_ids_release(struct userns_ids *ids)
{
	fd_close(&ids->lock);
}

static int
put_maps(
    int dir, uid_t uid, uid_t out_uid, gid_t gid, gid_t out_gid, struct err *e)
{
	char text[64];

	/* Before gid_map: a process without privilege must give this up. */
	if (file_put(dir, "setgroups", "deny", e) < 0)
		return -1;
	(void)snprintf(text, sizeof(text), "%u %u 1", uid, out_uid);
	if (file_put(dir, "uid_map", text, e) < 0)
		return -1;
	(void)snprintf(text, sizeof(text), "%u %u 1", gid, out_gid);
	return file_put(dir, "gid_map", text, e);
}

static int
proc_dir(pid_t pid, struct err *e)
{
	char path[32];
	int dir;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir >= 0 ? dir : err_sys(e, "open %s", path);
}

int
userns_map(pid_t pid, const struct userns_ids *ids, struct err *e)
{
	AUTO_CLOSE int dir = proc_dir(pid, e);

	if (dir < 0)
		return -1;
	return put_maps(dir, ids->uid, ids->out_uid, ids->gid, ids->out_gid, e);
}

int
userns_last(int proc, struct err *e)
{
	/*
	 * One child of this namespace in all: ours.  Namespaces made below
	 * that are counted here too, so any attempt gives ENOSPC.
	 */
	return file_put(proc, "sys/user/max_user_namespaces", "1", e);
}

int
userns_nest(int proc, const struct userns_ids *ids, struct err *e)
{
	AUTO_CLOSE int self = -1;

	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(e, "second user namespace");
	self = openat(proc, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (self < 0)
		return err_sys(e, "open /proc/self");
	return put_maps(self, ids->uid, ids->uid, ids->gid, ids->gid, e);
}

static int
sleeper(void *unused)
{
	(void)unused;
	while (pause() < 0)
		;
	return 0;
}

int
userns_for_mount(
    const struct userns_ids *ids, uid_t uid, gid_t gid, int *fd, struct err *e)
{
	/* The child only exists to hold the namespace until it is opened. */
	static char stack[16384] __attribute__((aligned(16)));
	AUTO_CLOSE int dir = -1;
	int rc = -1;
	pid_t pid = clone(sleeper, stack + sizeof(stack),
	    CLONE_NEWUSER | CLONE_VM | SIGCHLD, NULL);

	if (pid < 0)
		return err_sys(e, "user namespace for an idmapped mount");
	dir = proc_dir(pid, e);
	if (dir >= 0 &&
	    put_maps(dir, uid, ids->out_uid, gid, ids->out_gid, e) == 0) {
		*fd = openat(dir, "ns/user", O_RDONLY | O_CLOEXEC);
		rc = *fd >= 0 ? 0 : err_sys(e, "open user namespace");
	}
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc;
}

/* The number in a sysctl; `absent` when there is no such switch. */
static long
sysctl_long(const char *path, long absent)
{
	char text[32];
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0 || (got = read(fd, text, sizeof(text) - 1)) <= 0)
		return absent;
	text[got] = '\0';
	return strtol(text, NULL, 10);
}

const char *
userns_fix(void)
{
	if (sysctl_long("/proc/sys/user/max_user_namespaces", 1) == 0)
		return "user namespaces are limited to none: "
		       "sudo sysctl -w user.max_user_namespaces=63000";
	if (geteuid() == 0)
		return "";
	if (sysctl_long("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
		return "user namespaces are reserved to root: "
		       "sudo sysctl -w kernel.unprivileged_userns_clone=1";
	if (sysctl_long(
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) !=
	    0)
		return "AppArmor takes all rights from user namespaces: sudo "
		       "sysctl -w "
		       "kernel.apparmor_restrict_unprivileged_userns=0";
	return "";
}
