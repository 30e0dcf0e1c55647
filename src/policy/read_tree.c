/*
 * read_tree: a mapping whose keys are somebody else's, as one line of text:
 * keys sorted, strings quoted, whole numbers in decimal.  Two documents that
 * say the same have the same line, and the line reads back as itself.
 */
#include <stdlib.h>

#include "policy/read.h"

/* What a double holds exactly: the wire has no other number. */
enum { DIGITS_MAX = 32 };
#define NUMBER_MAX (1ULL << 53)

static void put_node(struct p_reader *r, const struct ydoc_node *n,
    unsigned depth, struct buf *out);

static void
put_number(struct p_reader *r, const struct ydoc_node *n, struct buf *out)
{
	bool minus = n->text.n > 0 && n->text.p[0] == '-';
	struct view v = minus ? view_slice(n->text, 1, n->text.n) : n->text;
	bool octal = v.n > 1 && v.p[0] == '0' && v.p[1] >= '0' && v.p[1] <= '9';
	uint64_t value;

	if (octal || !p_whole_number(v, NUMBER_MAX, &value)) {
		FAULT(r, n,
		    "a number must be whole, in decimal and at most 2^53; "
		    "write others as strings, got %s",
		    p_show(n->text).text);
		return;
	}
	buf_printf(out, "%s%llu", minus && value > 0 ? "-" : "",
	    (unsigned long long)value);
}

static void
put_text(struct p_reader *r, const struct ydoc_node *n, struct buf *out)
{
	if (n->text.n > 0 && memchr(n->text.p, '\0', n->text.n) != NULL)
		FAULT(r, n, "a string must not hold NUL");
	ydoc_put_quoted(out, n->text);
}

static void
put_scalar(struct p_reader *r, const struct ydoc_node *n, struct buf *out)
{
	switch (n->type) {
	case YDOC_STR:
		put_text(r, n, out);
		return;
	case YDOC_BOOL:
		buf_puts(out, n->text.p[0] == 't' || n->text.p[0] == 'T'
				  ? "true"
				  : "false");
		return;
	case YDOC_INT:
		put_number(r, n, out);
		return;
	case YDOC_NULL:
	case YDOC_FLOAT:
		FAULT(r, n,
		    "expected a string, a whole number, a boolean, a list or "
		    "a mapping, got %s (quote it)",
		    n->type == YDOC_NULL ? "null" : "a number with a fraction");
		return;
	}
}

static int
key_order(const void *a, const void *b)
{
	return view_cmp((*(const struct ydoc_node *const *)a)->text,
	    (*(const struct ydoc_node *const *)b)->text);
}

static void
put_map(struct p_reader *r, const struct ydoc_node *n, unsigned depth,
    struct buf *out)
{
	const struct ydoc_node **keys =
	    ARENA_ARRAY(&r->p->arena, n->n + 1, const struct ydoc_node *);
	struct p_str key;
	size_t count = 0;

	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next)
		if (p_read_key(r, k, &key))
			keys[count++] = k;
	if (count > 0)
		qsort(keys, count, sizeof(*keys), key_order);
	buf_putc(out, '{');
	for (size_t i = 0; i < count; i++) {
		size_t before = p_enter(r, keys[i]->text);

		buf_puts(out, i > 0 ? ", " : "");
		put_text(r, keys[i], out);
		buf_puts(out, ": ");
		put_node(r, keys[i]->value, depth + 1, out);
		p_leave(r, before);
	}
	buf_putc(out, '}');
}

static void
put_list(struct p_reader *r, const struct ydoc_node *n, unsigned depth,
    struct buf *out)
{
	buf_putc(out, '[');
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next) {
		buf_puts(out, k != n->first ? ", " : "");
		put_node(r, k, depth + 1, out);
	}
	buf_putc(out, ']');
}

static void
put_node(struct p_reader *r, const struct ydoc_node *n, unsigned depth,
    struct buf *out)
{
	if (depth > PL_CONFIG_DEPTH) {
		FAULT(r, n, "nested deeper than %d", PL_CONFIG_DEPTH);
		return;
	}
	switch (n->kind) {
	case YDOC_SCALAR:
		put_scalar(r, n, out);
		return;
	case YDOC_SEQ:
		put_list(r, n, depth, out);
		return;
	case YDOC_MAP:
		put_map(r, n, depth, out);
		return;
	case YDOC_BAD:
		return; /* reported */
	}
}

void
p_read_tree(struct p_reader *r, const struct ydoc_node *n, uint64_t max,
    struct p_str *out)
{
	AUTO_BUF struct buf text = BUF_INIT((size_t)max);
	size_t errors = r->f->errors;

	out->h = p_head_of(n);
	if (n->kind != YDOC_MAP) {
		if (n->kind != YDOC_BAD)
			FAULT(r, n, "expected a mapping");
		out->h.bad = true;
		return;
	}
	put_map(r, n, 0, &text);
	if (text.full)
		FAULT(r, n, "longer than %llu bytes", (unsigned long long)max);
	out->h.bad = r->f->errors > errors;
	if (!out->h.bad && n->n > 0)
		out->v = arena_view(&r->p->arena, buf_view(&text));
}
