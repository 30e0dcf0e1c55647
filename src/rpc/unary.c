/* unary: one question and its answer, while the loop runs. */
#include <string.h>

#include "rpc/frames.h"

struct wait {
	ProtobufCMessage *answer;
	bool done;
	enum rpc_code code;
	char text[RPC_STATUS_MAX];
};

static void
on_done(
    void *ctx, enum rpc_code code, ProtobufCMessage **answer, const char *text)
{
	struct wait *w = ctx;

	w->done = true;
	w->code = code;
	if (answer != NULL)
		w->answer = take_ptr(*answer);
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
	struct wait w = { 0 };

	(void)rpc_ask_new(c, path, m, answer_type, deadline_ms, on_done, &w);
	while (!w.done)
		(void)uv_run(rpc_client_loop(c), UV_RUN_ONCE);
	if (code != NULL)
		*code = w.code;
	if (w.code != RPC_OK)
		return err_set(e, err_of(w.code), "%.400s (%s)",
		    w.text[0] != '\0' ? w.text : "failed",
		    rpc_code_name(w.code));
	*answer = w.answer;
	return 0;
}
