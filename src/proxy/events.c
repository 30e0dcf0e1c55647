#include "proxy/events.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void
px_events_init(struct px_events *q, bool all, struct net_late *late)
{
	*q = (struct px_events) {
		.lines = BUF_INIT(PX_EVENTS_MAX),
		.all = all,
		.late = late,
		.msg = NEW(union net_msg),
	};
}

void
px_events_fini(struct px_events *q)
{
	buf_fini(&q->lines);
	free(take_ptr(q->msg));
}

bool
px_events_wants(const struct px_events *q, enum audit_action action)
{
	return q->all || action != AUDIT_ALLOW;
}

/* False: it does not fit, and what comes behind it would be out of order. */
static bool
keep_late(struct px_events *q, struct view line)
{
	struct net_late *late = q->late;
	uint32_t n;

	if (late == NULL || q->overflow)
		return false;
	n = atomic_load_explicit(&late->n, memory_order_relaxed);
	q->overflow = line.n > sizeof(late->json) - n;
	if (q->overflow)
		return false;
	memcpy(late->json + n, line.p, line.n);
	/* The length last: half a line is not there. */
	atomic_store_explicit(
	    &late->n, n + (uint32_t)line.n, memory_order_release);
	return true;
}

/* What was kept is sent. */
static void
forget_late(struct px_events *q)
{
	q->urgent = q->overflow = false;
	if (q->late == NULL)
		return;
	atomic_store_explicit(&q->late->n, 0, memory_order_release);
	q->late->before = q->sent;
}

void
px_events_add(struct px_events *q, struct audit_event *ev)
{
	size_t before = q->lines.n;

	if (!px_events_wants(q, ev->action))
		return;
	ev->time_ms = clock_wall_ms();
	ev->event_id = ++q->last_id;
	audit_event_json(ev, &q->lines);
	if (q->denylog != NULL)
		denylog_add(q->denylog, ev);
	if (!keep_late(
		q, view_slice(buf_view(&q->lines), before, q->lines.n)) ||
	    ev->action != AUDIT_ALLOW)
		q->urgent = true;
}

bool
px_events_may_wait(const struct px_events *q)
{
	return !q->urgent && q->lines.n - q->at <= PX_EVENTS_LATE_MAX;
}

bool
px_events_full(const struct px_events *q)
{
	return q->lines.n - q->at >= PX_EVENTS_WAIT_MAX;
}

/* The most whole lines that fit a message; a line always does. */
static size_t
whole_lines(struct view v)
{
	size_t n = MIN(v.n, (size_t)NET_EVENTS_MAX);

	while (n > 0 && v.p[n - 1] != '\n')
		n--;
	return n;
}

int
px_events_flush(struct px_events *q, int sock, struct err *e)
{
	while (q->at < q->lines.n) {
		struct view rest =
		    view_slice(buf_view(&q->lines), q->at, q->lines.n);
		size_t n = whole_lines(rest);

		if (n == 0)
			return err_set(e, ERR_INTERNAL, "event without an end");
		q->msg->events.n = (uint32_t)n;
		q->msg->events.pad = 0;
		memcpy(q->msg->events.json, rest.p, n);
		if (net_send(sock, q->msg, NET_EVENTS, NULL, 0, e) < 0)
			return -1;
		q->at += n;
		q->sent += n;
	}
	buf_reset(&q->lines);
	q->at = 0;
	forget_late(q);
	return 0;
}
