/* ask: questions to the gateway, over the connection of the session. */
#include <stdlib.h>

#include "base/mem.h"
#include "keeper/impl.h"

struct ask {
	struct keeper *k;
	rpc_ask_done *done;
	void *ctx;
};

static void
on_done(
    void *ctx, enum rpc_code code, ProtobufCMessage **answer, const char *text)
{
	struct ask *a = ctx;

	a->k->n_asks--;
	a->done(a->ctx, code, answer, text);
	free(a);
}

int
keeper_ask(struct keeper *k, const char *method, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *answer, rpc_ask_done *done, void *ctx,
    struct err *e)
{
	AUTO_FREE char *path = mem_printf("/openshell.v1.OpenShell/%s", method);
	struct ask *a;

	if (!link_is_up(k))
		return err_set(e, ERR_AGAIN, "the gateway is not there now");
	if (k->n_asks == KEEPER_ASKS_MAX)
		return err_set(e, ERR_LIMIT,
		    "%d questions wait for the gateway's answer already",
		    (int)KEEPER_ASKS_MAX);
	a = NEW(struct ask);
	*a = (struct ask) { k, done, ctx };
	k->n_asks++;
	(void)rpc_ask_new(
	    k->client, path, m, answer, KEEPER_ASK_MS, on_done, a);
	return 0;
}
