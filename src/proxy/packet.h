/*
 * packet: where a datagram that the sandbox's nf_tables logged was going.
 *
 * The messages are the kernel's (nfnetlink_log), the packet in them is the
 * sandbox's.  Pure; no I/O.
 */
#ifndef PROXY_PACKET_H
#define PROXY_PACKET_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/addr.h"

enum { PACKET_MSG_MAX = 8192 }; /* one message; what the kernel cut is less */

struct packet {
	struct addr src, dst;
	uint16_t sport, dport; /* 0 when there are none */
	uint8_t protocol; /* IPPROTO_ */
};

/*
 * The next packet of *msgs, which moves on past it.  1; 0 at the end; -1 when
 * the message is not whole, and nothing more can be read from *msgs.  What is
 * no packet, or one that cannot be read, is left out.
 */
int packet_next(struct view *msgs, struct packet *out, struct err *e) MUST_USE;

#endif
