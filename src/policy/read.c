/*
 * read: the YAML tree into the model, by the rows of fields.def.  Reads on
 * after every fault, so that a person sees all of them at once.
 */
#include <stdlib.h>

#include "policy/model.h"

struct reader {
	struct policy *p;
	struct policy_findings *f;
	struct buf where; /* "github.endpoints[0].rules[1]" */
	bool whole;
};

static struct p_mark
mark_of(const struct ydoc_node *n)
{
	return (struct p_mark) { n->line, n->column };
}

static struct p_head
head_of(const struct ydoc_node *n)
{
	return (struct p_head) { .at = mark_of(n), .set = true };
}

/* The location in front of a message: "github.endpoints[0]: ", or nothing. */
static const char *
where(struct reader *r)
{
	return buf_str(&r->where);
}

#define FAULT(r, node, fmt, ...) \
	p_error((r)->f, mark_of(node), "parse", "%s%s" fmt, where(r), \
	    (r)->where.n > 0 ? ": " : "", ##__VA_ARGS__)

static size_t
enter(struct reader *r, struct view key)
{
	size_t before = r->where.n;
	struct p_shown s = p_show(key);

	if (before > 0)
		buf_putc(&r->where, '.');
	buf_puts(&r->where, s.text);
	return before;
}

static size_t
enter_index(struct reader *r, size_t i)
{
	size_t before = r->where.n;

	buf_printf(&r->where, "[%zu]", i);
	return before;
}

static void
leave(struct reader *r, size_t before)
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
mismatch(struct reader *r, const struct ydoc_node *n, const char *expected)
{
	if (n->kind != YDOC_BAD)
		FAULT(r, n, "expected %s, got %s", expected, describe(n));
	return false;
}

static bool
is_kind(struct reader *r, const struct ydoc_node *n, enum ydoc_kind kind,
    const char *expected)
{
	return n->kind == kind || mismatch(r, n, expected);
}

/* What YDOC_INT is made of: decimal, 0o17 or 0x1F; no bound above max. */
static bool
whole_number(struct view v, uint64_t max, uint64_t *out)
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
read_uint(struct reader *r, const struct ydoc_node *n, uint64_t min,
    uint64_t max, struct p_uint *out)
{
	uint64_t v;

	out->h = head_of(n);
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
	if (!whole_number(n->text, max, &v) || v < min) {
		FAULT(r, n, "must be a number from %llu to %llu, got %s",
		    (unsigned long long)min, (unsigned long long)max,
		    p_show(n->text).text);
		return false;
	}
	out->v = (uint32_t)v;
	out->h.bad = false;
	return true;
}

static bool
read_bool(struct reader *r, const struct ydoc_node *n, struct p_bool *out)
{
	out->h = head_of(n);
	if (n->kind != YDOC_SCALAR || n->type != YDOC_BOOL) {
		out->h.bad = true;
		return mismatch(r, n, "a boolean");
	}
	out->v = n->text.p[0] == 't' || n->text.p[0] == 'T';
	return true;
}

static bool
read_str(struct reader *r, const struct ydoc_node *n, uint64_t max,
    struct p_str *out)
{
	out->h = head_of(n);
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
static size_t
bounded(struct reader *r, const struct ydoc_node *n, uint64_t max)
{
	if (n->n <= max)
		return n->n;
	FAULT(r, n, "more than %llu entries", (unsigned long long)max);
	return (size_t)max;
}

static void
read_strs(struct reader *r, const struct ydoc_node *n, uint64_t max,
    struct p_strs *out)
{
	size_t want, i = 0;

	out->h = head_of(n);
	if (!is_kind(r, n, YDOC_SEQ, "a list of strings")) {
		out->h.bad = true;
		return;
	}
	want = bounded(r, n, max);
	out->v = ARENA_ARRAY(&r->p->arena, want, struct p_str);
	for (const struct ydoc_node *k = n->first; k != NULL && i < want;
	     k = k->next, i++) {
		size_t before = enter_index(r, i);

		if (read_str(r, k, UINT32_MAX, &out->v[out->n]))
			out->n++;
		else
			out->h.bad = true;
		leave(r, before);
	}
}

static void
read_ports(struct reader *r, const struct ydoc_node *n, const struct p_field *f,
    struct p_uints *out)
{
	size_t want, i = 0;

	out->h = head_of(n);
	if (!is_kind(r, n, YDOC_SEQ, "a list of numbers")) {
		out->h.bad = true;
		return;
	}
	want = bounded(r, n, 256);
	out->v = ARENA_ARRAY(&r->p->arena, want, struct p_uint);
	for (const struct ydoc_node *k = n->first; k != NULL && i < want;
	     k = k->next, i++) {
		size_t before = enter_index(r, i);

		if (read_uint(r, k, f->min, f->max, &out->v[out->n]))
			out->n++;
		else
			out->h.bad = true;
		leave(r, before);
	}
}

static bool read_map(
    struct reader *r, const struct ydoc_node *n, enum p_owner owner, void *out);

static void
read_list(struct reader *r, const struct ydoc_node *n, const struct p_field *f,
    struct p_list *out)
{
	size_t size = p_size_of(f->sub), want, i = 0;

	out->h = head_of(n);
	if (!is_kind(r, n, YDOC_SEQ, "a list")) {
		out->h.bad = true;
		return;
	}
	want = bounded(r, n, f->max);
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
		leave(r, before);
	}
}

static bool
read_key(struct reader *r, const struct ydoc_node *k, struct p_str *out)
{
	if (k->kind == YDOC_BAD || k->value == NULL)
		return false;
	if (k->type != YDOC_STR) {
		FAULT(r, k, "a name must be a string, got %s (quote it)",
		    describe(k));
		return false;
	}
	return read_str(r, k, PL_NAME_MAX, out);
}

static int
map_order(const void *a, const void *b)
{
	return view_cmp(
	    ((const struct p_map *)a)->key.v, ((const struct p_map *)b)->key.v);
}

static void
read_named(struct reader *r, const struct ydoc_node *n, const struct p_field *f,
    struct p_list *out)
{
	size_t size = p_size_of(f->sub), want;

	out->h = head_of(n);
	if (!is_kind(r, n, YDOC_MAP, "a mapping")) {
		out->h.bad = true;
		return;
	}
	want = bounded(r, n, f->max);
	out->v = arena_alloc(&r->p->arena, want, size);
	for (const struct ydoc_node *k = n->first; k != NULL && out->n < want;
	     k = k->next) {
		struct p_map *m = (void *)((char *)out->v + out->n * size);
		/* Messages name a policy by its own name alone. */
		size_t before = r->where.n;

		r->where.n = 0;
		if (read_key(r, k, &m->key)) {
			enter(r, k->text);
			read_map(r, k->value, f->sub, m);
			out->n++;
		}
		leave(r, before);
	}
	if (out->n > 0)
		qsort(out->v, out->n, size, map_order);
}

static bool
matcher_fault(struct reader *r, const struct ydoc_node *n, const char *text)
{
	if (n->kind != YDOC_BAD)
		FAULT(r, n, "%s", text);
	return false;
}

static bool
is_str(const struct ydoc_node *n)
{
	return n->kind == YDOC_SCALAR && n->type == YDOC_STR;
}

static bool
read_any(struct reader *r, const struct ydoc_node *n, struct p_strs *out)
{
	bool ok = true;

	out->h = head_of(n);
	if (n->kind != YDOC_SEQ)
		return matcher_fault(r, n, "expected array of glob strings");
	if (n->n == 0)
		return matcher_fault(r, n, "list must not be empty");
	if (n->n > PL_ALTERNATES_MAX) {
		FAULT(r, n, "more than %d alternates", PL_ALTERNATES_MAX);
		return false;
	}
	out->v = ARENA_ARRAY(&r->p->arena, n->n, struct p_str);
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next) {
		if (!is_str(k))
			ok = matcher_fault(r, k, "all values must be strings");
		else if (read_str(r, k, PL_PATTERN_MAX, &out->v[out->n]))
			out->n++;
		else
			ok = false;
	}
	return ok;
}

