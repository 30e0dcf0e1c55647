/* What is packed is what is unpacked. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#include "archive/pack.h"
#include "archive/tree.h"
#include "archive/unpack.h"
#include "base/fd.h"

static struct {
	char top[64];
	int at, from, to;
	unsigned left_out;
} w;

static void
left_out(void *ctx, const char *name, const char *why)
{
	CHECK(ctx == &w && name != NULL && *why != '\0');
	w.left_out++;
}

static void
progress(void *ctx, uint64_t files UNUSED, uint64_t bytes UNUSED)
{
	CHECK(ctx == &w);
}

static int
sub(const char *name)
{
	CHECK_INT(mkdirat(w.at, name, 0755), ==, 0);
	return openat(w.at, name, O_RDONLY | O_DIRECTORY);
}

static void
begin(void)
{
	(void)snprintf(w.top, sizeof(w.top), "/tmp/archive-test-XXXXXX");
	CHECK(mkdtemp(w.top) != NULL);
	w.left_out = 0;
	w.at = open(w.top, O_RDONLY | O_DIRECTORY);
	w.from = sub("from");
	w.to = sub("to");
}

static void
end(void)
{
	(void)close(w.from);
	(void)close(w.to);
	(void)close(w.at);
	tree_remove(AT_FDCWD, w.top);
}

static void
put(const char *name, const char *text, unsigned mode)
{
	int fd = openat(w.from, name, O_WRONLY | O_CREAT, 0600);
	struct err e;

	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, text, strlen(text), &e), ==, 0);
	CHECK_INT(fchmod(fd, mode), ==, 0);
	(void)close(fd);
}

static struct unpack_report
round_trip(uint64_t bytes_max, bool cut, int want)
{
	const struct pack_hooks ph = { left_out, progress, &w };
	const struct unpack_options o = { .bytes_max = bytes_max,
		.entries_max = 100,
		.umask = 022,
		.left_out = left_out,
		.progress = progress,
		.ctx = &w };
	int fd = openat(w.at, "tar", O_RDWR | O_CREAT, 0600);
	struct pack_report pr = { 0 };
	struct unpack_report ur;
	struct pack *p;
	struct err e;

	CHECK_INT(pack_new(fd, &ph, &p, &e), ==, 0);
	CHECK_INT(pack_add(p, w.from, ".", "", &e), ==, 0);
	CHECK_INT(pack_end(p, &pr, &e), ==, 0);
	pack_free(p);
	if (cut)
		CHECK_INT(ftruncate(fd, 700), ==, 0);
	CHECK_INT(lseek(fd, 0, SEEK_SET), ==, 0);
	CHECK_INT(unpack_all(fd, w.to, &o, &ur, &e), ==, want);
	(void)close(fd);
	return ur;
}

static unsigned
mode_of(const char *name)
{
	struct stat st;

	CHECK_INT(fstatat(w.to, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
	return st.st_mode;
}

TEST(pack, keeps_files_modes_links_and_empty_directories)
{
	char target[64] = "";

	begin();
	put("plain", "hello", 0640);
	put("run", "#!", 04755);
	CHECK_INT(mkdirat(w.from, "empty", 0750), ==, 0);
	CHECK_INT(symlinkat("plain", w.from, "link"), ==, 0);
	CHECK_INT(symlinkat("/etc/passwd", w.from, "out"), ==, 0);
	CHECK_INT(mkfifoat(w.from, "pipe", 0600), ==, 0);
	/* Three, and the mark of the end. */
	CHECK_INT(round_trip(0, false, 0).files, ==, 4);
	CHECK_INT(mode_of("files/plain"), ==, S_IFREG | 0640);
	CHECK_INT(mode_of("files/run"), ==, S_IFREG | 0755);
	CHECK_INT(mode_of("files/empty"), ==, S_IFDIR | 0750);
	CHECK_INT(
	    readlinkat(w.to, "files/link", target, sizeof(target)), ==, 5);
	CHECK_STR(target, "plain");
	CHECK_INT(faccessat(w.to, "whole", F_OK, 0), ==, 0);
	/* The FIFO by the one, the link to outside by the other. */
	CHECK_INT(w.left_out, ==, 2);
	end();
}

TEST(pack, leaves_holes_where_there_was_nothing)
{
	int fd;
	struct stat st;

	begin();
	put("sparse", "", 0600);
	fd = openat(w.from, "sparse", O_WRONLY);
	CHECK_INT(ftruncate(fd, 8 << 20), ==, 0);
	CHECK_INT(pwrite(fd, "x", 1, 4 << 20), ==, 1);
	(void)close(fd);
	(void)round_trip(0, false, 0);
	CHECK_INT(fstatat(w.to, "files/sparse", &st, 0), ==, 0);
	CHECK_INT(st.st_size, ==, 8 << 20);
	CHECK_INT(st.st_blocks * 512, <, 1 << 20);
	end();
}

TEST(unpack, refuses_what_is_larger_than_allowed_or_cut)
{
	begin();
	put("plain", "hello world", 0600);
	(void)round_trip(10, false, -1);
	(void)round_trip(11, false, 0);
	(void)round_trip(0, true, -1);
	end();
}

TEST(tree, merges_without_following_what_is_there)
{
	struct err e;

	begin();
	put("a", "new", 0600);
	CHECK_INT(mkdirat(w.from, "d", 0700), ==, 0);
	put("d/x", "new", 0600);
	CHECK_INT(mkdirat(w.to, "d", 0700), ==, 0);
	CHECK_INT(mkdirat(w.at, "other", 0700), ==, 0);
	CHECK_INT(symlinkat("../other", w.to, "a"), ==, 0);
	CHECK_INT(tree_merge(w.from, w.to, &e), ==, 0);
	CHECK_INT(mode_of("a"), ==, S_IFREG | 0600);
	CHECK_INT(mode_of("d/x"), ==, S_IFREG | 0600);
	/* A link is not gone through, nor replaced by a directory. */
	CHECK_INT(mkdirat(w.from, "l", 0700), ==, 0);
	put("l/x", "new", 0600);
	CHECK_INT(symlinkat("../other", w.to, "l"), ==, 0);
	CHECK_INT(tree_merge(w.from, w.to, &e), ==, -1);
	CHECK_INT(faccessat(w.at, "other/x", F_OK, 0), ==, -1);
	end();
}
