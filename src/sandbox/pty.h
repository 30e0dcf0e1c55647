/*
 * pty: terminals of a sandbox, allocated in its own devpts (pts(4)); the
 * host's terminal is never shared.
 */
#ifndef SANDBOX_PTY_H
#define SANDBOX_PTY_H

#include <stdint.h>

#include "base/err.h"

/* Both ends close-on-exec and the caller's. */
int pty_open(uint16_t rows, uint16_t cols, int *master, int *slave,
    struct err *e) MUST_USE;
/* SIGWINCH to the foreground group comes from the kernel. */
int pty_resize(
    int master, uint16_t rows, uint16_t cols, struct err *e) MUST_USE;

#endif
