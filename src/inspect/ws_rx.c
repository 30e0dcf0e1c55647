/*
 * ws_rx: one direction of a WebSocket.
 *
 *   head -> payload -> head ...
 *
 * A data message is of one of two kinds.  Passed: each piece of payload goes
 * to `out` as it comes, under a head written anew.  Assembled (text of an
 * inspected direction): nothing goes on until the message is whole, then one
 * frame.  With permessage-deflate every message of an inspected direction
 * runs through the inflater, since later ones refer to it.
 *
 * Attacks: an unmasked or oddly framed message that the server reads in
 * another way; a denied word split over fragments or bytes; a small frame
 * that inflates to gigabytes; fragments without end.
 */
#include "inspect/ws.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "codec/utf8.h"
#include "inspect/ws_inflate.h"

enum { KEEP_CAP = 64 << 10 };

struct ws_rx {
	bool from_client, inspect;
	struct ws_deflate deflate;
	struct ws_inflate *inflater; /* made at the first need */

	/* The frame under way. */
	char head[WS_HEAD_MAX];
	size_t n_head;
	bool in_payload;
	struct ws_frame frame;
	uint64_t done; /* bytes of its payload */
	uint8_t mask[4]; /* of the frame as it goes on */
	char control[WS_CONTROL_MAX];

	/* The data message under way; opcode 0 when there is none. */
	uint8_t opcode;
	bool compressed, assemble;
	unsigned fragments;
	uint64_t bytes; /* of a passed one, inflated */
	struct buf wire, text; /* as it came; inflated */
	size_t checked; /* bytes of the text known to be UTF-8 */

	bool lent; /* wire and text belong to the event given last */
	bool closed;
	unsigned failed; /* the code of what ended it */
	struct err why;
};

struct ws_rx *
ws_rx_new(bool from_client, bool inspect, const struct ws_deflate *d)
{
	struct ws_rx *rx = NEW(struct ws_rx);

	rx->from_client = from_client;
	rx->inspect = inspect;
	rx->deflate = *d;
	rx->wire = BUF_INIT(WS_TEXT_MAX);
	rx->text = BUF_INIT(WS_TEXT_MAX);
	return rx;
}

void
ws_rx_free(struct ws_rx *rx)
{
	if (rx == NULL)
		return;
	ws_inflate_free(rx->inflater);
	buf_fini(&rx->wire);
	buf_fini(&rx->text);
	free(rx);
}

bool
ws_rx_sends_whole(const struct ws_rx *rx)
{
	return !rx->in_payload || rx->assemble || (rx->frame.opcode & 8) != 0;
}

size_t
ws_rx_held(const struct ws_rx *rx)
{
	return rx->wire.n + rx->text.n;
}

bool
ws_rx_assembling(const struct ws_rx *rx)
{
	return rx->assemble && !rx->lent && rx->opcode != 0;
}

static int
fail(struct ws_rx *rx, unsigned code, const char *what)
{
	rx->failed = code;
	return err_set(&rx->why,
	    code == WS_CLOSE_TOO_BIG ? ERR_LIMIT : ERR_PROTO, "WebSocket: %s",
	    what);
}

/* ---- heads -------------------------------------------------------------- */

static int
begin_data(struct ws_rx *rx)
{
	const struct ws_frame *f = &rx->frame;

	if (f->opcode == WS_CONTINUATION) {
		if (rx->opcode == 0)
			return fail(
			    rx, WS_CLOSE_PROTOCOL, "a continuation of nothing");
		if (f->rsv1)
			return fail(
			    rx, WS_CLOSE_PROTOCOL, "a continuation with RSV1");
		if (++rx->fragments > WS_FRAGMENTS_MAX)
			return fail(rx, WS_CLOSE_TOO_BIG,
			    "a message of too many fragments");
		return 0;
	}
	if (rx->opcode != 0)
		return fail(
		    rx, WS_CLOSE_PROTOCOL, "a message inside another one");
	if (f->rsv1 && !rx->deflate.on)
		return fail(rx, WS_CLOSE_PROTOCOL,
		    "RSV1 without an extension that gives it a meaning");
	rx->opcode = f->opcode;
	rx->compressed = f->rsv1;
	rx->assemble = rx->inspect && f->opcode == WS_TEXT;
	rx->fragments = 1;
	rx->bytes = 0;
	rx->checked = 0;
	if (rx->compressed && rx->inspect) {
		if (rx->inflater == NULL)
			rx->inflater = ws_inflate_new();
		else if (rx->deflate.no_context)
			ws_inflate_reset(rx->inflater);
	}
	return 0;
}

/* A frame of a message that passes: its head, written anew. */
static void
pass_head(struct ws_rx *rx, struct buf *out)
{
	struct ws_frame f = rx->frame;

	if (f.masked)
		random_bytes(f.mask, sizeof(f.mask));
	memcpy(rx->mask, f.mask, sizeof(rx->mask));
	ws_frame_write(out, &f);
}

