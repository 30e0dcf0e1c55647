/*
 * reach_ready: a sandbox that is just starting, or whose supervisor dials a
 * gateway that was restarted, is waited for before it is asked anything.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/reach.h"

#define PHASE(p) OPENSHELL__DATAMODEL__V1__SANDBOX_PHASE__SANDBOX_PHASE_##p

enum { READY_MS = 30000, SAY_MS = 1000 };

struct wait {
	struct cli *c;
	const char *name;
	uv_timer_t say;
	bool over;
};

/* Most waits are over before anybody would wonder. */
static void
on_say(uv_timer_t *t)
{
	struct wait *w = t->data;
	AUTO_BUF struct buf b = BUF_INIT(1024);

	buf_printf(&b, "%s Waiting for sandbox %s to be ready...\n",
	    w->c->utf8 ? "•" : "*", w->name);
	cli_note(w->c, &b);
}

/* The stream ends by itself when it is ready, or failed. */
static void
on_message(void *ctx UNUSED, const ProtobufCMessage *m UNUSED)
{
}

static void
on_closed(void *ctx, enum rpc_code code UNUSED, const char *text UNUSED)
{
	struct wait *w = ctx;

	w->over = true;
}

static void
wait_ready(struct cli *c, struct reach *r, const char *name, char *id)
{
	Openshell__V1__WatchSandboxRequest q =
	    OPENSHELL__V1__WATCH_SANDBOX_REQUEST__INIT;
	struct wait w = { .c = c, .name = name };
	const struct rpc_out_hooks hooks = {
		.message = on_message, .closed = on_closed, .ctx = &w
	};
	struct rpc_out *o;

	q.id = id;
	q.follow_status = q.stop_on_terminal = true;
	o = rpc_out_new(reach_rpc(r), "/openshell.v1.OpenShell/WatchSandbox",
	    &openshell__v1__sandbox_stream_event__descriptor, &hooks, READY_MS);
	rpc_out_send(o, &q.base);
	rpc_out_end(o);
	(void)uv_timer_init(reach_loop(r), &w.say);
	w.say.data = &w;
	(void)uv_timer_start(&w.say, on_say, SAY_MS, 0);
	while (!w.over)
		(void)uv_run(reach_loop(r), UV_RUN_ONCE);
	uv_close((uv_handle_t *)&w.say, NULL);
	(void)uv_run(reach_loop(r), UV_RUN_NOWAIT);
}

char *
reach_ready_id(struct cli *c, struct reach *r, const char *name, struct err *e)
{
	Openshell__Datamodel__V1__Sandbox *s = NULL;
	char *id;

	if (reach_find(r, name, &s, e) < 0)
		return NULL;
	id = mem_strdup(s->id);
	/* Whatever comes of it, what is asked next says. */
	if (s->phase == PHASE(PROVISIONING) || s->phase == PHASE(UNKNOWN))
		wait_ready(c, r, name, id);
	openshell__datamodel__v1__sandbox__free_unpacked(s, NULL);
	return id;
}
