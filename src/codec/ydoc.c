#include "codec/ydoc.h"

#include <inttypes.h>
#include <stdlib.h>

#include <yaml.h>

#include "base/mem.h"
#include "codec/utf8.h"

struct builder {
	struct arena *arena;
	ydoc_report *report;
	void *ctx;
	struct ydoc_node *root;
	unsigned depth;
	struct frame {
		struct ydoc_node *node, *last;
		struct ydoc_node *key; /* waits for its value */
	} stack[YDOC_DEPTH_MAX];
};

static void
fault(struct builder *b, const yaml_mark_t *m, const char *text)
{
	b->report(b->ctx, (unsigned)m->line + 1, (unsigned)m->column + 1, text);
}

static bool
all_of(struct view v, const char *set)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\0' || strchr(set, v.p[i]) == NULL)
			return false;
	return v.n > 0;
}

static bool
one_of(struct view v, const char *const *list)
{
	for (; *list != NULL; list++)
		if (view_eq(v, view_of(*list)))
			return true;
	return false;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool
is_float(struct view v)
{
	static const char digits[] = "0123456789";
	size_t at = 0, from, whole, part = 0;

	if (at < v.n && (v.p[at] == '-' || v.p[at] == '+'))
		at++;
	for (from = at; at < v.n && strchr(digits, v.p[at]) != NULL; at++)
		;
	whole = at - from;
	if (at < v.n && v.p[at] == '.') {
		for (from = ++at; at < v.n && strchr(digits, v.p[at]) != NULL;
		     at++)
			;
		part = at - from;
	}
	if (whole + part == 0)
		return false;
	if (at < v.n && (v.p[at] == 'e' || v.p[at] == 'E')) {
		at++;
		if (at < v.n && (v.p[at] == '-' || v.p[at] == '+'))
			at++;
		return all_of(view_slice(v, at, v.n), digits);
	}
	return at == v.n;
}

enum ydoc_type
ydoc_resolve(struct view v)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL",
		NULL };
	static const char *const bools[] = { "true", "True", "TRUE", "false",
		"False", "FALSE", NULL };
	static const char *const floats[] = { ".inf", ".Inf", ".INF", ".nan",
		".NaN", ".NAN", NULL };
	struct view digits = v;

	if (one_of(v, nulls))
		return YDOC_NULL;
	if (one_of(v, bools))
		return YDOC_BOOL;
	if (v.p[0] == '-' || v.p[0] == '+')
		digits = view_slice(v, 1, v.n);
	if (all_of(digits, "0123456789"))
		return YDOC_INT;
	if (view_starts(v, VIEW("0o")) &&
	    all_of(view_slice(v, 2, v.n), "01234567"))
		return YDOC_INT;
	if (view_starts(v, VIEW("0x")) &&
	    all_of(view_slice(v, 2, v.n), "0123456789abcdefABCDEF"))
		return YDOC_INT;
	if (memchr(v.p, '\0', v.n) == NULL &&
	    (is_float(v) || one_of(v, floats) ||
		(digits.n < v.n && one_of(digits, floats))))
		return YDOC_FLOAT;
	return YDOC_STR;
}

/* Puts the node where the innermost open collection wants it. */
static void
attach(struct builder *b, struct ydoc_node *n)
{
	struct frame *f;

	if (b->depth == 0) {
		b->root = n;
		return;
	}
	f = &b->stack[b->depth - 1];
	if (f->key != NULL) {
		f->key->value = n;
		f->key = NULL;
		return;
	}
	if (f->node->kind == YDOC_MAP)
		f->key = n;
	if (f->last != NULL)
		f->last->next = n;
	else
		f->node->first = n;
	f->last = n;
	f->node->n++;
}

static struct ydoc_node *
node_new(struct builder *b, const yaml_event_t *ev, enum ydoc_kind kind)
{
	struct ydoc_node *n = ARENA_NEW(b->arena, struct ydoc_node);

	n->kind = kind;
	n->line = (unsigned)ev->start_mark.line + 1;
	n->column = (unsigned)ev->start_mark.column + 1;
	return n;
}

