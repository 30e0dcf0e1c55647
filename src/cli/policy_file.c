#include "cli/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* The words scripts look for. */
#define UNREADABLE "failed to read sandbox policy from %s"

int
policy_file_open(const char *path, struct policy_file *f, struct err *e)
{
	const char *slash = strrchr(path, '/');

	*f = (struct policy_file) { .dirfd = -1 };
	if (slash != NULL && slash[1] == '\0')
		return err_set(
		    e, ERR_INVALID, UNREADABLE "\nis a directory", path);
	f->path = mem_strdup(path);
	f->base = mem_strdup(slash != NULL ? slash + 1 : path);
	if (slash == NULL)
		f->dir = mem_strdup(".");
	else if (slash == path)
		f->dir = mem_strdup("/");
	else
		f->dir = mem_strndup(path, (size_t)(slash - path));
	f->dirfd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->dirfd < 0)
		return err_sys(e, UNREADABLE, path);
	return 0;
}

void
policy_file_close(struct policy_file *f)
{
	fd_close(&f->dirfd);
	free(f->path);
	free(f->base);
	free(f->dir);
	*f = (struct policy_file) { .dirfd = -1 };
}

/*
 * Attack: a link in a place that somebody else may write names any file the
 * user can read, and moves without an event in the directory we watch.
 */
static int
refuse_link(const struct policy_file *f, struct err *e)
{
	AUTO_FREE char *real = realpath(f->path, NULL);

	return err_set(e, ERR_INVALID, UNREADABLE "\nis a symbolic link\n%s%s",
	    f->path,
	    real != NULL ? "name the file it leads to: " : "it leads nowhere",
	    real != NULL ? real : "");
}

int
policy_file_read(struct policy_file *f, char **text, size_t *n, struct err *e)
{
	/* O_NONBLOCK: opening a FIFO must not hang us. */
	AUTO_CLOSE int fd = openat(
	    f->dirfd, f->base, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	AUTO_FREE char *got = NULL;
	struct stat before, after;

	if (fd < 0 && errno == ELOOP)
		return refuse_link(f, e);
	if (fd < 0 || fstat(fd, &before) < 0)
		return err_sys(e, UNREADABLE, f->path);
	if (file_read(fd, POLICY_TEXT_MAX, &got, n, e) < 0)
		return err_wrap(e, UNREADABLE, f->path);
	/* A policy cut in the middle may be valid and allow more. */
	if (fstat(fd, &after) < 0 || before.st_size != after.st_size ||
	    before.st_mtim.tv_sec != after.st_mtim.tv_sec ||
	    before.st_mtim.tv_nsec != after.st_mtim.tv_nsec)
		return err_set(e, ERR_AGAIN,
		    UNREADABLE "\nit was being written meanwhile", f->path);
	f->dev = before.st_dev;
	f->ino = before.st_ino;
	*text = take_ptr(got);
	return 0;
}

int
policy_text(
    struct cli *c, const char *path, char **text, size_t *n, struct err *e)
{
	AUTO_POLICY_FILE struct policy_file f = { .dirfd = -1 };

	/* Standard input may be a pipe, which file_read refuses. */
	if (strcmp(path, "-") == 0)
		return fd_read_all(c->in, POLICY_TEXT_MAX, text, n, e) < 0
			   ? err_wrap(e, UNREADABLE, "standard input")
			   : 0;
	if (policy_file_open(path, &f, e) < 0)
		return -1;
	return policy_file_read(&f, text, n, e);
}

int
policy_load(struct cli *c, const char *path, struct policy **out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_FINDINGS struct policy_findings found = { 0 };
	AUTO_BUF struct buf lines = BUF_INIT(1 << 20);
	size_t n;
	int rc;

	if (policy_text(c, path, &text, &n, e) < 0)
		return -1;
	rc = policy_parse((struct view) { text, n }, out, &found);
	policy_findings_print(
	    &found, strcmp(path, "-") == 0 ? "<stdin>" : path, &lines);
	cli_note(c, &lines);
	return rc < 0 ? 1 : 0;
}

int
policy_refuse(const char *path, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "failed to parse sandbox policy YAML\n%s is invalid",
	    strcmp(path, "-") == 0 ? "<stdin>" : path);
}
