/* program: our own programs, found beside the one that runs, and started. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <limits.h>
#include <spawn.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * The path of `name` beside the running executable, in ../libexec/openshell
 * or in ../lib/openshell.  ERR_NOT_FOUND names the places and the fix.
 */
int program_find(const char *name, char out[PATH_MAX], struct err *e) MUST_USE;
/*
 * posix_spawn in a session of its own, so that no terminal and no job of the
 * caller's takes it along, with no signal blocked or ignored.  An errno, or 0.
 */
int program_spawn(const char *path, const posix_spawn_file_actions_t *files,
    char *const argv[], char *const envp[], pid_t *pid) MUST_USE;

#endif
