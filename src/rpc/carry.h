/*
 * carry: connections to registered middlewares, for a proxy that may open
 * nothing and is to hold no key.
 *
 *	proxy <-SOCK_SEQPACKET-> carrier process
 *	      <-socketpair-> one process a connection <-TLS, TCP, Unix-> service
 *
 * The proxy asks for a service by name and gets a descriptor on which it speaks
 * HTTP/2 in the clear; what is secret of the way there stays with the carrier,
 * which is a child of whoever made the sandbox.  It ends when the proxy's end
 * of its socket is closed, wherever that is held.
 */
#ifndef RPC_CARRY_H
#define RPC_CARRY_H

#include <stdint.h>

#include "rpc/services.h"

enum { CARRY_LIVE_MAX = 24 }; /* connections at a time; more are refused */

struct carry_ask {
	uint32_t id; /* echoed */
	char name[SERVICE_NAME_MAX + 4];
};

struct carry_answer {
	uint32_t id;
	uint32_t timeout_ms; /* of one evaluation */
	uint32_t ok; /* a descriptor comes along */
	char why[256]; /* else */
};

/*
 * Starts the carrier; *fd is the end that goes to the proxy, the caller's.
 * Copies what it needs of `s`.  -1 in *fd when nothing is registered.
 */
int carry_start(const struct services *s, int *fd, struct err *e) MUST_USE;

/* --- within the folder ---------------------------------------------------- */

/* carry_way.c: blocking, in a process of its own; *ssl NULL without TLS. */
struct ssl_st;
int carry_dial(const struct service *v, int *fd, struct ssl_st **ssl,
    struct err *e) MUST_USE;
/* Moves bytes until one side has ended. */
void carry_relay(int local, int fd, struct ssl_st *ssl);

#endif
