#include "archive/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/names.h"
#include "base/fd.h"
#include "base/random.h"

int
tree_open(int at, const char *path, uint64_t flags, unsigned mode)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(
	    SYS_openat2, at, *path != '\0' ? path : ".", &how, sizeof(how));
}

int
tree_make_stage(int at, const char *prefix, char name[64], struct err *e)
{
	char id[17];

	random_hex(id, 16);
	(void)snprintf(name, 64, "%.40s%s", prefix, id);
	return mkdirat(at, name, 0700) == 0
		   ? 0
		   : err_sys(e, "make a directory to unpack in");
}

/* Entries one by one, without "." and "..". */
static const struct dirent *
next(DIR *d)
{
	const struct dirent *e;

	do
		e = readdir(d);
	while (e != NULL &&
	       (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
	return e;
}

static DIR *
open_dir(int at, const char *name)
{
	int fd =
	    openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL)
		fd_close(&fd);
	return d;
}

static void
remove_below(int at, const char *name, unsigned depth)
{
	const struct dirent *entry;
	DIR *d;

	if (unlinkat(at, name, 0) == 0 || depth == 0)
		return;
	d = open_dir(at, name);
	while (d != NULL && (entry = next(d)) != NULL)
		remove_below(dirfd(d), entry->d_name, depth - 1);
	if (d != NULL)
		(void)closedir(d);
	(void)unlinkat(at, name, AT_REMOVEDIR);
}

void
tree_remove(int at, const char *name)
{
	remove_below(at, name, NAMES_DEPTH_MAX + 2);
}

static bool
is_dir(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static int merge(int from, int to, unsigned depth, struct err *e);

static int
merge_dir(int from, int to, const char *name, unsigned depth, struct err *e)
{
	AUTO_CLOSE int a =
	    openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int b =
	    openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (a < 0 || b < 0)
		return err_sys(e, "open %.200s", name);
	if (depth == 0)
		return err_set(e, ERR_LIMIT, "too many directories");
	return merge(a, b, depth - 1, e);
}

static int
merge(int from, int to, unsigned depth, struct err *e)
{
	DIR *d = open_dir(from, ".");
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL)
		return err_sys(e, "read what was unpacked");
	while (rc == 0 && (entry = next(d)) != NULL) {
		const char *name = entry->d_name;

		if (is_dir(from, name) && is_dir(to, name))
			rc = merge_dir(from, to, name, depth, e);
		else if (renameat(from, name, to, name) < 0)
			rc = err_sys(e, "put %.200s in its place", name);
	}
	(void)closedir(d);
	return rc;
}

int
tree_merge(int from, int to, struct err *e)
{
	return merge(from, to, NAMES_DEPTH_MAX, e);
}
