#include "secrets/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "secrets/impl.h"

/* --- output --------------------------------------------------------------- */

void
rw_out_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
	(void)buf_reserve(b, max);
}

void
rw_out_wipe(struct buf *b)
{
	if (b->p != NULL)
		mem_wipe(b->p, b->cap);
	buf_reset(b);
}

void
rw_cut(struct buf *b, size_t n)
{
	if (b->n > n)
		mem_wipe(b->p + n, b->n - n);
	b->n = MIN(b->n, n);
}

void
rw_out_fini(struct buf *b)
{
	rw_out_wipe(b);
	buf_fini(b);
}

/* --- values --------------------------------------------------------------- */

static const char *const place_names[] = { [RW_HEADER] = "header",
	[RW_QUERY] = "query_param",
	[RW_PATH] = "path",
	[RW_BODY] = "body",
	[RW_MESSAGE] = "websocket" };

int
rw_fail(enum rw_place place, struct buf *out, struct err *e)
{
	rw_out_wipe(out);
	return err_set(e, ERR_NOT_FOUND,
	    "unresolved credential placeholder in %s: detected " PH_PREFIX
	    "* token that could not be resolved",
	    place_names[place]);
}

static bool
has_any(struct view v, const char *bytes, size_t n)
{
	for (size_t i = 0; i < v.n; i++)
		if (memchr(bytes, v.p[i], n) != NULL)
			return true;
	return false;
}

/* The value, fit for any place (no CR, LF, NUL), or -1 with `out` wiped. */
static int
rw_resolve(struct rw *rw, enum rw_place place, const struct ph *p,
    struct view *value, struct buf *out, struct err *e)
{
	if (rw->resolve(rw->ctx, p, value, e) < 0) {
		if (e->code != ERR_DENIED && e->code != ERR_AGAIN)
			return rw_fail(place, out, e);
		rw_out_wipe(out);
		return -1;
	}
	/* Attack: a credential that ends the header and begins another. */
	if (value->n == 0 || value->n > RW_VALUE_MAX ||
	    has_any(*value, "\r\n\0", 3))
		return rw_fail(place, out, e);
	rw->used++;
	return 0;
}

static int
done(enum rw_place place, struct buf *out, struct err *e)
{
	if (!out->full)
		return 1;
	rw_out_wipe(out);
	return err_set(e, ERR_LIMIT, "the %s with its credentials is too long",
	    place_names[place]);
}

int
rw_text(struct rw *rw, enum rw_place place, struct view v,
    bool (*fits)(struct view v, size_t at, struct view value), struct buf *out,
    struct err *e)
{
	size_t from = 0, at = 0, n = 0;
	struct view value;
	struct ph p;
	int r;

	if (ph_whole(v, &p)) { /* also an alias */
		if (rw_resolve(rw, place, &p, &value, out, e) < 0)
			return -1;
		if (fits != NULL && !fits(v, 0, value))
			return rw_fail(place, out, e);
		buf_put(out, value);
		return done(place, out, e);
	}
	while ((r = ph_next(v, &at, &n, &p)) > 0) {
		if (rw_resolve(rw, place, &p, &value, out, e) < 0)
			return -1;
		if (fits != NULL && !fits(v, at, value))
			return rw_fail(place, out, e);
		buf_put(out, view_slice(v, from, at));
		buf_put(out, value);
		from = at = at + n;
	}
	if (r < 0)
		return rw_fail(place, out, e);
	buf_put(out, view_slice(v, from, v.n));
	return done(place, out, e);
}

/* --- header fields -------------------------------------------------------- */

/* Attack: a colon of the value would move its rest into the password. */
static bool
fits_user(struct view v UNUSED, size_t at UNUSED, struct view value)
{
	return view_find(value, ':') < 0;
}

/* RFC 7617: the first colon ends the user-id; those of a placeholder are none
 * of it.  v.n when there is none. */
static size_t
user_span(struct view v)
{
	size_t from = 0, at = 0, n = 0;
	ssize_t colon;
	struct ph p;

	while (ph_next(v, &at, &n, &p) > 0) {
		colon = view_find(view_slice(v, from, at), ':');
		if (colon >= 0)
			return from + (size_t)colon;
		from = at = at + n;
	}
	colon = view_find(view_slice(v, from, v.n), ':');
	return colon >= 0 ? from + (size_t)colon : v.n;
}

static int
userpass(struct rw *rw, struct view v, struct buf *out, struct err *e)
{
	size_t n = user_span(v);

	if (rw_text(rw, RW_HEADER, view_slice(v, 0, n), fits_user, out, e) < 0)
		return -1;
	if (n == v.n)
		return 0;
	buf_putc(out, ':');
	return rw_text(rw, RW_HEADER, view_slice(v, n + 1, v.n), NULL, out, e);
}

static int
basic(struct rw *rw, struct view scheme, struct view plain, struct buf *out,
    struct err *e)
{
	AUTO_RW_OUT struct buf with = BUF_INIT(0);

