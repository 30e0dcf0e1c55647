#include "archive/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/names.h"
#include "archive/tree.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/mem.h"

enum { BLOCK = 65536, PROGRESS_EVERY = 1 << 20 };

struct pack {
	struct pack_hooks hooks;
	struct pack_report r;
	struct archive *a;
	char *parent; /* the last one of pack_parents */
	char block[BLOCK];
};

int
pack_new(
    int out, const struct pack_hooks *h, struct pack **out_pack, struct err *e)
{
	struct pack *p = NEW(struct pack);

	p->hooks = *h;
	p->a = archive_write_new();
	/* Every tar reads it, and a name is the bytes it is. */
	if (p->a == NULL ||
	    archive_write_set_format_gnutar(p->a) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(p->a, BLOCK) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(p->a, 512) != ARCHIVE_OK ||
	    archive_write_open_fd(p->a, out) != ARCHIVE_OK) {
		pack_free(p);
		return err_set(e, ERR_INTERNAL, "cannot write archives");
	}
	*out_pack = p;
	return 0;
}

void
pack_free(struct pack *p)
{
	if (p == NULL)
		return;
	if (p->a != NULL)
		(void)archive_write_free(p->a);
	free(p->parent);
	free(p);
}

static void
leave_out(struct pack *p, const char *name, const char *why)
{
	p->r.left_out++;
	p->hooks.left_out(p->hooks.ctx, name, why);
}

static int
not_written(struct pack *p, struct err *e)
{
	const char *why = archive_error_string(p->a);

	return err_set(e, ERR_IO, "the sandbox took no more: %s",
	    why != NULL ? why : "it is gone");
}

static int
put_header(struct pack *p, const char *as, const struct stat *st,
    const char *target, struct err *e)
{
	struct archive_entry *en = archive_entry_new();
	AUTO_FREE char *name =
	    mem_printf("%s%s%s", PACK_TOP, *as != '\0' ? "/" : "", as);
	int rc;

	if (en == NULL)
		return err_set(e, ERR_INTERNAL, "cannot write archives");
	archive_entry_set_pathname(en, name);
	archive_entry_set_mode(
	    en, (st->st_mode & S_IFMT) | (st->st_mode & 0777));
	archive_entry_set_mtime(en, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (S_ISREG(st->st_mode))
		archive_entry_set_size(en, st->st_size);
	if (target != NULL)
		archive_entry_set_symlink(en, target);
	rc = archive_write_header(p->a, en);
	archive_entry_free(en);
	return rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? 0 : not_written(p, e);
}

static int
put_bytes(struct pack *p, size_t n, struct err *e)
{
	uint64_t before = p->r.bytes;

	if (archive_write_data(p->a, p->block, n) != (la_ssize_t)n)
		return not_written(p, e);
	p->r.bytes += n;
	if (before / PROGRESS_EVERY != p->r.bytes / PROGRESS_EVERY)
		p->hooks.progress(p->hooks.ctx, p->r.files, p->r.bytes);
	return 0;
}

/* Exactly as many bytes as the header says, whatever the file does. */
static int
put_content(
    struct pack *p, int fd, uint64_t size, const char *as, struct err *e)
{
	bool changed = false;

	while (size > 0) {
		size_t want = size < BLOCK ? (size_t)size : BLOCK;
		ssize_t n = changed ? 0 : read(fd, p->block, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			memset(p->block, 0, want);
			n = (ssize_t)want;
			if (!changed)
				leave_out(
				    p, as, "it changed while it was read");
			changed = true;
		}
		if (put_bytes(p, (size_t)n, e) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return 0;
}

static int
add_file(
    struct pack *p, int at, const char *name, const char *as, struct err *e)
{
	AUTO_CLOSE int fd =
	    openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		leave_out(
		    p, as, fd < 0 ? strerrordesc_np(errno) : "it was replaced");
		return 0;
	}
	if (put_header(p, as, &st, NULL, e) < 0 ||
	    put_content(p, fd, (uint64_t)st.st_size, as, e) < 0)
		return -1;
	p->r.files++;
	return 0;
}

static int
add_link(struct pack *p, int at, const char *name, const char *as,
    const struct stat *st, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(at, name, target, sizeof(target) - 1);

	if (n < 0) {
		leave_out(p, as, strerrordesc_np(errno));
		return 0;
	}
	target[n] = '\0';
	p->r.files++;
	return put_header(p, as, st, target, e);
}

static int add(struct pack *p, int at, const char *name, const char *as,
    unsigned depth, struct err *e);

static int
add_entries(
    struct pack *p, DIR *d, const char *as, unsigned depth, struct err *e)
{
	const struct dirent *entry;

	while ((entry = readdir(d)) != NULL) {
		const char *n = entry->d_name;
		AUTO_FREE char *below = NULL;

		if (strcmp(n, ".") == 0 || strcmp(n, "..") == 0)
			continue;
		below = mem_printf("%s%s%s", as, *as != '\0' ? "/" : "", n);
		if (add(p, dirfd(d), n, below, depth, e) < 0)
			return -1;
	}
	return 0;
}

static int
add_dir(struct pack *p, int at, const char *name, const char *as,
    const struct stat *st, unsigned depth, struct err *e)
{
	int fd =
	    openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	int rc;

	if (d == NULL || depth == 0) {
		leave_out(p, as,
		    depth == 0 ? "it is too deep" : strerrordesc_np(errno));
		if (d != NULL)
			(void)closedir(d);
		else
			fd_close(&fd);
		return 0;
	}
	rc = put_header(p, as, st, NULL, e);
	if (rc == 0)
		rc = add_entries(p, d, as, depth - 1, e);
	(void)closedir(d);
	return rc;
}

static int
add(struct pack *p, int at, const char *name, const char *as, unsigned depth,
    struct err *e)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			leave_out(p, as, strerrordesc_np(errno));
		return 0;
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return add_file(p, at, name, as, e);
	case S_IFDIR:
		return add_dir(p, at, name, as, &st, depth, e);
	case S_IFLNK:
		return add_link(p, at, name, as, &st, e);
	default: /* bits, not an enum of ours */
		leave_out(p, as, "it is a device, a FIFO or a socket");
		return 0;
	}
}

