/*
 * learn_paths: templates of paths.
 *
 * Paths of one method that differ only in segments that look like identifiers
 * (numbers, UUIDs, hexadecimal) have one shape.  A place in a shape where
 * `distinct` different identifiers stood becomes `*`, which matches within its
 * segment; where fewer stood, each stays as it was.
 */
#include <stdlib.h>

#include "policy/learn_impl.h"
#include "policy/model.h"

enum { SHOWN_MAX = 4, NOTE_MAX = 512 };

enum ident { NOT_ONE, NUMBER, UUID, HEX };
static const char *const ident_names[] = { "", "a number", "a UUID",
	"a hexadecimal id" };

/* --- segments ----------------------------------------------------------- */

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	       (c >= 'A' && c <= 'F');
}

static bool
is_uuid(struct view v)
{
	if (v.n != 36)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? v.p[i] != '-' : !is_hex(v.p[i]))
			return false;
	}
	return true;
}

/* Words of the letters a to f alone ("feedface") are words. */
static enum ident
ident_of(struct view v)
{
	enum { HEX_MIN = 7 };
	size_t digits = 0, hex = 0;

	for (size_t i = 0; i < v.n; i++) {
		digits += v.p[i] >= '0' && v.p[i] <= '9';
		hex += is_hex(v.p[i]);
	}
	if (v.n > 0 && digits == v.n)
		return NUMBER;
	if (is_uuid(v))
		return UUID;
	return v.n >= HEX_MIN && hex == v.n && digits > 0 ? HEX : NOT_ONE;
}

bool
learn_is_ident(struct view segment)
{
	return ident_of(segment) != NOT_ONE;
}

/* Segment `at` of the path (the first is what stands before the first '/'). */
static struct view
segment(struct view path, size_t at)
{
	struct view rest, part = view_cut(path, '/', &rest);

	for (; at > 0 && rest.p != NULL; at--)
		part = view_cut(rest, '/', &rest);
	return at > 0 ? (struct view) { NULL, 0 } : part;
}

static size_t
segments(struct view path)
{
	size_t n = 1;

	for (size_t i = 0; i < path.n; i++)
		n += path.p[i] == '/';
	return n;
}

/* --- shapes ------------------------------------------------------------- */

/* By number of segments, then by segment, identifiers of a kind alike. */
static int
shape_order(struct view a, struct view b)
{
	size_t na = segments(a), nb = segments(b);

	if (na != nb)
		return na < nb ? -1 : 1;
	while (a.p != NULL && b.p != NULL) {
		struct view x = view_cut(a, '/', &a), y = view_cut(b, '/', &b);
		enum ident ix = ident_of(x), iy = ident_of(y);
		int c;

		if (ix != iy)
			return ix < iy ? -1 : 1;
		c = ix == NOT_ONE ? view_cmp(x, y) : 0;
		if (c != 0)
			return c;
	}
	return 0;
}

static int
request_order(const void *ap, const void *bp)
{
	const struct learn_request *a = ap, *b = bp;
	int c = view_cmp(a->method, b->method);

	if (c == 0)
		c = shape_order(a->path, b->path);
	return c != 0 ? c : view_cmp(a->path, b->path);
}

static int
view_order(const void *a, const void *b)
{
	return view_cmp(*(const struct view *)a, *(const struct view *)b);
}

struct writer {
	struct arena *arena;
	unsigned distinct;
	struct learn_rule *rules;
	size_t n;
};

/* The different values at one place of a shape, sorted; how many. */
static size_t
values_at(
    const struct learn_request *v, size_t n, size_t place, struct view *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		out[i] = segment(v[i].path, place);
	qsort(out, n, sizeof(*out), view_order);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !view_eq(out[kept - 1], out[i]))
			out[kept++] = out[i];
	return kept;
}

