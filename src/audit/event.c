/*
 * event: one JSON line a record.
 *
 * The writer runs on the proxy's path for every request, so it makes no
 * allocation of its own: a line is built on the stack, each string in one
 * pass, and appended whole or not at all.  Every value may be hostile: what
 * could end a string, forge a line, drive a terminal or reorder text on screen
 * is written as a JSON escape; bytes that are not UTF-8 as the four characters
 * \xHH.  A value is cut after the bound of its row, counted after escaping, so
 * that the sum of all rows stays below AUDIT_JSON_MAX whatever comes.
 */
#include "audit/event.h"

#include <assert.h>
#include <stddef.h>

#include "audit/fields.h"

#define EVENT(id, name) [AUDIT_##id] = name,
static const char *const kind_names[AUDIT_NKINDS] = {
#include "audit/events.def"
};
#undef EVENT

static const char *const action_names[] = {
	[AUDIT_ALLOW] = "allow",
	[AUDIT_DENY] = "deny",
	[AUDIT_AUDIT] = "audit",
	[AUDIT_INFO] = "info",
};

const char *
audit_kind_name(enum audit_kind k)
{
	return (unsigned)k < AUDIT_NKINDS ? kind_names[k] : "UNKNOWN";
}

const char *
audit_action_name(enum audit_action a)
{
	return (size_t)a < ARRAY_LEN(action_names) ? action_names[a]
						   : "unknown";
}

bool
audit_is_verdict(const struct audit_event *ev)
{
	static const char *const stages[] = { "connect", "forward", "l7",
		"forward-l7-deny", "l7_audit" };

	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (view_eq(ev->stage, view_of(stages[i])))
			return true;
	return false;
}

bool
audit_kind_find(struct view name, enum audit_kind *out)
{
	for (unsigned i = 0; i < AUDIT_NKINDS; i++)
		if (view_eq(name, view_of(kind_names[i]))) {
			*out = (enum audit_kind)i;
			return true;
		}
	return false;
}

bool
audit_action_find(struct view name, enum audit_action *out)
{
	for (unsigned i = 0; i < ARRAY_LEN(action_names); i++)
		if (view_eq(name, view_of(action_names[i]))) {
			*out = (enum audit_action)i;
			return true;
		}
	return false;
}

#define FIELD_STR(name, bound, log) \
	{ #name, sizeof(#name) - 1, AUDIT_F_STR, \
		offsetof(struct audit_event, name), bound, log },
#define FIELD_NUM(name, kind, log) \
	{ #name, sizeof(#name) - 1, kind, offsetof(struct audit_event, name), \
		20, log },
const struct audit_field audit_fields[] = {
#include "audit/fields.def"
};
#undef FIELD_STR
#undef FIELD_NUM
const size_t audit_n_fields = ARRAY_LEN(audit_fields);

/* `,"name":"..."` of every row together, and what the line begins with. */
#define FIELD_STR(name, bound, log) +((bound) + sizeof(#name) + 6)
#define FIELD_NUM(name, kind, log) +(20 + sizeof(#name) + 4)
enum {
	LINE_MAX_BYTES = sizeof("{\"truncated\":true}\n")
#include "audit/fields.def"
};
#undef FIELD_STR
#undef FIELD_NUM
static_assert(
    (int)LINE_MAX_BYTES <= (int)AUDIT_JSON_MAX, "field bounds exceed a line");

/* What a byte is inside a JSON string. */
enum { C_PLAIN, C_ESCAPE, C_WIDE };

/* C_PLAIN for printable ASCII but `"` and `\`; C_WIDE from 0x80. */
static unsigned
class_of(unsigned char c)
{
	if (c >= 0x80)
		return C_WIDE;
	return c < 0x20 || c == 0x7f || c == '"' || c == '\\' ? C_ESCAPE
							      : C_PLAIN;
}