static int
on_head(struct ws_rx *rx, struct buf *out)
{
	const struct ws_frame *f = &rx->frame;
	bool control = (f->opcode & 8) != 0;

	/* Section 5.1: clients mask, servers do not. */
	if (f->masked != rx->from_client)
		return fail(rx, WS_CLOSE_PROTOCOL,
		    rx->from_client ? "a frame without mask"
				    : "a masked frame from a server");
	rx->in_payload = true;
	rx->done = 0;
	if (control)
		return 0;
	if (begin_data(rx) < 0)
		return -1;
	if (rx->assemble)
		return f->n > WS_TEXT_MAX - rx->wire.n
			   ? fail(rx, WS_CLOSE_TOO_BIG,
				 "a text message that is too large")
			   : 0;
	if (rx->inspect && f->n > WS_BINARY_MAX)
		return fail(
		    rx, WS_CLOSE_TOO_BIG, "a binary message that is too large");
	pass_head(rx, out);
	return 0;
}

/* Bytes of `in` used; the head is whole when in_payload is set. */
static ssize_t
feed_head(struct ws_rx *rx, struct view in, struct buf *out)
{
	size_t used = 0;
	ssize_t n;

	while (used < in.n && rx->n_head < WS_HEAD_MAX) {
		rx->head[rx->n_head++] = in.p[used++];
		n = ws_frame_parse((struct view) { rx->head, rx->n_head },
		    &rx->frame, &rx->why);
		if (n < 0) {
			rx->failed = WS_CLOSE_PROTOCOL;
			return -1;
		}
		if (n == 0)
			continue;
		assert((size_t)n == rx->n_head);
		rx->n_head = 0;
		return on_head(rx, out) < 0 ? -1 : (ssize_t)used;
	}
	return (ssize_t)used;
}

/* ---- payload ------------------------------------------------------------ */

/* `text` may go on: what is not UTF-8 yet may become so. */
static int
check_utf8(struct ws_rx *rx, struct view text, bool whole)
{
	struct view rest = view_slice(text, rx->checked, text.n);

	rx->checked += utf8_span(rest);
	rest = view_slice(text, rx->checked, text.n);
	if (rest.n == 0 || (!whole && utf8_unfinished(rest)))
		return 0;
	return fail(rx, WS_CLOSE_BAD_UTF8, "text that is not UTF-8");
}

static int
inflate_piece(struct ws_rx *rx, struct view piece, bool last)
{
	enum ws_inflate_result r;
	struct buf *to = rx->assemble ? &rx->text : NULL;

	r = ws_inflate_feed(rx->inflater, piece, last, to,
	    rx->assemble ? WS_TEXT_MAX - rx->text.n
			 : WS_BINARY_MAX - (size_t)rx->bytes,
	    &rx->bytes);
	/* What came out before a fault is looked at first, so that the code
	 * does not depend on how the bytes came. */
	if (rx->assemble && r != WS_INFLATE_OK &&
	    check_utf8(rx, buf_view(&rx->text), false) < 0)
		return -1;
	switch (r) {
	case WS_INFLATE_OK:
		return 0;
	case WS_INFLATE_BAD:
		return fail(rx, WS_CLOSE_PROTOCOL,
		    "a message that does not decompress");
	case WS_INFLATE_BOMB:
		return fail(rx, WS_CLOSE_TOO_BIG,
		    "a message that decompresses to too much");
	}
	return -1;
}

static int
end_message(struct ws_rx *rx, struct buf *out, struct ws_event *ev)
{
	struct view text;

	if (rx->compressed && rx->inspect &&
	    inflate_piece(rx, VIEW("\0\0\xff\xff"), true) < 0)
		return -1;
	rx->opcode = 0;
	if (!rx->assemble)
		return 0;
	text = buf_view(rx->compressed ? &rx->text : &rx->wire);
	if (check_utf8(rx, text, true) < 0)
		return -1;
	ws_put(out, rx->from_client, true, rx->compressed, WS_TEXT,
	    buf_view(&rx->wire));
	if (out->full)
		return fail(rx, WS_CLOSE_TOO_BIG, "no room for a message");
	*ev = (struct ws_event) { .kind = WS_EV_TEXT, .payload = text };
	rx->lent = true;
	return 0;
}

/* `piece` is unmasked and at the end of rx->wire, or in scratch. */
static int
on_data(struct ws_rx *rx, struct view piece)
{
	if (rx->compressed && rx->inspect) {
		if (inflate_piece(rx, piece, false) < 0)
			return -1;
		return rx->assemble ? check_utf8(rx, buf_view(&rx->text), false)
				    : 0;
	}
	if (rx->assemble)
		return check_utf8(rx, buf_view(&rx->wire), false);
	rx->bytes += piece.n;
	if (rx->inspect && rx->bytes > WS_BINARY_MAX)
		return fail(
		    rx, WS_CLOSE_TOO_BIG, "a binary message that is too large");
	return 0;
}

