/*
 * watch: WatchSandbox.  A watcher that does not read is told how much it
 * missed, and dropped when that grows; it never holds up a sandbox.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/gw.h"

typedef Openshell__V1__SandboxStreamEvent event_msg;

enum {
	QUEUE_MAX = 1 << 20,
	DROPPED_MAX = 10000,
	LOG_TAIL = 200,
	EVENT_TAIL = LOGBUS_EVENTS
};

struct watch {
	struct call_data data;
	struct rpc_call *call;
	struct sbx *sbx;
	struct watch *next, *prev;
	bool status, logs, events, until_ready;
	char **sources;
	size_t n_sources;
	char *min_level;
	uint64_t dropped;
	bool over;
};

static void
unlink_watch(struct watch *w)
{
	if (w->sbx == NULL)
		return;
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		w->sbx->watchers = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->sbx = NULL;
}

static void
on_closed(struct rpc_call *c, enum rpc_code why UNUSED)
{
	struct watch *w = rpc_call_data(c);

	unlink_watch(w);
	for (size_t i = 0; i < w->n_sources; i++)
		free(w->sources[i]);
	free(w->sources);
	free(w->min_level);
	free(w);
}

/* false: there is no room, and the watcher knows or will. */
static bool
push(struct watch *w, const event_msg *ev)
{
	if (w->over)
		return false;
	if (rpc_queued(w->call) < QUEUE_MAX && w->dropped == 0) {
		rpc_send(w->call, &ev->base);
		return true;
	}
	if (++w->dropped <= DROPPED_MAX)
		return false;
	w->over = true;
	rpc_finish(w->call, RPC_RESOURCE_EXHAUSTED,
	    "watch stream lagged; dropped %llu messages",
	    (unsigned long long)w->dropped);
	return false;
}

static void
on_drained(struct rpc_call *c)
{
	struct watch *w = rpc_call_data(c);
	Openshell__V1__SandboxStreamWarning warning =
	    OPENSHELL__V1__SANDBOX_STREAM_WARNING__INIT;
	event_msg ev = OPENSHELL__V1__SANDBOX_STREAM_EVENT__INIT;
	char text[96];

	if (w->dropped == 0 || w->over)
		return;
	(void)snprintf(text, sizeof(text),
	    "%llu messages were dropped: this reader was too slow",
	    (unsigned long long)w->dropped);
	w->dropped = 0;
	warning.message = text;
	ev.payload_case = OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_WARNING;
	ev.warning = &warning;
	rpc_send(c, &ev.base);
	if (w->sbx != NULL && w->status)
		watch_sandbox(w->sbx);
}

static const struct call_ops ops = { .drained = on_drained,
	.closed = on_closed };

static void
send_snapshot(struct watch *w)
{
	event_msg ev = OPENSHELL__V1__SANDBOX_STREAM_EVENT__INIT;

	ev.payload_case = OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_SANDBOX;
	ev.sandbox = w->sbx->msg;
	(void)push(w, &ev);
	if (w->until_ready && !w->over &&
	    (w->sbx->msg->phase == PHASE(READY) ||
		w->sbx->msg->phase == PHASE(ERROR))) {
		w->over = true;
		rpc_finish(w->call, RPC_OK, NULL);
	}
}

static void
send_log(void *ctx, const Openshell__V1__SandboxLogLine *line)
{
	struct watch *w = ctx;
	const struct logbus_filter f = { .sources = w->sources,
		.n_sources = w->n_sources,
		.min_level = w->min_level };
	event_msg ev = OPENSHELL__V1__SANDBOX_STREAM_EVENT__INIT;

	if (!logbus_passes(&f, line))
		return;
	ev.payload_case = OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_LOG;
	ev.log = (Openshell__V1__SandboxLogLine *)(uintptr_t)line;
	(void)push(w, &ev);
}

