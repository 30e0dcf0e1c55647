#include "inspect/gql_lex.h"

#include "codec/utf8.h"

static int
bad(const struct gql_lex *l, const char *what, struct err *e)
{
	return err_set(
	    e, ERR_PROTO, "GraphQL: %s at byte %zu", what, l->at + 1);
}

static int
here(const struct gql_lex *l)
{
	return l->at < l->text.n ? (unsigned char)l->text.p[l->at] : -1;
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_start(int c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
starts(const struct gql_lex *l, const char *what)
{
	return view_starts(
	    view_slice(l->text, l->at, l->text.n), view_of(what));
}

/* One source character: U+0009, U+000A, U+000D, U+0020 and beyond. */
static int
skip_char(struct gql_lex *l, uint32_t *cp, struct err *e)
{
	size_t n = utf8_decode(view_slice(l->text, l->at, l->text.n), cp);

	if (n == 0)
		return bad(l, "bytes that are not UTF-8", e);
	if (*cp < 0x20 && *cp != '\t' && *cp != '\n' && *cp != '\r')
		return bad(l, "control character", e);
	l->at += n;
	return 0;
}

/* Blanks, line ends, commas, comments, byte order marks. */
static int
skip_ignored(struct gql_lex *l, struct err *e)
{
	uint32_t cp;

	for (;;) {
		int c = here(l);

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
		    c == ',') {
			l->at++;
		} else if (c == '#') {
			while (
			    here(l) >= 0 && here(l) != '\n' && here(l) != '\r')
				if (skip_char(l, &cp, e) < 0)
					return -1;
		} else if (starts(l, "\xef\xbb\xbf")) {
			l->at += 3;
		} else {
			return 0;
		}
	}
}

static size_t
digits(struct gql_lex *l)
{
	size_t from = l->at;

	while (is_digit(here(l)))
		l->at++;
	return l->at - from;
}

static int
lex_number(struct gql_lex *l, struct err *e)
{
	bool zero;
	size_t n;

	l->token = GT_INT;
	if (here(l) == '-')
		l->at++;
	zero = here(l) == '0';
	n = digits(l);
	if (n == 0 || (zero && n > 1))
		return bad(l, "malformed number", e);
	if (here(l) == '.') {
		l->token = GT_FLOAT;
		l->at++;
		if (digits(l) == 0)
			return bad(l, "malformed number", e);
	}
	if (here(l) == 'e' || here(l) == 'E') {
		l->token = GT_FLOAT;
		l->at++;
		if (here(l) == '+' || here(l) == '-')
			l->at++;
		if (digits(l) == 0)
			return bad(l, "malformed number", e);
	}
	if (here(l) == '.' || is_name_start(here(l)))
		return bad(l, "malformed number", e);
	return 0;
}

/* Behind the backslash. */
static int
skip_escape(struct gql_lex *l, struct err *e)
{
	int c = here(l);
	size_t n = 0, most = 4;
	bool braces;

	if (c >= 0 && strchr("\"\\/bfnrt", c) != NULL && c != '\0') {
		l->at++;
		return 0;
	}
	if (c != 'u')
		return bad(l, "unknown escape", e);
	l->at++;
	braces = here(l) == '{';
	if (braces) {
		l->at++;
		most = 8;
	}
	while (n < most &&
	       (is_digit(here(l)) ||
		   ((here(l) | 0x20) >= 'a' && (here(l) | 0x20) <= 'f'))) {
		l->at++;
		n++;
	}
	if (n == 0 || (!braces && n != 4) || (braces && here(l) != '}'))
		return bad(l, "malformed \\u escape", e);
	l->at += braces;
	return 0;
}

static int
lex_block_string(struct gql_lex *l, struct err *e)
{
	uint32_t cp;

	l->at += 3;
	while (!starts(l, "\"\"\"")) {
		if (here(l) < 0)
			return bad(l, "string without its end", e);
		if (starts(l, "\\\"\"\""))
			l->at += 4;
		else if (skip_char(l, &cp, e) < 0)
			return -1;
	}
	l->at += 3;
	return 0;
}

static int
lex_string(struct gql_lex *l, struct err *e)
{
	uint32_t cp;

	l->token = GT_STRING;
	if (starts(l, "\"\"\""))
		return lex_block_string(l, e);
	l->at++;
	for (;;) {
		int c = here(l);

		if (c < 0 || c == '\n' || c == '\r')
			return bad(l, "string without its end", e);
		if (skip_char(l, &cp, e) < 0)
			return -1;
		if (cp == '"')
			return 0;
		if (cp == '\\' && skip_escape(l, e) < 0)
			return -1;
	}
}

static void
lex_name(struct gql_lex *l)
{
	l->token = GT_NAME;
	while (is_name_start(here(l)) || is_digit(here(l)))
		l->at++;
}

static int
lex_token(struct gql_lex *l, struct err *e)
{
	int c = here(l);

	if (is_name_start(c)) {
		lex_name(l);
		return 0;
	}
	if (c == '"')
		return lex_string(l, e);
	if (c == '-' || is_digit(c))
		return lex_number(l, e);
	if (starts(l, "...")) {
		l->token = GT_SPREAD;
		l->at += 3;
		return 0;
	}
	if (c != '\0' && strchr("!$&():=@[]{|}", c) != NULL) {
		l->token = GT_PUNCT;
		l->punct = (char)c;
		l->at++;
		return 0;
	}
	return bad(l, "unexpected character", e);
}

int
gql_next(struct gql_lex *l, struct err *e)
{
	size_t from;

	l->punct = '\0';
	if (skip_ignored(l, e) < 0)
		return -1;
	if (here(l) < 0) {
		l->token = GT_END;
		l->lexeme = VIEW("");
		return 0;
	}
	if (*l->left == 0)
		return err_set(e, ERR_LIMIT, "GraphQL: too many tokens");
	(*l->left)--;
	from = l->at;
	if (lex_token(l, e) < 0)
		return -1;
	l->lexeme = view_slice(l->text, from, l->at);
	return 0;
}
