#include "keeper/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

enum {
	NAME_SIZE = 24,
	TAIL_MAX = 4 * AUDIT_LINE_MAX,
	BATCH_MAX = 1 << 23 /* of one message: its lines, each with its seal */
};

static void
name_of(uint32_t n, char out[NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "%06u.jsonl", n);
}

/* Between writes that fail the file has whole lines only. */
static int
put(struct journal *j, struct view v, struct err *e)
{
	if (fd_write_all(j->fd, v.p, v.n, e) < 0) {
		if (ftruncate(j->fd, (off_t)j->size) < 0)
			(void)err_wrap(e, "a line has no end");
		fd_close(&j->fd);
		return -1;
	}
	j->size += v.n;
	return 0;
}

static int
open_file(struct journal *j, uint32_t n, int flags, struct err *e)
{
	char name[NAME_SIZE];
	struct stat st;

	name_of(n, name);
	fd_close(&j->fd);
	j->fd = openat(j->dir, name,
	    O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	if (j->fd < 0 || fstat(j->fd, &st) < 0)
		return err_sys(e, "open records/%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "records/%s is no file", name);
	j->size = (size_t)st.st_size;
	j->last = n;
	return 0;
}

static int
begin(struct journal *j, struct view torn, struct err *e)
{
	AUTO_BUF struct buf line = BUF_INIT(AUDIT_LINE_MAX + 2);
	const struct audit_begin b = { .sandbox = view_of(j->sandbox),
		.file = j->last,
		.kept = j->first,
		.torn = torn,
		.time_ms = clock_wall_ms() };

	audit_chain_begin(&j->head, &b, &line);
	return put(j, buf_view(&line), e);
}

/* --- going on ------------------------------------------------------------ */

/* The numbers of the files that are there; 0 when there is none. */
static int
find_files(struct journal *j, struct err *e)
{
	int fd = openat(j->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (dir == NULL) {
		fd_close(&fd);
		return err_sys(e, "read records");
	}
	while ((entry = readdir(dir)) != NULL) {
		struct view rest,
		    digits = view_cut(view_of(entry->d_name), '.', &rest);
		uint64_t n;

		if (!view_eq(rest, VIEW("jsonl")) ||
		    !view_u64(digits, UINT32_MAX, &n) || n == 0)
			continue;
		if (j->first == 0 || n < j->first)
			j->first = (uint32_t)n;
		j->last = MAX(j->last, (uint32_t)n);
	}
	(void)closedir(dir);
	return 0;
}

/* The end of the open file. */
static int
read_tail(const struct journal *j, char **text, struct view *out, struct err *e)
{
	size_t n = MIN(j->size, (size_t)TAIL_MAX), got = 0;

	*text = mem_calloc(1, n + 1);
	while (got < n) {
		ssize_t r = pread(
		    j->fd, *text + got, n - got, (off_t)(j->size - n + got));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_sys(e, "read records");
		got += (size_t)r;
	}
	*out = (struct view) { *text, n };
	return 0;
}

/*
 * A file that was made and not begun has nothing in it: then the one before
 * has the head.
 */
static int
resume(struct journal *j, struct err *e)
{
	AUTO_FREE char *text = NULL, *older = NULL;
	struct view tail, torn, ignored;
	uint32_t last = j->last;

	if (open_file(j, last, 0, e) < 0 || read_tail(j, &text, &tail, e) < 0)
		return -1;
	if (audit_chain_resume(tail, &j->head, &torn) < 0 && last > j->first) {
		if (open_file(j, last - 1, 0, e) < 0 ||
		    read_tail(j, &older, &tail, e) < 0)
			return -1;
		if (audit_chain_resume(tail, &j->head, &ignored) < 0)
			return err_set(e, ERR_INVALID,
			    "records are damaged: openshell logs verify says "
			    "where");
		if (open_file(j, last, 0, e) < 0)
			return -1;
	}
	return begin(j, torn, e);
}

int
journal_open(struct journal *j, int dirfd, struct view sandbox, struct err *e)
{
	*j =
	    (struct journal) { .dir = -1, .fd = -1, .max = JOURNAL_FILE_BYTES };
	(void)snprintf(
	    j->sandbox, sizeof(j->sandbox), "%.*s", (int)sandbox.n, sandbox.p);
	audit_head_init(&j->head);
	if (mkdirat(dirfd, "records", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make records");
	j->dir = openat(
	    dirfd, "records", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (j->dir < 0)
		return err_sys(e, "open records");
	if (find_files(j, e) < 0)
		return -1;
	if (j->last > 0)
		return resume(j, e);
	j->first = 1;
	if (open_file(j, 1, O_CREAT | O_EXCL, e) < 0)
		return -1;
	return begin(j, VIEW(""), e);
}

void
journal_close(struct journal *j)
{
	fd_close(&j->fd);
	fd_close(&j->dir);
}

/* --- adding -------------------------------------------------------------- */

static int
turn(struct journal *j, struct err *e)
{
	uint32_t old = j->first;
	char name[NAME_SIZE];

	if (open_file(j, j->last + 1, O_CREAT | O_EXCL, e) < 0)
		return -1;
	if (j->last - j->first >= JOURNAL_FILES)
		j->first = j->last - JOURNAL_FILES + 1;
	/* Said before it is done: what is missing without a word was taken. */
	if (begin(j, VIEW(""), e) < 0)
		return -1;
	for (; old < j->first; old++) {
		name_of(old, name);
		if (unlinkat(j->dir, name, 0) < 0 && errno != ENOENT)
			return err_sys(e, "remove records/%s", name);
	}
	return 0;
}

int
journal_add(struct journal *j, struct view lines,
    void (*each)(void *ctx, const struct audit_event *ev), void *ctx,
    struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(BATCH_MAX);

	if (j->fd < 0)
		return err_set(e, ERR_IO, "the journal is closed");
	if (j->size >= j->max && turn(j, e) < 0) {
		fd_close(&j->fd);
		return -1;
	}
	audit_chain_lines(&j->head, lines, clock_wall_ms(), &out, each, ctx);
	if (out.full) {
		fd_close(&j->fd);
		return err_set(e, ERR_LIMIT, "too many records at once");
	}
	return put(j, buf_view(&out), e);
}
