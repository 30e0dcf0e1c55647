/* rpc_logs: GetSandboxLogs and PushSandboxLogs. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/gw.h"

enum { LINES = LOGBUS_LINES, BATCH_MAX = 100 };

struct gather {
	struct logbus_filter f;
	Openshell__V1__SandboxLogLine **v;
	size_t n, seen;
};

static void
each(void *ctx, const Openshell__V1__SandboxLogLine *line)
{
	struct gather *g = ctx;

	g->seen++;
	if (logbus_passes(&g->f, line))
		g->v[g->n++] = (Openshell__V1__SandboxLogLine *)(uintptr_t)line;
}

void
rpc_GetSandboxLogs(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__GetSandboxLogsRequest *m = (const void *)msg;
	Openshell__V1__GetSandboxLogsResponse r =
	    OPENSHELL__V1__GET_SANDBOX_LOGS_RESPONSE__INIT;
	struct gather g = { .f = { .since_ms = m->since_ms,
				.sources = m->sources,
				.n_sources = m->n_sources } };
	struct sbx *s;

	if (m->sandbox_id[0] == '\0') {
		rpc_finish(c, RPC_INVALID_ARGUMENT, "sandbox_id is required");
		return;
	}
	s = gw_by_id(gw_of(c), m->sandbox_id);
	g.f.min_level = m->min_level;
	g.v = mem_calloc(LINES + 1, sizeof(*g.v));
	if (s != NULL)
		logbus_tail(&s->log, m->lines > 0 ? m->lines : LINES, each, &g);
	r.n_logs = g.n;
	r.logs = g.v;
	r.buffer_total = (uint32_t)g.seen;
	rpc_answer(c, &r.base);
	free(g.v);
}

struct push {
	struct call_data data;
	char id[64]; /* whose lines these may be */
};

static void
push_message(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__PushSandboxLogsRequest *m = (const void *)msg;
	struct push *p = rpc_call_data(c);
	struct sbx *s;

	if (m->sandbox_id[0] == '\0')
		return;
	if (strcmp(m->sandbox_id, p->id) != 0) {
		rpc_finish(c, RPC_PERMISSION_DENIED,
		    "cannot push another sandbox's logs");
		return;
	}
	s = gw_by_id(gw_of(c), p->id);
	if (s == NULL) {
		rpc_finish(c, RPC_NOT_FOUND, "sandbox not found");
		return;
	}
	for (size_t i = 0; i < MIN(m->n_logs, (size_t)BATCH_MAX); i++) {
		Openshell__V1__SandboxLogLine line = *m->logs[i];
		const Openshell__V1__SandboxLogLine *kept;

		line.source = (char[]) { "sandbox" };
		line.sandbox_id = s->id;
		kept = logbus_add(&s->log, &line);
		if (kept != NULL)
			watch_log(s, kept);
	}
}

static void
push_half_closed(struct rpc_call *c)
{
	Openshell__V1__PushSandboxLogsResponse r =
	    OPENSHELL__V1__PUSH_SANDBOX_LOGS_RESPONSE__INIT;

	rpc_answer(c, &r.base);
}

static void
push_closed(struct rpc_call *c, enum rpc_code why UNUSED)
{
	free(rpc_call_data(c));
}

static const struct call_ops push_ops = { push_message, push_half_closed, NULL,
	push_closed };

void
rpc_PushSandboxLogs(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	struct push *p = NEW(struct push);
	struct caller who;

	gw_caller(c, &who);
	p->data.ops = &push_ops;
	(void)snprintf(p->id, sizeof(p->id), "%s", who.sandbox);
	rpc_call_set_data(c, p);
}
