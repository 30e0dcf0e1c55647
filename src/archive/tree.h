/*
 * tree: directories of files, walked and changed without following a symbolic
 * link, whoever put them there.
 */
#ifndef ARCHIVE_TREE_H
#define ARCHIVE_TREE_H

#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * Opens a path below `at` that must not leave it nor pass through a symbolic
 * link (openat2(2)); "" is `at` itself.  -1 with errno.
 */
int tree_open(int at, const char *path, uint64_t flags, unsigned mode) MUST_USE;
/* A new empty directory (0700) in `at`; `name` has room for 64 bytes. */
int tree_make_stage(
    int at, const char *prefix, char name[64], struct err *e) MUST_USE;
/* `name` and everything below; what cannot be removed stays. */
void tree_remove(int at, const char *name);
/*
 * Moves what is in `from` into `to`, both of one file system.  A directory
 * that is there already is gone into; anything else with the same name is
 * replaced, save that a directory never takes the place of something else.
 */
int tree_merge(int from, int to, struct err *e) MUST_USE;

#endif