	rw_out_init(&with, out->max);
	if (userpass(rw, plain, &with, e) < 0) {
		rw_out_wipe(out);
		return -1;
	}
	buf_put(out, scheme);
	buf_putc(out, ' ');
	base64_encode(buf_view(&with), out);
	return done(RW_HEADER, out, e);
}

/* What is no base64 is passed on: no server reads a placeholder in it. */
static bool
basic_marked(struct view word, struct view token, struct buf *plain)
{
	return view_eq_nocase(word, VIEW("basic")) &&
	       base64_decode(token, plain) && ph_marked(buf_view(plain));
}

int
rw_field(struct rw *rw, struct view value, struct buf *out, struct err *e)
{
	struct view v = view_trim(value), word, token;
	AUTO_BUF struct buf plain = BUF_INIT(0);
	size_t n = 0;
	struct view real;
	struct ph p;

	while (n < v.n && v.p[n] != ' ' && v.p[n] != '\t')
		n++;
	word = view_slice(v, 0, n);
	token = view_trim(view_slice(v, n, v.n));
	plain = BUF_INIT(token.n);
	if (basic_marked(word, token, &plain))
		return basic(rw, word, buf_view(&plain), out, e);
	if (!ph_marked(v))
		return 0;
	if (ph_whole(v, &p)) {
		if (rw_resolve(rw, RW_HEADER, &p, &real, out, e) < 0)
			return -1;
		buf_put(out, real);
		return done(RW_HEADER, out, e);
	}
	if (ph_marked(word) || !ph_whole(token, &p))
		return rw_fail(RW_HEADER, out, e);
	if (rw_resolve(rw, RW_HEADER, &p, &real, out, e) < 0)
		return -1;
	buf_put(out, word);
	buf_putc(out, ' ');
	buf_put(out, real);
	return done(RW_HEADER, out, e);
}

/* --- percent-encoding ----------------------------------------------------- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
pct_decode(struct view v, bool plus, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		int hi =
		    v.p[i] == '%' && v.n - i > 2 ? hex_value(v.p[i + 1]) : -1;
		int lo = hi >= 0 ? hex_value(v.p[i + 2]) : -1;

		if (lo >= 0) {
			buf_putc(out, (char)(hi << 4 | lo));
			i += 2;
		} else {
			buf_putc(out, plus && v.p[i] == '+' ? ' ' : v.p[i]);
		}
	}
}

static bool
is_kept(char c, enum pct_keep keep)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || memchr("-._~", c, 4) != NULL)
		return true;
	return keep == PCT_PCHAR && memchr("!$&'()*+,;=:@", c, 13) != NULL;
}

void
pct_encode(struct view v, enum pct_keep keep, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (is_kept(v.p[i], keep)) {
			buf_putc(out, v.p[i]);
			continue;
		}
		buf_putc(out, '%');
		buf_putc(out, hex[c >> 4]);
		buf_putc(out, hex[c & 15]);
	}
}

bool
rw_marked(struct view v)
{
	AUTO_BUF struct buf plain = BUF_INIT(v.n);

	if (ph_marked(v))
		return true;
	if (view_find(v, '%') < 0)
		return false;
	pct_decode(v, false, &plain);
	return ph_marked(buf_view(&plain));
}

/* --- path ----------------------------------------------------------------- */

/*
 * Attack: a credential that changes which resource is meant; with a semicolon,
 * because servers take what follows it for parameters, and the canonical path
 * that was judged has none.
 */
static bool
fits_path(struct view v UNUSED, size_t at UNUSED, struct view value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return false;
	return !has_any(value, "/\\?#;", 5) && !view_eq(value, VIEW("..")) &&
	       !view_eq(value, VIEW("."));
}

/* `each` writes the segment that `plain` is decoded. */
static int
each_segment(struct view path, struct buf *out,
    int (*each)(void *ctx, struct view plain, struct buf *out, struct err *e),
    void *ctx, struct err *e)
{
	struct view rest = path;
	bool any = false, first = true;
	size_t before = out->n;

	while (rest.p != NULL) {
		struct view segment = view_cut(rest, '/', &rest);
		AUTO_RW_OUT struct buf plain = BUF_INIT(segment.n);

		if (!first)
			buf_putc(out, '/');
		first = false;
		pct_decode(segment, false, &plain);
		if (!ph_marked(buf_view(&plain))) {
			buf_put(out, segment);
			continue;
		}
		any = true;
		if (each(ctx, buf_view(&plain), out, e) < 0) {
			rw_out_wipe(out);
			return -1;
		}
	}
	if (any)
		return done(RW_PATH, out, e);
	rw_cut(out, before);
	return 0;
}

static int
put_segment(void *ctx, struct view plain, struct buf *out, struct err *e)
{
	AUTO_RW_OUT struct buf with = BUF_INIT(0);

	rw_out_init(&with, plain.n + out->max);
	if (rw_text(ctx, RW_PATH, plain, fits_path, &with, e) < 0)
		return -1;
	/* "." and a value of "." beside it. */
	if (!fits_path(plain, 0, buf_view(&with)))
		return rw_fail(RW_PATH, &with, e);
	pct_encode(buf_view(&with), PCT_PCHAR, out);
	return 0;
}

