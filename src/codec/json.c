#include "codec/json.h"

#include <inttypes.h>

#include "codec/utf8.h"

static const char *
short_escape(uint32_t c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default: /* a character, not an enum of ours */
		return NULL;
	}
}

static bool
must_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '<' || c == '>' ||
	       c == 0x2028 || c == 0x2029;
}

void
json_quote(struct buf *out, struct view v)
{
	size_t at = 0, n;
	uint32_t c;

	buf_putc(out, '"');
	while (at < v.n) {
		n = utf8_decode(view_slice(v, at, v.n), &c);
		if (n == 0) {
			buf_puts(out, "\xef\xbf\xbd");
			n = 1;
		} else if (short_escape(c) != NULL)
			buf_puts(out, short_escape(c));
		else if (must_escape(c))
			buf_printf(out, "\\u%04" PRIx32, c);
		else
			buf_put(out, view_slice(v, at, at + n));
		at += n;
	}
	buf_putc(out, '"');
}

static void
before(struct json *j)
{
	if (j->comma)
		buf_putc(j->out, ',');
	j->comma = true;
}

void
json_open(struct json *j, char bracket)
{
	before(j);
	buf_putc(j->out, bracket);
	j->comma = false;
}

void
json_close(struct json *j, char bracket)
{
	buf_putc(j->out, bracket);
	j->comma = true;
}

void
json_key_view(struct json *j, struct view key)
{
	before(j);
	json_quote(j->out, key);
	buf_putc(j->out, ':');
	j->comma = false;
}

void
json_key(struct json *j, const char *key)
{
	json_key_view(j, view_of(key));
}

void
json_view(struct json *j, struct view v)
{
	before(j);
	json_quote(j->out, v);
}

void
json_str(struct json *j, const char *s)
{
	if (s == NULL)
		json_none(j);
	else
		json_view(j, view_of(s));
}

void
json_uint(struct json *j, uint64_t n)
{
	before(j);
	buf_printf(j->out, "%" PRIu64, n);
}

void
json_int(struct json *j, int64_t n)
{
	before(j);
	buf_printf(j->out, "%" PRId64, n);
}

void
json_bool(struct json *j, bool b)
{
	before(j);
	buf_puts(j->out, b ? "true" : "false");
}

void
json_none(struct json *j)
{
	before(j);
	buf_puts(j->out, "null");
}
