/*
 * h1_chunk: decoder for the chunked transfer coding, RFC 9112 section 7.1.
 *
 * A byte-driven automaton outside chunk data, so the result cannot depend on
 * how the peer split its writes, and it never consumes a byte past the final
 * CRLF: what follows is another message, which must be judged on its own.
 * Trailers are checked for form, and kept for who asks for them.
 */
#include "http/h1.h"

#include "http/h1_chars.h"

enum {
	CHUNK_DIGITS_MAX = 16,
	CHUNK_EXT_MAX = 256,
	CHUNK_EXT_TOTAL_MAX = 16384,
	CHUNK_TRAILER_MAX = 8192
};

enum state {
	ST_SIZE, /* the first state */
	ST_EXT,
	ST_SIZE_LF,
	ST_DATA,
	ST_DATA_CR,
	ST_DATA_LF,
	ST_TRAILER_START,
	ST_TRAILER_NAME,
	ST_TRAILER_VALUE,
	ST_TRAILER_LF,
	ST_END_LF,
	ST_BAD
};

void
h1_chunk_init(struct h1_chunk *c)
{
	*c = (struct h1_chunk) { .state = ST_SIZE };
}

static int
on_size(struct h1_chunk *c, unsigned char ch, struct err *e)
{
	unsigned digit;

	if (h1_chars[ch] & CH_HEX) {
		digit = ch <= '9' ? (unsigned)(ch - '0')
				  : (unsigned)((ch | 0x20) - 'a' + 10);
		/* Signed 64-bit sizes are common; stay below them. */
		if (c->digits == CHUNK_DIGITS_MAX || c->left >> 59 != 0)
			return err_set(e, ERR_PROTO, "chunk size is too large");
		c->digits++;
		c->left = c->left << 4 | digit;
		return 0;
	}
	if (c->digits == 0 || (ch != '\r' && ch != ';'))
		return err_set(e, ERR_PROTO, "malformed chunk size");
	c->ext = 0;
	c->state = ch == ';' ? ST_EXT : ST_SIZE_LF;
	return 0;
}

static int
on_ext(struct h1_chunk *c, unsigned char ch, struct err *e)
{
	if (ch == '\r') {
		c->state = ST_SIZE_LF;
		return 0;
	}
	if (!(h1_chars[ch] & CH_VALUE))
		return err_set(
		    e, ERR_PROTO, "chunk extension holds a control byte");
	if (++c->ext > CHUNK_EXT_MAX || ++c->ext_total > CHUNK_EXT_TOTAL_MAX)
		return err_set(e, ERR_LIMIT, "chunk extensions are too long");
	return 0;
}

static int
on_trailer(struct h1_chunk *c, unsigned char ch, struct err *e)
{
	c->trailer += ch == '\r' ? 2 : 1; /* with the LF that must follow */
	if (c->trailer > CHUNK_TRAILER_MAX)
		return err_set(e, ERR_LIMIT, "trailers are too long");
	if (c->state == ST_TRAILER_START) {
		c->line = 0;
		if (ch == '\r') {
			c->state = ST_END_LF;
			return 0;
		}
		c->state = ST_TRAILER_NAME;
	}
	if (c->state == ST_TRAILER_NAME) {
		if (ch == ':' && c->line > 0)
			c->state = ST_TRAILER_VALUE;
		else if (!(h1_chars[ch] & CH_TOKEN))
			return err_set(e, ERR_PROTO, "malformed trailer");
		c->line++;
		return 0;
	}
	if (ch == '\r')
		c->state = ST_TRAILER_LF;
	else if (!(h1_chars[ch] & CH_VALUE))
		return err_set(e, ERR_PROTO, "trailer holds a control byte");
	return 0;
}

/* One byte outside chunk data. */
static int
on_byte(struct h1_chunk *c, unsigned char ch, struct err *e)
{
	switch ((enum state)c->state) {
	case ST_SIZE:
		return on_size(c, ch, e);
	case ST_EXT:
		return on_ext(c, ch, e);
	case ST_TRAILER_START:
	case ST_TRAILER_NAME:
	case ST_TRAILER_VALUE:
		return on_trailer(c, ch, e);
	case ST_DATA_CR:
		if (ch != '\r')
			break;
		c->state = ST_DATA_LF;
		return 0;
	case ST_SIZE_LF:
	case ST_DATA_LF:
	case ST_TRAILER_LF:
	case ST_END_LF:
		if (ch != '\n')
			break;
		c->done = c->state == ST_END_LF;
		if (c->state == ST_DATA_LF) {
			c->state = ST_SIZE;
			c->digits = 0;
			c->left = 0;
		} else if (c->state == ST_SIZE_LF && c->left > 0) {
			c->state = ST_DATA;
		} else {
			c->state = ST_TRAILER_START;
		}
		return 0;
	case ST_DATA:
	case ST_BAD:
		break;
	}
	return err_set(e, ERR_PROTO, "chunk lacks its CRLF");
}

ssize_t
h1_chunk_feed(
    struct h1_chunk *c, struct view in, struct view *body, struct err *e)
{
	size_t i = 0;

	*body = (struct view) { NULL, 0 };
	while (i < in.n && !c->done) {
		if (c->state == ST_DATA) {
			size_t n = in.n - i;

			if (c->left < n)
				n = (size_t)c->left;
			*body = (struct view) { in.p + i, n };
			c->left -= n;
			if (c->left == 0)
				c->state = ST_DATA_CR;
			return (ssize_t)(i + n);
		}
		if (c->keep != NULL && c->state >= ST_TRAILER_START)
			buf_putc(c->keep, in.p[i]);
		if (on_byte(c, (unsigned char)in.p[i], e) < 0) {
			c->state = ST_BAD; /* stays refused */
			return -1;
		}
		i++;
	}
	return (ssize_t)i;
}
