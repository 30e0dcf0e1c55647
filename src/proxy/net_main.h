/*
 * net_main: the net process, from fork to exit.  See sandbox/netmsg.h.
 */
#ifndef PROXY_NET_MAIN_H
#define PROXY_NET_MAIN_H

#include "sandbox/netmsg.h"

/*
 * `sock` is its end of the pair with ctl; `late` is shared with it (NULL: no
 * record waits).  Returns the exit status.
 */
int net_main(int sock, struct net_late *late);

#endif
