/*
 * allowlist: the system call filter of a process of ours that reads bytes of
 * strangers and needs nothing but sockets (seccomp(2)).  What is not on the
 * list is refused with EPERM; to execute, fork or trace ends the process.
 */
#ifndef SANDBOX_ALLOWLIST_H
#define SANDBOX_ALLOWLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

struct allowlist {
	const int *more; /* numbers (syscalls(2)), beside what all need */
	size_t n_more;
	bool unix_sockets; /* beside TCP and UDP over IPv4 and IPv6 */
};

/*
 * For the calling process, which has one thread and set no_new_privs
 * (PR_SET_NO_NEW_PRIVS).  Cannot be undone.
 */
int allowlist_enter(const struct allowlist *a, struct err *e) MUST_USE;

#endif
