#include "rpc/sendq.h"

#include <string.h>

enum { SENDQ_MAX = 64 << 20 };

void
rpc_sendq_init(struct rpc_sendq *q)
{
	*q = (struct rpc_sendq) { .bytes = BUF_INIT(SENDQ_MAX) };
}

void
rpc_sendq_fini(struct rpc_sendq *q)
{
	buf_fini(&q->bytes);
}

bool
rpc_sendq_put(struct rpc_sendq *q, const ProtobufCMessage *m)
{
	rpc_frame_put(&q->bytes, m);
	if (q->bytes.full)
		return false;
	if (rpc_sendq_n(q) >= RPC_HIGH_WATER)
		q->above = true;
	return true;
}

void
rpc_sendq_clear(struct rpc_sendq *q)
{
	buf_reset(&q->bytes);
	q->at = 0;
}

size_t
rpc_sendq_n(const struct rpc_sendq *q)
{
	return q->bytes.n - q->at;
}

size_t
rpc_sendq_take(struct rpc_sendq *q, uint8_t *to, size_t max)
{
	size_t n = MIN(max, rpc_sendq_n(q));

	if (n > 0)
		memcpy(to, q->bytes.p + q->at, n);
	q->at += n;
	if (q->at == q->bytes.n) {
		q->at = 0;
		if (q->bytes.cap > RPC_HIGH_WATER)
			buf_fini(&q->bytes);
		else
			buf_reset(&q->bytes);
	} else if (q->at > RPC_HIGH_WATER) {
		buf_drop(&q->bytes, q->at);
		q->at = 0;
	}
	return n;
}

bool
rpc_sendq_drained(struct rpc_sendq *q)
{
	if (!q->above || rpc_sendq_n(q) >= RPC_LOW_WATER)
		return false;
	q->above = false;
	return true;
}
