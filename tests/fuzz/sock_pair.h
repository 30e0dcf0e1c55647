/*
 * sock_pair: what a target needs to send a message over a real socket: the two
 * ends, and a descriptor to send along.  Made once, never closed.
 */
#ifndef FUZZ_SOCK_PAIR_H
#define FUZZ_SOCK_PAIR_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

static int sock_pair[2] = { -1, -1 }, sock_null = -1;

static void
sock_pair_open(void)
{
	if (sock_null >= 0)
		return;
	sock_null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (sock_null < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, sock_pair) < 0)
		abort();
}

#endif
