#include "archive/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/names.h"
#include "archive/tree.h"
#include "base/bytes.h"
#include "base/fd.h"

enum { BLOCK = 65536, PROGRESS_EVERY = 1 << 20, REST_MAX = 1 << 20 };

struct job {
	const struct unpack_options *o;
	struct unpack_report *r;
	struct archive *a;
	int root;
	int parent; /* the directory of `dir`, kept from the last entry */
	char dir[NAMES_PATH_MAX + 1];
	char name[NAMES_PATH_MAX + 1]; /* cleaned */
	const char *leaf;
	uint64_t promised; /* bytes, by the headers so far */
};

static int
leave_out(struct job *j, const char *why)
{
	j->r->left_out++;
	j->o->left_out(j->o->ctx, j->name, why);
	return 0;
}

/* --- where ---------------------------------------------------------------- */

/* Opens, and makes if need be, each directory above. */
static int
enter(struct job *j, const char *dir)
{
	struct view rest = view_of(dir), part;
	AUTO_CLOSE int at = fcntl(j->root, F_DUPFD_CLOEXEC, 3);

	while (at >= 0 && rest.n > 0) {
		char name[NAMES_PART_MAX + 1];
		int below;

		part = view_cut(rest, '/', &rest);
		memcpy(name, part.p, part.n);
		name[part.n] = '\0';
		if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
			return -1;
		below = tree_open(at, name, O_RDONLY | O_DIRECTORY, 0);
		if (below < 0)
			return -1;
		(void)close(at);
		at = below;
	}
	if (at < 0)
		return -1;
	fd_close(&j->parent);
	j->parent = take_fd(at);
	(void)snprintf(j->dir, sizeof(j->dir), "%s", dir);
	return 0;
}

/* Sets parent and leaf for j->name, which is not "". */
static int
find_place(struct job *j)
{
	char dir[NAMES_PATH_MAX + 1];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", j->name);
	slash = strrchr(dir, '/');
	j->leaf = slash != NULL ? j->name + (slash - dir) + 1 : j->name;
	if (slash != NULL)
		*slash = '\0';
	else
		dir[0] = '\0';
	if (j->parent >= 0 && strcmp(dir, j->dir) == 0)
		return 0;
	return enter(j, dir);
}

/* What an earlier entry of the archive made there. */
static void
clear_place(struct job *j)
{
	(void)unlinkat(j->parent, j->leaf, 0);
}

/* The disk is full, or it broke: nothing more will work. */
static bool
is_fatal(int sys)
{
	return sys == ENOSPC || sys == EDQUOT || sys == EIO || sys == EROFS;
}

static int
not_made(struct job *j, struct err *e)
{
	if (is_fatal(errno))
		return err_sys(e, "write %.200s", j->name);
	return leave_out(j, strerrordesc_np(errno));
}

/* --- what ----------------------------------------------------------------- */

