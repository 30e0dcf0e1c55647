/*
 * mount_dev: /proc and /dev of a sandbox, made from nothing.
 *
 * Most of what is masked here is closed to an unprivileged id anyway; the
 * masks hold when a kernel forgets to ask.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "sandbox/linux_new.h"
#include "sandbox/mount.h"

static const char *const proc_hidden[] = { "acpi", "asound", "kcore", "keys",
	"latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats",
	"interrupts" };
static const char *const proc_readonly[] = { "bus", "fs", "irq", "sys",
	"sysrq-trigger" };
static const char *const dev_nodes[] = { "null", "zero", "full", "random",
	"urandom", "tty" };
static const struct {
	const char *name, *text;
} dev_links[] = { { "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" } };

/* Read-only over itself. */
static int
freeze(int proc, const char *name, struct err *e)
{
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int at = openat(proc, name, O_PATH | O_CLOEXEC);

	if (at < 0)
		return errno == ENOENT ? 0 : err_sys(e, "/proc/%s", name);
	tree = mount_clone(at, "", 0, e);
	if (tree < 0 || mount_attr(tree, 0, MOUNT_ATTR_RDONLY, -1, e) < 0 ||
	    mount_move(tree, at, e) < 0)
		return err_wrap(e, "read-only /proc/%s", name);
	return 0;
}

/* An empty directory or the null device over it. */
static int
hide(struct root *r, const char *name, struct err *e)
{
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int at = openat(r->proc, name, O_PATH | O_CLOEXEC);
	struct stat st;

	if (at < 0 || fstat(at, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "/proc/%s", name);
	tree = S_ISDIR(st.st_mode) ? mount_clone(r->space, "empty", 0, e)
				   : mount_clone(AT_FDCWD, "/dev/null", 0, e);
	if (tree < 0 || mount_attr(tree, 0, MOUNT_ATTR_RDONLY, -1, e) < 0 ||
	    mount_move(tree, at, e) < 0)
		return err_wrap(e, "mask /proc/%s", name);
	return 0;
}

int
mount_proc(struct root *r, struct err *e)
{
	AUTO_CLOSE int at = -1;

	if (mount_point(r, "/proc", true, 0555, &at, e) < 0 ||
	    mkdirat(r->space, "empty", 0555) < 0)
		return err_wrap(e, "make /proc");
	r->proc = mount_new("proc", NULL,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
	if (r->proc < 0 && (e->sys == EPERM || e->sys == EACCES))
		return err_wrap(e,
		    "a fresh /proc is refused, as inside a container that "
		    "masks its own: run on the host, or give the container an "
		    "unmasked /proc (docker: --security-opt "
		    "systempaths=unconfined)");
	if (r->proc < 0 || mount_move(r->proc, at, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(proc_hidden); i++)
		if (hide(r, proc_hidden[i], e) < 0)
			return -1;
	return 0;
}

/* After the last write to /proc/sys. */
int
mount_freeze_proc(const struct root *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(proc_readonly); i++)
		if (freeze(r->proc, proc_readonly[i], e) < 0)
			return -1;
	return 0;
}

static int
node(const struct root *r, const char *name, struct err *e)
{
	char path[32];
	AUTO_CLOSE int at = -1, tree = -1;

	(void)snprintf(path, sizeof(path), "/dev/%s", name);
	tree = mount_clone(AT_FDCWD, path, 0, e);
	if (tree < 0 || mount_point(r, path, false, 0666, &at, e) < 0)
		return -1;
	if (mount_attr(tree, 0, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID, -1, e) <
	    0)
		return -1;
	return mount_move(tree, at, e);
}

int
mount_dev(struct root *r, bool own_shm, struct err *e)
{
	static const char *const pts_opts[] = { "newinstance", NULL, "ptmxmode",
		"0666", "mode", "0620", NULL };
	AUTO_CLOSE int dev = -1, pts = -1, shm = -1, at = -1, shm_at = -1;

	if (mount_point(r, "/dev", true, 0755, &dev, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(dev_nodes); i++)
		if (node(r, dev_nodes[i], e) < 0)
			return err_wrap(e, "make /dev/%s", dev_nodes[i]);
	for (size_t i = 0; i < ARRAY_LEN(dev_links); i++)
		if (symlinkat(dev_links[i].text, dev, dev_links[i].name) < 0)
			return err_sys(e, "make /dev/%s", dev_links[i].name);
	pts = mount_new(
	    "devpts", pts_opts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
	if (pts < 0 || mount_point(r, "/dev/pts", true, 0, &at, e) < 0 ||
	    mount_move(pts, at, e) < 0)
		return err_wrap(e, "make /dev/pts");
	if (own_shm)
		return 0;
	if (mount_private(r, 01777, &shm, e) < 0 ||
	    mount_attr(shm, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, -1, e) <
		0 ||
	    mount_point(r, "/dev/shm", true, 0, &shm_at, e) < 0 ||
	    mount_move(shm, shm_at, e) < 0)
		return err_wrap(e, "make /dev/shm");
	return 0;
}
