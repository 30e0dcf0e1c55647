/*
 * selfbox: the net process gives up everything it does not need, before the
 * first hostile byte: identity, dumps, files, programs, other processes.
 */
#ifndef PROXY_SELFBOX_H
#define PROXY_SELFBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * When running as uid 0, becomes uid:gid first, or, when those are 0 as well
 * (a user namespace with a single id), drops every capability.  Then
 * non-dumpable, no_new_privs, rlimits, Landlock without any path (landlock(7)),
 * and a seccomp allow-list (seccomp(2)).  Cannot be undone. Anything that
 * cannot be put in place is an error, but for Landlock on a kernel without:
 * the caller must end.  *files is how many descriptors may be open then.
 */
int selfbox_enter(
    uint32_t uid, uint32_t gid, uint64_t *files, struct err *e) MUST_USE;

#endif