static int
feed_data(
    struct ws_rx *rx, struct view in, struct buf *out, struct ws_event *ev)
{
	struct buf *to = rx->assemble ? &rx->wire : out;
	size_t from = to->n;
	struct view piece;

	buf_put(to, in);
	if (to->full)
		return fail(rx, WS_CLOSE_TOO_BIG, "no room for a frame");
	piece = view_slice(buf_view(to), from, to->n);
	if (rx->frame.masked && in.n > 0)
		ws_mask(to->p + from, in.n, rx->frame.mask, rx->done);
	if (on_data(rx, piece) < 0) {
		/* Nor does it go on, which it would without its mask. */
		to->n = from;
		return -1;
	}
	if (!rx->assemble && rx->frame.masked && in.n > 0)
		ws_mask(to->p + from, in.n, rx->mask, rx->done);
	if (!rx->assemble)
		ev->kind = WS_EV_PIECE;
	rx->done += in.n;
	if (rx->done < rx->frame.n)
		return 0;
	rx->in_payload = false;
	return rx->frame.fin ? end_message(rx, out, ev) : 0;
}

/* Section 7.4: codes that may stand in a frame. */
static bool
close_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) ||
	       (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static int
on_close(struct ws_rx *rx, struct ws_event *ev)
{
	struct rd r = rd_of(ev->payload);

	rx->closed = true;
	ev->code = 1005;
	if (ev->payload.n == 0)
		return 0;
	ev->code = rd_be16(&r);
	if (r.bad || !close_code_valid(ev->code))
		return fail(rx, WS_CLOSE_PROTOCOL, "a close code not allowed");
	if (!utf8_valid(view_slice(ev->payload, 2, ev->payload.n)))
		return fail(
		    rx, WS_CLOSE_BAD_UTF8, "a close reason that is not UTF-8");
	return 0;
}

static int
feed_control(
    struct ws_rx *rx, struct view in, struct buf *out, struct ws_event *ev)
{
	if (in.n > 0)
		memcpy(rx->control + rx->done, in.p, in.n);
	rx->done += in.n;
	if (rx->done < rx->frame.n)
		return 0;
	if (rx->frame.masked)
		ws_mask(rx->control, (size_t)rx->frame.n, rx->frame.mask, 0);
	rx->in_payload = false;
	*ev = (struct ws_event) { .kind = WS_EV_CONTROL,
		.payload = { rx->control, (size_t)rx->frame.n },
		.opcode = rx->frame.opcode };
	if (rx->frame.opcode == WS_CLOSE && on_close(rx, ev) < 0)
		return -1;
	ws_put(out, rx->from_client, true, false,
	    (enum ws_opcode)rx->frame.opcode, ev->payload);
	return 0;
}

/* What an event lent is no longer needed. */
static void
reclaim(struct ws_rx *rx)
{
	rx->lent = false;
	buf_reset(&rx->wire);
	buf_reset(&rx->text);
	if (rx->wire.cap > KEEP_CAP)
		buf_fini(&rx->wire);
	if (rx->text.cap > KEEP_CAP)
		buf_fini(&rx->text);
}

static ssize_t
feed(struct ws_rx *rx, struct view in, struct buf *out, struct ws_event *ev)
{
	size_t used = 0;

	while (ev->kind == WS_EV_MORE) {
		struct view rest = view_slice(in, used, in.n);
		ssize_t n;
		int r;

		if (!rx->in_payload) {
			if (rest.n == 0)
				break;
			n = feed_head(rx, rest, out);
			if (n < 0)
				return -1;
			used += (size_t)n;
			if (!rx->in_payload)
				break;
			continue;
		}
		if (rest.n == 0 && rx->frame.n > rx->done)
			break;
		if (rest.n > rx->frame.n - rx->done)
			rest.n = (size_t)(rx->frame.n - rx->done);
		r = rx->frame.opcode & 8 ? feed_control(rx, rest, out, ev)
					 : feed_data(rx, rest, out, ev);
		if (r < 0)
			return -1;
		used += rest.n;
	}
	return (ssize_t)used;
}

ssize_t
ws_rx_feed(struct ws_rx *rx, struct view in, struct buf *out,
    struct ws_event *ev, unsigned *code, struct err *e)
{
	ssize_t n;

	*ev = (struct ws_event) { .kind = WS_EV_MORE };
	if (rx->lent)
		reclaim(rx);
	/* Nobody reads what follows a close: it goes nowhere. */
	if (rx->closed && rx->failed == 0)
		return (ssize_t)in.n;
	n = rx->failed != 0 ? -1 : feed(rx, in, out, ev);
	if (n < 0) {
		*code = rx->failed;
		*e = rx->why;
	}
	return n;
}
