/*
 * read: the YAML tree into the model, by the rows of fields.def.  Reads on
 * after every fault, so that a person sees all of them at once.
 */
#include <stdlib.h>

#include "policy/read.h"

const char *
p_where(struct p_reader *r)
{
	return buf_str(&r->where);
}

size_t
p_enter(struct p_reader *r, struct view key)
{
	size_t before = r->where.n;
	struct p_shown s = p_show(key);

	if (before > 0)
		buf_putc(&r->where, '.');
	buf_puts(&r->where, s.text);
	return before;
}

static size_t
enter_index(struct p_reader *r, size_t i)
{
	size_t before = r->where.n;

	buf_printf(&r->where, "[%zu]", i);
	return before;
}

void
p_leave(struct p_reader *r, size_t before)
{
	r->where.n = before;
	r->where.full = false;
}

static const char *
describe(const struct ydoc_node *n)
{
	static const char *const scalars[] = {
		[YDOC_NULL] = "null",
		[YDOC_BOOL] = "a boolean",
		[YDOC_INT] = "a number",
		[YDOC_FLOAT] = "a floating-point number",
		[YDOC_STR] = "a string",
	};
	static const char *const kinds[] = {
		[YDOC_SCALAR] = "",
		[YDOC_SEQ] = "a list",
		[YDOC_MAP] = "a mapping",
		[YDOC_BAD] = "",
	};

	return n->kind == YDOC_SCALAR ? scalars[n->type] : kinds[n->kind];
}

/* Reports unless the node was reported already; false either way. */
static bool
mismatch(struct p_reader *r, const struct ydoc_node *n, const char *expected)
{
	if (n->kind != YDOC_BAD)
		FAULT(r, n, "expected %s, got %s", expected, describe(n));
	return false;
}

static bool
is_kind(struct p_reader *r, const struct ydoc_node *n, enum ydoc_kind kind,
    const char *expected)
{
	return n->kind == kind || mismatch(r, n, expected);
}

/* What YDOC_INT is made of: decimal, 0o17 or 0x1F; no bound above max. */
bool
p_whole_number(struct view v, uint64_t max, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned base = 10;
	uint64_t n = 0;

	if (view_starts(v, VIEW("0o")))
		base = 8;
	else if (view_starts(v, VIEW("0x")))
		base = 16;
	if (base != 10)
		v = view_slice(v, 2, v.n);
	else if (view_starts(v, VIEW("+")))
		v = view_slice(v, 1, v.n);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i] >= 'A' && v.p[i] <= 'F' ? (char)(v.p[i] | 0x20)
							: v.p[i];
		const char *d = memchr(digits, c, base);

		if (d == NULL)
			return false; /* '-' */
		n = n * base + (uint64_t)(d - digits);
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

static bool
read_uint(struct p_reader *r, const struct ydoc_node *n, uint64_t min,
    uint64_t max, struct p_uint *out)
{
	uint64_t v;

	out->h = p_head_of(n);
	out->h.bad = true;
	if (n->kind != YDOC_SCALAR || n->type != YDOC_INT)
		return mismatch(r, n, "a whole number");
	/* 0443 is 443 in YAML 1.2, 291 in YAML 1.1 and a string to some. */
	if (n->text.n > 1 && n->text.p[0] == '0' && n->text.p[1] >= '0' &&
	    n->text.p[1] <= '9') {
		FAULT(r, n, "a number must not begin with 0, got %s",
		    p_show(n->text).text);
		return false;
	}
	if (!p_whole_number(n->text, max, &v) || v < min) {
		FAULT(r, n, "must be a number from %llu to %llu, got %s",
		    (unsigned long long)min, (unsigned long long)max,
		    p_show(n->text).text);
		return false;
	}
	out->v = (uint32_t)v;
	out->h.bad = false;
	return true;
}

