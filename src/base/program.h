/* program: our own programs, found beside the one that runs. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <limits.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * The path of `name` beside the running executable, in ../libexec/openshell
 * or in ../lib/openshell.  ERR_NOT_FOUND names the places and the fix.
 */
int program_find(const char *name, char out[PATH_MAX], struct err *e) MUST_USE;

#endif
