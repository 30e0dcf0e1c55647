/* tree: a directory of files for one test, removed at its end. */
#ifndef TESTS_SANDBOX_TREE_H
#define TESTS_SANDBOX_TREE_H

#include <sys/types.h>

struct tree {
	char top[64]; /* as realpath gives it */
};

struct tree tree_new(void);
void tree_free(struct tree *t);
/* Parents are made as needed; `rel` lies below top. */
void tree_dir(const struct tree *t, const char *rel);
void tree_file(
    const struct tree *t, const char *rel, mode_t mode, const char *text);
void tree_link(const struct tree *t, const char *rel, const char *target);

#endif
