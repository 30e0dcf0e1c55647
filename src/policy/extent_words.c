/*
 * extent_words: which strings a request can hold, as automata.  The functions
 * that make or admit such strings (p_host_normalise, target_canonical,
 * query_decode) are elsewhere; tests hold the two against each other.
 */
#include "policy/extent_impl.h"

static bool
is_digit(unsigned char b)
{
	return b >= '0' && b <= '9';
}

static bool
is_lower(unsigned char b)
{
	return b >= 'a' && b <= 'z';
}

static bool
is_alpha(unsigned char b)
{
	return is_lower(b | 0x20);
}

/* --- names: labels of 1 to 63 letters, digits and inner hyphens -------- */

/*
 * 1 + the bytes of the label read, plus HYPHEN when the last one is a hyphen,
 * plus DIGIT when the first one is a digit: such a label cannot be the last.
 */
enum { LABEL_MAX = 63, HYPHEN = 64, DIGIT = 128 };

static uint32_t
name_step(uint32_t state, unsigned char b)
{
	uint32_t at = state - 1, len = at % 64, flags = at & DIGIT;

	if (b == '.')
		return len > 0 && !(at & HYPHEN) ? 1 : 0;
	if (len == LABEL_MAX || (b == '-' && len == 0))
		return 0;
	if (len == 0 && is_digit(b))
		flags = DIGIT;
	if (b == '-')
		flags |= HYPHEN;
	else if (!is_lower(b) && !is_digit(b))
		return 0;
	return 1 + len + 1 + flags;
}

static bool
name_accepts(uint32_t state)
{
	uint32_t at = state - 1;

	return at % 64 > 0 && !(at & HYPHEN) && !(at & DIGIT);
}

static unsigned
name_class(unsigned char b)
{
	if (is_lower(b))
		return 1;
	if (is_digit(b))
		return 2;
	return b == '-' ? 3 : b == '.' ? 4 : 0;
}

const struct automaton_rules extent_names = { name_step, name_accepts,
	name_class };

/* --- paths: what target_canonical yields ------------------------------- */

enum {
	P_START = 1,
	P_SLASH, /* behind one */
	P_SEGMENT,
	P_DOT, /* the segment is "." so far */
	P_DOTS,
	P_PART, /* behind an encoded slash */
	P_ASTERISK, /* "*", the target of OPTIONS for the whole server */
	P_PERCENT,
	P_PERCENT_DOTS, /* behind a part that is "." or ".." so far */
	P_HEX = 16, /* plus the first digit */
	P_HEX_DOTS = 32
};

/* Kept as they are; parameters (";...") are cut off before that. */
static bool
is_plain(unsigned char b)
{
	return is_alpha(b) || is_digit(b) ||
	       (b != '\0' && strchr("-._~!$&'()*+,=:@", b) != NULL);
}

static int
hex_digit(unsigned char b)
{
	if (is_digit(b))
		return b - '0';
	return b >= 'A' && b <= 'F' ? b - 'A' + 10 : -1;
}

/* Bytes that stand encoded in a canonical path. */
static bool
is_encoded(unsigned b)
{
	return b >= 0x20 && b != 0x7f && b != ';' &&
	       !is_plain((unsigned char)b);
}

/* The second digit of an escape, behind `first`. */
static uint32_t
path_escape(unsigned first, bool dots, int second)
{
	unsigned b = first << 4 | (unsigned)second;

	if (second < 0 || !is_encoded(b))
		return 0;
	if (b != '/')
		return P_SEGMENT;
	return dots ? 0 : P_PART; /* a hidden dot segment */
}

static uint32_t
path_plain(uint32_t state, unsigned char b)
{
	if (b == '.' && (state == P_SLASH || state == P_PART))
		return P_DOT;
	if (b == '.' && state == P_DOT)
		return P_DOTS;
	return P_SEGMENT;
}

