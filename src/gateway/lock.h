/*
 * lock: one gateway a state directory.
 *
 * The daemon holds gateway.pid locked (flock) for life; its content is its pid
 * and says nothing without the lock.
 */
#ifndef GATEWAY_LOCK_H
#define GATEWAY_LOCK_H

#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * *fd holds the lock while it is open.  ERR_EXISTS naming the pid when another
 * holds it; ERR_DENIED for a file that is another user's or no plain file.
 */
int lock_take(const char *path, int *fd, struct err *e) MUST_USE;

#endif