int
pack_add(
    struct pack *p, int at, const char *name, const char *as, struct err *e)
{
	const char *slash = strrchr(name, '/');
	AUTO_FREE char *dir =
	    mem_strndup(name, slash != NULL ? (size_t)(slash - name) : 0);
	AUTO_CLOSE int below = tree_open(at, dir, O_RDONLY | O_DIRECTORY, 0);

	/* Attack: a directory that was listed is a link to elsewhere by now. */
	if (below < 0) {
		if (errno != ENOENT)
			leave_out(p, as, strerrordesc_np(errno));
		return 0;
	}
	return add(
	    p, below, slash != NULL ? slash + 1 : name, as, NAMES_DEPTH_MAX, e);
}

/* Is `dir` one of the directories above `of`, or `of` itself? */
static bool
is_above(struct view dir, const char *of)
{
	return of != NULL && view_starts(view_of(of), dir) &&
	       (of[dir.n] == '/' || of[dir.n] == '\0');
}

int
pack_parents(struct pack *p, int at, const char *as, struct err *e)
{
	for (const char *slash = strchr(as, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		struct view v = { as, (size_t)(slash - as) };
		AUTO_FREE char *dir = view_dup(v);
		struct stat st;

		if (is_above(v, p->parent))
			continue;
		if (fstatat(at, dir, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			return 0; /* gone: so is what is below */
		if (put_header(p, dir, &st, NULL, e) < 0)
			return -1;
		free(p->parent);
		p->parent = take_ptr(dir);
	}
	return 0;
}

int
pack_end(struct pack *p, struct pack_report *r, struct err *e)
{
	struct archive_entry *en = archive_entry_new();
	int rc = ARCHIVE_FATAL;

	if (en != NULL) {
		archive_entry_set_pathname(en, PACK_END);
		archive_entry_set_mode(en, S_IFREG | 0600);
		archive_entry_set_size(en, 0);
		rc = archive_write_header(p->a, en);
		archive_entry_free(en);
	}
	if (rc != ARCHIVE_OK || archive_write_close(p->a) != ARCHIVE_OK)
		return not_written(p, e);
	*r = p->r;
	return 0;
}
