/*
 * conn: a connection and the order of its steps.
 *
 * A step function runs until it needs something from outside (PX_WAIT), goes
 * on to another step (px_go, PX_MORE) or ends the connection (PX_CLOSE).
 * Everything that happens to a connection - readiness, a timer, an answer of
 * ctl, the resolver - only notes its result and calls px_run.
 *
 * Closing: px_close releases sockets, buffers and requests at once; the memory
 * goes when libuv has closed the timer.
 */
#include "proxy/hx.h"
#include "proxy/px.h"
#include "proxy/ws.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/uproxy.h"
#include "proxy/advisor.h"
#include "proxy/flow.h"
#include "proxy/h2.h"
#include "secrets/rewrite.h"

/*
 * A deadline of 0 is set by the step itself.  What passes its deadline is
 * recorded as `kind` with the sentence, and answered with `status` (px_reply),
 * or just ended.
 */
static const struct px_step {
	const char *name;
	enum px_next (*run)(struct px_conn *);
	unsigned deadline_ms;
	unsigned status;
	enum audit_kind kind;
	const char *error, *late;
} steps[PX_NSTEPS] = {
	[PX_READ_HEAD] = { "read-head", px_read_head, 15000, 408,
	    AUDIT_HTTP_REFUSED, "request_timeout",
	    "the request head was not complete within 15 seconds" },
	[PX_IDENTIFY] = { "identify", px_identify, 5000, 503,
	    AUDIT_HTTP_REFUSED, "identity_unavailable",
	    "the program could not be identified within 5 seconds" },
	[PX_DECIDE] = { "decide", px_decide, 0, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_RESOLVE] = { "resolve", px_resolve, 10000, 504,
	    AUDIT_UPSTREAM_FAILED, "upstream_failed",
	    "the name was not resolved within 10 seconds" },
	[PX_DIAL] = { "dial", px_dial, 30000, 502, AUDIT_UPSTREAM_FAILED,
	    "upstream_failed",
	    "no connection to the destination within 30 seconds" },
	[PX_ANSWER] = { "answer", px_answer, 15000, 0, AUDIT_NKINDS, NULL,
	    NULL },
	[PX_SNIFF] = { "sniff", px_sniff, 0, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_TLS_UPSTREAM] = { "tls-upstream", px_tls_upstream, 15000, 504,
	    AUDIT_UPSTREAM_FAILED, "upstream_failed",
	    "the TLS handshake with the upstream took more than 15 seconds" },
	[PX_TLS_CLIENT] = { "tls-client", px_tls_client, 15000, 0,
	    AUDIT_TLS_REFUSED, NULL,
	    "the TLS handshake with the client took more than 15 seconds" },
	[PX_SNIFF_INNER] = { "sniff-inner", px_sniff_inner, 0, 0, AUDIT_NKINDS,
	    NULL, NULL },
	[PX_H2] = { "h2", px_h2, 0, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_H2_AWAIT] = { "h2-await", px_h2_await, 5000, 504,
	    AUDIT_UPSTREAM_FAILED, "upstream_failed",
	    "the upstream did not begin to speak HTTP/2 within 5 seconds" },
	[PX_L7] = { "l7", px_l7, 0, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_RAW] = { "raw", px_raw, 0, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_WS] = { "websocket", px_ws, 0, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_LINGER] = { "linger", px_linger, 2000, 0, AUDIT_NKINDS, NULL,
	    NULL },
	[PX_CAPTURED] = { "captured", px_captured, 0, 0, AUDIT_NKINDS, NULL,
	    NULL },
	[PX_PEEK] = { "peek", px_peek, 0, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_DNS] = { "dns", px_dns_tcp, 10000, 0, AUDIT_NKINDS, NULL, NULL },
	[PX_ADVISE] = { "advise", px_advise, ADV_READ_MS, 0, AUDIT_NKINDS, NULL,
	    NULL },
};
_Static_assert(ARRAY_LEN(steps) == PX_NSTEPS, "a row per step");

const char *
px_step_name(enum px_step_id step)
{
	return steps[step].name;
}

/* Fairness: a fast pair must not keep the loop to itself. */
enum { READS_A_TURN = 64 };

