/*
 * mount_protect: names in the work directory that a later act of the user
 * would execute or obey (.git/hooks, .envrc, ...).  Attack A61.
 *
 * For each name, walking from the work directory:
 *
 * - A symbolic link on the way: no sandbox.  It could lead anywhere, and
 *   could be swapped.
 * - A directory on the way is pinned: bound over itself.  A mount point cannot
 *   be renamed or removed (EBUSY), while a directory that only *contains* one
 *   can: without the pin "mv .git x; mkdir -p .git/hooks" would do.
 * - What the name leads to is bound over itself, read-only.
 * - If the last part alone is missing, an empty directory is made on the host
 *   to hold the place, and bound read-only like the rest.  A directory also
 *   where a file is meant: git sees no empty directories, while empty files
 *   would turn up in the agent's next "git add -A".  Within .git it is a file,
 *   with the text that says the same as its absence: git reads it.
 * - If a directory on the way is missing (no .git at all), an empty one is
 *   made on the host and private space covers it.  Inside, "git init" and all
 *   that follows works; nothing of it reaches the host, so no hook or
 *   configuration does either.  Read-only emptiness would be as safe, but
 *   would break git init, editors and agents; placeholders for .git/hooks and
 *   .git/config would break git init as well.
 *
 * When the user, outside, replaces a name by another file (git writes
 * .git/config anew and renames it), the kernel takes our mount of the old one
 * away.  The spawner is woken by the change and binds anew; for the
 * milliseconds between, the new file is as open as its directory.
 *
 * Placeholders carry a modification time that nobody else uses, so that the
 * next sandbox knows one that a crash left behind.  Sandboxes of the same
 * directory share a lock outside it, where no agent reaches; whoever leaves
 * last removes every placeholder that is still empty.  To remove one earlier
 * would take the mount in the other sandbox away with it.
 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/linux_new.h"
#include "sandbox/mount.h"

enum { ITEMS_MAX = 512 };
/* 1985-10-26T01:21:00Z; whole and even seconds, for coarse file systems. */
static const struct timespec stamp = { .tv_sec = 499137660 };

static bool
stamped(const struct stat *st)
{
	return st->st_mtim.tv_sec == stamp.tv_sec && st->st_mtim.tv_nsec == 0;
}

/* Locks: per user, in a directory that is never visible inside. */
static int
lock_dir(char *path, size_t n, const struct userns_ids *ids, struct err *e)
{
	struct stat st;
	uid_t uid = geteuid(), user = userns_outer_uid();

	/* By the outer id: root of a user namespace is somebody else. */
	(void)snprintf(path, n, "/run/user/%u", user);
	if (ids->range)
		(void)snprintf(path, n, "/run/openshell");
	else if (stat(path, &st) < 0 || st.st_uid != uid)
		(void)snprintf(path, n, "/tmp/openshell-%u", user);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create %s", path);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != uid ||
	    (st.st_mode & 022) != 0)
		return err_set(e, ERR_DENIED,
		    "%s is not a directory of ours alone: remove it", path);
	return 0;
}

static int
take_lock(struct protect *p, const struct userns_ids *ids, struct err *e)
{
	char dir[64];
	struct stat st, held;

	if (fstat(p->dir, &st) < 0)
		return err_sys(e, "stat work directory");
	for (;;) {
		AUTO_CLOSE int fd = -1;

		if (lock_dir(dir, sizeof(dir), ids, e) < 0)
			return -1;
		(void)snprintf(p->lock_path, sizeof(p->lock_path),
		    "%s/workdir-%lx-%lx.lock", dir, (unsigned long)st.st_dev,
		    (unsigned long)st.st_ino);
		fd = open(p->lock_path,
		    O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT)
			continue; /* the last one out removed the directory */
		if (fd < 0)
			return err_sys(e, "open %s", p->lock_path);
		/* Exclusive holders only clean up: they are quick. */
		if (flock(fd, LOCK_SH) < 0 && errno != EINTR)
			return err_sys(e, "lock %s", p->lock_path);
		/* The last one out may have unlinked it meanwhile. */
		if (fstat(fd, &held) == 0 && held.st_nlink > 0) {
			p->lock = take_fd(fd);
			return 0;
		}
	}
}

