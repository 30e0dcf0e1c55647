/*
 * watch: tells when a file in a directory has been rewritten or replaced.
 *
 * The directory is watched, because editors write a new file and rename it.
 * Only finished writes count (closed after writing, or renamed into place):
 * a policy cut off in the middle may be valid and say something else.
 */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include <stdbool.h>

#include "base/err.h"

/* A non-blocking descriptor that becomes readable; the caller's. */
int watch_open(int dirfd, int *fd, struct err *e) MUST_USE;
/* Reads all that is there; true when `name` of that directory is among it. */
bool watch_changed(int fd, int dirfd, const char *name);
/*
 * No more of it will be asked.  The kernel frees a watch after a grace period
 * of milliseconds, for which close waits; said a moment earlier, it does not.
 */
void watch_end(int fd);

#endif
