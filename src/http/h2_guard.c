#include "http/h2_guard.h"

#include "base/macros.h"

enum { TYPE_DATA, TYPE_CONTINUATION = 9, NTYPES };
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1 };
/* A frame of room for each KiB, and one for each small frame, are usual. */
enum { SENT_PER_WINDOW = 1024 };

/*
 * What an eager but honest client does in ten seconds stays far below: gRPC
 * pings every few seconds, a browser cancels the hundred requests of a page.
 */
static const unsigned most[H2_NKINDS] = {
	[H2_KIND_EMPTY] = 100,
	[H2_KIND_PRIORITY] = 1000,
	[H2_KIND_RESET] = 500,
	[H2_KIND_SETTINGS] = 20,
	[H2_KIND_PING] = 100,
	[H2_KIND_WINDOW] = 2000,
	[H2_KIND_OTHER] = 100,
};

/* HEADERS and DATA are paid for by what they open and fill. */
static const enum h2_kind kinds[NTYPES] = {
	[TYPE_DATA] = H2_KIND_EMPTY,
	[1] = H2_NKINDS, /* HEADERS */
	[2] = H2_KIND_PRIORITY,
	[3] = H2_KIND_RESET, /* RST_STREAM */
	[4] = H2_KIND_SETTINGS,
	[5] = H2_KIND_OTHER, /* PUSH_PROMISE, which nghttp2 refuses */
	[6] = H2_KIND_PING,
	[7] = H2_KIND_OTHER, /* GOAWAY */
	[8] = H2_KIND_WINDOW, /* WINDOW_UPDATE */
	[TYPE_CONTINUATION] = H2_NKINDS,
};

static bool
count(struct h2_guard *g, enum h2_kind kind, uint64_t now)
{
	if (now - g->since > H2_GUARD_MS) {
		for (size_t i = 0; i < ARRAY_LEN(g->n); i++)
			g->n[i] = 0;
		g->since = now;
	}
	return ++g->n[kind] <= most[kind];
}

static bool
frame(struct h2_guard *g, uint8_t type, uint8_t flags, size_t length,
    uint64_t now_ms)
{
	enum h2_kind kind = type < NTYPES ? kinds[type] : H2_KIND_OTHER;

	if (type == TYPE_CONTINUATION)
		return ++g->continuations <= H2_CONTINUATIONS_MAX;
	g->continuations = 0;
	if (kind == H2_NKINDS)
		return true;
	if (kind == H2_KIND_EMPTY &&
	    (length > 0 || (flags & FLAG_END_STREAM))) {
		g->pings_due++;
		return true;
	}
	/* Ours, confirmed: the peer cannot send more than we asked for. */
	if (kind == H2_KIND_SETTINGS && (flags & FLAG_ACK))
		return true;
	if (kind == H2_KIND_WINDOW && g->windows_due > 0) {
		g->windows_due--;
		return true;
	}
	if (kind == H2_KIND_PING && g->pings_due > 0) {
		g->pings_due--;
		return true;
	}
	return count(g, kind, now_ms);
}

bool
h2_guard_feed(struct h2_guard *g, struct view in, uint64_t now_ms)
{
	while (in.n > 0) {
		size_t n = MIN(in.n, g->skip);
		struct rd r;

		g->skip -= n;
		in = view_slice(in, n, in.n);
		n = MIN(in.n, sizeof(g->head) - g->head_n);
		memcpy(g->head + g->head_n, in.p, n);
		g->head_n += n;
		in = view_slice(in, n, in.n);
		if (g->head_n < sizeof(g->head))
			continue;
		g->head_n = 0;
		r = rd_of((struct view) { (char *)g->head, sizeof(g->head) });
		g->skip = rd_be24(&r);
		if (!frame(g, g->head[3], g->head[4], g->skip, now_ms))
			return false;
	}
	return true;
}

bool
h2_guard_reset(struct h2_guard *g, uint64_t now_ms)
{
	return count(g, H2_KIND_RESET, now_ms);
}

void
h2_guard_sent(struct h2_guard *g, size_t n)
{
	/* For the stream and for the connection. */
	g->windows_due += 2 + 2 * (n / SENT_PER_WINDOW);
	g->pings_due++;
}