static bool
is_key_next(const struct builder *b)
{
	return b->depth > 0 && b->stack[b->depth - 1].key == NULL &&
	       b->stack[b->depth - 1].node->kind == YDOC_MAP;
}

static void
refuse_extras(struct builder *b, const yaml_event_t *ev, const void *anchor,
    const void *tag)
{
	if (anchor != NULL)
		fault(b, &ev->start_mark, "anchors are not accepted");
	if (tag != NULL)
		fault(b, &ev->start_mark, "tags are not accepted");
}

static void
on_scalar(struct builder *b, const yaml_event_t *ev)
{
	struct ydoc_node *n = node_new(b, ev, YDOC_SCALAR);
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	refuse_extras(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	n->text = arena_view(
	    b->arena, (struct view) { (const char *)ev->data.scalar.value,
			  ev->data.scalar.length });
	n->type = plain ? ydoc_resolve(n->text) : YDOC_STR;
	if (memchr(n->text.p, '\0', n->text.n) != NULL) {
		/* A "\0" escape; the raw byte does not get this far. */
		fault(b, &ev->start_mark, "NUL in a string");
		n->kind = YDOC_BAD;
	}
	if (plain && is_key_next(b) && view_eq(n->text, VIEW("<<"))) {
		fault(b, &ev->start_mark, "merge keys are not accepted");
		n->kind = YDOC_BAD;
	}
	attach(b, n);
}

static bool
on_open(struct builder *b, const yaml_event_t *ev, enum ydoc_kind kind)
{
	struct ydoc_node *n = node_new(b, ev, kind);

	if (b->depth == YDOC_DEPTH_MAX) {
		fault(b, &ev->start_mark, "nested deeper than 32 levels");
		return false;
	}
	if (is_key_next(b)) {
		/* What is inside is still read, but hangs on nothing. */
		struct ydoc_node *bad = node_new(b, ev, YDOC_BAD);

		fault(b, &ev->start_mark, "a key must be a scalar");
		attach(b, bad);
	} else
		attach(b, n);
	b->stack[b->depth++] = (struct frame) { .node = n };
	return true;
}

static int
key_order(const void *ap, const void *bp)
{
	const struct ydoc_node *const *a = ap, *const *b = bp;
	int c = view_cmp((*a)->text, (*b)->text);

	if (c != 0)
		return c;
	if ((*a)->line != (*b)->line)
		return (*a)->line < (*b)->line ? -1 : 1;
	return (*a)->column < (*b)->column ? -1 : (*a)->column > (*b)->column;
}

/* Sorted, so that a document made of keys alone costs n log n. */
static void
refuse_duplicates(struct builder *b, struct ydoc_node *map)
{
	AUTO_FREE struct ydoc_node **keys =
	    mem_calloc(map->n + 1, sizeof(struct ydoc_node *));
	size_t n = 0;

	for (struct ydoc_node *k = map->first; k != NULL; k = k->next)
		if (k->kind == YDOC_SCALAR)
			keys[n++] = k;
	qsort(keys, n, sizeof(struct ydoc_node *), key_order);
	for (size_t i = 1; i < n; i++) {
		AUTO_BUF struct buf text = BUF_INIT(1024);

		if (!view_eq(keys[i - 1]->text, keys[i]->text))
			continue;
		buf_puts(&text, "duplicate key '");
		buf_put_escaped(&text, utf8_clip(keys[i]->text, 80));
		buf_puts(&text, "'");
		b->report(
		    b->ctx, keys[i]->line, keys[i]->column, buf_str(&text));
		keys[i]->kind = YDOC_BAD;
	}
}

static void
on_close(struct builder *b)
{
	struct ydoc_node *n = b->stack[--b->depth].node;

	if (n->kind == YDOC_MAP)
		refuse_duplicates(b, n);
}

enum go { GO_ON, GO_DONE, GO_BROKEN };

static enum go
on_event(struct builder *b, const yaml_event_t *ev, bool *seen)
{
	switch (ev->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return GO_ON;
	case YAML_STREAM_END_EVENT:
		return GO_DONE;
	case YAML_DOCUMENT_START_EVENT:
		if (*seen) {
			fault(b, &ev->start_mark, "more than one document");
			return GO_BROKEN;
		}
		*seen = true;
		if (ev->data.document_start.version_directive != NULL ||
		    ev->data.document_start.tag_directives.start !=
			ev->data.document_start.tag_directives.end)
			fault(
			    b, &ev->start_mark, "directives are not accepted");
		return GO_ON;
	case YAML_ALIAS_EVENT:
		fault(b, &ev->start_mark, "aliases are not accepted");
		attach(b, node_new(b, ev, YDOC_BAD));
		return GO_ON;
	case YAML_SCALAR_EVENT:
		on_scalar(b, ev);
		return GO_ON;
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras(b, ev, ev->data.sequence_start.anchor,
		    ev->data.sequence_start.tag);
		return on_open(b, ev, YDOC_SEQ) ? GO_ON : GO_BROKEN;
	case YAML_MAPPING_START_EVENT:
		refuse_extras(b, ev, ev->data.mapping_start.anchor,
		    ev->data.mapping_start.tag);
		return on_open(b, ev, YDOC_MAP) ? GO_ON : GO_BROKEN;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(b);
		return GO_ON;
	}
	return GO_ON;
}

static void
syntax_error(struct builder *b, const yaml_parser_t *y)
{
	AUTO_BUF struct buf text = BUF_INIT(1024);

	buf_puts(&text, "invalid YAML: ");
	buf_puts(&text, y->problem != NULL ? y->problem : "unreadable");
	if (y->context != NULL)
		buf_printf(&text, " (%s)", y->context);
	fault(b, &y->problem_mark, buf_str(&text));
}

/*
 * What is wrong with a character of the text itself, or NULL.  Attack: libyaml
 * takes NEL, LS and PS for line breaks, which YAML 1.2 section 5.4 and most
 * editors do not: what a person reads as a comment would be a key.
 */
static const char *
char_fault(uint32_t c)
{
	if (c == 0)
		return "NUL byte";
	if (c == 0x85 || c == 0x2028 || c == 0x2029)
		return "a line break that not every reader takes for one "
		       "(U+0085, U+2028 or U+2029)";
	if (c == 0xfeff)
		return "a byte order mark that is not at the beginning";
	if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
	    (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff)
		return "control characters are not allowed";
	return NULL;
}

/* Bytes that no later stage should see; their place in characters. */
static bool
bytes_ok(struct builder *b, struct view text)
{
	yaml_mark_t m = { 0 };
	const char *what = NULL;
	uint32_t c = 0;
	size_t n;

	for (size_t at = 0; at < text.n; at += n) {
		n = utf8_decode(view_slice(text, at, text.n), &c);
		what = n == 0 ? "not UTF-8" : char_fault(c);
		if (what != NULL)
			break;
		m.column++;
		/* CR LF is one break, as libyaml counts. */
		if (c == '\n' || (c == '\r' && (at + 1 == text.n ||
						   text.p[at + 1] != '\n'))) {
			m.line++;
			m.column = 0;
		}
	}
	if (what != NULL)
		fault(b, &m, what);
	return what == NULL;
}

bool
ydoc_parse(struct view text, struct arena *a, struct ydoc_node **root,
    ydoc_report *report, void *ctx)
{
	struct builder b = { .arena = a, .report = report, .ctx = ctx };
	enum go go = GO_ON;
	bool seen = false;
	yaml_parser_t y;
	yaml_event_t ev;

	*root = NULL;
	/* YAML 1.2 section 5.2; libyaml would count it as a column. */
	if (view_starts(text, VIEW("\xef\xbb\xbf")))
		text = view_slice(text, 3, text.n);
	if (!bytes_ok(&b, text))
		return false;
	if (!yaml_parser_initialize(&y))
		abort(); /* out of memory */
	yaml_parser_set_encoding(&y, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y, (const unsigned char *)text.p, text.n);
	while (go == GO_ON) {
		if (!yaml_parser_parse(&y, &ev)) {
			syntax_error(&b, &y);
			go = GO_BROKEN;
			break;
		}
		go = on_event(&b, &ev, &seen);
		yaml_event_delete(&ev);
	}
	/* Collections that a syntax error left open hold faults, too. */
	while (b.depth > 0)
		on_close(&b);
	yaml_parser_delete(&y);
	*root = b.root;
	return go == GO_DONE;
}

/* Shown as an escape: breaks, controls, and what turns or hides text. */
static bool
needs_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0xfffd ||
	       c == 0xfffe || c == 0xffff;
}

