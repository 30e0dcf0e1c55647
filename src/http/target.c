/*
 * target: see target.h.
 *
 * The path is decoded once, its dot segments resolved, and encoded again in
 * one spelling.  Policy judges that spelling and the same bytes go upstream,
 * so the two cannot disagree.  The output is a fixed point of the function.
 */
#include "http/target.h"

#include <string.h>

#include "net/addr.h"

/* Stands for an encoded slash that was allowed; decoded control bytes are
 * refused, so it cannot come from outside. */
enum { SLASH_MARK = 0x01 };

static bool
is_alpha(unsigned char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static int
hex_value(unsigned char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Visible ASCII only; a request-target has no fragment (RFC 9112 3.2). */
static int
check_bytes(struct view v, struct err *e)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c <= 0x20 || c == 0x7f)
			return err_set(e, ERR_INVALID,
			    "request-target holds a control byte or blank");
		if (c >= 0x80)
			return err_set(e, ERR_INVALID,
			    "request-target holds a raw non-ASCII byte");
		if (c == '#')
			return err_set(
			    e, ERR_INVALID, "request-target holds a fragment");
	}
	return 0;
}

/* Percent-decodes into out (at least path.n bytes). */
static int
decode(struct view path, bool allow_slash, char *out, size_t *n, struct err *e)
{
	size_t o = 0;

	for (size_t i = 0; i < path.n; i++) {
		int hi, lo, c;

		if (path.p[i] != '%') {
			out[o++] = path.p[i];
			continue;
		}
		hi = path.n - i > 2 ? hex_value((unsigned char)path.p[i + 1])
				    : -1;
		lo = hi >= 0 ? hex_value((unsigned char)path.p[i + 2]) : -1;
		if (lo < 0)
			return err_set(e, ERR_INVALID,
			    "request-target holds a malformed percent escape");
		c = hi << 4 | lo;
		i += 2;
		if (c < 0x20 || c == 0x7f)
			return err_set(e, ERR_INVALID,
			    "request-target holds an encoded control byte");
		if (c == '/') {
			if (!allow_slash)
				return err_set(e, ERR_INVALID,
				    "request-target holds an encoded slash");
			c = SLASH_MARK;
		}
		out[o++] = (char)c;
	}
	*n = o;
	return 0;
}

static bool
is_dots(struct view v)
{
	return (v.n == 1 && v.p[0] == '.') ||
	       (v.n == 2 && v.p[0] == '.' && v.p[1] == '.');
}

static bool
kept_plain(unsigned char c)
{
	return is_alpha(c) || is_digit(c) ||
	       (c != '\0' && strchr("-._~!$&'()*+,;=:@", c) != NULL);
}

/* Appends one segment without its slash.  -1 for dots between encoded
 * slashes: a server that decodes them would climb. */
static int
put_segment(struct buf *b, struct view seg, struct err *e)
{
	static const char hex[] = "0123456789ABCDEF";
	struct view rest = seg;

	while (rest.p != NULL) {
		struct view part = view_cut(rest, SLASH_MARK, &rest);

		if (is_dots(part))
			return err_set(e, ERR_INVALID,
			    "request-target hides a dot segment");
	}
	for (size_t i = 0; i < seg.n; i++) {
		unsigned char c = (unsigned char)seg.p[i];
		char esc[3];

		if (kept_plain(c)) {
			buf_putc(b, (char)c);
			continue;
		}
		if (c == SLASH_MARK)
			c = '/';
		esc[0] = '%';
		esc[1] = hex[c >> 4];
		esc[2] = hex[c & 15];
		buf_put(b, (struct view) { esc, 3 });
	}
	return 0;
}

/* Back to the slash in front of the last segment; false at the root. */
static bool
drop_segment(struct buf *b)
{
	if (b->n == 0)
		return false;
	while (b->p[--b->n] != '/')
		;
	return true;
}

/*
 * `v` is the decoded path after its first slash.  Empty segments vanish before
 * ".." is resolved, so that "//" cannot absorb a climb.
 */
static int
resolve(struct view v, struct buf *out, struct err *e)
{
	bool dir = false; /* the path names a directory: ends in a slash */

	while (v.p != NULL) {
		struct view param, seg = view_cut(v, '/', &v);

		/* Before dots are looked at, so that "..;" cannot hide. */
		seg = view_cut(seg, ';', &param);
		dir = seg.n == 0 || is_dots(seg);
		if (seg.n == 2 && dir) {
			if (!drop_segment(out))
				return err_set(e, ERR_INVALID,
				    "request-target climbs above the root");
		} else if (!dir) {
			buf_putc(out, '/');
			if (put_segment(out, seg, e) < 0)
				return -1;
		}
	}
	if (dir || out->n == 0)
		buf_putc(out, '/');
	if (out->full)
		return err_set(e, ERR_LIMIT, "request-target path is too long");
	return 0;
}

int
target_canonical(struct view raw, bool allow_encoded_slash, struct target *out,
    struct err *e)
{
	AUTO_BUF struct buf scratch = BUF_INIT(TARGET_MAX);
	char decoded[TARGET_PATH_MAX];
	struct authority unused;
	struct view path;
	bool https;
	size_t n;

	*out = (struct target) { .path = BUF_INIT(TARGET_PATH_MAX) };
	if (raw.n > TARGET_MAX)
		return err_set(e, ERR_LIMIT, "request-target is too long");
	if (check_bytes(raw, e) < 0)
		return -1;
	path = view_cut(raw, '?', &out->query);
	if ((path.n == 0 || path.p[0] != '/') &&
	    absolute_parse(path, &https, &unused, &path, &scratch, e) < 0)
		return -1;
	if (path.n > TARGET_PATH_MAX)
		return err_set(e, ERR_LIMIT, "request-target path is too long");
	if (decode(path, allow_encoded_slash, decoded, &n, e) < 0)
		return -1;
	return resolve((struct view) { decoded + 1, n - 1 }, &out->path, e);
}

void
target_fini(struct target *t)
{
	buf_fini(&t->path);
	t->query = (struct view) { NULL, 0 };
}

/* A '%' of its own is "%25" by now, so this is what it looks like. */
bool
target_has_slash(struct view path)
{
	return path.n >= 3 && memmem(path.p, path.n, "%2F", 3) != NULL;
}
