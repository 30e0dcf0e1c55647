/*
 * fuzz_unpack: whatever the bytes, nothing appears beside the directory that
 * is unpacked into, and what is in it is a directory, a file or a link of
 * which the target is allowed, and no mode has a bit that it must not have.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/names.h"
#include "archive/tree.h"
#include "archive/unpack.h"
#include "base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
ignore_name(void *ctx, const char *name, const char *why)
{
	assert(ctx == NULL && name != NULL && *why != '\0');
}

static void
ignore_count(void *ctx, uint64_t files, uint64_t bytes)
{
	assert(ctx == NULL && (files > 0 || bytes > 0));
}

static unsigned
check_dir(int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	unsigned found = 0;

	assert(d != NULL);
	while ((e = readdir(d)) != NULL) {
		char target[NAMES_PATH_MAX + 1];
		struct stat st;
		struct err why;
		ssize_t n;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		found++;
		assert(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
		       0);
		assert(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) ||
		       S_ISLNK(st.st_mode));
		assert(S_ISLNK(st.st_mode) || (st.st_mode & 07022) == 0);
		if (S_ISDIR(st.st_mode))
			(void)check_dir(
			    openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY),
			    depth + 1);
		if (!S_ISLNK(st.st_mode))
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		assert(n > 0);
		target[n] = '\0';
		assert(names_check_target(target, depth, &why) == 0);
	}
	(void)closedir(d);
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct unpack_options o = { .bytes_max = 1 << 20,
		.entries_max = 100,
		.umask = 022,
		.one = n % 7 == 0,
		.left_out = ignore_name,
		.progress = ignore_count };
	AUTO_CLOSE int in = memfd_create("archive", MFD_CLOEXEC);
	char top[] = "/tmp/fuzz-unpack-XXXXXX";
	AUTO_CLOSE int at = -1, dir = -1;
	struct unpack_report r;
	struct err e;
	int rc;

	assert(mkdtemp(top) != NULL && in >= 0);
	at = open(top, O_RDONLY | O_DIRECTORY);
	assert(at >= 0 && mkdirat(at, "in", 0700) == 0);
	dir = tree_open(at, "in", O_RDONLY | O_DIRECTORY, 0);
	assert(dir >= 0 && fd_write_all(in, p, n, &e) == 0);
	assert(lseek(in, 0, SEEK_SET) == 0);
	rc = unpack_all(in, dir, &o, &r, &e);
	assert(rc == 0 || e.text[0] != '\0');
	assert(rc != 0 || !o.one || r.files <= 1);
	assert(check_dir(fcntl(dir, F_DUPFD, 3), 0) <= 100);
	assert(check_dir(fcntl(at, F_DUPFD, 3), 0) == 1);
	tree_remove(AT_FDCWD, top);
	return 0;
}
