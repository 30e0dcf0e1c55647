/*
 * jail: what a process gives up before it unpacks what a sandbox sent.
 */
#ifndef ARCHIVE_JAIL_H
#define ARCHIVE_JAIL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * From here on this process reads and changes files below `dir` alone
 * (landlock(7)), opens by openat2(2) and nothing else, makes no socket, starts
 * no program, is traced by nobody and has no capability but to pass over modes
 * (seccomp(2)).  Cannot be undone.  *landlock: whether the kernel has it; the
 * rest is an error when it cannot be put in place.
 */
int jail_enter(int dir, bool *landlock, struct err *e) MUST_USE;

#endif
