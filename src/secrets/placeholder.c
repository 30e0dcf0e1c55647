#include "secrets/placeholder.h"

#include <string.h>

#include "base/macros.h"

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of the KEY at the start of v; 0: there is none. */
static size_t
key_span(struct view v)
{
	size_t n = 0;

	while (n < v.n && (is_alpha(v.p[n]) || (n > 0 && is_digit(v.p[n]))))
		n++;
	return n;
}

/* "v7_" and what follows it; false when it is not of that form. */
static bool
cut_revision(struct view v, uint32_t *revision, struct view *key)
{
	size_t digits = 0;
	uint64_t n;

	if (v.n < 3 || v.p[0] != 'v')
		return false;
	while (1 + digits < v.n && is_digit(v.p[1 + digits]))
		digits++;
	if (digits == 0 || 1 + digits >= v.n || v.p[1 + digits] != '_')
		return false;
	*key = view_slice(v, digits + 2, v.n);
	if (!view_u64(view_slice(v, 1, 1 + digits), PH_REVISION_MAX, &n))
		n = 0; /* no revision: nothing is of that one */
	*revision = (uint32_t)n;
	return true;
}

bool
ph_key_ok(struct view key)
{
	struct view rest;
	uint32_t revision;

	return key.n > 0 && key.n <= PH_KEY_MAX && key_span(key) == key.n &&
	       !cut_revision(key, &revision, &rest);
}

/* `text`: KEY or v7_KEY. */
static bool
read_key(struct view text, struct ph *out)
{
	out->revision = 0;
	out->key = text;
	if (cut_revision(text, &out->revision, &out->key) && out->revision == 0)
		return false;
	return ph_key_ok(out->key);
}

void
ph_environ(struct view key, struct buf *out)
{
	buf_put(out, key);
	buf_puts(out, "=" PH_PREFIX);
	buf_put(out, key);
}

/* Place of `what` in v from `from` on; v.n: nowhere. */
static size_t
find(struct view v, size_t from, struct view what)
{
	const char *p = v.p != NULL && from < v.n
			    ? memmem(v.p + from, v.n - from, what.p, what.n)
			    : NULL;

	return p != NULL ? (size_t)(p - v.p) : v.n;
}

bool
ph_marked(struct view v)
{
	return find(v, 0, VIEW(PH_PREFIX)) < v.n ||
	       find(v, 0, VIEW(PH_ALIAS)) < v.n;
}

_Static_assert(
    sizeof(PH_PREFIX) - 1 == PH_MARK && sizeof(PH_ALIAS) - 1 == PH_MARK,
    "both marks are as long");

bool
ph_scan_sees(const struct ph_scan *s, struct view piece)
{
	char joint[2 * (PH_MARK - 1)];
	size_t n = MIN(piece.n, (size_t)PH_MARK - 1);

	if (ph_marked(piece))
		return true;
	if (s->n == 0 || n == 0)
		return false;
	memcpy(joint, s->tail, s->n);
	memcpy(joint + s->n, piece.p, n);
	return ph_marked((struct view) { joint, s->n + n });
}

void
ph_scan_went(struct ph_scan *s, struct view piece)
{
	size_t keep;

	if (piece.n >= sizeof(s->tail)) {
		s->n = sizeof(s->tail);
		memcpy(s->tail, piece.p + piece.n - s->n, s->n);
		return;
	}
	if (piece.n == 0)
		return;
	keep = MIN(s->n, sizeof(s->tail) - piece.n);
	memmove(s->tail, s->tail + s->n - keep, keep);
	memcpy(s->tail + keep, piece.p, piece.n);
	s->n = keep + piece.n;
}

static bool
is_token(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!is_alpha(v.p[i]) && !is_digit(v.p[i]) && v.p[i] != '-' &&
		    v.p[i] != '.')
			return false;
	return v.n > 0;
}

bool
ph_whole(struct view v, struct ph *out)
{
	struct view prefix = VIEW(PH_PREFIX), alias = VIEW(PH_ALIAS);
	size_t at;

	if (view_starts(v, prefix))
		return read_key(view_slice(v, prefix.n, v.n), out);
	at = find(v, 0, alias);
	/* The marker once, behind "sk-". */
	return at < v.n && at > 1 && v.p[at - 1] == '-' &&
	       is_token(view_slice(v, 0, at)) &&
	       read_key(view_slice(v, at + alias.n, v.n), out);
}

int
ph_next(struct view v, size_t *at, size_t *n, struct ph *out)
{
	struct view prefix = VIEW(PH_PREFIX);
	size_t next = find(v, *at, prefix), key;

	if (find(v, *at, VIEW(PH_ALIAS)) < v.n)
		return -1;
	if (next == v.n)
		return 0;
	key = key_span(view_slice(v, next + prefix.n, v.n));
	*at = next;
	*n = prefix.n + key;
	return read_key(view_slice(v, next + prefix.n, next + *n), out) ? 1
									: -1;
}
