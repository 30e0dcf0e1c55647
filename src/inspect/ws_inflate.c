#include "inspect/ws_inflate.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/mem.h"

enum {
	PIECE = 16 << 10,
	/* DEFLATE reaches 1032; text that is meant seriously does not. */
	RATIO_MAX = 256,
	RATIO_FREE = 1 << 20 /* not looked at below this much output */
};

struct ws_inflate {
	z_stream z;
	uint64_t in, out; /* of this message */
};

struct ws_inflate *
ws_inflate_new(void)
{
	struct ws_inflate *z = NEW(struct ws_inflate);

	/* Raw, with the largest window, which reads all smaller ones. */
	if (inflateInit2(&z->z, -15) != Z_OK)
		abort(); /* out of memory */
	return z;
}

void
ws_inflate_free(struct ws_inflate *z)
{
	if (z == NULL)
		return;
	(void)inflateEnd(&z->z);
	free(z);
}

void
ws_inflate_reset(struct ws_inflate *z)
{
	(void)inflateReset(&z->z);
}

/* The stream stands between two blocks, at a whole byte (zlib.h, Z_BLOCK). */
static bool
between_blocks(const struct ws_inflate *z)
{
	return (z->z.data_type & 128) != 0 && (z->z.data_type & 7) == 0;
}

enum ws_inflate_result
ws_inflate_feed(struct ws_inflate *z, struct view in, bool last, struct buf *to,
    size_t room, uint64_t *total)
{
	char piece[PIECE];
	bool bomb;
	int r;

	z->in += in.n;
	z->z.next_in = (const unsigned char *)in.p;
	z->z.avail_in = (unsigned)in.n;
	do {
		size_t n;

		z->z.next_out = (unsigned char *)piece;
		z->z.avail_out = sizeof(piece);
		r = inflate(&z->z, Z_SYNC_FLUSH);
		n = sizeof(piece) - z->z.avail_out;
		if (to != NULL)
			buf_put(to, (struct view) { piece, MIN(n, room) });
		if (n > room)
			return WS_INFLATE_BOMB;
		z->out += n;
		*total += n;
		room -= n;
		/* A final block (Z_STREAM_END) ends the stream, not the
		 * message; receivers differ in what they make of the rest. */
		if (r != Z_OK && r != Z_BUF_ERROR)
			return WS_INFLATE_BAD;
	} while (z->z.avail_in > 0 || z->z.avail_out == 0);
	if (!last)
		return WS_INFLATE_OK;
	/* Over whole messages, so that it does not depend on how they came. */
	bomb = z->out > RATIO_FREE && z->out / RATIO_MAX > z->in;
	z->in = z->out = 0;
	if (!between_blocks(z))
		return WS_INFLATE_BAD;
	return bomb ? WS_INFLATE_BOMB : WS_INFLATE_OK;
}