int
rw_path(struct rw *rw, struct view path, struct buf *out, struct err *e)
{
	return ph_marked(path) || view_find(path, '%') >= 0
		   ? each_segment(path, out, put_segment, rw, e)
		   : 0;
}

/* The same tokens; a marker that is none is refused before policy sees it. */
static int
show_segment(
    void *ctx UNUSED, struct view plain, struct buf *out, struct err *e)
{
	size_t from = 0, at = 0, n = 0;
	struct ph p;
	int r;

	if (ph_whole(plain, &p)) {
		buf_puts(out, PH_SHOWN);
		return 0;
	}
	while ((r = ph_next(plain, &at, &n, &p)) > 0) {
		pct_encode(view_slice(plain, from, at), PCT_PCHAR, out);
		buf_puts(out, PH_SHOWN);
		from = at = at + n;
	}
	if (r < 0)
		return rw_fail(RW_PATH, out, e);
	pct_encode(view_slice(plain, from, plain.n), PCT_PCHAR, out);
	return 0;
}

int
rw_path_shown(struct view path, struct buf *out, struct err *e)
{
	return ph_marked(path) || view_find(path, '%') >= 0
		   ? each_segment(path, out, show_segment, NULL, e)
		   : 0;
}

/* --- query ---------------------------------------------------------------- */

/* "name=value", or without '='.  1 when a value was put. */
static int
pair(struct rw *rw, enum rw_place place, struct view piece, struct buf *out,
    struct err *e)
{
	struct view raw, value, name = view_cut(piece, '=', &raw);
	AUTO_RW_OUT struct buf n = BUF_INIT(piece.n), v = BUF_INIT(piece.n);
	struct ph p;

	pct_decode(name, true, &n);
	pct_decode(raw, true, &v);
	if (ph_marked(buf_view(&n)))
		return rw_fail(place, out, e);
	if (!ph_marked(buf_view(&v))) {
		buf_put(out, piece);
		return 0;
	}
	if (!ph_whole(buf_view(&v), &p))
		return rw_fail(place, out, e);
	if (rw_resolve(rw, place, &p, &value, out, e) < 0)
		return -1;
	buf_put(out, name);
	buf_putc(out, '=');
	pct_encode(value, PCT_UNRESERVED, out);
	return 1;
}

static int
pairs(struct rw *rw, enum rw_place place, struct view query, struct buf *out,
    struct err *e)
{
	struct view rest = query;
	bool any = false, first = true;
	size_t before = out->n;

	/* Any byte of the marker may be escaped. */
	if (!ph_marked(query) && view_find(query, '%') < 0)
		return 0;
	while (rest.p != NULL) {
		struct view piece = view_cut(rest, '&', &rest);
		int r;

		if (!first)
			buf_putc(out, '&');
		first = false;
		r = pair(rw, place, piece, out, e);
		if (r < 0)
			return -1;
		any |= r > 0;
	}
	if (any)
		return done(place, out, e);
	rw_cut(out, before);
	return 0;
}

int
rw_query(struct rw *rw, struct view query, struct buf *out, struct err *e)
{
	return pairs(rw, RW_QUERY, query, out, e);
}

/* --- bodies --------------------------------------------------------------- */

enum rw_body
rw_body_kind(struct view content_type)
{
	struct view rest, type = view_trim(view_cut(content_type, ';', &rest));

	if (view_eq_nocase(type, VIEW("application/json")) ||
	    (type.n > 5 && view_eq_nocase(view_slice(type, type.n - 5, type.n),
			       VIEW("+json"))))
		return RW_BODY_JSON;
	if (view_eq_nocase(type, VIEW("application/x-www-form-urlencoded")))
		return RW_BODY_FORM;
	if (type.n > 5 && view_eq_nocase(view_slice(type, 0, 5), VIEW("text/")))
		return RW_BODY_TEXT;
	return RW_BODY_OPAQUE;
}

int
rw_body(struct rw *rw, enum rw_body kind, struct view body, struct buf *out,
    struct err *e)
{
	switch (kind) {
	case RW_BODY_JSON:
		return rw_json(rw, body, out, e);
	case RW_BODY_FORM:
		return pairs(rw, RW_BODY, body, out, e);
	case RW_BODY_TEXT:
		return ph_marked(body)
			   ? rw_text(rw, RW_BODY, body, NULL, out, e)
			   : 0;
	case RW_BODY_OPAQUE:
		break;
	}
	return ph_marked(body) ? rw_fail(RW_BODY, out, e) : 0;
}

int
rw_message(struct rw *rw, struct view text, struct buf *out, struct err *e)
{
	struct view v = text;

	while (v.n > 0 && memchr(" \t\r\n", v.p[0], 4) != NULL)
		v = view_slice(v, 1, v.n);
	if (v.n > 0 && (v.p[0] == '{' || v.p[0] == '['))
		return rw_json(rw, text, out, e);
	return ph_marked(text) ? rw_text(rw, RW_MESSAGE, text, NULL, out, e)
			       : 0;
}