static void
on_timer(uv_timer_t *t)
{
	struct px_conn *c = t->data;

	c->timer_at = 0;
	px_run(c);
}

/* Moves the timer only when it would ring too late; a ring that comes early
 * looks at the deadline again.  So activity costs one comparison. */
static void
arm_timer(struct px_conn *c)
{
	uint64_t at = c->deadline, now = uv_now(&c->px->loop);

	if (c->quiet_at != 0 && (at == 0 || c->quiet_at < at))
		at = c->quiet_at;
	/* There may be more that no event announces: go on next time round. */
	if (c->client.budget == 0 || c->up.budget == 0)
		at = now;
	if (at == 0 || (c->timer_at != 0 && c->timer_at <= at))
		return;
	c->timer_at = at;
	(void)uv_timer_start(&c->timer, on_timer, at > now ? at - now : 0, 0);
}

bool
px_waits_events(struct px_conn *c)
{
	if (!px_events_full(&c->px->events))
		return false;
	c->waits_events = c->px->events_waited = true;
	return true;
}

void
px_deadline(struct px_conn *c, uint64_t ms_from_now)
{
	c->deadline = uv_now(&c->px->loop) + ms_from_now;
}

void
px_go(struct px_conn *c, enum px_step_id step)
{
	c->step = step;
	c->deadline = 0;
	c->quiet_at = 0;
	if (steps[step].deadline_ms > 0)
		px_deadline(c, steps[step].deadline_ms);
}

static enum px_next
too_late(struct px_conn *c)
{
	const struct px_step *s = &steps[c->step];
	struct err e;

	if (c->step == PX_L7)
		return c->l7->late(c);
	if (c->step == PX_WS)
		return px_ws_late(c);
	if (c->step == PX_H2)
		return px_h2_late(c);
	if (c->step == PX_ADVISE)
		return px_advise_late(c);
	/* A client that never said anything is owed nothing. */
	if (s->late == NULL ||
	    (c->step == PX_READ_HEAD && px_in(&c->client).n == 0))
		return PX_CLOSE;
	(void)err_set(&e, ERR_LIMIT, "%s", s->late);
	if (s->status != 0)
		return px_fail(
		    c, s->status, s->kind, s->name, s->error, s->late, &e);
	px_event(c, s->kind, AUDIT_DENY, s->name, view_of(s->late), VIEW(""));
	return PX_CLOSE;
}

static void
wake(struct px_end *end)
{
	px_run(end->owner);
}

void
px_run(struct px_conn *c)
{
	enum px_next next = PX_MORE;

	if (c->running || c->closing)
		return;
	c->running = true;
	c->client.budget = c->up.budget = READS_A_TURN;
	while (next == PX_MORE && !c->closing) {
		if (c->deadline != 0 && uv_now(&c->px->loop) >= c->deadline) {
			c->deadline = 0;
			next = too_late(c);
		} else {
			next = steps[c->step].run(c);
		}
	}
	c->running = false;
	if (c->closing)
		return;
	if (next == PX_CLOSE) {
		px_close(c, false);
		return;
	}
	px_end_arm(&c->client);
	px_end_arm(&c->up);
	arm_timer(c);
}

static void
run_task(void *owner)
{
	px_run(owner);
}

/* With no end open yet; NULL when all slots are taken. */
static struct px_conn *
conn_alloc(struct px *px)
{
	struct px_conn *c;
	unsigned slot = px->free_slot;

	for (unsigned i = 0; px->slot[slot] != NULL; i++) {
		if (i == PX_SLOTS)
			return NULL;
		slot = (slot + 1) % PX_SLOTS;
	}
	c = NEW(struct px_conn);
	c->px = px;
	c->task.run = run_task;
	c->task.owner = c;
	c->id = (++px->n_ids % (PX_FLOW_ID / PX_SLOTS)) * PX_SLOTS + slot;
	c->dialed_fd = -1;
	c->client = c->up = (struct px_end) {
		.owner = c, .io = px->io, .wake = wake, .fd = -1
	};
	c->hx.path = BUF_INIT(TARGET_PATH_MAX * 3);
	c->hx.wire_path = BUF_INIT(TARGET_PATH_MAX * 3);
	c->hx.replay = BUF_INIT(PX_BLOCK);
	c->hx.query = BUF_INIT(TARGET_MAX);
	(void)uv_timer_init(&px->loop, &c->timer);
	c->timer.data = c;
	px->slot[slot] = c;
	px->free_slot = (uint16_t)((slot + 1) % PX_SLOTS);
	px->n_conns++;
	return c;
}

