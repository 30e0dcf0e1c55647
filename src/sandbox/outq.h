/*
 * outq: messages for a peer that does not read just now.  Order is kept; the
 * caller watches `bytes` and stops taking more work from where it comes from,
 * so that nothing is dropped and nothing grows without bound.
 */
#ifndef SANDBOX_OUTQ_H
#define SANDBOX_OUTQ_H

#include "base/err.h"
#include "base/fd.h"

struct outq_item;
struct outq {
	struct outq_item *head, **tail;
	size_t n, bytes;
};

void outq_init(struct outq *q);
void outq_fini(struct outq *q);
/* Copies the message; descriptors are duplicated. */
int outq_push(struct outq *q, const void *msg, size_t n, const int *fds,
    unsigned nfds, struct err *e) MUST_USE;
/* Sends what the socket takes; 0 also when some is left. */
int outq_flush(struct outq *q, int sock, struct err *e) MUST_USE;

#endif
