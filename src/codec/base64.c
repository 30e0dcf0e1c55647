#include "codec/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i += 3) {
		size_t left = MIN(v.n - i, (size_t)3);
		uint32_t w = 0;

		for (size_t k = 0; k < 3; k++)
			w = w << 8 |
			    (k < left ? (unsigned char)v.p[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			buf_putc(out,
			    k <= left ? alphabet[w >> (18 - 6 * k) & 63] : '=');
	}
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Four characters, of which the last `pad` are '='. */
static bool
decode_group(const char *p, unsigned pad, struct buf *out)
{
	uint32_t w = 0;

	for (unsigned k = 0; k < 4; k++) {
		int d = k < 4 - pad ? value_of(p[k]) : 0;

		if (d < 0)
			return false;
		w = w << 6 | (uint32_t)d;
	}
	/* One spelling only: what the padding cuts off is zero. */
	if ((w & ((1u << (8 * pad)) - 1)) != 0)
		return false;
	for (unsigned k = 0; k < 3 - pad; k++)
		buf_putc(out, (char)(w >> (16 - 8 * k) & 0xff));
	return true;
}

bool
base64_decode(struct view v, struct buf *out)
{
	if (v.n % 4 != 0)
		return false;
	for (size_t i = 0; i < v.n; i += 4) {
		unsigned pad = 0;

		if (i + 4 == v.n && v.p[i + 3] == '=')
			pad = v.p[i + 2] == '=' ? 2 : 1;
		if (!decode_group(v.p + i, pad, out))
			return false;
	}
	return !out->full;
}