static uint32_t
path_step(uint32_t state, unsigned char b)
{
	int hex = hex_digit(b);

	if (state == P_START)
		return b == '/' ? P_SLASH : b == '*' ? P_ASTERISK : 0;
	if (state == P_ASTERISK)
		return 0;
	if ((state == P_PERCENT || state == P_PERCENT_DOTS) && hex < 2)
		return 0;
	if (state == P_PERCENT || state == P_PERCENT_DOTS)
		return (state == P_PERCENT ? P_HEX : P_HEX_DOTS) +
		       (uint32_t)hex;
	if (state >= P_HEX)
		return path_escape(state % 16, state >= P_HEX_DOTS, hex);
	if (b == '/')
		return state == P_SEGMENT || state == P_PART ? P_SLASH : 0;
	if (b == '%')
		return state == P_DOT || state == P_DOTS ? P_PERCENT_DOTS
							 : P_PERCENT;
	return is_plain(b) ? path_plain(state, b) : 0;
}

static bool
path_accepts(uint32_t state)
{
	return state == P_SLASH || state == P_SEGMENT || state == P_PART ||
	       state == P_ASTERISK;
}

static unsigned
path_class(unsigned char b)
{
	if (hex_digit(b) >= 0)
		return 8 + (unsigned)hex_digit(b);
	switch (b) {
	case '/':
		return 2;
	case '.':
		return 3;
	case '%':
		return 4;
	case '*':
		return 5;
	default: /* a byte, not an enum of ours */
		return is_plain(b);
	}
}

const struct automaton_rules extent_paths = { path_step, path_accepts,
	path_class };

/* --- one segment of those ---------------------------------------------- */

static uint32_t
segment_step(uint32_t state, unsigned char b)
{
	return b == '/'
		   ? 0
		   : path_step(state == P_START ? (uint32_t)P_SLASH : state, b);
}

static bool
segment_accepts(uint32_t state)
{
	return state == P_SEGMENT || state == P_PART;
}

const struct automaton_rules extent_segments = { segment_step, segment_accepts,
	path_class };

/* --- paths with an encoded slash, among those ------------------------- */

static uint32_t
slash_step(uint32_t state, unsigned char b)
{
	static const char text[] = "%2F";

	if (state == sizeof(text)) /* all read */
		return state;
	if (b == (unsigned char)text[state - 1])
		return state + 1;
	return b == '%' ? 2 : 1;
}

static bool
slash_accepts(uint32_t state)
{
	return state == sizeof("%2F");
}

const struct automaton_rules extent_slashes = { slash_step, slash_accepts,
	path_class };

bool
extent_has_slash(struct view path)
{
	return path.n > 0 && memmem(path.p, path.n, "%2F", 3) != NULL;
}

/* --- programs: absolute paths without empty or dot components ---------- */

static uint32_t
program_step(uint32_t state, unsigned char b)
{
	if (state == P_START)
		return b == '/' ? P_SLASH : 0;
	if (b == '/')
		return state == P_SEGMENT ? P_SLASH : 0;
	return b != '\0' ? path_plain(state, b) : 0;
}

static bool
program_accepts(uint32_t state)
{
	return state == P_SEGMENT;
}

static unsigned
program_class(unsigned char b)
{
	return b == '/' ? 1 : b == '.' ? 2 : b == '\0' ? 3 : 0;
}

const struct automaton_rules extent_programs = { program_step, program_accepts,
	program_class };

/* --- values: UTF-8 (RFC 3629 section 4), no NUL ------------------------ */

enum {
	U_TEXT = 1,
	U_TAIL1, /* that many bytes 80..BF are missing */
	U_TAIL2,
	U_TAIL3,
	U_E0, /* behind that byte */
	U_ED,
	U_F0,
	U_F4
};

/* Ranges of bytes that are treated alike, by their first byte. */
static const unsigned char u_from[] = { 0x00, 0x01, 0x80, 0x90, 0xa0, 0xc0,
	0xc2, 0xe0, 0xe1, 0xed, 0xee, 0xf0, 0xf1, 0xf4, 0xf5 };

static unsigned
value_class(unsigned char b)
{
	unsigned i = ARRAY_LEN(u_from) - 1;

	while (u_from[i] > b)
		i--;
	return i;
}