static bool
read_one(struct reader *r, const struct ydoc_node *n, struct p_strs *out)
{
	out->h = head_of(n);
	out->v = ARENA_ARRAY(&r->p->arena, 1, struct p_str);
	out->n = 1;
	return read_str(r, n, PL_PATTERN_MAX, out->v);
}

static bool
read_matcher(struct reader *r, const struct ydoc_node *n, struct p_matcher *out)
{
	const struct ydoc_node *any = NULL, *glob = NULL;
	bool ok;
	size_t before;

	if (is_str(n))
		return read_one(r, n, &out->globs);
	if (n->kind != YDOC_MAP)
		return matcher_fault(
		    r, n, "expected string glob or object with `any`");
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next) {
		if (k->kind == YDOC_BAD || k->value == NULL)
			return false;
		if (view_eq(k->text, VIEW("any")))
			any = k->value;
		else if (view_eq(k->text, VIEW("glob")))
			glob = k->value;
		else
			return matcher_fault(r, k,
			    "unknown matcher keys; only "
			    "`glob` or `any` are supported");
	}
	if (any != NULL && glob != NULL)
		return matcher_fault(
		    r, n, "matcher cannot specify both `glob` and `any`");
	if (any == NULL && glob == NULL)
		return matcher_fault(r, n,
		    "object matcher requires `glob` "
		    "string or non-empty `any` list");
	before = enter(r, any != NULL ? VIEW("any") : VIEW("glob"));
	if (any != NULL) {
		out->any = true;
		ok = read_any(r, any, &out->globs);
	} else if (is_str(glob))
		ok = read_one(r, glob, &out->globs);
	else
		ok = matcher_fault(r, glob, "expected glob string");
	leave(r, before);
	return ok;
}

