/*
 * h2_guard: how much a peer of HTTP/2 may ask for that costs it nothing.
 *
 * Counts what comes in on one connection, cheap frames by their kind, over
 * spans of ten seconds.  A peer beyond a bound is told ENHANCE_YOUR_CALM and
 * its connection ends.  Attack A35: rapid reset (CVE-2023-44487), floods of
 * SETTINGS, PING, CONTINUATION (CVE-2024-27316) and empty frames.
 *
 * Looks at the bytes themselves, before whatever reads them: what a library
 * ignores in silence counts as well.  Pure: the caller brings the clock.
 */
#ifndef HTTP_H2_GUARD_H
#define HTTP_H2_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Frame types, RFC 9113 section 6, that are counted. */
enum h2_kind {
	H2_KIND_EMPTY, /* DATA without a byte that ends nothing */
	H2_KIND_PRIORITY,
	H2_KIND_RESET, /* RST_STREAM, and streams that had to be reset */
	H2_KIND_SETTINGS,
	H2_KIND_PING,
	H2_KIND_WINDOW, /* WINDOW_UPDATE beyond those that data explains */
	H2_KIND_OTHER, /* GOAWAY, PUSH_PROMISE, types that nobody knows */
	H2_NKINDS
};

enum {
	H2_GUARD_MS = 10000,
	H2_CONTINUATIONS_MAX = 8, /* of one header block */
	H2_PREFACE = 24, /* bytes of a client before its first frame */
	H2_FRAME_HEAD = 9
};

struct h2_guard {
	size_t skip; /* bytes until the next frame; at first H2_PREFACE or 0 */
	unsigned char head[H2_FRAME_HEAD];
	size_t head_n; /* of it, there */
	uint64_t since; /* ms */
	unsigned n[H2_NKINDS];
	unsigned continuations;
	/* Frames that data explains: room for more, and probes of its pace. */
	uint64_t windows_due, pings_due;
};

/* The next bytes of the peer's.  False: too many frames of some kind. */
bool h2_guard_feed(struct h2_guard *g, struct view in, uint64_t now_ms);
/* The peer had us reset a stream; as if it had done so itself. */
bool h2_guard_reset(struct h2_guard *g, uint64_t now_ms);
/* n bytes of DATA went out, which the peer may answer with room for more. */
void h2_guard_sent(struct h2_guard *g, size_t n);

#endif
