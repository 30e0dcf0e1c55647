/*
 * rewrite_json: placeholders inside the strings of a JSON text (RFC 8259).
 *
 * The text need not be valid: nothing is judged by it.  But a value is only
 * put into a string that begins and ends and reads in one way, so that it
 * cannot become anything but a part of that string.
 */
#include <string.h>

#include "codec/json.h"
#include "codec/utf8.h"
#include "secrets/impl.h"

/* Length of the string at v.p[0] == '"' with both quotes; 0: it has no end. */
static size_t
string_span(struct view v)
{
	for (size_t i = 1; i < v.n; i++) {
		if (v.p[i] == '\\')
			i++;
		else if (v.p[i] == '"')
			return i + 1;
	}
	return 0;
}

static bool
hex4(struct view v, uint32_t *out)
{
	uint32_t w = 0;

	if (v.n < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		char c = v.p[i];
		char low = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			w = w << 4 | (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			w = w << 4 | (uint32_t)(low - 'a' + 10);
		else
			return false;
	}
	*out = w;
	return true;
}

static void
put_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_putc(b, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_putc(b, (char)(0xe0 | c >> 12));
		} else {
			buf_putc(b, (char)(0xf0 | c >> 18));
			buf_putc(b, (char)(0x80 | (c >> 12 & 63)));
		}
		buf_putc(b, (char)(0x80 | (c >> 6 & 63)));
	}
	buf_putc(b, (char)(0x80 | (c & 63)));
}

/* "\uXXXX", a pair of them for what is beyond the basic plane.  0: bad. */
static size_t
unicode(struct view v, struct buf *out)
{
	uint32_t hi, lo;

	if (!hex4(view_slice(v, 2, v.n), &hi))
		return 0;
	if (hi < 0xd800 || hi > 0xdfff) {
		put_utf8(out, hi);
		return 6;
	}
	if (hi > 0xdbff || v.n < 12 || v.p[6] != '\\' || v.p[7] != 'u' ||
	    !hex4(view_slice(v, 8, v.n), &lo) || lo < 0xdc00 || lo > 0xdfff)
		return 0;
	put_utf8(out, 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00));
	return 12;
}

/* What stands between the quotes, read as a JSON reader does. */
static bool
decode(struct view v, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	size_t i = 0;

	while (i < v.n) {
		const char *at;
		size_t n;

		if (v.p[i] != '\\') {
			buf_putc(out, v.p[i++]);
			continue;
		}
		if (v.n - i < 2)
			return false;
		if (v.p[i + 1] == 'u') {
			n = unicode(view_slice(v, i, v.n), out);
			if (n == 0)
				return false;
			i += n;
			continue;
		}
		at = memchr(from, v.p[i + 1], sizeof(from) - 1);
		if (at == NULL)
			return false;
		buf_putc(out, to[at - from]);
		i += 2;
	}
	return !out->full && utf8_valid(buf_view(out));
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A member's name: a credential there is none. */
static bool
is_name(struct view after)
{
	size_t i = 0;

	while (i < after.n && is_blank(after.p[i]))
		i++;
	return i < after.n && after.p[i] == ':';
}

/* 1 when a value was put. */
static int
string(struct rw *rw, struct view s, struct view after, struct buf *out,
    struct err *e)
{
	AUTO_RW_OUT struct buf plain = BUF_INIT(s.n), with = BUF_INIT(0);
	bool whole = decode(view_slice(s, 1, s.n - 1), &plain);

	if (!ph_marked(s) && !(whole && ph_marked(buf_view(&plain)))) {
		buf_put(out, s);
		return 0;
	}
	if (!whole || is_name(after))
		return rw_fail(RW_BODY, out, e);
	rw_out_init(&with, out->max);
	if (rw_text(rw, RW_BODY, buf_view(&plain), NULL, &with, e) < 0) {
		rw_out_wipe(out);
		return -1;
	}
	if (!utf8_valid(buf_view(&with)))
		return rw_fail(RW_BODY, out, e);
	json_quote(out, buf_view(&with));
	return 1;
}

int
rw_json(struct rw *rw, struct view body, struct buf *out, struct err *e)
{
	size_t at = 0, before = out->n;
	bool any = false;

	/* Without an escape, what is not there cannot be written otherwise. */
	if (!ph_marked(body) && view_find(body, '\\') < 0)
		return 0;
	while (at < body.n) {
		struct view rest = view_slice(body, at, body.n);
		ssize_t quote = view_find(rest, '"');
		size_t gap = quote < 0 ? rest.n : (size_t)quote, n = 0;
		int r;

		if (ph_marked(view_slice(rest, 0, gap)))
			return rw_fail(RW_BODY, out, e);
		buf_put(out, view_slice(rest, 0, gap));
		at += gap;
		if (at == body.n)
			break;
		rest = view_slice(body, at, body.n);
		n = string_span(rest);
		if (n == 0 && ph_marked(rest))
			return rw_fail(RW_BODY, out, e);
		r = n == 0 ? 0
			   : string(rw, view_slice(rest, 0, n),
				 view_slice(rest, n, rest.n), out, e);
		if (r < 0)
			return -1;
		if (n == 0) {
			buf_put(out, rest);
			break;
		}
		any |= r > 0;
		at += n;
	}
	if (!any) {
		rw_cut(out, before);
		return 0;
	}
	if (!out->full)
		return 1;
	rw_out_wipe(out);
	return err_set(
	    e, ERR_LIMIT, "the body with its credentials is too long");
}
