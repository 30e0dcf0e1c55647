/* jail: what a minter gives up before it reads a byte of a stranger. */
#ifndef MINTER_JAIL_H
#define MINTER_JAIL_H

#include "base/err.h"
#include "base/macros.h"

/*
 * From here on this process opens only what it needs to find and to trust a
 * server, for reading: hosts(5), resolv.conf(5), the system's roots, `ca_files`
 * (up to NULL; empty ones are passed over).  It writes no file, dumps none of
 * its memory, and gains no privilege.  Cannot be undone.  On a kernel without
 * landlock(7) the files are not closed to it; the rest is an error when it
 * cannot be put in place.
 */
int minter_jail(const char *const ca_files[], struct err *e) MUST_USE;

#endif
