/*
 * mount: construction of the root.
 *
 * One tmpfs, limited in bytes and inodes, holds all that is private: the root
 * directory itself ("root"), each private directory ("p0" ...), the upper
 * layers of overlays.  So disk_max bounds their sum, and one superblock is
 * paid for.  The tmpfs is attached over the host's "/", where our own root,
 * which lies below, never sees it; "root" is bound over itself, filled, sealed
 * read-only and pivoted to; the rest goes away with the host's tree, except
 * what was bound into the new root.
 *
 * Nothing of the host is there unless the plan names it.  Host trees are
 * cloned with their submounts (a clone without would uncover what a submount
 * hides), and nosuid, nodev, and for SBX_BIND_RO read-only, are set on every
 * mount of the clone before it is attached.
 *
 * Attack: a source path through a symbolic link that changed after the plan
 * was made.  Sources are opened with RESOLVE_NO_SYMLINKS, destinations with
 * RESOLVE_IN_ROOT below the new root.
 */
#include "sandbox/mount.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/linux_new.h"

/* A tmpfs inode costs about 1 KiB of kernel memory. */
enum { INODES_MIN = 4096, INODES_MAX = 524288, BYTES_PER_INODE = 4096 };

#define ATTR_HOST (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define BELOW (RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

int
mount_clone(int fd, const char *path, unsigned flags, struct err *e)
{
	int tree = open_tree(fd, path,
	    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
		(path[0] == '\0' ? AT_EMPTY_PATH : 0) | flags);

	return tree >= 0 ? tree : err_sys(e, "clone mount %s", path);
}

int
mount_attr(int fd, unsigned flags, uint64_t set, int userns, struct err *e)
{
	/* Private: later mounts of the host must not appear inside. */
	struct mount_attr a = { .attr_set = set,
		.propagation = MS_PRIVATE,
		.userns_fd = userns >= 0 ? (uint64_t)userns : 0 };

	if (mount_setattr(fd, "", AT_EMPTY_PATH | flags, &a, sizeof(a)) < 0)
		return err_sys(e, "set mount attributes");
	return 0;
}

