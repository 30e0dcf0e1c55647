/*
 * read_match: matchers by name - query parameters, and the parameters of
 * JSON-RPC calls, whose nested names are flattened.
 */
#include <stdlib.h>

#include "policy/read.h"

static bool
matcher_fault(struct p_reader *r, const struct ydoc_node *n, const char *text)
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
read_any(struct p_reader *r, const struct ydoc_node *n, struct p_strs *out)
{
	bool ok = true;

	out->h = p_head_of(n);
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
		else if (p_read_str(r, k, PL_PATTERN_MAX, &out->v[out->n]))
			out->n++;
		else
			ok = false;
	}
	return ok;
}

static bool
read_one(struct p_reader *r, const struct ydoc_node *n, struct p_strs *out)
{
	out->h = p_head_of(n);
	out->v = ARENA_ARRAY(&r->p->arena, 1, struct p_str);
	out->n = 1;
	return p_read_str(r, n, PL_PATTERN_MAX, out->v);
}

static bool
read_matcher(
    struct p_reader *r, const struct ydoc_node *n, struct p_matcher *out)
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
	before = p_enter(r, any != NULL ? VIEW("any") : VIEW("glob"));
	if (any != NULL) {
		out->any = true;
		ok = read_any(r, any, &out->globs);
	} else if (is_str(glob))
		ok = read_one(r, glob, &out->globs);
	else
		ok = matcher_fault(r, glob, "expected glob string");
	p_leave(r, before);
	return ok;
}

static int
matcher_order(const void *a, const void *b)
{
	return view_cmp(((const struct p_matcher *)a)->name.v,
	    ((const struct p_matcher *)b)->name.v);
}

void
p_read_query(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, struct p_query *out)
{
	size_t want;

	out->h = p_head_of(n);
	if (n->kind != YDOC_MAP) {
		matcher_fault(r, n, "expected map of query matchers");
		out->h.bad = true;
		return;
	}
	want = p_bounded(r, n, f->max);
	out->v = ARENA_ARRAY(&r->p->arena, want, struct p_matcher);
	for (const struct ydoc_node *k = n->first; k != NULL && out->n < want;
	     k = k->next) {
		struct p_matcher *m = &out->v[out->n];
		size_t before;

		if (!p_read_key(r, k, &m->name))
			continue;
		before = p_enter(r, k->text);
		/* Escaped they would outgrow what YAML takes for a key. */
		if (p_has_control(k->text))
			FAULT(r, k, "name has control characters");
		if (read_matcher(r, k->value, m))
			out->n++;
		else
			*m = (struct p_matcher) { 0 };
		p_leave(r, before);
	}
	if (out->n > 0)
		qsort(out->v, out->n, sizeof(*out->v), matcher_order);
}

/* --- params ------------------------------------------------------------- */

/* A mapping is a matcher when it has a matcher's key, else a level of names. */
static bool
is_level(const struct ydoc_node *n)
{
	if (n->kind != YDOC_MAP || n->n == 0)
		return false;
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next)
		if (view_eq(k->text, VIEW("any")) ||
		    view_eq(k->text, VIEW("glob")))
			return false;
	return true;
}

static struct view
join(struct arena *a, struct view outer, struct view name)
{
	char *to;

	if (outer.n == 0)
		return name;
	to = arena_alloc(a, outer.n + name.n + 2, 1);
	memcpy(to, outer.p, outer.n);
	to[outer.n] = '.';
	memcpy(to + outer.n + 1, name.p, name.n);
	return (struct view) { to, outer.n + 1 + name.n };
}

/* How many matchers lie below, at most `max` + 1. */
static size_t
leaves(const struct ydoc_node *n, size_t max)
{
	size_t sum = 0;

	for (const struct ydoc_node *k = n->first; k != NULL && sum <= max;
	     k = k->next) {
		if (k->kind == YDOC_BAD || k->value == NULL)
			continue;
		sum += is_level(k->value) ? leaves(k->value, max - sum) : 1;
	}
	return sum;
}

/* ydoc bounds the depth, the caller the number of leaves. */
static void
read_level(struct p_reader *r, const struct ydoc_node *n, struct view outer,
    struct p_query *out)
{
	for (const struct ydoc_node *k = n->first; k != NULL; k = k->next) {
		struct p_matcher *m = &out->v[out->n];
		struct p_str key = { 0 };
		struct view name;
		size_t before;

		if (!p_read_key(r, k, &key))
			continue;
		before = p_enter(r, k->text);
		name = join(&r->p->arena, outer, key.v);
		if (p_has_control(name))
			FAULT(r, k, "name has control characters");
		if (name.n > PL_NAME_MAX)
			FAULT(r, k, "name longer than %d bytes", PL_NAME_MAX);
		else if (is_level(k->value))
			read_level(r, k->value, name, out);
		else if (read_matcher(r, k->value, m)) {
			m->name = (struct p_str) { p_head_of(k), name };
			out->n++;
		} else
			*m = (struct p_matcher) { 0 };
		p_leave(r, before);
	}
}

/* "a.b" and {a: {b: ...}} are one name, which may have one matcher. */
static void
refuse_twins(struct p_reader *r, const struct p_query *q)
{
	for (size_t i = 1; i < q->n; i++)
		if (view_eq(q->v[i - 1].name.v, q->v[i].name.v))
			p_error(r->f, q->v[i].name.h.at, "parse",
			    "%s: parameter '%s' has two matchers", p_where(r),
			    p_show(q->v[i].name.v).text);
}

void
p_read_params(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, struct p_query *out)
{
	size_t want;

	out->h = p_head_of(n);
	out->h.bad = true;
	if (n->kind != YDOC_MAP) {
		(void)matcher_fault(r, n, "expected map of params matchers");
		return;
	}
	want = leaves(n, (size_t)f->max);
	if (want > f->max) {
		FAULT(r, n, "more than %llu matchers",
		    (unsigned long long)f->max);
		return;
	}
	/* One more for the tool. */
	out->v = ARENA_ARRAY(&r->p->arena, want + 1, struct p_matcher);
	read_level(r, n, (struct view) { 0 }, out);
	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), matcher_order);
	refuse_twins(r, out);
	out->h.bad = false;
}

void
p_read_tool(struct p_reader *r, const struct ydoc_node *n, struct p_allow *out)
{
	struct p_query *q = &out->params;
	size_t before = p_enter(r, VIEW("tool"));
	struct p_matcher *m;

	out->tool = p_head_of(n);
	for (size_t i = 0; i < q->n; i++)
		if (view_eq(q->v[i].name.v, VIEW("name"))) {
			FAULT(r, n,
			    "tool and params.name are the same; "
			    "give one of them");
			p_leave(r, before);
			return;
		}
	if (q->v == NULL)
		q->v = ARENA_NEW(&r->p->arena, struct p_matcher);
	m = &q->v[q->n];
	if (read_matcher(r, n, m)) {
		m->name = (struct p_str) { p_head_of(n), VIEW("name") };
		q->h = q->h.set ? q->h : p_head_of(n);
		q->n++;
		qsort(q->v, q->n, sizeof(*q->v), matcher_order);
	} else {
		*m = (struct p_matcher) { 0 };
		out->tool.bad = true;
	}
	p_leave(r, before);
}
