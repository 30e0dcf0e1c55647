#include "cli/emit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/arena.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include "codec/ydoc.h"

enum { EMIT_MAX = 64 << 20, CELL_MAX = 1 << 20 };

const char *const emit_formats[] = { "table", "json", "yaml", NULL };

enum val_kind {
	VAL_OBJECT,
	VAL_LIST,
	VAL_STR,
	VAL_INT,
	VAL_UINT,
	VAL_BOOL,
	VAL_NULL,
	VAL_TIME,
	VAL_RAW /* a number as it was written */
};

struct emit_val {
	struct arena *arena;
	enum val_kind kind;
	struct view key; /* in an object */
	struct view text;
	int64_t i;
	uint64_t u;
	struct emit_val *first, *last, *next;
};

struct emit {
	struct arena arena;
	struct emit_val *root;
};

/* --- building --- */

struct emit *
emit_new(enum emit_kind root)
{
	struct emit *m = NEW(struct emit);

	m->root = ARENA_NEW(&m->arena, struct emit_val);
	m->root->arena = &m->arena;
	m->root->kind = root == EMIT_LIST ? VAL_LIST : VAL_OBJECT;
	return m;
}

void
emit_free(struct emit *m)
{
	if (m == NULL)
		return;
	arena_fini(&m->arena);
	free(m);
}

void
emit_free_at(struct emit **m)
{
	emit_free(*m);
}

struct emit_val *
emit_root(struct emit *m)
{
	return m->root;
}

static struct emit_val *
add(struct emit_val *at, struct view key, enum val_kind kind)
{
	struct emit_val *v = ARENA_NEW(at->arena, struct emit_val);

	v->arena = at->arena;
	v->kind = kind;
	v->key = key;
	if (at->last != NULL)
		at->last->next = v;
	else
		at->first = v;
	at->last = v;
	return v;
}

struct emit_val *
emit_object(struct emit_val *at, const char *key)
{
	return add(at, view_of(key), VAL_OBJECT);
}

struct emit_val *
emit_list(struct emit_val *at, const char *key)
{
	return add(at, view_of(key), VAL_LIST);
}

void
emit_str(struct emit_val *at, const char *key, struct view v)
{
	add(at, view_of(key), VAL_STR)->text = arena_view(at->arena, v);
}

void
emit_text(struct emit_val *at, const char *key, const char *s)
{
	if (s == NULL)
		emit_null(at, key);
	else
		emit_str(at, key, view_of(s));
}

void
emit_int(struct emit_val *at, const char *key, int64_t n)
{
	add(at, view_of(key), VAL_INT)->i = n;
}

void
emit_uint(struct emit_val *at, const char *key, uint64_t n)
{
	add(at, view_of(key), VAL_UINT)->u = n;
}

void
emit_bool(struct emit_val *at, const char *key, bool b)
{
	add(at, view_of(key), VAL_BOOL)->u = b;
}

void
emit_null(struct emit_val *at, const char *key)
{
	(void)add(at, view_of(key), VAL_NULL);
}

void
emit_time(struct emit_val *at, const char *key, int64_t wall_ms)
{
	if (wall_ms <= 0)
		emit_null(at, key);
	else
		add(at, view_of(key), VAL_TIME)->i = wall_ms;
}

void
emit_str_dyn(struct emit_val *at, struct view key, struct view v)
{
	struct emit_val *val = add(at, arena_view(at->arena, key), VAL_STR);

	val->text = arena_view(at->arena, v);
}

/* JSON has a number for it: digits with a sign, nothing else. */
static bool
is_integer(struct view v)
{
	size_t from = v.n > 0 && v.p[0] == '-' ? 1 : 0;

	if (v.n == from || v.n > 18 || (v.p[from] == '0' && v.n > from + 1))
		return false;
	for (size_t i = from; i < v.n; i++)
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
	return true;
}

static void
put_scalar(struct emit_val *at, struct view key, const struct ydoc_node *n)
{
	struct emit_val *v = add(at, key, VAL_STR);

	v->text = arena_view(at->arena, n->text);
	if (n->type == YDOC_NULL)
		v->kind = VAL_NULL;
	else if (n->type == YDOC_BOOL) {
		v->kind = VAL_BOOL;
		v->u = n->text.n == 4; /* true, True, TRUE */
	} else if (n->type == YDOC_INT && is_integer(n->text))
		v->kind = VAL_RAW;
}

