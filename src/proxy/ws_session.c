#include "proxy/ws_session.h"

#include <assert.h>

#include "secrets/rewrite.h"

enum { ROOM_MIN = 32 << 10, PIECE_MAX = 16 << 10 };

void
ws_session_init(struct ws_session *s, const struct ws_deflate *client,
    const struct ws_deflate *server, ws_judge_fn *judge, ws_mask_fn *mask,
    void *arg)
{
	assert(mask == NULL || (!client->on && !server->on));
	*s = (struct ws_session) { .judge = judge,
		.mask = mask,
		.arg = arg,
		.from_client = ws_rx_new(true, true, client),
		.from_server = ws_rx_new(false, mask != NULL, server),
		.to_client = BUF_INIT(WS_OUT_MAX),
		.to_server = BUF_INIT(WS_OUT_MAX),
		.message = BUF_INIT(WS_OUT_MAX) };
}

void
ws_session_fini(struct ws_session *s)
{
	ws_rx_free(s->from_client);
	ws_rx_free(s->from_server);
	buf_fini(&s->to_client);
	buf_fini(&s->to_server);
	buf_fini(&s->message);
	*s = (struct ws_session) { .over = true };
}

bool
ws_session_assembling(const struct ws_session *s)
{
	return !s->over && !s->waiting && ws_rx_assembling(s->from_client);
}

/*
 * A frame that the other side is in the middle of cannot be ended by another
 * one: that side learns of the end by its connection's.
 */
void
ws_session_end(struct ws_session *s, unsigned code, struct view reason)
{
	if (s->over)
		return;
	s->over = true;
	s->waiting = false;
	s->code = code;
	(void)snprintf(s->reason, sizeof(s->reason), "%.*s",
	    (int)MIN(reason.n, sizeof(s->reason) - 1), reason.p);
	if (ws_rx_sends_whole(s->from_server))
		ws_put_close(&s->to_client, false, code, reason);
	if (ws_rx_sends_whole(s->from_client))
		ws_put_close(&s->to_server, true, code, reason);
}

/* s->message is judged: it goes, or everything ends. */
static void
settle(struct ws_session *s)
{
	AUTO_BUF struct buf reason = BUF_INIT(2048);
	AUTO_RW_OUT struct buf anew = BUF_INIT(0);

	switch (s->judge(s->arg, s->text, &anew, &reason)) {
	case WS_ALLOW:
		s->waiting = false;
		/* Masked where it lies, so that no copy of it stays plain. */
		if (anew.n > 0)
			ws_put(&s->to_server, true, true, false, WS_TEXT,
			    buf_view(&anew));
		else
			buf_put(&s->to_server, buf_view(&s->message));
		buf_fini(&s->message);
		if (s->to_server.full)
			ws_session_end(
			    s, WS_CLOSE_TOO_BIG, VIEW("message too large"));
		return;
	case WS_LATER:
		s->waiting = true;
		return;
	case WS_DENY:
		ws_session_end(s, WS_CLOSE_DENIED, buf_view(&reason));
		return;
	}
}

void
ws_session_go_on(struct ws_session *s)
{
	if (s->waiting && !s->over)
		settle(s);
}

static bool
may_take(const struct ws_session *s, const struct buf *to)
{
	return !s->over && !s->waiting && to->n < ROOM_MIN;
}

size_t
ws_session_client(struct ws_session *s, struct view in)
{
	size_t used = 0;

	while (used < in.n && may_take(s, &s->to_server)) {
		struct ws_event ev;
		struct err e;
		unsigned code;
		ssize_t n;

		buf_reset(&s->message);
		n = ws_rx_feed(s->from_client,
		    view_slice(in, used, MIN(in.n, used + PIECE_MAX)),
		    &s->message, &ev, &code, &e);
		if (n < 0) {
			ws_session_end(s, code, view_of(e.text));
			break;
		}
		used += (size_t)n;
		if (ev.kind == WS_EV_TEXT) {
			s->text = ev.payload;
			settle(s);
		} else if (ev.kind == WS_EV_PIECE && s->text_only) {
			buf_reset(&s->message);
			ws_session_end(s, WS_CLOSE_DENIED,
			    VIEW("a binary message cannot be inspected"));
		} else {
			buf_put(&s->to_server, buf_view(&s->message));
		}
	}
	return used;
}

/* A text message of the server stands in to_client from `at` on. */
static void
mask(struct ws_session *s, struct view text, size_t at)
{
	AUTO_RW_OUT struct buf anew = BUF_INIT(0);

	if (!s->mask(s->arg, text, &anew))
		return;
	explicit_bzero(s->to_client.p + at, s->to_client.n - at);
	s->to_client.n = at;
	ws_put(&s->to_client, false, true, false, WS_TEXT, buf_view(&anew));
}

size_t
ws_session_server(struct ws_session *s, struct view in)
{
	size_t used = 0;

	while (used < in.n && !s->over && s->to_client.n < ROOM_MIN) {
		struct ws_event ev;
		struct err e;
		unsigned code;
		size_t at = s->to_client.n;
		ssize_t n = ws_rx_feed(s->from_server,
		    view_slice(in, used, MIN(in.n, used + PIECE_MAX)),
		    &s->to_client, &ev, &code, &e);

		if (n < 0) {
			ws_session_end(s, code, view_of(e.text));
			break;
		}
		used += (size_t)n;
		if (ev.kind == WS_EV_TEXT)
			mask(s, ev.payload, at);
	}
	return used;
}