static void
read_int(struct p_reader *r, const struct ydoc_node *n, struct p_int *out)
{
	bool minus = n->text.n > 0 && n->text.p[0] == '-';
	struct view v = minus ? view_slice(n->text, 1, n->text.n) : n->text;
	uint64_t value;

	out->h = p_head_of(n);
	out->h.bad = true;
	if (n->kind != YDOC_SCALAR || n->type != YDOC_INT) {
		(void)mismatch(r, n, "a whole number");
		return;
	}
	if ((v.n > 1 && v.p[0] == '0') ||
	    !p_whole_number(v, (uint64_t)INT32_MAX + minus, &value)) {
		FAULT(r, n, "must be a number from %d to %d, got %s", INT32_MIN,
		    INT32_MAX, p_show(n->text).text);
		return;
	}
	out->v = (int32_t)(minus ? -(int64_t)value : (int64_t)value);
	out->h.bad = false;
}

static bool
read_bool(struct p_reader *r, const struct ydoc_node *n, struct p_bool *out)
{
	out->h = p_head_of(n);
	if (n->kind != YDOC_SCALAR || n->type != YDOC_BOOL) {
		out->h.bad = true;
		return mismatch(r, n, "a boolean");
	}
	out->v = n->text.p[0] == 't' || n->text.p[0] == 'T';
	return true;
}

bool
p_read_str(struct p_reader *r, const struct ydoc_node *n, uint64_t max,
    struct p_str *out)
{
	out->h = p_head_of(n);
	if (n->kind != YDOC_SCALAR || n->type != YDOC_STR) {
		out->h.bad = true;
		return mismatch(r, n, "a string");
	}
	if (n->text.n > max) {
		out->h.bad = true;
		FAULT(r, n, "longer than %llu bytes", (unsigned long long)max);
		return false;
	}
	out->v = n->text;
	return true;
}

/* How many members to read; says so when there are too many. */
size_t
p_bounded(struct p_reader *r, const struct ydoc_node *n, uint64_t max)
{
	if (n->n <= max)
		return n->n;
	FAULT(r, n, "more than %llu entries", (unsigned long long)max);
	return (size_t)max;
}

static void
read_strs(struct p_reader *r, const struct ydoc_node *n, uint64_t max,
    struct p_strs *out)
{
	size_t want, i = 0;

	out->h = p_head_of(n);
	if (!is_kind(r, n, YDOC_SEQ, "a list of strings")) {
		out->h.bad = true;
		return;
	}
	want = p_bounded(r, n, max);
	out->v = ARENA_ARRAY(&r->p->arena, want, struct p_str);
	for (const struct ydoc_node *k = n->first; k != NULL && i < want;
	     k = k->next, i++) {
		size_t before = enter_index(r, i);

		if (p_read_str(r, k, UINT32_MAX, &out->v[out->n]))
			out->n++;
		else
			out->h.bad = true;
		p_leave(r, before);
	}
}

static void
read_ports(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, struct p_uints *out)
{
	size_t want, i = 0;

	out->h = p_head_of(n);
	if (!is_kind(r, n, YDOC_SEQ, "a list of numbers")) {
		out->h.bad = true;
		return;
	}
	want = p_bounded(r, n, 256);
	out->v = ARENA_ARRAY(&r->p->arena, want, struct p_uint);
	for (const struct ydoc_node *k = n->first; k != NULL && i < want;
	     k = k->next, i++) {
		size_t before = enter_index(r, i);

		if (read_uint(r, k, f->min, f->max, &out->v[out->n]))
			out->n++;
		else
			out->h.bad = true;
		p_leave(r, before);
	}
}

static bool read_map(struct p_reader *r, const struct ydoc_node *n,
    enum p_owner owner, void *out);

static void
read_list(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, struct p_list *out)
{
	size_t size = p_size_of(f->sub), want, i = 0;

	out->h = p_head_of(n);
	if (!is_kind(r, n, YDOC_SEQ, "a list")) {
		out->h.bad = true;
		return;
	}
	want = p_bounded(r, n, f->max);
	out->v = arena_alloc(&r->p->arena, want, size);
	for (const struct ydoc_node *k = n->first; k != NULL && i < want;
	     k = k->next, i++) {
		size_t before = enter_index(r, i), errors = r->f->errors;
		struct p_map *m = (void *)((char *)out->v + i * size);

		/* A refused one keeps its place: indices stay those written. */
		if (!read_map(r, k, f->sub, m))
			out->h.bad = true;
		m->faulty = r->f->errors > errors;
		out->n++;
		p_leave(r, before);
	}
}

