/* jail: what a minter gives up before it reads a byte of a stranger. */
#ifndef MINTER_JAIL_H
#define MINTER_JAIL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"

/*
 * From here on this process opens only what it needs to find and to trust a
 * server, for reading: hosts(5), resolv.conf(5), the system's roots, `ca_files`
 * (up to NULL; empty ones are passed over).  It writes no file, dumps none of
 * its memory, gains no privilege, starts no program and no process, and makes
 * no socket but TCP's and UDP's, and Unix ones where `unix_sockets` says so.
 * Cannot be undone.  On a kernel without landlock(7) the files are not closed
 * to it; the rest is an error when it cannot be put in place.
 */
int minter_jail(
    const char *const ca_files[], bool unix_sockets, struct err *e) MUST_USE;

#endif