static bool
has(const struct protect *p, const char *rel)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->items[i].rel, rel) == 0)
			return true;
	return false;
}

static int
add(struct protect *p, enum protect_act act, const char *rel, bool placeholder,
    struct err *e)
{
	if (has(p, rel))
		return 0;
	if (p->n == ITEMS_MAX)
		return err_set(e, ERR_LIMIT, "too many protected names");
	p->items = mem_realloc(p->items, p->n + 1, sizeof(*p->items));
	p->items[p->n++] =
	    (struct protect_item) { act, placeholder, mem_strdup(rel) };
	return 0;
}

/*
 * What a placeholder within .git says, or NULL where it is a directory.
 * Attack: A62, .git/commondir leads git to a directory with another config and
 * other hooks.
 */
static const char *
text_of(const char *rel)
{
	static const char git[] = ".git/";
	const char *base = strrchr(rel, '/');

	if (strncmp(rel, git, sizeof(git) - 1) != 0)
		return NULL;
	if (strcmp(base, "/commondir") == 0)
		return base == rel + 4 ? ".\n" : "../..\n";
	return strcmp(base, "/config") == 0 ||
		       strcmp(base, "/config.worktree") == 0
		   ? ""
		   : NULL;
}

static int
make_place(int up, const char *name, const char *text, struct err *e)
{
	AUTO_CLOSE int fd = -1;

	if (text == NULL)
		return mkdirat(up, name, 0755);
	fd = openat(up, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	/* Whoever may read the repository must be able to read this. */
	if (fd_write_all(fd, text, strlen(text), e) < 0)
		return -1;
	return fchmod(fd, 0644);
}

static void
drop_place(int up, const char *name)
{
	if (unlinkat(up, name, AT_REMOVEDIR) < 0 && errno == ENOTDIR)
		(void)unlinkat(up, name, 0);
}

/* Owner and stamp; as root its directory's owner owns it. */
static int
mark_place(int up, const char *name, bool as_root)
{
	struct timespec times[2] = { stamp, stamp };
	struct stat st;

	if (as_root &&
	    (fstat(up, &st) < 0 || fchownat(up, name, st.st_uid, st.st_gid,
				       AT_SYMLINK_NOFOLLOW) < 0))
		return -1;
	return utimensat(up, name, times, AT_SYMLINK_NOFOLLOW);
}

/* rename(2) that replaces nothing; some file systems have no such thing. */
static int
rename_new(int up, const char *from, const char *to)
{
	struct stat st;

	if (renameat2(up, from, up, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	if (fstatat(up, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(up, from, up, to);
}

/*
 * 1: made, 0: it cannot be, and so not from inside either; -1.  It gets its
 * name last: killed at any moment, we leave a placeholder that is known by its
 * stamp, or one that is known by its name and replaced when ctl cleans up.
 */
static int
hold_place(const struct protect *p, int up, const char *name, const char *text,
    bool as_root, struct err *e)
{
	int rc = make_place(up, p->temp, text, e);

	if (rc < 0 && errno == EEXIST) {
		drop_place(up, p->temp);
		rc = make_place(up, p->temp, text, e);
	}
	if (rc == 0)
		rc = mark_place(up, p->temp, as_root);
	if (rc == 0)
		rc = rename_new(up, p->temp, name);
	if (rc == 0)
		return 1;
	rc = errno;
	drop_place(up, p->temp);
	errno = rc;
	if (errno == EEXIST)
		return 1; /* another sandbox was quicker */
	if (errno == EROFS || errno == EACCES)
		return 0;
	if (errno == ENOSPC || errno == EDQUOT)
		return err_sys(e,
		    "hold the place of %s: free some room or inodes in the "
		    "work directory's file system, or name another directory "
		    "with --workdir",
		    name);
	return err_sys(e, "hold the place of %s", name);
}

struct walk {
	struct protect *p;
	const char *name; /* as the plan has it */
	char rel[1024];
	bool as_root;
};

/* 1: go on below, 0: this name is settled, -1. */
static int
found(struct walk *w, const struct stat *st, bool last, struct err *e)
{
	bool dir = S_ISDIR(st->st_mode);
	bool ours = stamped(st) && (dir || text_of(w->rel) != NULL);

	if (S_ISLNK(st->st_mode))
		return err_set(e, ERR_DENIED,
		    "%s in the work directory is a symbolic link, and what "
		    "%s leads to must not be changed from inside: replace the "
		    "link by a directory or file of its own",
		    w->rel, w->name);
	if (!dir && !S_ISREG(st->st_mode))
		return 0; /* a socket or pipe executes nothing */
	/* A placeholder left by, or shared with, another sandbox. */
	if (dir && !last && ours)
		return add(w->p, PROTECT_PRIVATE, w->rel, true, e);
	if (dir && !last)
		return add(w->p, PROTECT_PIN, w->rel, false, e) < 0 ? -1 : 1;
	return add(w->p, PROTECT_RO, w->rel, ours, e);
}

static int
missing(struct walk *w, int up, const char *part, bool last, struct err *e)
{
	int rc = hold_place(
	    w->p, up, part, last ? text_of(w->rel) : NULL, w->as_root, e);

	if (rc <= 0)
		return rc;
	return add(w->p, last ? PROTECT_RO : PROTECT_PRIVATE, w->rel, true, e);
}

static int
walk_name(struct walk *w, struct err *e)
{
	struct view rest = view_of(w->name);
	AUTO_CLOSE int up = -1;
	int at = w->p->dir;

	w->rel[0] = '\0';
	while (rest.n > 0) {
		struct view part = view_cut(rest, '/', &rest);
		char name[256];
		bool last = rest.n == 0;
		size_t used = strlen(w->rel);
		struct stat st;
		int rc, next;

		if (part.n == 0 || part.n >= sizeof(name) ||
		    view_eq(part, VIEW("..")) || view_eq(part, VIEW(".")) ||
		    used + part.n + 2 > sizeof(w->rel))
			return err_set(
			    e, ERR_INVALID, "bad protected name %s", w->name);
		(void)snprintf(name, sizeof(name), "%.*s", (int)part.n, part.p);
		(void)snprintf(w->rel + used, sizeof(w->rel) - used, "%s%s",
		    used > 0 ? "/" : "", name);
		if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				return missing(w, at, name, last, e);
			/* Not even readable: not writable either. */
			return errno == EACCES ? 0 : err_sys(e, "%s", w->rel);
		}
		rc = found(w, &st, last, e);
		if (rc <= 0)
			return rc;
		next = openat(
		    at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return err_sys(e, "%s", w->rel);
		fd_close(&up);
		at = up = next;
	}
	return 0;
}

static void
forget(struct protect *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->items[i].rel);
	free(p->items);
	p->items = NULL;
	p->n = 0;
}

int
protect_scan(struct protect *p, const struct sbx_plan *plan,
    const struct userns_ids *ids, struct err *e)
{
	forget(p);
	for (const char *const *n = plan->protect; *n != NULL; n++) {
		struct walk w = { .p = p, .name = *n, .as_root = ids->range };

		if (walk_name(&w, e) < 0)
			return -1;
	}
	return 0;
}

int
protect_prepare(struct protect *p, const struct sbx_plan *plan,
    const struct userns_ids *ids, struct err *e)
{
	*p = (struct protect) { .dir = -1, .lock = -1 };
	(void)snprintf(p->temp, sizeof(p->temp), ".openshell-%s", plan->id);
	if (!plan->workdir_writable || plan->protect == NULL ||
	    plan->protect[0] == NULL)
		return 0;
	p->dir = sys_openat2(
	    AT_FDCWD, plan->workdir, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	if (p->dir < 0)
		return err_sys(e, "open work directory %s", plan->workdir);
	if (take_lock(p, ids, e) < 0)
		return -1;
	return protect_scan(p, plan, ids, e);
}

/* Only what is still empty and still as we made it. */
static void
remove_place(const struct protect *p, const struct protect_item *it)
{
	const char *slash = strrchr(it->rel, '/');
	const char *name = slash != NULL ? slash + 1 : it->rel;
	char up[1024];
	AUTO_CLOSE int dir = -1;
	struct stat st;

	(void)snprintf(up, sizeof(up), "%.*s",
	    slash != NULL ? (int)(slash - it->rel) : 1,
	    slash != NULL ? it->rel : ".");
	dir = sys_openat2(p->dir, up, O_PATH | O_DIRECTORY,
	    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !stamped(&st))
		return;
	/* rmdir leaves what is not empty. */
	if (S_ISDIR(st.st_mode))
		(void)unlinkat(dir, name, AT_REMOVEDIR);
	else if (S_ISREG(st.st_mode) && text_of(it->rel) != NULL)
		(void)unlinkat(dir, name, 0);
}

void
protect_end(struct protect *p)
{
	struct stat st;

	/* Without a name the lock says that somebody has cleaned up before. */
	if (p->lock >= 0 && flock(p->lock, LOCK_EX | LOCK_NB) == 0 &&
	    fstat(p->lock, &st) == 0 && st.st_nlink > 0) {
		char *slash = strrchr(p->lock_path, '/');

		for (size_t i = p->n; i > 0; i--)
			if (p->items[i - 1].placeholder)
				remove_place(p, &p->items[i - 1]);
		(void)unlink(p->lock_path);
		*slash = '\0';
		if (strncmp(p->lock_path, "/tmp/", 5) == 0)
			(void)rmdir(p->lock_path);
	}
	forget(p);
	fd_close(&p->lock);
	fd_close(&p->dir);
}

/* Whether something is mounted right there. */
static bool
is_mounted(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int
apply(struct root *r, int dir, const struct protect_item *it, struct err *e)
{
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int at = sys_openat2(dir, it->rel, O_PATH | O_NOFOLLOW,
	    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

	if (at < 0)
		return err_sys(e, "open");
	if (r == NULL && is_mounted(at))
		return 0;
	if (it->act == PROTECT_PRIVATE && r != NULL) {
		if (mount_private(r, 0755, &tree, e) < 0)
			return -1;
	} else {
		tree = mount_clone(at, "", AT_RECURSIVE, e);
		if (tree < 0)
			return -1;
	}
	/* Late there is no private space any more: read-only does. */
	if (it->act == PROTECT_RO || (it->act == PROTECT_PRIVATE && r == NULL))
		set |= MOUNT_ATTR_RDONLY;
	if (mount_attr(tree, AT_RECURSIVE, set, -1, e) < 0)
		return -1;
	return mount_move(tree, at, e);
}

int
mount_protect(struct root *r, const struct sbx_plan *plan,
    const struct protect *p, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	int absent = 0;

	if (p->n == 0)
		return 0;
	dir = sys_openat2(r != NULL ? r->top : AT_FDCWD, plan->workdir,
	    O_PATH | O_DIRECTORY,
	    (r != NULL ? RESOLVE_IN_ROOT : 0) | RESOLVE_NO_SYMLINKS |
		RESOLVE_NO_MAGICLINKS);
	if (dir < 0)
		return err_sys(e, "work directory inside");
	for (size_t i = 0; i < p->n; i++) {
		if (apply(r, dir, &p->items[i], e) == 0)
			continue;
		/* Late: gone meanwhile, or hidden below private space. */
		if (r != NULL || e->sys != ENOENT)
			return err_wrap(e, "protect %s", p->items[i].rel);
		absent = 1;
	}
	return absent;
}