bool
p_read_key(struct p_reader *r, const struct ydoc_node *k, struct p_str *out)
{
	if (k->kind == YDOC_BAD || k->value == NULL)
		return false;
	if (k->type != YDOC_STR) {
		FAULT(r, k, "a name must be a string, got %s (quote it)",
		    describe(k));
		return false;
	}
	return p_read_str(r, k, PL_NAME_MAX, out);
}

static int
map_order(const void *a, const void *b)
{
	return view_cmp(
	    ((const struct p_map *)a)->key.v, ((const struct p_map *)b)->key.v);
}

static void
read_named(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, struct p_list *out)
{
	size_t size = p_size_of(f->sub), want;

	out->h = p_head_of(n);
	if (!is_kind(r, n, YDOC_MAP, "a mapping")) {
		out->h.bad = true;
		return;
	}
	want = p_bounded(r, n, f->max);
	out->v = arena_alloc(&r->p->arena, want, size);
	for (const struct ydoc_node *k = n->first; k != NULL && out->n < want;
	     k = k->next) {
		struct p_map *m = (void *)((char *)out->v + out->n * size);
		size_t before = r->where.n, errors = r->f->errors;

		/* Messages name a policy by its own name alone. */
		if (f->sub == P_policy)
			r->where.n = 0;
		if (p_read_key(r, k, &m->key)) {
			(void)p_enter(r, k->text);
			read_map(r, k->value, f->sub, m);
			m->faulty = r->f->errors > errors;
			out->n++;
		}
		p_leave(r, before);
	}
	if (out->n > 0)
		qsort(out->v, out->n, size, map_order);
}

static void
read_value(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, void *member)
{
	size_t before = p_enter(r, f->key);

	switch (f->kind) {
	case K_UINT:
	case K_PORT:
		(void)read_uint(r, n, f->min, f->max, member);
		break;
	case K_INT:
		read_int(r, n, member);
		break;
	case K_TREE:
		p_read_tree(r, n, f->max, member);
		break;
	case K_BOOL:
		(void)read_bool(r, n, member);
		break;
	case K_STR:
		(void)p_read_str(r, n, f->max, member);
		break;
	case K_MAP:
		(void)read_map(r, n, f->sub, member);
		break;
	case K_STRS:
		read_strs(r, n, f->max, member);
		break;
	case K_PORTS:
		read_ports(r, n, f, member);
		break;
	case K_LIST:
		read_list(r, n, f, member);
		break;
	case K_NAMED:
		read_named(r, n, f, member);
		break;
	case K_QUERY:
		p_read_query(r, n, f, member);
		break;
	case K_PARAMS:
		p_read_params(r, n, f, member);
		break;
	case K_TOOL:
		break; /* read_map */
	}
	p_leave(r, before);
}

/* port and ports become one list. */
static void
fold_ports(struct p_reader *r, struct p_endpoint *e)
{
	if (e->port.h.set && e->ports.h.set && e->ports.n > 0) {
		p_error(r->f, e->ports.h.at, "network",
		    "%s: port and ports are mutually exclusive; use ports for "
		    "multiple ports",
		    p_where(r));
	} else if (e->port.v > 0) {
		e->ports.h = e->port.h;
		e->ports.v = ARENA_NEW(&r->p->arena, struct p_uint);
		e->ports.v[0] = e->port;
		e->ports.n = 1;
	}
	e->port.v = e->ports.n == 1 ? e->ports.v[0].v : 0;
}

