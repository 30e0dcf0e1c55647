#include "inspect/ws.h"

#include <assert.h>

#include "base/random.h"
#include "codec/utf8.h"

/* A row an opcode, RFC 6455 section 11.8; without a name: reserved. */
static const struct {
	const char *name;
	bool control;
} opcodes[16] = {
	[WS_CONTINUATION] = { "continuation", false },
	[WS_TEXT] = { "text", false },
	[WS_BINARY] = { "binary", false },
	[WS_CLOSE] = { "close", true },
	[WS_PING] = { "ping", true },
	[WS_PONG] = { "pong", true },
};

static int
refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_PROTO, "WebSocket: %s", what);
}

/* Section 5.2: the shortest form, and no sign bit. */
static int
check_length(uint64_t n, uint64_t least, struct err *e)
{
	if (n < least)
		return refuse(e, "a length that is not in its shortest form");
	if (n >> 63 != 0)
		return refuse(e, "a length with its highest bit set");
	return 0;
}

ssize_t
ws_frame_parse(struct view in, struct ws_frame *out, struct err *e)
{
	struct rd r = rd_of(in);
	uint8_t first = rd_u8(&r), second = rd_u8(&r);
	uint64_t n = second & 0x7f, least = 0;
	size_t had = in.n;

	if (r.bad)
		return 0;
	*out = (struct ws_frame) {
		.fin = (first & 0x80) != 0,
		.rsv1 = (first & 0x40) != 0,
		.opcode = first & 0x0f,
		.masked = (second & 0x80) != 0,
	};
	if (first & 0x30)
		return refuse(e, "a reserved bit is set");
	if (opcodes[out->opcode].name == NULL)
		return refuse(e, "a reserved opcode");
	if (opcodes[out->opcode].control &&
	    (!out->fin || out->rsv1 || n > WS_CONTROL_MAX))
		return refuse(
		    e, "a control frame that is long, split or compressed");
	if (n == 126) {
		n = rd_be16(&r);
		least = 126;
	} else if (n == 127) {
		n = (uint64_t)rd_be32(&r) << 32;
		n |= rd_be32(&r);
		least = 0x10000;
	}
	if (out->masked) {
		struct view mask = rd_view(&r, 4);

		if (!r.bad)
			memcpy(out->mask, mask.p, 4);
	}
	if (r.bad)
		return 0;
	if (check_length(n, least, e) < 0)
		return -1;
	out->n = n;
	return (ssize_t)(had - r.n);
}

void
ws_frame_write(struct buf *out, const struct ws_frame *f)
{
	char head[WS_HEAD_MAX];
	size_t n = 2, wide = 0;

	head[0] =
	    (char)((f->fin ? 0x80 : 0) | (f->rsv1 ? 0x40 : 0) | f->opcode);
	head[1] = (char)(f->masked ? 0x80 : 0);
	if (f->n < 126) {
		head[1] = (char)(head[1] | (char)f->n);
	} else {
		wide = f->n < 0x10000 ? 2 : 8;
		head[1] = (char)(head[1] | (wide == 2 ? 126 : 127));
	}
	for (size_t i = 0; i < wide; i++)
		head[n++] = (char)(f->n >> 8 * (wide - 1 - i) & 0xff);
	if (f->masked) {
		memcpy(head + n, f->mask, 4);
		n += 4;
	}
	buf_put(out, (struct view) { head, n });
}

void
ws_mask(char *p, size_t n, const uint8_t mask[4], uint64_t at)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(p[i] ^ mask[(at + i) & 3]);
}

void
ws_put(struct buf *out, bool from_client, bool fin, bool rsv1,
    enum ws_opcode opcode, struct view payload)
{
	struct ws_frame f = { .fin = fin,
		.rsv1 = rsv1,
		.masked = from_client,
		.opcode = (uint8_t)opcode,
		.n = payload.n };

	if (from_client)
		random_bytes(f.mask, sizeof(f.mask));
	ws_frame_write(out, &f);
	buf_put(out, payload);
	if (from_client && payload.n > 0 && !out->full)
		ws_mask(out->p + out->n - payload.n, payload.n, f.mask, 0);
}

void
ws_put_close(
    struct buf *out, bool from_client, unsigned code, struct view reason)
{
	char text[WS_CONTROL_MAX];

	reason = utf8_clip(reason, sizeof(text) - 2);
	text[0] = (char)(code >> 8 & 0xff);
	text[1] = (char)(code & 0xff);
	if (reason.n > 0)
		memcpy(text + 2, reason.p, reason.n);
	ws_put(out, from_client, true, false, WS_CLOSE,
	    (struct view) { text, 2 + reason.n });
}
