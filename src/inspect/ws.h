/*
 * ws: WebSocket (RFC 6455) with permessage-deflate (RFC 7692), one direction
 * at a time and independent of what carries the bytes.
 *
 * Text messages of an inspected direction are assembled, decompressed and
 * handed over whole; everything else goes on piece by piece.  What goes on is
 * framed anew from what was understood.
 */
#ifndef INSPECT_WS_H
#define INSPECT_WS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10
};

/* RFC 6455 section 7.4.1 and the registry it made. */
enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_BAD_UTF8 = 1007,
	WS_CLOSE_DENIED = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_RESTART = 1012,
	WS_CLOSE_BUSY = 1013
};

enum {
	WS_HEAD_MAX = 14,
	WS_CONTROL_MAX = 125,
	WS_FRAGMENTS_MAX = 4096,
	WS_TEXT_MAX = 4 << 20,
	WS_BINARY_MAX = 16 << 20
};

/* ---- frames ------------------------------------------------------------- */

struct ws_frame {
	bool fin, rsv1, masked;
	uint8_t opcode;
	uint8_t mask[4];
	uint64_t n; /* bytes of the payload */
};

/*
 * The head of a frame: its length, 0 when more bytes are needed, or -1 for
 * what section 5.2 forbids (reserved bits and opcodes, lengths not in their
 * shortest form, control frames that are long or fragmented).
 */
MUST_USE ssize_t ws_frame_parse(
    struct view in, struct ws_frame *out, struct err *e);
void ws_frame_write(struct buf *out, const struct ws_frame *f);
/* XORs; `at`: how many bytes of the payload came before. */
void ws_mask(char *p, size_t n, const uint8_t mask[4], uint64_t at);

/*
 * Appends a frame with this payload; with a fresh mask when `from_client`.
 */
void ws_put(struct buf *out, bool from_client, bool fin, bool rsv1,
    enum ws_opcode opcode, struct view payload);
/* A close frame; the reason is clipped to what fits. */
void ws_put_close(
    struct buf *out, bool from_client, unsigned code, struct view reason);

/* ---- one direction ------------------------------------------------------ */

/* What was agreed on, for one direction (RFC 7692 section 7.1). */
struct ws_deflate {
	bool on;
	bool no_context; /* every message begins with an empty window */
	unsigned window_bits; /* 8 to 15 */
};

struct ws_rx;

/*
 * from_client: masked frames are required, else refused.  inspect: text
 * messages are assembled; without it nothing is decompressed and text passes
 * in pieces too.
 */
struct ws_rx *ws_rx_new(
    bool from_client, bool inspect, const struct ws_deflate *d) MUST_USE;
void ws_rx_free(struct ws_rx *rx);

enum ws_event_kind {
	WS_EV_MORE, /* nothing to say yet */
	WS_EV_TEXT, /* a whole text message, checked UTF-8 */
	WS_EV_PIECE, /* part of a data frame that passes */
	WS_EV_CONTROL
};

struct ws_event {
	enum ws_event_kind kind;
	/* WS_EV_TEXT: decompressed; WS_EV_CONTROL: the payload. */
	struct view payload;
	uint8_t opcode; /* of a control frame */
	unsigned code; /* of a close frame; 1005 when it has none */
};

/*
 * Bytes consumed, up to the end of the next event.  `out` gets what is to be
 * sent on for it, should it be allowed: the caller drops that if not.  -1 and
 * then for good: *code is what to close with, and of the payload that was
 * refused nothing is in `out`.
 */
MUST_USE ssize_t ws_rx_feed(struct ws_rx *rx, struct view in, struct buf *out,
    struct ws_event *ev, unsigned *code, struct err *e);

/* What went to `out` ends with a whole frame: another one may follow it. */
bool ws_rx_sends_whole(const struct ws_rx *rx);
/* Bytes of the message that is being assembled, or was given last. */
size_t ws_rx_held(const struct ws_rx *rx);
/* A message of text is being assembled. */
bool ws_rx_assembling(const struct ws_rx *rx);

/* ---- the handshake ------------------------------------------------------ */

enum { WS_ACCEPT_SIZE = 29 };

/* Sec-WebSocket-Key is 16 bytes in base64. */
bool ws_key_valid(struct view key);
/* Sec-WebSocket-Accept for a key, RFC 6455 section 4.2.2. */
void ws_accept(struct view key, char out[WS_ACCEPT_SIZE]);
/*
 * The value of Sec-WebSocket-Extensions in a server's answer: nothing but
 * permessage-deflate, at most once, with parameters of RFC 7692.
 */
int ws_extensions_agreed(struct view value, struct ws_deflate *client,
    struct ws_deflate *server, struct err *e) MUST_USE;
/*
 * From a client's offer, what this can inspect: the permessage-deflate
 * offers, or nothing.
 */
void ws_extensions_offer(struct view value, struct buf *out);

#endif