/* Collapses "//", drops "." and a trailing "/"; ".." stays. */
static struct view
path_normalise(struct arena *a, struct view v)
{
	char *to = arena_alloc(a, v.n + 1, 1);
	struct view rest = v, part;
	size_t n = 0;

	if (view_starts(v, VIEW("/")))
		to[n++] = '/';
	while (rest.n > 0) {
		part = view_cut(rest, '/', &rest);
		if (part.n == 0 || view_eq(part, VIEW(".")))
			continue;
		if (n > 0 && to[n - 1] != '/')
			to[n++] = '/';
		memcpy(to + n, part.p, part.n);
		n += part.n;
	}
	to[n] = '\0';
	return (struct view) { to, n };
}

static void
normalise_paths(struct p_reader *r, struct p_strs *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].v.n <= PL_FS_PATH_MAX)
			s->v[i].v = path_normalise(&r->p->arena, s->v[i].v);
}

/* What a mapping implies once it has been read. */
static void
settle(struct p_reader *r, enum p_owner owner, void *map)
{
	if (owner == P_endpoint) {
		fold_ports(r, map);
	} else if (owner == P_filesystem) {
		normalise_paths(r, &((struct p_filesystem *)map)->read_only);
		normalise_paths(r, &((struct p_filesystem *)map)->read_write);
	} else if (owner == P_policy) {
		struct p_policy *p = map;

		if (p->name.v.n == 0)
			p->name.v = p->m.key.v;
	} else if (owner == P_middleware) {
		struct p_middleware *w = map;

		if (w->name.v.n == 0)
			w->name.v = w->m.key.v;
	}
}

static void
unknown_key(struct p_reader *r, const struct ydoc_node *k, struct p_rows rows)
{
	AUTO_BUF struct buf known = BUF_INIT(1024);

	for (size_t i = 0; i < rows.n; i++) {
		buf_puts(&known, i > 0 ? ", " : "");
		buf_put(&known, rows.v[i].key);
	}
	FAULT(r, k, "unknown key '%s' (known here: %s)", p_show(k->text).text,
	    buf_str(&known));
}

static const struct p_field *
row_of(struct p_rows rows, struct view key)
{
	for (size_t i = 0; i < rows.n; i++)
		if (view_eq(rows.v[i].key, key))
			return &rows.v[i];
	return NULL;
}

static bool
is_null(const struct ydoc_node *n)
{
	return n->kind == YDOC_SCALAR && n->type == YDOC_NULL;
}

static bool
read_map(struct p_reader *r, const struct ydoc_node *n, enum p_owner owner,
    void *out)
{
	struct p_rows rows = p_rows_of(owner);
	struct p_map *m = out;
	const struct ydoc_node *tool = NULL;
	bool all_known = true;
	uint32_t seen = 0;

	m->h = p_head_of(n);
	if (!is_kind(r, n, YDOC_MAP, "a mapping")) {
		m->h.bad = true;
		return false;
	}
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next) {
		const struct p_field *f;

		if (k->kind == YDOC_BAD || k->value == NULL) {
			all_known = false;
			continue;
		}
		f = row_of(rows, k->text);
		if (f == NULL) {
			unknown_key(r, k, rows);
			continue;
		}
		seen |= 1u << (f - rows.v);
		if (f->kind == K_TOOL)
			tool = k->value;
		else if (!(f->flags & NULLABLE) || !is_null(k->value))
			read_value(r, k->value, f, (char *)out + f->offset);
	}
	for (size_t i = 0; r->whole && all_known && i < rows.n; i++)
		if ((rows.v[i].flags & REQUIRED) && !(seen >> i & 1))
			FAULT(r, n, "missing key '%s'", rows.v[i].key.p);
	if (tool != NULL) /* once the params are there */
		p_read_tool(r, tool, out);
	settle(r, owner, out);
	return true;
}

void
p_read(struct policy *p, const struct ydoc_node *root, bool whole,
    struct policy_findings *f)
{
	struct p_reader r = {
		.p = p, .f = f, .whole = whole, .where = BUF_INIT(4096)
	};
	const struct p_uint *version = &p->top.version;

	(void)read_map(&r, root, P_top, &p->top);
	if (version->h.set && !version->h.bad && version->v != 1)
		p_error(f, version->h.at, "parse",
		    "unsupported policy version %u (supported: 1)", version->v);
	buf_fini(&r.where);
}
