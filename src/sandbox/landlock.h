/*
 * landlock: a ruleset built once, entered by every process of the sandbox
 * (landlock(7)).  The second wall: what the mount table already refuses is
 * refused again, and abstract sockets and signals end at the sandbox.
 */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include <stdint.h>

#include "sandbox/spawn.h"

/* ABI of the running kernel; 0 when Landlock is absent or switched off. */
int landlock_abi(void);
/* File system rights that a kernel of this ABI knows. */
uint64_t landlock_rights(int abi);
/* Of `rights`, those the kernel accepts on something of st_mode `mode`. */
uint64_t landlock_mask(uint64_t rights, unsigned mode);

/*
 * Builds the ruleset from paths as seen from the current root.  *fd is the
 * caller's, or -1 where there is no Landlock and hard is false.  A hard plan
 * fails on ABI < 3 and on any rule that cannot be made.
 */
int landlock_build(const struct sbx_rule *rules, size_t n, bool hard, int *fd,
    int *abi, struct err *e) MUST_USE;
/*
 * A file that is handed over as an output may be opened anew for writing, as
 * programs do through /dev/stdout; no more than its descriptor can do already.
 * Anything but a regular file is left alone.
 */
void landlock_add_output(int ruleset, int fd);
/* Enters; irrevocable.  0, or -1 with errno. */
int landlock_enter(int fd);

#endif
