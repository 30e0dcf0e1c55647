/*
 * net_main: the net process, from fork to exit.  See sandbox/netmsg.h.
 */
#ifndef PROXY_NET_MAIN_H
#define PROXY_NET_MAIN_H

/* `sock` is its end of the pair with ctl.  Returns the exit status. */
int net_main(int sock);

#endif
