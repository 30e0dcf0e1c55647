#include "inspect/gunzip.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/mem.h"

enum {
	PIECE = 16 << 10,
	WINDOW = 15,
	EITHER = 32 /* zlib.h: gzip or zlib, by the first bytes */
};

struct gunzip {
	z_stream z;
	bool ended; /* between members, or at the end */
};

bool
gunzip_reads(struct view coding)
{
	return view_eq_nocase(coding, VIEW("gzip")) ||
	       view_eq_nocase(coding, VIEW("x-gzip")) ||
	       view_eq_nocase(coding, VIEW("deflate"));
}

struct gunzip *
gunzip_new(void)
{
	struct gunzip *z = NEW(struct gunzip);

	if (inflateInit2(&z->z, WINDOW + EITHER) != Z_OK)
		abort(); /* out of memory */
	return z;
}

void
gunzip_free(struct gunzip *z)
{
	if (z == NULL)
		return;
	(void)inflateEnd(&z->z);
	free(z);
}

int
gunzip_feed(struct gunzip *z, struct view in, struct buf *out, struct err *e)
{
	char piece[PIECE];
	int r = Z_OK;

	if (in.n == 0) /* else a whole member would be one that begins */
		return 0;
	z->z.next_in = (const unsigned char *)in.p;
	z->z.avail_in = (unsigned)in.n;
	while (z->z.avail_in > 0 || (r == Z_OK && z->z.avail_out == 0)) {
		if (z->ended) /* RFC 1952 section 2.2: members follow */
			(void)inflateReset(&z->z);
		z->z.next_out = (unsigned char *)piece;
		z->z.avail_out = sizeof(piece);
		r = inflate(&z->z, Z_SYNC_FLUSH);
		buf_put(out,
		    (struct view) { piece, sizeof(piece) - z->z.avail_out });
		mem_wipe(piece, sizeof(piece) - z->z.avail_out);
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return err_set(
			    e, ERR_PROTO, "the compressed body is not valid");
		if (out->full)
			return err_set(
			    e, ERR_LIMIT, "the compressed body grows too much");
		z->ended = r == Z_STREAM_END;
	}
	return 0;
}

bool
gunzip_whole(const struct gunzip *z)
{
	return z->ended;
}