/*
 * YAML 1.1 readers see more numbers than the core schema: 0777, 1_000, 12:30,
 * 0b1, 2026-01-01.  Two dots, or a colon among hexadecimal digits, make none.
 */
static bool
is_number_elsewhere(struct view v)
{
	size_t dots = 0, colons = 0;

	if (v.p[0] < '0' || v.p[0] > '9' ||
	    !all_of(v, "0123456789_:.-+eExXabcdefABCDEFoT"))
		return false;
	for (size_t i = 0; i < v.n; i++) {
		dots += v.p[i] == '.';
		colons += v.p[i] == ':';
	}
	for (size_t i = 0; i < v.n && colons > 0; i++)
		if (strchr("abcdefABCDEF", v.p[i]) != NULL)
			return false;
	return dots < 2;
}

/* One that reads back as itself in a block collection, on a line. */
static bool
plain_safe(struct view v)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/_.~$^();\\";
	/* YAML 1.1 readers take these for booleans. */
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off",
		NULL };
	uint32_t c;
	size_t n;

	if (v.n == 0 || (!all_of(view_slice(v, 0, 1), first) &&
			    (unsigned char)v.p[0] < 0x80))
		return false;
	for (size_t at = 0; at < v.n; at += n) {
		bool last;

		n = utf8_decode(view_slice(v, at, v.n), &c);
		last = at + n == v.n;
		if (n == 0 || needs_escape(c) || c == 0xa0)
			return false;
		if (c == ':' && (last || v.p[at + 1] == ' '))
			return false;
		if (c == ' ' && (last || v.p[at + 1] == '#'))
			return false;
	}
	for (size_t i = 0; words[i] != NULL; i++)
		if (view_eq_nocase(v, view_of(words[i])))
			return false;
	return !view_starts(v, VIEW("...")) && !is_number_elsewhere(v) &&
	       ydoc_resolve(v) == YDOC_STR;
}

