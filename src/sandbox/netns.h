/*
 * netns: the sandbox's own network: lo alone, every address local, the
 * listeners of proxy and DNS (rtnetlink(7)).
 */
#ifndef SANDBOX_NETNS_H
#define SANDBOX_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct netns {
	int proxy, capture, dns, packets, diag; /* -1: none */
	bool captured; /* the redirects to `capture` and `dns` stand */
};

/*
 * Sets up the network namespace we are in and makes the sockets, all
 * non-blocking and close-on-exec.  Without nf_tables everything but capture,
 * DNS and the log of refused packets holds: `why` (of size n) then says what
 * is missing.
 */
int netns_setup(struct netns *ns, const char *addr, uint16_t proxy_port,
    uint16_t capture_port, char *why, size_t n, struct err *e) MUST_USE;

#endif