static void
put_note(struct buf *note, size_t place, enum ident kind,
    const struct view *values, size_t n)
{
	buf_printf(note, "%ssegment %zu: * stands for %s, %zu seen (",
	    note->n > 0 ? "; " : "", place, ident_names[kind], n);
	for (size_t i = 0; i < n && i < SHOWN_MAX; i++) {
		buf_puts(note, i > 0 ? ", " : "");
		buf_put_escaped(note, view_slice(values[i], 0, 40));
	}
	buf_puts(note, n > SHOWN_MAX ? ", ...)" : ")");
}

void
learn_put_literal(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (memchr("*?[]{}\\", v.p[i], 7) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, v.p[i]);
	}
}

static void
put_glob(struct buf *out, struct view path, const bool *star)
{
	for (size_t at = 0; path.p != NULL; at++) {
		struct view part = view_cut(path, '/', &path);

		if (at > 0)
			buf_putc(out, '/');
		if (star[at])
			buf_putc(out, '*');
		else
			learn_put_literal(out, part);
	}
}

/* The requests v[0..n) have one method and one shape. */
static void
write_shape(struct writer *w, const struct learn_request *v, size_t n)
{
	AUTO_BUF struct buf note = BUF_INIT(NOTE_MAX);
	size_t places = segments(v[0].path), first = w->n;
	bool *star = ARENA_ARRAY(w->arena, places, bool);
	struct view *values = ARENA_ARRAY(w->arena, n, struct view), kept;

	for (size_t at = 0; at < places; at++) {
		enum ident kind = ident_of(segment(v[0].path, at));
		size_t seen;

		if (kind == NOT_ONE)
			continue;
		seen = values_at(v, n, at, values);
		star[at] = seen >= w->distinct;
		if (star[at])
			put_note(&note, at, kind, values, seen);
	}
	kept = arena_view(w->arena, buf_view(&note));
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf glob = BUF_INIT(2 * PL_PATTERN_MAX);
		bool known = false;

		put_glob(&glob, v[i].path, star);
		for (size_t k = first; k < w->n && note.n > 0 && !known; k++)
			known = view_eq(w->rules[k].glob, buf_view(&glob));
		if (known)
			continue;
		w->rules[w->n++] = (struct learn_rule) { v[i].method,
			arena_view(w->arena, buf_view(&glob)), kept };
	}
}

size_t
learn_paths(struct learn_request *v, size_t n, unsigned distinct,
    struct arena *a, struct learn_rule **rules)
{
	struct writer w = { .arena = a, .distinct = distinct };
	size_t from = 0;

	if (n > 0) /* v may be NULL */
		qsort(v, n, sizeof(*v), request_order);
	w.rules = ARENA_ARRAY(a, n + 1, struct learn_rule);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && view_eq(v[i].method, v[from].method) &&
		    shape_order(v[i].path, v[from].path) == 0)
			continue;
		write_shape(&w, v + from, i - from);
		from = i;
	}
	*rules = w.rules;
	return w.n;
}

/* What a canonical path writes as itself: RFC 3986 pchar but for '%'. */
static bool
is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* As http/target.c writes it; no rule matches another spelling. */
static bool
is_canonical(struct view path)
{
	for (size_t i = 0; i < path.n; i++) {
		int hi, lo;

		if (is_plain((unsigned char)path.p[i]))
			continue;
		if (path.p[i] != '%' || path.n - i < 3)
			return false;
		hi = hex_value(path.p[i + 1]);
		lo = hex_value(path.p[i + 2]);
		if (hi < 0 || lo < 0)
			return false;
		/* Only a slash may be written as an escape as well. */
		if ((hi << 4 | lo) != '/' &&
		    is_plain((unsigned char)(hi << 4 | lo)))
			return false;
		i += 2;
	}
	return path.n > 0 && path.p[0] == '/';
}

bool
learn_path_fits(struct view path)
{
	size_t n = path.n;

	if (!is_canonical(path))
		return false;
	for (size_t i = 0; i < path.n; i++)
		n += memchr("*?[]{}\\", path.p[i], 7) != NULL;
	return n <= PL_PATTERN_MAX;
}
