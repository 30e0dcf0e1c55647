#include "codec/xml.h"

#include "base/macros.h"
#include "codec/utf8.h"

static int
bad(struct err *e, const char *what)
{
	return err_set(e, ERR_PROTO, "XML: %s", what);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_space(struct view *v)
{
	size_t n = 0;

	while (n < v->n && is_space(v->p[n]))
		n++;
	*v = view_slice(*v, n, v->n);
}

/* Up to and with `end`; false when it is not there. */
static bool
skip_past(struct view *v, struct view end)
{
	for (size_t i = 0; i + end.n <= v->n; i++)
		if (memcmp(v->p + i, end.p, end.n) == 0) {
			*v = view_slice(*v, i + end.n, v->n);
			return true;
		}
	return false;
}

/* A name in ASCII, as the documents that are read here have them. */
static struct view
take_name(struct view *v)
{
	size_t n = 0;
	struct view name;

	while (n < v->n && n <= XML_NAME_MAX) {
		char c = v->p[n];
		bool letter = (c >= 'a' && c <= 'z') ||
			      (c >= 'A' && c <= 'Z') || c == '_';
		bool more =
		    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':';

		if (!letter && (n == 0 || !more))
			break;
		n++;
	}
	name = view_slice(*v, 0, n <= XML_NAME_MAX ? n : 0);
	*v = view_slice(*v, name.n, v->n);
	return name;
}

/* --- references ------------------------------------------------------------
 */

static int
put_number(struct view digits, struct buf *out, struct err *e)
{
	bool hex = view_starts(digits, VIEW("x"));
	uint32_t n = 0;

	if (hex)
		digits = view_slice(digits, 1, digits.n);
	for (size_t i = 0; i < digits.n; i++) {
		char c = digits.p[i];
		uint32_t d =
		    c >= '0' && c <= '9'          ? (uint32_t)(c - '0')
		    : hex && c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
		    : hex && c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
						  : 99;

		if (d == 99 || n > 0x10ffff)
			return bad(e, "a malformed character reference");
		n = n * (hex ? 16 : 10) + d;
	}
	/* What stands in credentials and names is ASCII; no more is needed. */
	if (digits.n == 0 || n < 0x20 || n > 0x7e)
		return bad(e, "a character reference beyond printable ASCII");
	buf_putc(out, (char)n);
	return 0;
}

static int
put_reference(struct view name, struct buf *out, struct err *e)
{
	static const struct {
		const char *name;
		char c;
	} known[] = { { "lt", '<' }, { "gt", '>' }, { "amp", '&' },
		{ "apos", '\'' }, { "quot", '"' } };

	if (view_starts(name, VIEW("#")))
		return put_number(view_slice(name, 1, name.n), out, e);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (view_eq(name, view_of(known[i].name))) {
			buf_putc(out, known[i].c);
			return 0;
		}
	return bad(e, "an entity that is not one of the five");
}

int
xml_text(struct view raw, struct buf *out, struct err *e)
{
	while (raw.n > 0) {
		struct view rest, part = view_cut(raw, '&', &rest);

		buf_put(out, part);
		if (rest.p == NULL)
			break;
		part = view_cut(rest, ';', &raw);
		if (raw.p == NULL)
			return bad(e, "a reference without end");
		if (put_reference(part, out, e) < 0)
			return -1;
	}
	return out->full ? err_set(e, ERR_LIMIT, "XML: the text is too long")
			 : 0;
}

/* --- markup ----------------------------------------------------------------
 */

/* name="value" until the tag ends. */
static int
take_attributes(struct xml *x, struct err *e)
{
	struct view *r = &x->rest;

	for (;;) {
		bool apart = r->n > 0 && is_space(r->p[0]);
		char quote;

		skip_space(r);
		if (r->n == 0 || r->p[0] == '>' || r->p[0] == '/')
			return 0;
		if (!apart || take_name(r).n == 0)
			return bad(e, "a malformed tag");
		skip_space(r);
		if (r->n == 0 || r->p[0] != '=')
			return bad(e, "an attribute without value");
		*r = view_slice(*r, 1, r->n);
		skip_space(r);
		quote = r->n > 0 ? r->p[0] : '\0';
		if (quote != '"' && quote != '\'')
			return bad(e, "an attribute without quotes");
		*r = view_slice(*r, 1, r->n);
		while (r->n > 0 && r->p[0] != quote) {
			if (r->p[0] == '<')
				return bad(e, "a '<' in an attribute");
			*r = view_slice(*r, 1, r->n);
		}
		if (r->n == 0)
			return bad(e, "an attribute without end");
		*r = view_slice(*r, 1, r->n);
	}
}

static int
take_open(struct xml *x, struct view *v, struct err *e)
{
	struct view name;

	x->rest = view_slice(x->rest, 1, x->rest.n);
	name = take_name(&x->rest);
	if (name.n == 0)
		return bad(e, "markup that is not understood");
	if (x->depth == 0 && x->rooted)
		return bad(e, "a second root element");
	if (x->depth == XML_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "XML: more than %d elements deep",
		    (int)XML_DEPTH_MAX);
	if (take_attributes(x, e) < 0)
		return -1;
	x->empty = view_starts(x->rest, VIEW("/"));
	if (x->empty)
		x->rest = view_slice(x->rest, 1, x->rest.n);
	if (!view_starts(x->rest, VIEW(">")))
		return bad(e, "a tag without end");
	x->rest = view_slice(x->rest, 1, x->rest.n);
	x->open[x->depth++] = name;
	x->rooted = true;
	*v = name;
	return 0;
}

static int
take_close(struct xml *x, struct view *v, struct err *e)
{
	struct view name;

	x->rest = view_slice(x->rest, 2, x->rest.n);
	name = take_name(&x->rest);
	skip_space(&x->rest);
	if (!view_starts(x->rest, VIEW(">")))
		return bad(e, "a tag without end");
	if (x->depth == 0 || !view_eq(x->open[x->depth - 1], name))
		return bad(e, "a closing tag that closes nothing");
	x->rest = view_slice(x->rest, 1, x->rest.n);
	x->depth--;
	*v = name;
	return 0;
}

static int
skip_comment(struct xml *x, struct err *e)
{
	x->rest = view_slice(x->rest, 4, x->rest.n);
	return skip_past(&x->rest, VIEW("-->"))
		   ? 0
		   : bad(e, "a comment without end");
}

static int
take_text(struct xml *x, struct view *v, struct err *e)
{
	struct view rest, text = view_cut(x->rest, '<', &rest);
	struct view blank = text;

	x->rest = view_slice(x->rest, text.n, x->rest.n);
	skip_space(&blank);
	if (x->depth == 0 && blank.n > 0)
		return bad(e, "text outside of the root element");
	*v = text;
	return 0;
}

static int
end(const struct xml *x, struct err *e)
{
	if (x->depth > 0)
		return bad(e, "it is cut off");
	return x->rooted ? 0 : bad(e, "no element");
}

/* --- the whole -------------------------------------------------------------
 */

int
xml_init(struct xml *x, struct view text, struct err *e)
{
	*x = (struct xml) { .rest = text };
	if (!utf8_valid(text) || (text.n > 0 && memchr(text.p, '\0', text.n)))
		return bad(e, "it is not UTF-8");
	if (!view_starts(text, VIEW("<?xml")) || text.n < 6 ||
	    !is_space(text.p[5]))
		return 0;
	return skip_past(&x->rest, VIEW("?>"))
		   ? 0
		   : bad(e, "a declaration without end");
}

int
xml_next(struct xml *x, enum xml_kind *kind, struct view *v, struct err *e)
{
	*v = (struct view) { 0 };
	if (x->empty) {
		x->empty = false;
		*kind = XML_CLOSE;
		*v = x->open[--x->depth];
		return 0;
	}
	for (;;) {
		if (x->rest.n == 0) {
			*kind = XML_END;
			return end(x, e);
		}
		if (view_starts(x->rest, VIEW("</"))) {
			*kind = XML_CLOSE;
			return take_close(x, v, e);
		}
		if (view_starts(x->rest, VIEW("<!--"))) {
			if (skip_comment(x, e) < 0)
				return -1;
			continue;
		}
		if (x->rest.p[0] == '<') {
			*kind = XML_OPEN;
			return take_open(x, v, e);
		}
		*kind = XML_TEXT;
		if (take_text(x, v, e) < 0)
			return -1;
		if (x->depth > 0)
			return 0;
	}
}

bool
xml_at(const struct xml *x, const char *path)
{
	struct view rest = view_of(path);
	unsigned i = 0;

	for (; rest.p != NULL && i < x->depth; i++)
		if (!view_eq(view_cut(rest, '/', &rest), x->open[i]))
			return false;
	return rest.p == NULL && i == x->depth;
}
