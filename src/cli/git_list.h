/*
 * git_list: which files of a directory git would not ignore.
 *
 * Git reads a directory that an agent may have written to: nothing that the
 * repository names is run (no fsmonitor, no hook), and names are no patterns.
 */
#ifndef CLI_GIT_LIST_H
#define CLI_GIT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

struct git_list {
	bool repo; /* false: not in a repository, nothing is ignored */
	char *names; /* NUL after each; relative to the directory */
	size_t n; /* bytes */
};

/*
 * What is in `dir`, or `only` that file of it.  -1 when it is in a repository
 * and git cannot tell: sending what it ignores might send secrets.
 */
int git_list(const char *dir, const char *only, struct git_list *out,
    struct err *e) MUST_USE;
void git_list_fini(struct git_list *l);

#endif
