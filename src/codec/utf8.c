#include "codec/utf8.h"

static bool
cont(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t
utf8_decode(struct view v, uint32_t *cp)
{
	const unsigned char *p = (const unsigned char *)v.p;
	uint32_t c;

	if (v.n == 0)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf && v.n >= 2 && cont(p[1])) {
		*cp = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
		return 2;
	}
	if ((p[0] & 0xf0) == 0xe0 && v.n >= 3 && cont(p[1]) && cont(p[2])) {
		c = (uint32_t)(p[0] & 0x0f) << 12 |
		    (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
		if (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*cp = c;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4 && v.n >= 4 && cont(p[1]) &&
	    cont(p[2]) && cont(p[3])) {
		c = (uint32_t)(p[0] & 0x07) << 18 |
		    (uint32_t)(p[1] & 0x3f) << 12 |
		    (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
		if (c < 0x10000 || c > 0x10ffff)
			return 0;
		*cp = c;
		return 4;
	}
	return 0;
}

size_t
utf8_span(struct view v)
{
	uint32_t cp;
	size_t at = 0, n;

	while (at < v.n) {
		n = utf8_decode(view_slice(v, at, v.n), &cp);
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

/*
 * Some two bytes complete it: which second bytes are valid depends on the
 * first, but the least or the greatest of them always is.
 */
bool
utf8_unfinished(struct view v)
{
	static const char fill[][4] = { "\x80\x80\x80", "\xbf\xbf\xbf" };
	char text[4];
	uint32_t cp;

	if (v.n == 0 || v.n > 3)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		memcpy(text, v.p, v.n);
		memcpy(text + v.n, fill[i], sizeof(text) - v.n);
		if (utf8_decode((struct view) { text, 4 }, &cp) > v.n)
			return true;
	}
	return false;
}

struct view
utf8_clip(struct view v, size_t max)
{
	if (v.n <= max)
		return v;
	while (max > 0 && cont((unsigned char)v.p[max]))
		max--;
	return view_slice(v, 0, max);
}
