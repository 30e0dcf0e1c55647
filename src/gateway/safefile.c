/* safefile: see safefile.h. */
#include "gateway/safefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static int
check_private(
    const char *path, const struct stat *st, const char *mode, struct err *e)
{
	if (st->st_uid != geteuid())
		return err_set(e, ERR_DENIED,
		    "%s belongs to user %u, not to %u: chown it", path,
		    (unsigned)st->st_uid, (unsigned)geteuid());
	if ((st->st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "%s may be used by others (mode %04o): chmod %s it, or "
		    "remove it when others may have read it",
		    path, (unsigned)(st->st_mode & 07777), mode);
	return 0;
}

/* Every missing part, 0700; what is there stays as it is. */
static int
make_parents(const char *path, struct err *e)
{
	AUTO_FREE char *part = mem_strdup(path);

	for (char *at = strchr(part + 1, '/');; at = strchr(at + 1, '/')) {
		if (at != NULL)
			*at = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_sys(e, "make directory %s", part);
		if (at == NULL)
			return 0;
		*at = '/';
	}
}

int
safe_dir(const char *path, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (make_parents(path, e) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return err_set(e, ERR_DENIED,
		    "%s is not a directory or is a symbolic link", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "directory %s", path);
	return check_private(path, &st, "700", e);
}

int
safe_load(const char *dir, const char *name, bool private, struct buf *b,
    struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	AUTO_CLOSE int fd =
	    open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	struct stat st;
	size_t n = 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_DENIED,
		    "%s is a symbolic link: put the file there", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", path);
	if (private && check_private(path, &st, "600", e) < 0)
		return -1;
	if (file_read(fd, SAFE_FILE_MAX, &text, &n, e) < 0)
		return err_wrap(e, "read %s", path);
	buf_put(b, (struct view) { text, n });
	mem_wipe(text, n);
	return 0;
}

static int
sync_dir(const char *dir, struct err *e)
{
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, "directory %s", dir);
	return 0;
}

/* A new file, never one that somebody laid there. */
static int
write_new(const char *path, mode_t mode, struct view text, struct err *e)
{
	AUTO_CLOSE int fd = -1;

	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", path);
	fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_sys(e, "make %s", path);
	if (fd_write_all(fd, text.p, text.n, e) < 0)
		return err_wrap(e, "write %s", path);
	if (fsync(fd) < 0)
		return err_sys(e, "write %s", path);
	return 0;
}

int
safe_save(const char *dir, const char *name, mode_t mode, struct view text,
    struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	AUTO_FREE char *tmp = mem_printf("%s.tmp", path);

	if (write_new(tmp, mode, text, e) < 0) {
		(void)unlink(tmp);
		return -1;
	}
	if (rename(tmp, path) < 0)
		return err_sys(e, "rename %s to %s", tmp, path);
	return sync_dir(dir, e);
}

/* ---- a directory that changes as a whole -------------------------------- */

static void
remove_files(const char *dir, const struct safe_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, files[i].name);

		(void)unlink(path);
	}
	(void)rmdir(dir);
}

static int
fill(const char *dir, const struct safe_file *files, size_t n, struct err *e)
{
	if (mkdir(dir, 0700) < 0)
		return err_sys(e, "make directory %s", dir);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", dir, files[i].name);

		if (write_new(path, files[i].mode, files[i].text, e) < 0)
			return -1;
	}
	return sync_dir(dir, e);
}

/* Where directories cannot be exchanged: with a moment without one. */
static int
swap_in_steps(const char *tmp, const char *dir, const char *bak, struct err *e)
{
	if (rename(dir, bak) < 0)
		return err_sys(e, "rename %s to %s", dir, bak);
	if (rename(tmp, dir) == 0)
		return 0;
	(void)err_sys(e, "rename %s to %s", tmp, dir);
	(void)rename(bak, dir);
	return -1;
}

static int
swap(const char *tmp, const char *dir, const char *bak, struct err *e)
{
	if (renameat2(AT_FDCWD, tmp, AT_FDCWD, dir, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno == ENOENT) {
		if (rename(tmp, dir) < 0)
			return err_sys(e, "rename %s to %s", tmp, dir);
		return 0;
	}
	return swap_in_steps(tmp, dir, bak, e);
}

int
safe_save_dir(
    const char *dir, const struct safe_file *files, size_t n, struct err *e)
{
	AUTO_FREE char *tmp = mem_printf("%s.tmp", dir);
	AUTO_FREE char *bak = mem_printf("%s.bak", dir);
	AUTO_FREE char *parent = mem_strdup(dir);
	char *slash = strrchr(parent, '/');

	if (slash == NULL || slash == parent)
		return err_set(e, ERR_INVALID, "no place for %s", dir);
	*slash = '\0';
	if (make_parents(parent, e) < 0)
		return -1;
	/* Left by one that was killed here. */
	remove_files(tmp, files, n);
	remove_files(bak, files, n);
	if (fill(tmp, files, n, e) < 0 || swap(tmp, dir, bak, e) < 0) {
		remove_files(tmp, files, n);
		return -1;
	}
	remove_files(tmp, files, n);
	remove_files(bak, files, n);
	return sync_dir(parent, e);
}
