/* ask: one question and its answer, told when it is there. */
#include <stdlib.h>

#include "base/mem.h"
#include "rpc/frames.h"

enum { ANSWER_MAX = 64 << 20 };

struct rpc_ask {
	struct rpc_out *out;
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *answer;
	rpc_ask_done *done;
	void *ctx;
};

static void
ask_free(struct rpc_ask *a)
{
	if (a->answer != NULL)
		protobuf_c_message_free_unpacked(a->answer, NULL);
	free(a);
}

/* The message is borrowed: kept as a copy of its bytes. */
static void
on_message(void *ctx, const ProtobufCMessage *m)
{
	struct rpc_ask *a = ctx;
	AUTO_BUF struct buf b = BUF_INIT(ANSWER_MAX);
	size_t n = protobuf_c_message_get_packed_size(m);

	if (a->answer != NULL || !buf_reserve(&b, n))
		return;
	(void)protobuf_c_message_pack(m, (uint8_t *)b.p);
	a->answer =
	    protobuf_c_message_unpack(a->type, NULL, n, (const uint8_t *)b.p);
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct rpc_ask *a = ctx;

	a->out = NULL;
	if (code == RPC_OK && a->answer == NULL)
		a->done(
		    a->ctx, RPC_INTERNAL, NULL, "the server sent no answer");
	else
		a->done(a->ctx, code, code == RPC_OK ? &a->answer : NULL, text);
	ask_free(a);
}

struct rpc_ask *
rpc_ask_new(struct rpc_client *c, const char *path, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *answer_type, unsigned deadline_ms,
    rpc_ask_done *done, void *ctx)
{
	struct rpc_ask *a = NEW(struct rpc_ask);
	const struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = a
	};

	a->type = answer_type;
	a->done = done;
	a->ctx = ctx;
	a->out = rpc_out_new(c, path, answer_type, &hooks, deadline_ms);
	rpc_out_send(a->out, m);
	rpc_out_end(a->out);
	return a;
}

void
rpc_ask_cancel(struct rpc_ask *a)
{
	if (a == NULL)
		return;
	rpc_out_cancel(a->out);
	ask_free(a);
}
