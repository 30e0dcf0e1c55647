/*
 * sse: the event stream format (text/event-stream, WHATWG HTML section 9.2),
 * read piece by piece and written anew.
 *
 * What goes on is what was understood: lines end with LF, fields that the
 * format does not know are dropped, comments lose their text.
 */
#ifndef INSPECT_SSE_H
#define INSPECT_SSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct sse {
	struct buf line; /* of what has not ended yet */
	struct buf type, data, id; /* of the event under way */
	uint64_t retry;
	bool has_data, has_id, has_retry, begun, after_cr, ready, bad;
};

struct sse_event {
	bool comment; /* nothing but a sign of life */
	struct view type; /* empty: "message" */
	struct view data; /* lines joined by LF */
	struct view id;
	uint64_t retry;
	bool has_data, has_id, has_retry;
};

/* max: bytes of one line and of the data of one event. */
void sse_init(struct sse *s, size_t max);
void sse_fini(struct sse *s);

/*
 * Bytes consumed, at most up to the end of the next event; -1 for what is not
 * UTF-8 (ERR_PROTO) or too large (ERR_LIMIT), and from then on.  *ready: `ev`
 * holds an event, valid until the next call.  At the end of the stream an
 * event without its blank line is no event.
 */
MUST_USE ssize_t sse_feed(struct sse *s, struct view in, bool *ready,
    struct sse_event *ev, struct err *e);

/* The event as bytes of a stream. */
void sse_write(struct buf *out, const struct sse_event *ev);

#endif
