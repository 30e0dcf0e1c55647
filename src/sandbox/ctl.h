/*
 * ctl: the supervisor's host-side process.  It owns one sandbox from SPEC to
 * the end of the session, starts the processes that build it (spawn) and that
 * meet the network (net), and decides nothing about traffic itself.
 *
 * "openshell-sandbox ctl" is started by an owner (session_spawn), never by a
 * person: the session's socket is descriptor CTL_SOCK, and the end of that
 * session is the end of the process and of the sandbox.
 */
#ifndef SANDBOX_CTL_H
#define SANDBOX_CTL_H

#include "sandbox/netmsg.h"

enum { CTL_SOCK = 3 };

/* NULL-terminated: what ctl may know of its owner's environment. */
extern const char *const ctl_environment[];

/*
 * The whole life of the process; returns its exit status.  `net_main` is what
 * the forked net process runs.
 */
int ctl_main(net_main_fn *net_main);

#endif
