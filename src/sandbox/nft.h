/*
 * nft: the one nf_tables rule set of a sandbox's network namespace, sent as
 * raw netlink in one atomic batch (no nft program, no library).
 */
#ifndef SANDBOX_NFT_H
#define SANDBOX_NFT_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/*
 * Appends the batch to `b`: port 53 of whatever address, and TCP that is
 * neither to loopback nor to proxy:proxy_port, is redirected to capture_port,
 * IPv4 and IPv6 alike.  Returns the number of acknowledgements to expect.
 */
unsigned nft_batch(struct buf *b, struct in_addr proxy, uint16_t proxy_port,
    uint16_t capture_port);
/* Sends it in the current network namespace; needs CAP_NET_ADMIN there. */
int nft_capture(struct in_addr proxy, uint16_t proxy_port,
    uint16_t capture_port, struct err *e) MUST_USE;

/* The batch that logs datagrams to elsewhere, after nft_batch. */
unsigned nft_log_batch(struct buf *b, uint16_t capture_port);
/*
 * Sends it; *out is the caller's: a non-blocking socket from which the
 * beginnings of these datagrams can be read (proxy/packet.h), by whoever holds
 * it and without any right.
 */
int nft_log(uint16_t capture_port, int *out, struct err *e) MUST_USE;

#endif