/* Some byte of the eight is not C_PLAIN (or may not be: false positives). */
static bool
eight_need_care(const unsigned char *p)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	uint64_t w, quote, slash, del;

	memcpy(&w, p, sizeof(w));
	quote = w ^ (ones * '"');
	slash = w ^ (ones * '\\');
	del = w ^ (ones * 0x7f);
	return ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones) |
		    (del - ones)) &
		   high) != 0;
}

/* Decodes the UTF-8 sequence at p; its length, or 0 when malformed. */
static size_t
utf8_decode(const unsigned char *p, size_t n, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
	uint32_t c;

	if (len == 0 || p[0] > 0xf4 || len > n)
		return 0;
	c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return len;
}

/*
 * Attack: C1 controls drive terminals, bidirectional controls make a host
 * read as another, line separators end a line for some readers.
 */
static bool
deceives(uint32_t c)
{
	return c < 0xa0 || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff;
}

static char *
put_hex(char *at, uint32_t v, unsigned digits)
{
	while (digits-- > 0)
		*at++ = "0123456789abcdef"[(v >> (digits * 4)) & 15];
	return at;
}

/* One ASCII byte that needs an escape. */
static char *
put_escape(char *at, unsigned char c)
{
	*at++ = '\\';
	switch (c) {
	case '"':
	case '\\':
		*at++ = (char)c;
		return at;
	case '\n':
		*at++ = 'n';
		return at;
	case '\t':
		*at++ = 't';
		return at;
	case '\r':
		*at++ = 'r';
		return at;
	}
	*at++ = 'u';
	return put_hex(at, c, 4);
}

/*
 * The first unit of p (a character, or the escape it needs) at `at`, at most
 * UNIT_MAX bytes; *used is what it stands for.
 */
enum { UNIT_MAX = 6 };
static char *
put_unit(char *at, const unsigned char *p, size_t n, size_t *used)
{
	uint32_t cp;
	size_t len;

	*used = 1;
	if (class_of(p[0]) == C_ESCAPE)
		return put_escape(at, p[0]);
	len = utf8_decode(p, n, &cp);
	if (len == 0) {
		*at++ = '\\';
		*at++ = '\\';
		*at++ = 'x';
		return put_hex(at, p[0], 2);
	}
	*used = len;
	if (deceives(cp)) {
		*at++ = '\\';
		*at++ = 'u';
		return put_hex(at, cp, 4);
	}
	memcpy(at, p, len);
	return at + len;
}

/*
 * `v` escaped into at most `bound` bytes; *cut when not all of it fitted.  A
 * unit is never split.
 */
static char *
put_string(char *at, struct view v, size_t bound, bool *cut)
{
	const unsigned char *p = (const unsigned char *)v.p;
	char *end = at + bound, unit[UNIT_MAX];

	for (size_t i = 0, used; i < v.n; i += used) {
		size_t room = (size_t)(end - at), n;

		if (room >= 8 && v.n - i >= 8 && !eight_need_care(p + i)) {
			memcpy(at, p + i, 8);
			at += 8;
			used = 8;
			continue;
		}
		if (room > 0 && class_of(p[i]) == C_PLAIN) {
			*at++ = (char)p[i];
			used = 1;
			continue;
		}
		n = room > 0
			? (size_t)(put_unit(unit, p + i, v.n - i, &used) - unit)
			: UNIT_MAX;
		if (n > room) {
			*cut = true;
			break;
		}
		memcpy(at, unit, n);
		at += n;
	}
	return at;
}

