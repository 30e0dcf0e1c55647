/*
 * events: records on their way to ctl, batched.
 *
 * Every decision is one record.  They are sent when the loop is about to
 * sleep; those of what was allowed wait some milliseconds more for others
 * (px_events_may_wait), in memory that outlives the process (net_late).  What
 * ctl does not take waits, up to PX_EVENTS_WAIT_MAX bytes; beyond that
 * px_events_full says so and the proxy reads no further request, so that
 * nothing passes unrecorded.
 */
#ifndef PROXY_EVENTS_H
#define PROXY_EVENTS_H

#include <stdbool.h>

#include "audit/event.h"
#include "base/bytes.h"
#include "base/err.h"
#include "proxy/denylog.h"
#include "sandbox/netmsg.h"

/*
 * Beyond the waiting bound there is room for one record of the greatest size
 * of every connection there can be: what is under way is always recorded.
 */
enum {
	PX_EVENTS_WAIT_MAX = 1 << 20,
	PX_EVENTS_LATE_MS = 4,
	PX_EVENTS_LATE_MAX = 16384, /* bytes that wait for others */
	PX_EVENTS_CONNS = 12544, /* PX_SLOTS */
	PX_EVENTS_MAX = PX_EVENTS_WAIT_MAX + PX_EVENTS_CONNS * AUDIT_JSON_MAX
};

struct px_events {
	struct buf lines; /* whole JSON lines not yet sent */
	size_t at; /* of them, sent */
	bool all; /* level: every decision, not only denials */
	uint64_t last_id; /* of the last record */
	uint64_t sent; /* bytes, ever */
	struct net_late *late; /* copies of what is not sent, or NULL */
	bool urgent; /* something is there that must not wait */
	bool overflow; /* not all of it fits into late */
	union net_msg *msg; /* for sending; one, as it is large */
	struct denylog *denylog; /* where denials are kept, too; or NULL */
};

/* `late` is borrowed; NULL: no record waits. */
void px_events_init(struct px_events *q, bool all, struct net_late *late);
void px_events_fini(struct px_events *q);
/* Whether a record of this action would be kept at the present level. */
bool px_events_wants(const struct px_events *q, enum audit_action action);
/* Fills in time and number. */
void px_events_add(struct px_events *q, struct audit_event *ev);
/* No further request may be read now. */
bool px_events_full(const struct px_events *q);
/* What there is may wait PX_EVENTS_LATE_MS from now. */
bool px_events_may_wait(const struct px_events *q);
/* 0 when all is sent; -1 with ERR_AGAIN when ctl takes no more for now. */
int px_events_flush(struct px_events *q, int sock, struct err *e) MUST_USE;

#endif