static int
matcher_order(const void *a, const void *b)
{
	return view_cmp(((const struct p_matcher *)a)->name.v,
	    ((const struct p_matcher *)b)->name.v);
}

static void
read_query(struct reader *r, const struct ydoc_node *n, const struct p_field *f,
    struct p_query *out)
{
	size_t want;

	out->h = head_of(n);
	if (n->kind != YDOC_MAP) {
		matcher_fault(r, n, "expected map of query matchers");
		out->h.bad = true;
		return;
	}
	want = bounded(r, n, f->max);
	out->v = ARENA_ARRAY(&r->p->arena, want, struct p_matcher);
	for (const struct ydoc_node *k = n->first; k != NULL && out->n < want;
	     k = k->next) {
		struct p_matcher *m = &out->v[out->n];
		size_t before;

		if (!read_key(r, k, &m->name))
			continue;
		before = enter(r, k->text);
		/* Escaped they would outgrow what YAML takes for a key. */
		if (p_has_control(k->text))
			FAULT(r, k, "name has control characters");
		if (read_matcher(r, k->value, m))
			out->n++;
		else
			*m = (struct p_matcher) { 0 };
		leave(r, before);
	}
	if (out->n > 0)
		qsort(out->v, out->n, sizeof(*out->v), matcher_order);
}

static void
read_value(struct reader *r, const struct ydoc_node *n, const struct p_field *f,
    void *member)
{
	size_t before = enter(r, f->key);

	switch (f->kind) {
	case K_UINT:
	case K_PORT:
		(void)read_uint(r, n, f->min, f->max, member);
		break;
	case K_BOOL:
		(void)read_bool(r, n, member);
		break;
	case K_STR:
		(void)read_str(r, n, f->max, member);
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
		read_query(r, n, f, member);
		break;
	}
	leave(r, before);
}

/* port and ports become one list. */
static void
fold_ports(struct reader *r, struct p_endpoint *e)
{
	if (e->port.h.set && e->ports.h.set && e->ports.n > 0) {
		p_error(r->f, e->ports.h.at, "network",
		    "%s: port and ports are mutually exclusive; use ports for "
		    "multiple ports",
		    where(r));
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
normalise_paths(struct reader *r, struct p_strs *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].v.n <= PL_FS_PATH_MAX)
			s->v[i].v = path_normalise(&r->p->arena, s->v[i].v);
}

/* What a mapping implies once it has been read. */
static void
settle(struct reader *r, enum p_owner owner, void *map)
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
	}
}

static void
unknown_key(struct reader *r, const struct ydoc_node *k, struct p_rows rows)
{
	AUTO_BUF struct buf known = BUF_INIT(512);

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
read_map(
    struct reader *r, const struct ydoc_node *n, enum p_owner owner, void *out)
{
	struct p_rows rows = p_rows_of(owner);
	struct p_map *m = out;
	bool all_known = true;
	uint32_t seen = 0;

	m->h = head_of(n);
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
		if (!(f->flags & NULLABLE) || !is_null(k->value))
			read_value(r, k->value, f, (char *)out + f->offset);
	}
	for (size_t i = 0; r->whole && all_known && i < rows.n; i++)
		if ((rows.v[i].flags & REQUIRED) && !(seen >> i & 1))
			FAULT(r, n, "missing key '%s'", rows.v[i].key.p);
	settle(r, owner, out);
	return true;
}

void
p_read(struct policy *p, const struct ydoc_node *root, bool whole,
    struct policy_findings *f)
{
	struct reader r = {
		.p = p, .f = f, .whole = whole, .where = BUF_INIT(4096)
	};
	const struct p_uint *version = &p->top.version;

	(void)read_map(&r, root, P_top, &p->top);
	if (version->h.set && !version->h.bad && version->v != 1)
		p_error(f, version->h.at, "parse",
		    "unsupported policy version %u (supported: 1)", version->v);
	buf_fini(&r.where);
}