static uint32_t
value_lead(unsigned char b)
{
	if (b == 0)
		return 0;
	if (b < 0x80)
		return U_TEXT;
	if (b < 0xc2 || b > 0xf4)
		return 0;
	if (b < 0xe0)
		return U_TAIL1;
	if (b == 0xe0)
		return U_E0;
	if (b < 0xf0)
		return b == 0xed ? U_ED : U_TAIL2;
	if (b == 0xf0)
		return U_F0;
	return b == 0xf4 ? U_F4 : U_TAIL3;
}

static uint32_t
value_step(uint32_t state, unsigned char b)
{
	/* The second byte's range, and what follows. */
	static const struct {
		unsigned char from, to, next;
	} tails[] = {
		[U_TAIL1] = { 0x80, 0xbf, U_TEXT },
		[U_TAIL2] = { 0x80, 0xbf, U_TAIL1 },
		[U_TAIL3] = { 0x80, 0xbf, U_TAIL2 },
		[U_E0] = { 0xa0, 0xbf, U_TAIL1 },
		[U_ED] = { 0x80, 0x9f, U_TAIL1 },
		[U_F0] = { 0x90, 0xbf, U_TAIL2 },
		[U_F4] = { 0x80, 0x8f, U_TAIL2 },
	};

	if (state == U_TEXT)
		return value_lead(b);
	return b >= tails[state].from && b <= tails[state].to
		   ? tails[state].next
		   : 0;
}

static bool
value_accepts(uint32_t state)
{
	return state == U_TEXT;
}

const struct automaton_rules extent_values = { value_step, value_accepts,
	value_class };

/* --- in operations: NUL is a character of JSON's strings --------------- */

static uint32_t
string_step(uint32_t state, unsigned char b)
{
	return state == U_TEXT && b == '\0' ? U_TEXT : value_step(state, b);
}

const struct automaton_rules extent_strings = { string_step, value_accepts,
	value_class };

enum { C_START = 1, C_TEXT };

/* A state of strings is one more here, since the first accepts nothing. */
static uint32_t
call_step(uint32_t state, unsigned char b)
{
	uint32_t next =
	    string_step(state == C_START ? (uint32_t)U_TEXT : state - 1, b);

	return next > 0 ? next + 1 : 0;
}

static bool
call_accepts(uint32_t state)
{
	return state == C_TEXT;
}

const struct automaton_rules extent_calls = { call_step, call_accepts,
	value_class };

static uint32_t
tool_step(uint32_t state UNUSED, unsigned char b)
{
	return is_alpha(b) || is_digit(b) || b == '_' || b == '.' || b == '-'
		   ? C_TEXT
		   : 0;
}

static unsigned
tool_class(unsigned char b)
{
	return tool_step(C_START, b) > 0;
}

const struct automaton_rules extent_tools = { tool_step, call_accepts,
	tool_class };

/* Name, GraphQL October 2021 section 2.1.9. */
static uint32_t
graphql_step(uint32_t state, unsigned char b)
{
	return is_alpha(b) || b == '_' || (state == C_TEXT && is_digit(b))
		   ? C_TEXT
		   : 0;
}

static unsigned
graphql_class(unsigned char b)
{
	return is_digit(b) ? 2 : graphql_step(C_START, b) > 0;
}

const struct automaton_rules extent_graphql = { graphql_step, call_accepts,
	graphql_class };

static bool
graphql_or_none_accepts(uint32_t state UNUSED)
{
	return true;
}

const struct automaton_rules extent_graphql_or_none = { graphql_step,
	graphql_or_none_accepts, graphql_class };

/* --- methods --------------------------------------------------------- */

/* RFC 9110 section 5.6.2; the ones below end at the proxy. */
bool
extent_method_valid(struct view m)
{
	static const char *const refused[] = { "TRACE", "TRACK", "CONNECT" };

	if (m.n == 0 || m.n > EXTENT_METHOD_MAX)
		return false;
	for (size_t i = 0; i < m.n; i++) {
		unsigned char b = (unsigned char)m.p[i];

		if (!is_alpha(b) && !is_digit(b) &&
		    (b == '\0' || strchr("!#$%&'*+-.^_`|~", b) == NULL))
			return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (view_eq_nocase(m, view_of(refused[i])))
			return false;
	return true;
}
