/* sendq: messages of one call that wait for the peer's window. */
#ifndef RPC_SENDQ_H
#define RPC_SENDQ_H

#include "rpc/rpc.h"

struct rpc_sendq {
	struct buf bytes; /* [at, n) waits */
	size_t at;
	bool above; /* was above RPC_HIGH_WATER, and not drained since */
};

void rpc_sendq_init(struct rpc_sendq *q);
void rpc_sendq_fini(struct rpc_sendq *q);
/* False when there is no room; then it is full until it is cleared. */
bool rpc_sendq_put(struct rpc_sendq *q, const ProtobufCMessage *m) MUST_USE;
void rpc_sendq_clear(struct rpc_sendq *q);
/* Bytes that wait. */
size_t rpc_sendq_n(const struct rpc_sendq *q);
/* Moves up to `max` of them. */
size_t rpc_sendq_take(struct rpc_sendq *q, uint8_t *to, size_t max);
/* True once for each time that it fell below RPC_LOW_WATER again. */
bool rpc_sendq_drained(struct rpc_sendq *q);

#endif
