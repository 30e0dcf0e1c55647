#include "codec/query.h"

#include "codec/utf8.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Never grows: *to has room for in.n bytes because bytes is as long as raw. */
static int
unescape(struct view in, char **to, struct view *out, struct err *e)
{
	char *p = *to;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '+') {
			*p++ = ' ';
		} else if (in.p[i] != '%') {
			*p++ = in.p[i];
		} else if (in.n - i < 3 || hex(in.p[i + 1]) < 0 ||
			   hex(in.p[i + 2]) < 0) {
			return err_set(e, ERR_INVALID,
			    "invalid percent-encoding in query");
		} else {
			*p++ = (char)(hex(in.p[i + 1]) << 4 | hex(in.p[i + 2]));
			i += 2;
		}
	}
	*out = (struct view) { *to, (size_t)(p - *to) };
	if (!utf8_valid(*out))
		return err_set(e, ERR_INVALID, "query is not UTF-8");
	*to = p;
	return 0;
}

int
query_decode(struct view raw, struct query *out, struct err *e)
{
	char *to = out->bytes;
	struct view rest = raw;

	out->n = 0;
	if (raw.n > QUERY_MAX)
		return err_set(
		    e, ERR_LIMIT, "query longer than %d bytes", QUERY_MAX);
	while (rest.n > 0) {
		struct query_pair *pair = &out->pairs[out->n];
		struct view piece = view_cut(rest, '&', &rest), name, value;

		if (piece.n == 0)
			continue;
		if (out->n == QUERY_PAIRS_MAX)
			return err_set(e, ERR_LIMIT,
			    "query has more than %d parameters",
			    QUERY_PAIRS_MAX);
		name = view_cut(piece, '=', &value);
		if (unescape(name, &to, &pair->name, e) < 0 ||
		    unescape(value, &to, &pair->value, e) < 0)
			return -1;
		out->n++;
	}
	return 0;
}

/* As PHP reads a name: blanks and dots are underscores. */
static bool
names_method(struct view name)
{
	return name.n == 7 && memchr("_. ", name.p[0], 3) != NULL &&
	       view_eq_nocase(view_slice(name, 1, 7), VIEW("method"));
}

bool
query_method(const struct query *q, size_t *at, struct view *method)
{
	while (*at < q->n) {
		const struct query_pair *pair = &q->pairs[(*at)++];

		if (pair->value.n == 0 || !names_method(pair->name))
			continue;
		*method = pair->value;
		return true;
	}
	return false;
}