struct px_conn *
px_conn_new(struct px *px, int fd, bool direct)
{
	struct px_conn *c = conn_alloc(px);
	struct err e;

	if (c == NULL) {
		(void)close(fd);
		return NULL;
	}
	c->direct = direct;
	c->serial = ++px->serial;
	if (px_end_open(&c->client, &px->loop, fd, &e) < 0) {
		px_close(c, true);
		return NULL;
	}
	px_go(c, direct ? PX_CAPTURED : PX_READ_HEAD);
	return c;
}

struct px_conn *
px_conn_stream(struct px_conn *parent)
{
	struct px *px = parent->px;
	struct px_conn *c;

	if (px->n_streams >= PX_STREAMS_MAX)
		return NULL;
	c = conn_alloc(px);
	if (c == NULL)
		return NULL;
	px->n_streams++;
	c->parent = parent;
	parent->n_children++;
	c->mode = parent->mode;
	c->direct = parent->direct;
	c->by_address = parent->by_address;
	c->plain_http = parent->plain_http;
	c->orig = parent->orig;
	c->serial = parent->serial; /* for records */
	c->owners = parent->owners;
	c->n_owners = parent->n_owners;
	c->identity_known = true;
	c->judged = c->event_done = true;
	c->dst = parent->dst;
	c->snap = snapshot_ref(parent->snap);
	c->conn = parent->conn;
	memcpy(c->policy, parent->policy, sizeof(c->policy));
	memcpy(c->rule, parent->rule, sizeof(c->rule));
	c->place = parent->place;
	c->chosen = parent->chosen;
	c->through = parent->through;
	c->tls = parent->tls;
	c->spoke = true;
	c->l7 = &l7_http;
	return c;
}

static void
conn_free(struct px_conn *c)
{
	struct px_conn *parent = c->parent;

	hx_hold_end(c);
	hx_tap_end(c); /* may record who asked */
	hx_ops_end(c);
	px_ws_end(c);
	if (parent == NULL)
		px_owners_free(&c->owners, &c->n_owners);
	if (c->snap != NULL)
		snapshot_unref(c->snap);
	buf_fini(&c->hx.req.trailers);
	buf_fini(&c->hx.resp.trailers);
	buf_fini(&c->hx.path);
	buf_fini(&c->hx.wire_path);
	rw_out_fini(&c->hx.replay);
	buf_fini(&c->hx.query);
	free(c);
	/* Streams record with what is their connection's. */
	if (parent != NULL && --parent->n_children == 0 && parent->closed)
		conn_free(parent);
}

static void
on_closed(uv_handle_t *h)
{
	struct px_conn *c = h->data;

	c->closed = true;
	if (c->n_children == 0)
		conn_free(c);
}

void
px_close(struct px_conn *c, bool reset)
{
	struct px *px = c->px;

	if (c->closing)
		return;
	c->closing = true;
	if (c->resolving != NULL)
		resolve_cancel(take_ptr(c->resolving));
	if (c->dialing != NULL)
		dial_cancel(take_ptr(c->dialing));
	if (c->by_proxy != NULL)
		uproxy_dial_cancel(take_ptr(c->by_proxy));
	fd_close(&c->dialed_fd);
	px_advise_end(c);
	h2_close_streams(c, reset);
	px_end_close(&c->client, reset);
	px_end_close(&c->up, reset);
	h2_leg_free(take_ptr(c->h2), reset);
	h2_leg_free(take_ptr(c->h2_up), reset);
	px_task_drop(px, &c->task); /* closing may have queued it */
	px->slot[c->id % PX_SLOTS] = NULL;
	px->n_conns--;
	if (c->parent != NULL)
		px->n_streams--;
	if (c->counted) {
		px->n_counted--;
		px_accept_pause(px, false);
	}
	uv_close((uv_handle_t *)&c->timer, on_closed);
}