/* No deeper than YDOC_DEPTH_MAX. */
static void
put_node(struct emit_val *at, struct view key, const struct ydoc_node *n)
{
	struct emit_val *v;

	if (n == NULL || n->kind == YDOC_BAD) {
		(void)add(at, key, VAL_NULL);
		return;
	}
	if (n->kind == YDOC_SCALAR) {
		put_scalar(at, key, n);
		return;
	}
	v = add(at, key, n->kind == YDOC_MAP ? VAL_OBJECT : VAL_LIST);
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next) {
		if (n->kind == YDOC_MAP)
			put_node(v, arena_view(at->arena, k->text), k->value);
		else
			put_node(v, (struct view) { 0 }, k);
	}
}

static void
count_fault(void *ctx, unsigned line UNUSED, unsigned column UNUSED,
    const char *text UNUSED)
{
	(*(unsigned *)ctx)++;
}

void
emit_yaml(struct emit_val *at, const char *key, struct view yaml)
{
	struct arena a = { 0 };
	struct ydoc_node *root = NULL;
	unsigned faults = 0;

	if (!ydoc_parse(yaml, &a, &root, count_fault, &faults) || faults > 0)
		root = NULL;
	put_node(at, view_of(key), root);
	arena_fini(&a);
}

/* --- text of one value --- */

/* "YYYY-MM-DD HH:MM:SS" in UTC; "-" when 0 or below. */
static void
emit_put_time(struct buf *out, int64_t wall_ms)
{
	char t[CLOCK_TEXT_MAX];

	if (wall_ms <= 0) {
		buf_putc(out, '-');
		return;
	}
	(void)clock_text(wall_ms, t);
	buf_printf(out, "%.10s %.8s", t, t + 11);
}

/* Ranges of code points that take no column, or two. */
static const struct wide {
	uint32_t from, to;
	unsigned columns;
} wides[] = {
	{ 0x0300, 0x036f, 0 },
	{ 0x1100, 0x115f, 2 },
	{ 0x200b, 0x200f, 0 },
	{ 0x202a, 0x202e, 0 },
	{ 0x20d0, 0x20ff, 0 },
	{ 0x2e80, 0x303e, 2 },
	{ 0x3041, 0xa4cf, 2 },
	{ 0xac00, 0xd7a3, 2 },
	{ 0xf900, 0xfaff, 2 },
	{ 0xfe00, 0xfe0f, 0 },
	{ 0xfe20, 0xfe2f, 0 },
	{ 0xfe30, 0xfe6f, 2 },
	{ 0xfeff, 0xfeff, 0 },
	{ 0xff00, 0xff60, 2 },
	{ 0xffe0, 0xffe6, 2 },
	{ 0x1f300, 0x1f64f, 2 },
	{ 0x1f680, 0x1f6ff, 2 },
	{ 0x1f900, 0x1f9ff, 2 },
	{ 0x20000, 0x3fffd, 2 },
};

/* Columns that text (UTF-8, nothing to escape) takes on a terminal. */
static size_t
emit_width(struct view v)
{
	size_t columns = 0, n;
	uint32_t c;

	for (size_t at = 0; at < v.n; at += n) {
		unsigned w = 1;

		n = utf8_decode(view_slice(v, at, v.n), &c);
		if (n == 0)
			n = 1;
		else
			for (size_t i = 0; i < ARRAY_LEN(wides); i++)
				if (c >= wides[i].from && c <= wides[i].to)
					w = wides[i].columns;
		columns += w;
	}
	return columns;
}

/* A phase in its colour. */
static void
emit_put_phase(struct buf *out, bool color, const char *phase)
{
	static const struct {
		const char *phase;
		enum cli_color color;
	} colors[] = {
		{ "Ready", COLOR_OK },
		{ "Connected", COLOR_OK },
		{ "Connected (HTTP)", COLOR_WARN },
		{ "Loaded", COLOR_OK },
		{ "Provisioning", COLOR_WARN },
		{ "Pending", COLOR_WARN },
		{ "Degraded", COLOR_WARN },
		{ "Error", COLOR_BAD },
		{ "Disconnected", COLOR_BAD },
		{ "Failed", COLOR_BAD },
		{ "Deleting", COLOR_LABEL },
		{ "Superseded", COLOR_LABEL },
	};

	for (size_t i = 0; i < ARRAY_LEN(colors); i++)
		if (strcmp(colors[i].phase, phase) == 0) {
			cli_paint(out, color, colors[i].color, phase);
			return;
		}
	buf_puts(out, phase);
}

/* As a person sees it; lists are joined by commas. */
static void
put_plain(const struct emit_val *v, struct buf *out)
{
	switch (v->kind) {
	case VAL_OBJECT:
	case VAL_LIST:
		for (const struct emit_val *i = v->first; i; i = i->next) {
			if (v->kind == VAL_OBJECT) {
				buf_put_escaped(out, i->key);
				buf_putc(out, '=');
			}
			put_plain(i, out);
			if (i->next != NULL)
				buf_puts(out, ", ");
		}
		return;
	case VAL_STR:
	case VAL_RAW:
		buf_put_escaped(out, v->text);
		return;
	case VAL_INT:
		buf_printf(out, "%" PRId64, v->i);
		return;
	case VAL_UINT:
		buf_printf(out, "%" PRIu64, v->u);
		return;
	case VAL_BOOL:
		buf_puts(out, v->u ? "yes" : "no");
		return;
	case VAL_NULL:
		buf_putc(out, '-');
		return;
	case VAL_TIME:
		emit_put_time(out, v->i);
		return;
	}
}