static char *
put_u64(char *at, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

static char *
put_lit(char *at, const char *s, size_t n)
{
	memcpy(at, s, n);
	return at + n;
}

/* The value of a numeric row; false when it is empty and left out. */
static bool
number_of(
    const struct audit_event *ev, const struct audit_field *f, uint64_t *out)
{
	const char *at = (const char *)ev + f->offset;

	switch (f->kind) {
	case AUDIT_F_TIME:
		*out = ev->time_ms > 0 ? (uint64_t)ev->time_ms : 0;
		return true;
	case AUDIT_F_U16:
		*out = *(const uint16_t *)(const void *)at;
		return *out != 0;
	case AUDIT_F_U32:
		*out = *(const uint32_t *)(const void *)at;
		return *out != 0;
	case AUDIT_F_U64:
		*out = *(const uint64_t *)(const void *)at;
		return *out != 0;
	case AUDIT_F_KIND:
	case AUDIT_F_ACTION:
	case AUDIT_F_STR:
		break;
	}
	return false;
}

bool
audit_put_number(
    struct audit_event *ev, const struct audit_field *f, uint64_t n)
{
	char *at = (char *)ev + f->offset;

	switch (f->kind) {
	case AUDIT_F_TIME:
		ev->time_ms = (int64_t)MIN(n, (uint64_t)INT64_MAX);
		return n <= INT64_MAX;
	case AUDIT_F_U16:
		*(uint16_t *)(void *)at = (uint16_t)n;
		return n <= UINT16_MAX;
	case AUDIT_F_U32:
		*(uint32_t *)(void *)at = (uint32_t)n;
		return n <= UINT32_MAX;
	case AUDIT_F_U64:
		*(uint64_t *)(void *)at = n;
		return true;
	case AUDIT_F_KIND:
	case AUDIT_F_ACTION:
	case AUDIT_F_STR:
		break;
	}
	return false;
}

/* The text of a row that is one; false when it is empty and left out. */
static bool
text_of(
    const struct audit_event *ev, const struct audit_field *f, struct view *out)
{
	const char *at = (const char *)ev + f->offset;

	switch (f->kind) {
	case AUDIT_F_KIND:
		*out = view_of(audit_kind_name(ev->kind));
		return true;
	case AUDIT_F_ACTION:
		*out = view_of(audit_action_name(ev->action));
		return true;
	case AUDIT_F_STR:
		*out = *(const struct view *)(const void *)at;
		return out->n > 0;
	case AUDIT_F_TIME:
	case AUDIT_F_U16:
	case AUDIT_F_U32:
	case AUDIT_F_U64:
		break;
	}
	return false;
}

void
audit_event_json(const struct audit_event *ev, struct buf *out)
{
	char line[AUDIT_JSON_MAX] UNINIT, *at = line;
	bool cut = false;

	*at++ = '{';
	for (size_t i = 0; i < audit_n_fields; i++) {
		const struct audit_field *f = &audit_fields[i];
		struct view text = { NULL, 0 };
		uint64_t number = 0;
		bool is_text = text_of(ev, f, &text);

		if (!is_text && !number_of(ev, f, &number))
			continue;
		if (at > line + 1)
			*at++ = ',';
		*at++ = '"';
		at = put_lit(at, f->name, f->name_n);
		at = put_lit(at, "\":", 2);
		if (!is_text) {
			at = put_u64(at, number);
			continue;
		}
		*at++ = '"';
		at = put_string(at, text, f->bound, &cut);
		*at++ = '"';
	}
	if (cut || ev->truncated)
		at = put_lit(at, ",\"truncated\":true", 17);
	at = put_lit(at, "}\n", 2);
	buf_put(out, (struct view) { line, (size_t)(at - line) });
}

void
audit_event_each(const struct audit_event *ev,
    void (*put)(
	void *ctx, const char *name, const struct view *text, uint64_t number),
    void *ctx)
{
	for (size_t i = 0; i < audit_n_fields; i++) {
		struct view text = { NULL, 0 };
		uint64_t number = 0;

		if (text_of(ev, &audit_fields[i], &text))
			put(ctx, audit_fields[i].name, &text, 0);
		else if (number_of(ev, &audit_fields[i], &number))
			put(ctx, audit_fields[i].name, NULL, number);
	}
}