static bool
is_zero(const char *p, size_t n)
{
	return n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static int
put_at(int fd, const char *p, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t k = pwrite(fd, p, n, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		p += k;
		n -= (size_t)k;
		at += k;
	}
	return 0;
}

/* Zeros are left as holes: the length is set at the end. */
static int
put_block(
    struct job *j, int fd, const char *p, size_t n, off_t at, struct err *e)
{
	uint64_t before = j->r->bytes;

	for (size_t i = 0; i < n;) {
		size_t k = MIN(n - i, (size_t)4096);

		if (!is_zero(p + i, k) &&
		    put_at(fd, p + i, k, at + (off_t)i) < 0)
			return err_sys(e, "write %.200s", j->name);
		i += k;
	}
	j->r->bytes += n;
	if (before / PROGRESS_EVERY != j->r->bytes / PROGRESS_EVERY)
		j->o->progress(j->o->ctx, j->r->files, j->r->bytes);
	return 0;
}

static int
bad_archive(struct job *j, struct err *e)
{
	const char *why = archive_error_string(j->a);

	return err_set(e, ERR_PROTO, "what the sandbox sent is no archive: %s",
	    why != NULL ? why : "it is damaged");
}

static int
put_data(struct job *j, int fd, uint64_t size, struct err *e)
{
	const void *p;
	int64_t at;
	size_t n;
	int rc;

	while (
	    (rc = archive_read_data_block(j->a, &p, &n, &at)) == ARCHIVE_OK) {
		if (at < 0 || (uint64_t)at > size || n > size - (uint64_t)at)
			return err_set(e, ERR_PROTO,
			    "%.200s is longer than its header says", j->name);
		if (put_block(j, fd, p, n, at, e) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF ? 0 : bad_archive(j, e);
}

static unsigned
mode_of(const struct job *j, struct archive_entry *en)
{
	return (unsigned)archive_entry_perm(en) & 0777 & ~j->o->umask;
}

static int
make_file(struct job *j, struct archive_entry *en, struct err *e)
{
	int64_t said = archive_entry_size(en);
	uint64_t size = said > 0 ? (uint64_t)said : 0;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ archive_entry_mtime(en), archive_entry_mtime_nsec(en) } };
	AUTO_CLOSE int fd = -1;

	if (j->o->bytes_max != 0 &&
	    size > j->o->bytes_max - MIN(j->promised, j->o->bytes_max))
		return err_set(e, ERR_LIMIT,
		    "the files are larger than %llu bytes together\nallow "
		    "more with --max-size",
		    (unsigned long long)j->o->bytes_max);
	j->promised += size;
	clear_place(j);
	fd = tree_open(
	    j->parent, j->leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return not_made(j, e);
	if (put_data(j, fd, size, e) < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) < 0 || fchmod(fd, mode_of(j, en)) < 0)
		return err_sys(e, "write %.200s", j->name);
	(void)futimens(fd, times);
	j->r->files++;
	return 0;
}

static int
make_dir(struct job *j, struct archive_entry *en, struct err *e)
{
	AUTO_CLOSE int fd = -1;

	if (mkdirat(j->parent, j->leaf, 0700) < 0 && errno != EEXIST)
		return not_made(j, e);
	fd = tree_open(j->parent, j->leaf, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return not_made(j, e);
	/* Its owner can always fill it and remove it. */
	return fchmod(fd, mode_of(j, en) | 0700) == 0 ? 0 : not_made(j, e);
}

static int
make_symlink(struct job *j, struct archive_entry *en, struct err *e)
{
	const char *target = archive_entry_symlink(en);
	struct err why;

	if (target == NULL)
		return leave_out(j, "its target cannot be read");
	if (names_check_target(target, names_depth(j->name), &why) < 0)
		return leave_out(j, why.text);
	clear_place(j);
	if (symlinkat(target, j->parent, j->leaf) < 0)
		return not_made(j, e);
	j->r->files++;
	return 0;
}

/* To a regular file that this archive made before. */
static int
make_hardlink(struct job *j, const char *target, struct err *e)
{
	char clean[NAMES_PATH_MAX + 1], *slash;
	AUTO_CLOSE int at = -1;
	struct stat st;
	struct err why;

	if (names_clean(target, clean, &why) < 0 || clean[0] == '\0')
		return leave_out(j, "it is a link to outside");
	slash = strrchr(clean, '/');
	if (slash != NULL)
		*slash = '\0';
	at = tree_open(
	    j->root, slash != NULL ? clean : "", O_RDONLY | O_DIRECTORY, 0);
	target = slash != NULL ? slash + 1 : clean;
	if (at < 0 || fstatat(at, target, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return leave_out(
		    j, "it is a link to what this archive does not have");
	clear_place(j);
	if (linkat(at, target, j->parent, j->leaf, 0) < 0)
		return not_made(j, e);
	j->r->files++;
	return 0;
}

static int
make(struct job *j, struct archive_entry *en, struct err *e)
{
	const char *link = archive_entry_hardlink(en);

	if (link != NULL)
		return make_hardlink(j, link, e);
	switch (archive_entry_filetype(en)) {
	case AE_IFREG:
		return make_file(j, en, e);
	case AE_IFDIR:
		return make_dir(j, en, e);
	case AE_IFLNK:
		return make_symlink(j, en, e);
	default: /* libarchive's numbers, not an enum of ours */
		return leave_out(j, "it is a device, a FIFO or a socket");
	}
}

/* --- all ------------------------------------------------------------------ */

static int
one(struct job *j, struct archive_entry *en, struct err *e)
{
	if (archive_entry_hardlink(en) != NULL ||
	    archive_entry_filetype(en) != AE_IFREG || j->r->files > 0)
		return err_set(e, ERR_DENIED,
		    "the sandbox sent something else than one regular file");
	(void)snprintf(j->name, sizeof(j->name), "%s", UNPACK_ONE);
	if (find_place(j) < 0)
		return err_sys(e, "write %s", j->name);
	return make(j, en, e);
}

static int
entry(struct job *j, struct archive_entry *en, struct err *e)
{
	const char *name = archive_entry_pathname(en);
	struct err why;

	if (j->o->one)
		return one(j, en, e);
	(void)snprintf(j->name, sizeof(j->name), "%s",
	    name != NULL ? name : "(a name that cannot be read)");
	if (name == NULL)
		return leave_out(j, "its name cannot be read");
	if (names_clean(name, j->name, &why) < 0) {
		(void)snprintf(j->name, sizeof(j->name), "%s", name);
		return leave_out(j, why.text);
	}
	if (j->name[0] == '\0') /* the directory itself */
		return 0;
	if (find_place(j) < 0)
		return not_made(j, e);
	return make(j, en, e);
}

static int
all(struct job *j, struct err *e)
{
	struct archive_entry *en;
	uint64_t n = 0;
	int rc;

	while ((rc = archive_read_next_header(j->a, &en)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		if (++n > j->o->entries_max)
			return err_set(e, ERR_LIMIT,
			    "the sandbox sent more than %llu files",
			    (unsigned long long)j->o->entries_max);
		if (entry(j, en, e) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF ? 0 : bad_archive(j, e);
}

/*
 * An archive ends before its last block does.  Who packs would be told by
 * SIGPIPE that the rest was not wanted, and take it for a failure.
 */
static void
read_rest(int in)
{
	char rest[4096];
	size_t left = REST_MAX;
	ssize_t n;

	while (left > 0) {
		n = read(in, rest, MIN(sizeof(rest), left));
		if (n == 0 || (n < 0 && errno != EINTR))
			return;
		left -= n > 0 ? (size_t)n : 0;
	}
}

int
unpack_all(int in, int dir, const struct unpack_options *o,
    struct unpack_report *r, struct err *e)
{
	struct job j = { .o = o, .r = r, .root = dir, .parent = -1 };
	int rc;

	*r = (struct unpack_report) { 0 };
	j.a = archive_read_new();
	if (j.a == NULL)
		return err_set(e, ERR_INTERNAL, "cannot read archives");
	rc = archive_read_support_format_tar(j.a) == ARCHIVE_OK &&
		     archive_read_open_fd(j.a, in, BLOCK) == ARCHIVE_OK
		 ? all(&j, e)
		 : bad_archive(&j, e);
	if (rc == 0)
		read_rest(in);
	fd_close(&j.parent);
	(void)archive_read_free(j.a);
	return rc;
}