/* --- tables --- */

/* The value at a dotted path; NULL when it is not there. */
static const struct emit_val *
find(const struct emit_val *v, const char *path)
{
	struct view rest = view_of(path);

	while (v != NULL && rest.n > 0) {
		struct view key = view_cut(rest, '.', &rest);
		const struct emit_val *i = NULL;

		if (v->kind == VAL_OBJECT)
			for (i = v->first; i != NULL; i = i->next)
				if (view_eq(i->key, key))
					break;
		v = i;
	}
	return v;
}

static void
put_cell(
    const struct emit_val *row, const struct emit_col *col, struct buf *cell)
{
	const struct emit_val *v = find(row, col->field);
	size_t at = 0, n, chars = 0;
	uint32_t c;

	if (v == NULL) {
		buf_putc(cell, '-');
		return;
	}
	put_plain(v, cell);
	if (col->max == 0)
		return;
	while (at < cell->n && chars < col->max) {
		n = utf8_decode(view_slice(buf_view(cell), at, cell->n), &c);
		at += MAX(n, 1);
		chars++;
	}
	if (at >= cell->n)
		return;
	cell->n = at;
	buf_puts(cell, "...");
}

static void
put_styled(struct buf *out, bool color, enum emit_style style, struct buf *cell)
{
	switch (style) {
	case EMIT_PLAIN:
		buf_put(out, buf_view(cell));
		return;
	case EMIT_PHASE:
		emit_put_phase(out, color, buf_str(cell));
		return;
	case EMIT_NAME:
		cli_paint(out, color, COLOR_HINT, buf_str(cell));
		return;
	}
}

static size_t
column_width(const struct emit_val *list, const struct emit_col *col)
{
	size_t width = MAX(strlen(col->title), col->min);
	AUTO_BUF struct buf cell = BUF_INIT(CELL_MAX);

	for (const struct emit_val *r = list->first; r != NULL; r = r->next) {
		size_t w;

		buf_reset(&cell);
		put_cell(r, col, &cell);
		w = emit_width(buf_view(&cell));
		width = MAX(width, w);
	}
	return width;
}

static void
put_pad(struct buf *out, size_t n)
{
	while (n-- > 0 && !out->full)
		buf_putc(out, ' ');
}

static void
put_list(const struct emit_val *list, const struct emit_table *t, bool color,
    struct buf *out)
{
	AUTO_BUF struct buf cell = BUF_INIT(CELL_MAX);
	AUTO_FREE size_t *widths = NULL;
	size_t n = 0;

	if (list->first == NULL) {
		if (t->empty != NULL)
			buf_printf(out, "%s\n", t->empty);
		return;
	}
	while (t->cols[n].title != NULL)
		n++;
	widths = mem_calloc(n + 1, sizeof(*widths));
	for (size_t i = 0; i < n; i++) {
		widths[i] = column_width(list, &t->cols[i]);
		cli_paint(out, color, COLOR_HEADING, t->cols[i].title);
		if (i + 1 < n)
			put_pad(out, widths[i] + 2 - strlen(t->cols[i].title));
	}
	buf_putc(out, '\n');
	for (const struct emit_val *r = list->first; r != NULL; r = r->next) {
		for (size_t i = 0; i < n; i++) {
			buf_reset(&cell);
			put_cell(r, &t->cols[i], &cell);
			put_styled(out, color, t->cols[i].style, &cell);
			if (i + 1 < n)
				put_pad(out, widths[i] + 2 -
						 emit_width(buf_view(&cell)));
		}
		buf_putc(out, '\n');
	}
}

static void
put_object(const struct emit_val *o, const struct emit_table *t, bool color,
    struct buf *out)
{
	AUTO_BUF struct buf cell = BUF_INIT(CELL_MAX);
	AUTO_BUF struct buf label = BUF_INIT(256);
	size_t width = t->label;

	for (const struct emit_col *c = t->cols; c->title != NULL; c++) {
		size_t w = strlen(c->title) + 1;

		width = MAX(width, w);
	}
	for (const struct emit_col *c = t->cols; c->title != NULL; c++) {
		const struct emit_val *v = find(o, c->field);

		if (v == NULL || v->kind == VAL_NULL)
			continue;
		buf_reset(&cell);
		buf_reset(&label);
		put_cell(o, c, &cell);
		buf_printf(&label, "%s:", c->title);
		cli_paint(out, color, COLOR_LABEL, buf_str(&label));
		put_pad(out, width - label.n + 1);
		put_styled(out, color, c->style, &cell);
		buf_putc(out, '\n');
	}
}

