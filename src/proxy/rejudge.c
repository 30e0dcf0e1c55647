/*
 * rejudge: a new policy, or a new credential, reaches what is open, at once.
 *
 * A connection that was judged is judged again under the new snapshot.  What
 * is no longer allowed is cut with RST; before the 200 it gets its 403.  A
 * raw tunnel is also cut when its endpoint must be inspected now, a WebSocket
 * when its messages must be, and every connection when its address is not one
 * that may be dialled now, or when credentials belong to a host that is not
 * inspected.
 */
#include "proxy/creds.h"
#include "proxy/px.h"
#include "proxy/ws.h"

#include <string.h>

static bool
has_up(const struct px_conn *c)
{
	return px_end_is_open(&c->up) || c->h2_up != NULL;
}

static void
cut(struct px_conn *c, const char *why)
{
	px_event(
	    c, AUDIT_REVOKED, AUDIT_DENY, "revoked", view_of(why), VIEW(""));
	if (c->step == PX_WS)
		px_ws_withdraw(c);
	else
		px_close(c, true);
}

static void
deny_late(struct px_conn *c, const struct policy_reason *why)
{
	if (c->resolving != NULL)
		resolve_cancel(take_ptr(c->resolving));
	if (c->dialing != NULL)
		dial_cancel(take_ptr(c->dialing));
	c->judged = false;
	if (px_deny_conn(c, why) == PX_CLOSE)
		px_close(c, false);
	else
		px_run(c);
}

static void
rejudge_one(struct px_conn *c)
{
	struct policy_reason why;
	struct err e;
	bool open = c->step > PX_ANSWER || c->event_done;

	px_pin(c);
	if (!px_judge_conn(c, c->snap, &c->conn, &why)) {
		if (open)
			cut(c, why.text);
		else
			deny_late(c, &why);
		return;
	}
	px_set_policy(c, c->conn.policy, c->conn.endpoint);
	if (has_up(c) && dest_check(view_of(c->dst.host), c->dst.port, &c->conn,
			     &c->chosen, 1, &c->px->dest, &e) < 0) {
		cut(c, e.text);
		return;
	}
	if (creds_gate(c, &e) < 0) {
		cut(c, e.text);
		return;
	}
	if (c->step == PX_RAW &&
	    policy_protocol_is_inspected(c->conn.protocol) &&
	    !(c->l7 != NULL && c->hx.active && c->hx.want_websocket)) {
		cut(c, "the endpoint is inspected now");
		return;
	}
	if (px_ws_passes_unseen(c)) {
		cut(c, "the messages of the WebSocket are inspected now");
		return;
	}
	if (c->hx.active && c->l7 != NULL && !c->l7->still_allowed(c))
		cut(c, "the request under way is no longer permitted");
}

void
px_rejudge(struct px *px)
{
	for (unsigned i = 0; i < PX_SLOTS; i++) {
		struct px_conn *c = px->slot[i];

		if (c != NULL && c->judged && c->step != PX_LINGER)
			rejudge_one(c);
	}
}
