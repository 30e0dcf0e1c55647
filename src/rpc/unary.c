/* unary: one question and its answer, while the loop runs. */
#include <string.h>

#include "rpc/frames.h"

struct wait {
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *answer;
	bool done;
	enum rpc_code code;
	char text[RPC_STATUS_MAX];
};

/* The message is borrowed: kept as a copy of its bytes. */
static void
on_message(void *ctx, const ProtobufCMessage *m)
{
	struct wait *w = ctx;
	AUTO_BUF struct buf b = BUF_INIT(64 << 20);
	size_t n = protobuf_c_message_get_packed_size(m);

	if (w->answer != NULL || !buf_reserve(&b, n))
		return;
	(void)protobuf_c_message_pack(m, (uint8_t *)b.p);
	w->answer =
	    protobuf_c_message_unpack(w->type, NULL, n, (const uint8_t *)b.p);
}

static void
on_closed(void *ctx, enum rpc_code code, const char *text)
{
	struct wait *w = ctx;

	w->done = true;
	w->code = code;
	(void)snprintf(w->text, sizeof(w->text), "%s", text);
}

/* The nearest of ours, for callers that look at e->code. */
static enum err_code
err_of(enum rpc_code code)
{
	static const enum err_code rows[] = {
		[RPC_INVALID_ARGUMENT] = ERR_INVALID,
		[RPC_NOT_FOUND] = ERR_NOT_FOUND,
		[RPC_ALREADY_EXISTS] = ERR_EXISTS,
		[RPC_PERMISSION_DENIED] = ERR_DENIED,
		[RPC_UNAUTHENTICATED] = ERR_DENIED,
		[RPC_RESOURCE_EXHAUSTED] = ERR_LIMIT,
		[RPC_UNAVAILABLE] = ERR_AGAIN,
		[RPC_DEADLINE_EXCEEDED] = ERR_AGAIN,
	};

	if ((size_t)code < ARRAY_LEN(rows) && rows[code] != ERR_NONE)
		return rows[code];
	return ERR_IO;
}

int
rpc_unary(struct rpc_client *c, const char *path, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *answer_type, ProtobufCMessage **answer,
    unsigned deadline_ms, enum rpc_code *code, struct err *e)
{
	struct wait w = { .type = answer_type };
	const struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = &w
	};
	struct rpc_out *o =
	    rpc_out_new(c, path, answer_type, &hooks, deadline_ms);

	rpc_out_send(o, m);
	rpc_out_end(o);
	while (!w.done)
		(void)uv_run(rpc_client_loop(c), UV_RUN_ONCE);
	if (code != NULL)
		*code = w.code;
	if (w.code == RPC_OK && w.answer != NULL) {
		*answer = w.answer;
		return 0;
	}
	if (w.answer != NULL)
		protobuf_c_message_free_unpacked(w.answer, NULL);
	if (w.code == RPC_OK)
		return err_set(e, ERR_PROTO, "the server sent no answer");
	return err_set(e, err_of(w.code), "%.400s (%s)",
	    w.text[0] != '\0' ? w.text : "failed", rpc_code_name(w.code));
}