/* --- JSON and YAML --- */

static void
put_indent(struct buf *out, unsigned depth)
{
	put_pad(out, (size_t)depth * 2);
}

static void
put_number(const struct emit_val *v, struct buf *out)
{
	char t[CLOCK_TEXT_MAX];

	switch (v->kind) {
	case VAL_INT:
		buf_printf(out, "%" PRId64, v->i);
		return;
	case VAL_UINT:
		buf_printf(out, "%" PRIu64, v->u);
		return;
	case VAL_BOOL:
		buf_puts(out, v->u ? "true" : "false");
		return;
	case VAL_NULL:
		buf_puts(out, "null");
		return;
	case VAL_RAW:
		buf_put(out, v->text);
		return;
	case VAL_TIME:
		/* Quoted: YAML 1.1 has a timestamp type. */
		buf_printf(out, "\"%s\"", clock_text(v->i, t));
		return;
	case VAL_OBJECT:
	case VAL_LIST:
	case VAL_STR:
		return;
	}
}

static bool
holds_values(const struct emit_val *v)
{
	return v->kind == VAL_OBJECT || v->kind == VAL_LIST;
}

static void
put_json(const struct emit_val *v, unsigned depth, struct buf *out)
{
	bool object = v->kind == VAL_OBJECT;

	if (v->kind == VAL_STR) {
		json_quote(out, v->text);
		return;
	}
	if (!holds_values(v)) {
		put_number(v, out);
		return;
	}
	if (v->first == NULL) {
		buf_puts(out, object ? "{}" : "[]");
		return;
	}
	buf_putc(out, object ? '{' : '[');
	for (const struct emit_val *i = v->first; i != NULL; i = i->next) {
		buf_putc(out, '\n');
		put_indent(out, depth + 1);
		if (object) {
			json_quote(out, i->key);
			buf_puts(out, ": ");
		}
		put_json(i, depth + 1, out);
		if (i->next != NULL)
			buf_putc(out, ',');
	}
	buf_putc(out, '\n');
	put_indent(out, depth);
	buf_putc(out, object ? '}' : ']');
}

static void put_yaml(const struct emit_val *v, unsigned depth,
    bool inline_first, struct buf *out);

/* What follows "key:" or "-". */
static void
put_yaml_value(
    const struct emit_val *v, unsigned depth, bool after_dash, struct buf *out)
{
	if (!holds_values(v) || v->first == NULL) {
		buf_putc(out, ' ');
		if (v->kind == VAL_STR)
			ydoc_put_str(out, v->text);
		else if (holds_values(v))
			buf_puts(out, v->kind == VAL_OBJECT ? "{}" : "[]");
		else
			put_number(v, out);
		buf_putc(out, '\n');
		return;
	}
	buf_putc(out, after_dash ? ' ' : '\n');
	put_yaml(v, depth, after_dash, out);
}

/* A block collection; its first line is already indented when inline_first. */
static void
put_yaml(const struct emit_val *v, unsigned depth, bool inline_first,
    struct buf *out)
{
	for (const struct emit_val *i = v->first; i != NULL; i = i->next) {
		if (!inline_first)
			put_indent(out, depth);
		inline_first = false;
		if (v->kind == VAL_LIST)
			buf_putc(out, '-');
		else {
			ydoc_put_str(out, i->key);
			buf_putc(out, ':');
		}
		put_yaml_value(i, depth + 1, v->kind == VAL_LIST, out);
	}
}

void
emit_put(const struct emit *m, enum emit_format format,
    const struct emit_table *t, bool color, struct buf *out)
{
	const struct emit_val *root = m->root;

	switch (format) {
	case EMIT_TABLE:
		if (root->kind == VAL_LIST)
			put_list(root, t, color, out);
		else
			put_object(root, t, color, out);
		return;
	case EMIT_JSON:
		put_json(root, 0, out);
		buf_putc(out, '\n');
		return;
	case EMIT_YAML:
		if (root->first == NULL)
			buf_puts(out, root->kind == VAL_LIST ? "[]\n" : "{}\n");
		else
			put_yaml(root, 0, false, out);
		return;
	}
}

int
emit_print(struct cli *c, const struct emit *m, enum emit_format format,
    const struct emit_table *t, struct err *e)
{
	AUTO_BUF struct buf out = BUF_INIT(EMIT_MAX);

	emit_put(m, format, t, c->color_out, &out);
	return cli_out(c, &out, e);
}