int
mount_move(int tree, int to, struct err *e)
{
	if (move_mount(tree, "", to, "",
		MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "attach mount");
	return 0;
}

int
mount_new(
    const char *type, const char *const *opts, uint64_t attr, struct err *e)
{
	AUTO_CLOSE int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return err_sys(e, "open file system %s", type);
	for (; opts != NULL && opts[0] != NULL; opts += 2) {
		int rc =
		    opts[1] != NULL
			? fsconfig(fs, FSCONFIG_SET_STRING, opts[0], opts[1], 0)
			: fsconfig(fs, FSCONFIG_SET_FLAG, opts[0], NULL, 0);

		if (rc < 0)
			return err_sys(e, "%s option %s", type, opts[0]);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "mount %s", type);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
	return fd >= 0 ? fd : err_sys(e, "mount %s", type);
}

/* Only in our own space may anything be made. */
static bool
is_ours(const struct root *r, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == r->dev;
}

/* The directory that `path` is in, made with its parents in our own space. */
static int
parent_of(const struct root *r, int top, const char *path, const char **last,
    struct err *e)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];
	int fd;

	if (path[0] != '/' || slash[1] == '\0' ||
	    (size_t)(slash - path) >= sizeof(dir))
		return err_set(e, ERR_INVALID, "bad path inside: %s", path);
	*last = slash + 1;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	fd = sys_openat2(
	    top, dir[0] != '\0' ? dir : ".", O_PATH | O_DIRECTORY, BELOW);
	if (fd < 0 && errno == ENOENT) {
		const char *name;
		AUTO_CLOSE int up = parent_of(r, top, dir, &name, e);

		if (up < 0)
			return -1;
		if (!is_ours(r, up))
			return err_set(e, ERR_NOT_FOUND,
			    "%s does not exist and its directory is the "
			    "host's: create it there first",
			    dir);
		if (mkdirat(up, name, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "create %s inside", dir);
		fd = openat(
		    up, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(e, "directory %s inside", dir);
	return fd;
}

int
mount_point(const struct root *r, const char *dst, bool dir, unsigned mode,
    int *fd, struct err *e)
{
	const char *name;
	AUTO_CLOSE int up = -1;
	struct stat st;

	if (strcmp(dst, "/") == 0)
		return err_set(e, ERR_INVALID, "the root itself is private");
	*fd = sys_openat2(r->top, dst, O_PATH | O_NOFOLLOW, BELOW);
	if (*fd < 0 && errno == ENOENT) {
		up = parent_of(r, r->top, dst, &name, e);
		if (up < 0)
			return -1;
		if (!is_ours(r, up))
			return err_set(e, ERR_NOT_FOUND,
			    "%s does not exist and its directory is the "
			    "host's: create it there first",
			    dst);
		if (dir ? mkdirat(up, name, mode != 0 ? mode : 0755) < 0
			: mknodat(up, name, S_IFREG | (mode != 0 ? mode : 0644),
			      0) < 0)
			return err_sys(e, "create %s inside", dst);
		*fd = openat(up, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (*fd < 0 && errno == EACCES)
		return err_sys(e,
		    "mount point %s: a directory above it, which --ro, --rw or "
		    "the policy binds, is closed to the sandbox's user: bind "
		    "less of it, or open it (chmod a+x)",
		    dst);
	if (*fd < 0)
		return err_sys(e, "mount point %s", dst);
	if (fstat(*fd, &st) < 0 || S_ISDIR(st.st_mode) != dir ||
	    S_ISLNK(st.st_mode)) {
		fd_close(fd);
		return err_set(e, ERR_INVALID, "mount point %s is %s", dst,
		    S_ISDIR(st.st_mode)   ? "a directory"
		    : S_ISLNK(st.st_mode) ? "a symbolic link"
					  : "not a directory");
	}
	return 0;
}

int
mount_private(struct root *r, unsigned mode, int *tree, struct err *e)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "p%u", r->n_private++);
	if (mkdirat(r->space, name, mode != 0 ? mode : 0755) < 0)
		return err_sys(e, "create private directory");
	*tree = mount_clone(r->space, name, 0, e);
	return *tree >= 0 ? 0 : -1;
}

/*
 * As root files reach the agent through an idmapped mount: what belongs to
 * the owner of the top of the tree belongs to the agent.  Read-only trees of
 * the host's root (/usr, /etc) stay as they are, for their secrets are open to
 * root; without root the agent has the caller's ids and nothing is needed.
 */
static int
idmap(int tree, const struct sbx_plan *plan, const struct sbx_mount *m,
    const struct userns_ids *ids, uint64_t set, struct err *e)
{
	AUTO_CLOSE int ns = -1;
	struct stat st;
	bool own = plan->workdir != NULL && strcmp(m->src, plan->workdir) == 0;

	if (fstat(tree, &st) < 0)
		return err_sys(e, "stat %s", m->src);
	if (m->kind == SBX_BIND_RO && st.st_uid == 0 && !own)
		return mount_attr(tree, AT_RECURSIVE, set, -1, e);
	if (userns_for_mount(ids, st.st_uid, st.st_gid, &ns, e) < 0)
		return -1;
	if (mount_attr(tree, AT_RECURSIVE, set | MOUNT_ATTR_IDMAP, ns, e) == 0)
		return 0;
	/* Without it a read-only tree is only less readable. */
	if (m->kind == SBX_BIND_RO && e->sys == EINVAL)
		return mount_attr(tree, AT_RECURSIVE, set, -1, e);
	return err_wrap(e,
	    "%s: its file system (or one mounted below) cannot map owners: "
	    "run as the owner of the directory instead of as root, or use a "
	    "directory on ext4, xfs or btrfs",
	    m->src);
}

/* Host tree of one mount, ready to be attached; -1 with *gone if absent. */
static int
open_source(const struct sbx_plan *plan, const struct sbx_mount *m,
    const struct userns_ids *ids, bool *gone, struct err *e)
{
	uint64_t set =
	    ATTR_HOST | (m->kind == SBX_BIND_RO ? MOUNT_ATTR_RDONLY : 0);
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int fd = sys_openat2(AT_FDCWD, m->src, O_PATH,
	    RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	struct stat st;

	*gone = fd < 0 && errno == ENOENT && m->optional;
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_INVALID,
		    "%s: a part of the path is a symbolic link; name the real "
		    "path",
		    m->src);
	if (fd < 0)
		return err_sys(e, "open %s", m->src);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", m->src);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_DENIED,
		    "%s: only files and directories can be shown inside",
		    m->src);
	tree = mount_clone(fd, "", AT_RECURSIVE, e);
	if (tree < 0)
		return err_wrap(e, "bind %s", m->src);
	if (ids->range ? idmap(tree, plan, m, ids, set, e) < 0
		       : mount_attr(tree, AT_RECURSIVE, set, -1, e) < 0)
		return err_wrap(e, "bind %s", m->src);
	return take_fd(tree);
}

static bool
has_source(const struct sbx_mount *m)
{
	return m->kind == SBX_BIND_RO || m->kind == SBX_BIND_RW ||
	       m->kind == SBX_OVERLAY;
}

int
mount_open(const struct sbx_plan *plan, const struct userns_ids *ids, int **src,
    struct err *e)
{
	*src = mem_calloc(plan->n_mounts + 1, sizeof(**src));
	for (size_t i = 0; i < plan->n_mounts; i++)
		(*src)[i] = -1;
	for (size_t i = 0; i < plan->n_mounts; i++) {
		bool gone;

		if (!has_source(&plan->mounts[i]))
			continue;
		(*src)[i] = open_source(plan, &plan->mounts[i], ids, &gone, e);
		if ((*src)[i] < 0 && !gone)
			return -1;
	}
	return 0;
}

/* ":" parts layers and "\" quotes in lowerdir. */
static char *
quoted(const char *dst)
{
	AUTO_BUF struct buf b = BUF_INIT(8192);

	buf_puts(&b, "root");
	for (; *dst != '\0'; dst++) {
		if (*dst == ':' || *dst == '\\')
			buf_putc(&b, '\\');
		buf_putc(&b, *dst);
	}
	return mem_strdup(buf_str(&b));
}

/* Over the tree that is attached at dst already, which becomes the lower. */
static int
overlay(struct root *r, const struct sbx_mount *m, int below, struct err *e)
{
	AUTO_FREE char *lower = quoted(m->dst);
	char upper[24], work[24];
	const char *opts[] = { "lowerdir", lower, "upperdir", upper, "workdir",
		work, "userxattr", NULL, NULL };
	AUTO_CLOSE int fd = -1;
	struct stat st;

	(void)snprintf(upper, sizeof(upper), "u%u", r->n_private);
	(void)snprintf(work, sizeof(work), "w%u", r->n_private++);
	if (fstat(below, &st) < 0 ||
	    mkdirat(r->space, upper, st.st_mode & 07777) < 0 ||
	    mkdirat(r->space, work, 0700) < 0)
		return err_sys(e, "private space of overlay %s", m->dst);
	/* The paths are relative: no absolute one leads to our space. */
	if (fchdir(r->space) < 0)
		return err_sys(e, "enter private space");
	fd = mount_new("overlay", opts, ATTR_HOST, e);
	if (fd < 0 || mount_move(fd, below, e) < 0)
		return err_wrap(e,
		    "overlay %s: needs kernel 5.11 or later, "
		    "and a file system that can be a lower "
		    "layer",
		    m->dst);
	return 0;
}

static int
put_tree(struct root *r, const struct sbx_plan *plan,
    const struct userns_ids *ids, const struct sbx_mount *m, int early,
    struct err *e)
{
	AUTO_CLOSE int own = -1;
	AUTO_CLOSE int at = -1;
	int tree = early;
	struct stat st;

	if (tree < 0) {
		bool gone = false;

		tree = own = open_source(plan, m, ids, &gone, e);
		if (tree < 0)
			return gone ? 0 : -1;
	}
	if (fstat(tree, &st) < 0)
		return err_sys(e, "stat %s", m->src);
	if (mount_point(r, m->dst, S_ISDIR(st.st_mode), 0, &at, e) < 0 ||
	    mount_move(tree, at, e) < 0)
		return -1;
	return m->kind == SBX_OVERLAY ? overlay(r, m, tree, e) : 0;
}

static int
write_file(int fd, struct view text, struct err *e)
{
	return fd >= 0 ? fd_write_all(fd, text.p, text.n, e)
		       : err_sys(e, "create");
}

/* In our own space the file is written in place, over the host's bound. */
static int
put_text(struct root *r, const struct sbx_mount *m, struct err *e)
{
	const char *name;
	unsigned mode = m->mode != 0 ? m->mode : 0644;
	AUTO_CLOSE int up = parent_of(r, r->top, m->dst, &name, e);
	AUTO_CLOSE int fd = -1, at = -1, tree = -1;
	char own[16];

	if (up < 0)
		return -1;
	if (is_ours(r, up)) {
		fd = openat(up, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		return write_file(fd, view_of(m->src), e);
	}
	(void)snprintf(own, sizeof(own), "f%u", r->n_private++);
	fd = openat(
	    r->space, own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (write_file(fd, view_of(m->src), e) < 0 ||
	    mount_point(r, m->dst, false, 0, &at, e) < 0)
		return -1;
	tree = mount_clone(r->space, own, 0, e);
	if (tree < 0 ||
	    mount_attr(tree, 0, ATTR_HOST | MOUNT_ATTR_RDONLY, -1, e) < 0)
		return -1;
	return mount_move(tree, at, e);
}

static int
put_link(struct root *r, const struct sbx_mount *m, struct err *e)
{
	const char *name;
	AUTO_CLOSE int up = parent_of(r, r->top, m->dst, &name, e);

	if (up < 0)
		return -1;
	if (!is_ours(r, up))
		return err_set(e, ERR_INVALID, "link in a tree of the host");
	if (symlinkat(m->src, up, name) < 0)
		return err_sys(e, "create link");
	return 0;
}

static int
put_space(struct root *r, const struct sbx_mount *m, struct err *e)
{
	AUTO_CLOSE int at = -1, tree = -1;

	if (mount_point(r, m->dst, true, 0, &at, e) < 0 ||
	    mount_private(r, m->mode, &tree, e) < 0 ||
	    mount_attr(tree, 0, ATTR_HOST, -1, e) < 0)
		return -1;
	return mount_move(tree, at, e);
}

/* One file at two places: what is written to it late shows at both. */
static int
put_alias(struct root *r, const struct sbx_mount *m, struct err *e)
{
	AUTO_CLOSE int from =
	    sys_openat2(r->top, m->src, O_PATH | O_NOFOLLOW, BELOW);
	AUTO_CLOSE int at = -1, tree = -1;

	if (from < 0)
		return err_sys(e, "open %s inside", m->src);
	if (mount_point(r, m->dst, false, 0, &at, e) < 0)
		return -1;
	tree = mount_clone(from, "", 0, e);
	if (tree < 0 ||
	    mount_attr(tree, 0, ATTR_HOST | MOUNT_ATTR_RDONLY, -1, e) < 0)
		return -1;
	return mount_move(tree, at, e);
}

static int
put(struct root *r, const struct sbx_plan *plan, const struct userns_ids *ids,
    const struct sbx_mount *m, int early, bool opened, struct err *e)
{
	AUTO_CLOSE int at = -1;

	switch (m->kind) {
	case SBX_BIND_RO:
	case SBX_BIND_RW:
	case SBX_OVERLAY:
		/* Opened before and still absent: optional and not there. */
		return opened && early < 0
			   ? 0
			   : put_tree(r, plan, ids, m, early, e);
	case SBX_TMPFS:
		return put_space(r, m, e);
	case SBX_SYMLINK:
		return put_link(r, m, e);
	case SBX_FILE:
		return put_text(r, m, e);
	case SBX_DIR:
		return mount_point(r, m->dst, true, m->mode, &at, e);
	case SBX_ALIAS: /* once all that it may point at is there */
		return 0;
	}
	return err_set(e, ERR_INTERNAL, "unknown kind of mount");
}

static int
make_space(struct root *r, uint64_t disk_max, struct err *e)
{
	uint64_t inodes = disk_max / BYTES_PER_INODE;
	char size[32], nr[32];
	const char *opts[] = { "size", size, "nr_inodes", nr, "mode", "0755",
		NULL };
	struct stat st;

	inodes = MIN(MAX(inodes, (uint64_t)INODES_MIN), (uint64_t)INODES_MAX);
	(void)snprintf(size, sizeof(size), "%" PRIu64, disk_max);
	(void)snprintf(nr, sizeof(nr), "%" PRIu64, inodes);
	r->host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r->space = mount_new("tmpfs", opts, ATTR_HOST, e);
	if (r->host < 0 || r->space < 0)
		return err_wrap(e, "private space");
	if (mount_move(r->space, r->host, e) < 0 || fstat(r->space, &st) < 0)
		return err_wrap(e, "private space");
	r->dev = st.st_dev;
	if (mkdirat(r->space, "root", 0755) < 0)
		return err_sys(e, "create root");
	r->top = mount_clone(r->space, "root", 0, e);
	if (r->top < 0)
		return -1;
	{
		AUTO_CLOSE int at =
		    openat(r->space, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (at < 0 || mount_move(r->top, at, e) < 0)
			return err_wrap(e, "attach root");
	}
	/* While nothing is mounted on it and it can be written to. */
	r->late = mount_clone(r->top, "", 0, e);
	return r->late >= 0 ? 0 : -1;
}

static bool
names(const struct sbx_plan *plan, const char *dst)
{
	for (size_t i = 0; i < plan->n_mounts; i++)
		if (strcmp(plan->mounts[i].dst, dst) == 0)
			return true;
	return false;
}

int
mount_build(struct root *r, const struct sbx_plan *plan,
    const struct userns_ids *ids, const int *src, struct err *e)
{
	if (make_space(r, plan->disk_max, e) < 0 || mount_proc(r, e) < 0 ||
	    mount_dev(r, names(plan, "/dev/shm"), e) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct sbx_mount *m = &plan->mounts[i];

		if (put(r, plan, ids, m, src != NULL ? src[i] : -1, src != NULL,
			e) < 0)
			return err_wrap(e, "%s inside the sandbox", m->dst);
	}
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct sbx_mount *m = &plan->mounts[i];

		if (m->kind == SBX_ALIAS && put_alias(r, m, e) < 0)
			return err_wrap(e, "%s inside the sandbox", m->dst);
	}
	return 0;
}

int
mount_enter(struct root *r, struct err *e)
{
	if (mount_attr(r->top, AT_RECURSIVE, MOUNT_ATTR_NOSUID, -1, e) < 0 ||
	    mount_attr(r->top, 0, MOUNT_ATTR_RDONLY, -1, e) < 0)
		return err_wrap(e, "seal root");
	if (fchdir(r->top) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, "pivot_root: not possible on an initramfs");
	/*
	 * The old root lies on top of the new one now, and our space on top
	 * of that; each call takes the topmost.
	 */
	if (umount2(".", MNT_DETACH) < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return err_sys(e, "let the host's root go");
	fd_close(&r->host);
	fd_close(&r->space);
	fd_close(&r->top);
	return 0;
}

int
mount_put_file(const struct root *r, const char *path, int *out, struct err *e)
{
	const char *name;
	AUTO_CLOSE int up = parent_of(r, r->late, path, &name, e);
	AUTO_CLOSE int fd = -1;
	struct stat made, seen;

	if (up < 0)
		return err_wrap(e, "put %s", path);
	fd = openat(up, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "put %s", path);
	/* Under something mounted nobody would see it. */
	if (fstat(fd, &made) < 0 || stat(path, &seen) < 0 ||
	    made.st_ino != seen.st_ino || made.st_dev != seen.st_dev)
		return err_set(e, ERR_INVALID,
		    "put %s: the directory is not in the private root", path);
	*out = take_fd(fd);
	return 0;
}
