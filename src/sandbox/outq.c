#include "sandbox/outq.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct outq_item {
	struct outq_item *next;
	size_t n;
	int fds[FD_MSG_MAX];
	unsigned nfds;
	char msg[];
};

void
outq_init(struct outq *q)
{
	*q = (struct outq) { .tail = &q->head };
}

static void
item_free(struct outq_item *it)
{
	while (it->nfds > 0)
		fd_close(&it->fds[--it->nfds]);
	free(it);
}

void
outq_fini(struct outq *q)
{
	while (q->head != NULL) {
		struct outq_item *it = q->head;

		q->head = it->next;
		item_free(it);
	}
	outq_init(q);
}

int
outq_push(struct outq *q, const void *msg, size_t n, const int *fds,
    unsigned nfds, struct err *e)
{
	struct outq_item *it = mem_calloc(1, sizeof(*it) + n);

	it->n = n;
	memcpy(it->msg, msg, n);
	for (unsigned i = 0; i < nfds && i < FD_MSG_MAX; i++) {
		it->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (it->fds[i] < 0) {
			item_free(it);
			return err_sys(e, "duplicate descriptor");
		}
		it->nfds++;
	}
	*q->tail = it;
	q->tail = &it->next;
	q->n++;
	q->bytes += n;
	return 0;
}

int
outq_flush(struct outq *q, int sock, struct err *e)
{
	while (q->head != NULL) {
		struct outq_item *it = q->head;

		if (fd_send(sock, it->msg, it->n, it->fds, it->nfds, e) < 0)
			return e->code == ERR_AGAIN ? 0 : -1;
		q->head = it->next;
		if (q->head == NULL)
			q->tail = &q->head;
		q->n--;
		q->bytes -= it->n;
		item_free(it);
	}
	return 0;
}
