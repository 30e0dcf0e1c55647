/*
 * ctl: the supervisor's host-side process.  It owns one sandbox from SPEC to
 * the end of the session, starts the processes that build it (spawn) and that
 * meet the network (net), and decides nothing about traffic itself.
 */
#ifndef SANDBOX_CTL_H
#define SANDBOX_CTL_H

#include "sandbox/netmsg.h"

/* "openshell-sandbox ctl" finds the owner's session socket here. */
enum { CTL_SOCK = 3 };

/*
 * The whole life of the process; returns its exit status.  `net_main` is what
 * the forked net process runs.
 */
int ctl_main(net_main_fn *net_main);

#endif