static void
send_event(void *ctx, const Openshell__V1__PlatformEvent *e)
{
	event_msg ev = OPENSHELL__V1__SANDBOX_STREAM_EVENT__INIT;

	ev.payload_case = OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_EVENT;
	ev.event = (Openshell__V1__PlatformEvent *)(uintptr_t)e;
	(void)push(ctx, &ev);
}

struct replay {
	struct watch *w;
	struct logbus_filter f;
};

static void
replay_log(void *ctx, const Openshell__V1__SandboxLogLine *line)
{
	struct replay *r = ctx;

	if (logbus_passes(&r->f, line))
		send_log(r->w, line);
}

void
rpc_WatchSandbox(struct rpc_call *c, const ProtobufCMessage *msg)
{
	const Openshell__V1__WatchSandboxRequest *m = (const void *)msg;
	struct sbx *s = gw_need_id(c, m->id, "id");
	struct replay r;
	struct watch *w;

	if (s == NULL)
		return;
	w = NEW(struct watch);
	w->data.ops = &ops;
	w->call = c;
	w->sbx = s;
	w->status = m->follow_status;
	w->logs = m->follow_logs;
	w->events = m->follow_events;
	w->until_ready = m->stop_on_terminal;
	w->min_level = mem_strdup(m->log_min_level);
	w->sources = mem_calloc(m->n_log_sources + 1, sizeof(char *));
	for (; w->n_sources < m->n_log_sources; w->n_sources++)
		w->sources[w->n_sources] =
		    mem_strdup(m->log_sources[w->n_sources]);
	w->next = s->watchers;
	if (w->next != NULL)
		w->next->prev = w;
	s->watchers = w;
	rpc_call_set_data(c, w);
	send_snapshot(w);
	r = (struct replay) { w, { .since_ms = m->log_since_ms,
				     .sources = w->sources,
				     .n_sources = w->n_sources,
				     .min_level = w->min_level } };
	if (w->logs)
		logbus_tail(&s->log,
		    m->log_tail_lines > 0 ? m->log_tail_lines : LOG_TAIL,
		    replay_log, &r);
	if (w->events)
		logbus_events(&s->log,
		    m->event_tail > 0 ? m->event_tail : EVENT_TAIL, send_event,
		    w);
}

void
watch_sandbox(struct sbx *s)
{
	for (struct watch *w = s->watchers, *next; w != NULL; w = next) {
		next = w->next;
		if (w->status || w->until_ready)
			send_snapshot(w);
	}
}

void
watch_log(struct sbx *s, const Openshell__V1__SandboxLogLine *line)
{
	for (struct watch *w = s->watchers, *next; w != NULL; w = next) {
		next = w->next;
		if (w->logs)
			send_log(w, line);
	}
}

void
watch_event(struct sbx *s, const Openshell__V1__PlatformEvent *ev)
{
	for (struct watch *w = s->watchers, *next; w != NULL; w = next) {
		next = w->next;
		if (w->events)
			send_event(w, ev);
	}
}

void
watch_draft(struct sbx *s, const Openshell__V1__DraftPolicyUpdate *u)
{
	event_msg ev = OPENSHELL__V1__SANDBOX_STREAM_EVENT__INIT;

	ev.payload_case =
	    OPENSHELL__V1__SANDBOX_STREAM_EVENT__PAYLOAD_DRAFT_POLICY_UPDATE;
	ev.draft_policy_update =
	    (Openshell__V1__DraftPolicyUpdate *)(uintptr_t)u;
	for (struct watch *w = s->watchers, *next; w != NULL; w = next) {
		next = w->next;
		if (w->events)
			(void)push(w, &ev);
	}
}

void
watch_end(struct sbx *s, enum rpc_code code, const char *text)
{
	while (s->watchers != NULL) {
		struct watch *w = s->watchers;

		unlink_watch(w);
		w->over = true;
		rpc_finish(w->call, code, "%s", text);
	}
}
