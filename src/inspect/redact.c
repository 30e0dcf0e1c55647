#include "inspect/redact.h"

#include "base/macros.h"

enum { TAIL_MIN = 6, BEGIN_N = 3 };

static const char begin[] = "sk-";
static const char placeholder[] = "sk-OPENSHELL-RESOLVE-ENV-";

/* How characters may be written beside as they are. */
enum writing { PLAIN, JSON, PERCENT, WRITINGS };

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two digits as an ASCII character; 0 when they are none. */
static char
byte_of(struct view v)
{
	int hi = v.n == 2 ? hex(v.p[0]) : -1;
	int lo = v.n == 2 ? hex(v.p[1]) : -1;

	return hi < 0 || hi > 7 || lo < 0 ? '\0' : (char)(hi << 4 | lo);
}

/* The character at `at`, and its bytes; '\0' is one that no token has. */
static char
character(struct view v, size_t at, enum writing how, size_t *n)
{
	char c = v.p[at];

	*n = 1;
	if (how == JSON && c == '\\') {
		/* An escape is one thing: \\u0073 is a backslash and text. */
		*n = MIN((size_t)2, v.n - at);
		if (v.n - at >= 6 && v.p[at + 1] == 'u') {
			*n = 6;
			return view_eq(
				   view_slice(v, at + 2, at + 4), VIEW("00"))
				   ? byte_of(view_slice(v, at + 4, at + 6))
				   : '\0';
		}
		return '\0';
	}
	if (how == PERCENT && c == '%' && v.n - at >= 3) {
		char d = byte_of(view_slice(v, at + 1, at + 3));

		if (d != '\0')
			*n = 3;
		return d;
	}
	return c;
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

static bool
is_tail(char c)
{
	return is_alnum(c) || c == '_' || c == '-';
}

/* All of a name that stands for a credential, and nothing more. */
static bool
is_placeholder(struct view token)
{
	struct view name;

	if (!view_starts(token, view_of(placeholder)))
		return false;
	name = view_slice(token, sizeof(placeholder) - 1, token.n);
	for (size_t i = 0; i < name.n; i++)
		if (!is_alnum(name.p[i]) && name.p[i] != '_')
			return false;
	return name.n > 0;
}

/* Where the token that begins at `at` ends; `at` when none does. */
static size_t
token_end(struct view v, size_t at, enum writing how)
{
	size_t i = at, count = 0, n;

	for (; i < v.n; i += n, count++) {
		char c = character(v, i, how, &n);

		if (count < BEGIN_N ? c != begin[count] : !is_tail(c))
			break;
	}
	if (count < BEGIN_N + TAIL_MIN || is_placeholder(view_slice(v, at, i)))
		return at;
	return i;
}

/* Nothing can be found: the common case, at the cost of a search. */
static bool
may_hold(struct view v, enum writing how)
{
	static const char *const needles[WRITINGS] = { "sk-", "\\", "%" };

	return memmem(v.p, v.n, needles[how], strlen(needles[how])) != NULL;
}

static size_t
take_out(struct view v, enum writing how, struct buf *out)
{
	size_t found = 0, from = 0, n;
	char before = '\0';

	if (v.n == 0 || !may_hold(v, how))
		return 0;
	for (size_t i = 0; i < v.n; i += n) {
		char c = character(v, i, how, &n);
		size_t end = i;

		if (c == begin[0] && !is_alnum(before))
			end = token_end(v, i, how);
		before = c;
		if (end == i)
			continue;
		buf_put(out, view_slice(v, from, i));
		buf_puts(out, REDACT_WITH);
		before = '-'; /* whatever follows is no tail */
		from = end;
		n = end - i;
		found++;
	}
	if (found > 0)
		buf_put(out, view_slice(v, from, v.n));
	return found;
}

size_t
redact_room(size_t n)
{
	/* The shortest token is nine bytes. */
	return n + n / (BEGIN_N + TAIL_MIN) * sizeof(REDACT_WITH) + 1;
}

size_t
redact_tokens(struct view in, struct buf *out)
{
	AUTO_BUF struct buf other = BUF_INIT(out->max);
	struct view text = in;
	size_t found = 0;

	for (enum writing how = PLAIN; how < WRITINGS; how++) {
		size_t n;

		buf_reset(&other);
		n = take_out(text, how, &other);
		if (n == 0)
			continue;
		found += n;
		buf_reset(out);
		buf_put(out, buf_view(&other));
		text = buf_view(out);
	}
	return found;
}
