/*
 * names: which names and links of an archive may be made, whoever wrote it.
 *
 * A name is relative to the directory unpacked into and stays below it by its
 * form alone; unpack.c resolves it without following a link all the same.
 */
#ifndef ARCHIVE_NAMES_H
#define ARCHIVE_NAMES_H

#include "base/err.h"
#include "base/macros.h"

enum {
	NAMES_PATH_MAX = 4095, /* PATH_MAX without the NUL */
	NAMES_PART_MAX = 255, /* NAME_MAX */
	NAMES_DEPTH_MAX = 200
};

/*
 * `out` is `name` without "." and empty components: "" for the directory
 * itself.  -1: absolute, with a ".." component, or too long or deep.
 */
int names_clean(
    const char *name, char out[NAMES_PATH_MAX + 1], struct err *e) MUST_USE;
/*
 * May a symbolic link that lies `depth` directories deep have this target?
 * Only relative, ".." only at its beginning and at most `depth` of them: with a
 * ".." behind a name, that name may be a link whose directory lies less deep.
 */
int names_check_target(
    const char *target, unsigned depth, struct err *e) MUST_USE;
/* Directories above a cleaned name: 0 for "a", 1 for "a/b". */
unsigned names_depth(const char *clean);

#endif
