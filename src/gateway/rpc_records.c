/*
 * rpc_records: GetSandboxRecords, the stored records of a sandbox as they are.
 *
 * All files are opened at the start, so that one which the keeper lets go
 * meanwhile is still sent.  The head goes first: what is stored after it was
 * told can only be more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/gw.h"

enum { PIECE = 65536, QUEUE_MAX = 1 << 20, FILES_MAX = 64 };

struct records {
	struct call_data data;
	struct rpc_call *call;
	int fds[FILES_MAX];
	size_t n, at;
	bool over;
	char piece[PIECE];
};

static void
on_closed(struct rpc_call *c, enum rpc_code why UNUSED)
{
	struct records *r = rpc_call_data(c);

	for (size_t i = 0; i < r->n; i++)
		fd_close(&r->fds[i]);
	free(r);
}

/* Bytes of the next piece; 0 at the end, -1 with errno. */
static ssize_t
read_piece(struct records *r)
{
	while (r->at < r->n) {
		ssize_t n = read(r->fds[r->at], r->piece, PIECE);

		if (n > 0 || (n < 0 && errno != EINTR))
			return n;
		if (n == 0)
			r->at++;
	}
	return 0;
}

static void
send_more(struct rpc_call *c)
{
	struct records *r = rpc_call_data(c);
	Openshell__V1__SandboxRecords m = OPENSHELL__V1__SANDBOX_RECORDS__INIT;

	while (!r->over && rpc_queued(c) < QUEUE_MAX) {
		ssize_t n = read_piece(r);

		if (n <= 0) {
			r->over = true;
			rpc_finish(c, n < 0 ? RPC_INTERNAL : RPC_OK, "%s",
			    n < 0 ? "the records cannot be read" : "");
			return;
		}
		m.data.data = (uint8_t *)r->piece;
		m.data.len = (size_t)n;
		rpc_send(c, &m.base);
	}
}

static const struct call_ops ops = { .drained = send_more,
	.closed = on_closed };

static int
is_records(const struct dirent *d)
{
	return view_ends(view_of(d->d_name), VIEW(".jsonl"));
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names have a fixed width, so that their order is that of the numbers. */
static int
open_files(struct records *r, int dirfd, struct err *e)
{
	struct dirent **names = NULL;
	int n = scandirat(dirfd, ".", &names, is_records, by_name);

	if (n < 0)
		return err_sys(e, "read the records");
	for (int i = 0; i < n; i++) {
		int fd = r->n < FILES_MAX
			     ? openat(dirfd, names[i]->d_name,
				   O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
			     : -1;

		/* Let go since it was listed. */
		if (fd >= 0)
			r->fds[r->n++] = fd;
		free(names[i]);
	}
	free(names);
	return 0;
}

static void
send_head(struct rpc_call *c, struct sbx *s)
{
	Openshell__V1__SandboxRecords m = OPENSHELL__V1__SANDBOX_RECORDS__INIT;
	Openshell__V1__RecordHead head = OPENSHELL__V1__RECORD_HEAD__INIT;
	const struct store_head *h = records_known(s);

	head.seq = h->seq;
	head.hash = (char *)(uintptr_t)h->hash;
	m.head = &head;
	rpc_send(c, &m.base);
}

void
rpc_GetSandboxRecords(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetSandboxRecordsRequest *m = (const void *)msg;
	struct sbx *s = gw_need_id(c, m->sandbox_id, "sandbox_id");
	AUTO_CLOSE int dirfd = -1;
	struct records *r;
	struct err e;

	if (s == NULL)
		return;
	if (s->g->driver->records(s->g->drv, s->id, &dirfd, &e) < 0) {
		rpc_finish(c,
		    e.code == ERR_NOT_FOUND ? RPC_NOT_FOUND : RPC_INTERNAL,
		    "%s", e.text);
		return;
	}
	r = NEW(struct records);
	r->data.ops = &ops;
	r->call = c;
	if (open_files(r, dirfd, &e) < 0) {
		LOG_WARN("RECORDS_OPEN", KV_STR("sandbox", s->name),
		    KV_STR("reason", e.text));
		free(r);
		rpc_finish(c, RPC_INTERNAL, "the records cannot be read");
		return;
	}
	rpc_call_set_data(c, r);
	send_head(c, s);
	send_more(c);
}