void
ydoc_put_quoted(struct buf *out, struct view v)
{
	size_t n;
	uint32_t c;

	buf_putc(out, '"');
	for (size_t at = 0; at < v.n; at += n) {
		n = utf8_decode(view_slice(v, at, v.n), &c);
		if (n == 0) { /* callers give UTF-8; never write worse */
			n = 1;
			c = 0xfffd;
		}
		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		if (c > 0xffff)
			buf_printf(out, "\\U%08" PRIX32, c);
		else if (needs_escape(c))
			buf_printf(out, "\\u%04" PRIX32, c);
		else
			buf_put(out, view_slice(v, at, at + n));
	}
	buf_putc(out, '"');
}

void
ydoc_put_str(struct buf *out, struct view v)
{
	bool escape = false;

	if (plain_safe(v)) {
		buf_put(out, v);
		return;
	}
	for (size_t at = 0; at < v.n && !escape; at++) {
		unsigned char b = (unsigned char)v.p[at];

		escape = b < 0x20 || b >= 0x7f;
	}
	if (!escape) {
		buf_putc(out, '\'');
		for (size_t at = 0; at < v.n; at++) {
			if (v.p[at] == '\'')
				buf_putc(out, '\'');
			buf_putc(out, v.p[at]);
		}
		buf_putc(out, '\'');
		return;
	}
	ydoc_put_quoted(out, v);
}
