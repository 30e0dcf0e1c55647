#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "test.h"

struct tree
tree_new(void)
{
	/* Not in /tmp, which every sandbox has of its own. */
	char made[] = "/var/tmp/openshell-test-XXXXXX", real[PATH_MAX];
	struct tree t = { "" };

	CHECK(mkdtemp(made) != NULL);
	CHECK(realpath(made, real) != NULL);
	(void)snprintf(t.top, sizeof(t.top), "%.63s", real);
	return t;
}

static int
remove_one(const char *path, const struct stat *st UNUSED, int flag UNUSED,
    struct FTW *ftw UNUSED)
{
	return remove(path);
}

void
tree_free(struct tree *t)
{
	CHECK_INT(nftw(t->top, remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
}

static void
parents(char *path)
{
	for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		CHECK(mkdir(path, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
}

void
tree_dir(const struct tree *t, const char *rel)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s/", t->top, rel);
	parents(path);
}

void
tree_file(const struct tree *t, const char *rel, mode_t mode, const char *text)
{
	char path[PATH_MAX];
	struct err e;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", t->top, rel);
	parents(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, text, strlen(text), &e), ==, 0);
	CHECK_INT(fchmod(fd, mode), ==, 0);
	(void)close(fd);
}

void
tree_link(const struct tree *t, const char *rel, const char *target)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", t->top, rel);
	parents(path);
	CHECK_INT(symlink(target, path), ==, 0);
}
