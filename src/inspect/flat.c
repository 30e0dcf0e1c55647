#include "inspect/flat.h"

#include <stdio.h>
#include <stdlib.h>

struct walk {
	const struct jdoc *d;
	struct arena *a;
	struct flat *out;
	size_t cap; /* of out->v */
	struct buf name;
	size_t parts; /* of the name; one may be empty */
	struct err *e;
};

static int
put_pair(struct walk *w, const struct jdoc_node *v)
{
	if (w->out->n == w->cap)
		return err_set(
		    w->e, ERR_LIMIT, "more than %d parameters", FLAT_PAIRS_MAX);
	w->out->v[w->out->n++] = (struct flat_pair) {
		arena_view(w->a, buf_view(&w->name)),
		jdoc_scalar(v, w->a),
	};
	return 0;
}

static void
put_name(struct walk *w, struct view key)
{
	struct buf *name = &w->name;

	if (w->parts++ > 0)
		buf_putc(name, '.');
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] == '.' || key.p[i] == '\\')
			buf_putc(name, '\\');
		buf_putc(name, key.p[i]);
	}
}

/* Depth is bounded by JDOC_DEPTH_MAX. */
static int
walk(struct walk *w, const struct jdoc_node *v)
{
	bool top = w->parts == 0 && v->type == JDOC_ARRAY;
	size_t mark = w->name.n, parts = w->parts, i = 0;
	char index[16];

	if (v->type != JDOC_OBJECT && v->type != JDOC_ARRAY)
		return put_pair(w, v);
	JDOC_EACH(m, w->d, v)
	{
		if (v->type == JDOC_OBJECT) {
			put_name(w, m->key);
		} else if (top) {
			(void)snprintf(index, sizeof(index), "%zu", i++);
			put_name(w, view_of(index));
		}
		if (w->name.full)
			return err_set(w->e, ERR_LIMIT,
			    "name of a parameter is longer than %d bytes",
			    FLAT_NAME_MAX);
		if (walk(w, m) < 0)
			return -1;
		w->name.n = mark;
		w->parts = parts;
	}
	return 0;
}

/* How many pairs `v` gives: its leaves. */
static size_t
leaves(const struct jdoc *d, const struct jdoc_node *v)
{
	size_t n = 0;

	for (size_t i = (size_t)(v - d->v); i < v->next; i++)
		n += d->v[i].type != JDOC_OBJECT && d->v[i].type != JDOC_ARRAY;
	return n;
}

/* As jdoc_name_like compares, with an order. */
static int
by_fold(const void *a, const void *b)
{
	const struct flat_pair *x = a, *y = b;
	struct view p = x->name, q = y->name;

	while (p.n > 0 && q.n > 0) {
		uint32_t c = 0, d = 0;
		size_t i = jdoc_fold(p, &c), j = jdoc_fold(q, &d);

		if (c != d)
			return c < d ? -1 : 1;
		p = view_slice(p, i, p.n);
		q = view_slice(q, j, q.n);
	}
	if (p.n != q.n)
		return p.n < q.n ? -1 : 1;
	return view_cmp(x->name, y->name);
}

/* v[from] to v[to] have alike names, the same ones side by side. */
static int
cross(struct walk *w, const struct flat_pair *v, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (i > from && view_eq(v[i].name, v[i - 1].name))
			continue;
		for (size_t j = from; j < to; j++) {
			if (view_eq(v[i].name, v[j].name))
				continue;
			if (w->out->n == FLAT_PAIRS_MAX)
				return err_set(w->e, ERR_LIMIT,
				    "too many parameters that differ only by "
				    "case");
			w->out->v[w->out->n++] =
			    (struct flat_pair) { v[i].name, v[j].value };
		}
	}
	return 0;
}

/* Gives values of alike names to each other; the order of pairs is kept. */
static int
share_values(struct walk *w)
{
	size_t n = w->out->n, from = 0;
	struct flat_pair *sorted, *all;

	sorted = ARENA_ARRAY(w->a, n, struct flat_pair);
	memcpy(sorted, w->out->v, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_fold);
	for (size_t i = 1; i < n && from == 0; i++)
		if (!view_eq(sorted[i - 1].name, sorted[i].name) &&
		    jdoc_name_like(sorted[i - 1].name, sorted[i].name))
			from = i;
	if (from == 0)
		return 0;
	all = ARENA_ARRAY(w->a, FLAT_PAIRS_MAX, struct flat_pair);
	memcpy(all, w->out->v, n * sizeof(*all));
	w->out->v = all;
	from = 0;
	for (size_t i = 1; i <= n; i++) {
		if (i < n && jdoc_name_like(sorted[from].name, sorted[i].name))
			continue;
		if (cross(w, sorted, from, i) < 0)
			return -1;
		from = i;
	}
	return 0;
}

int
flat_new(const struct jdoc *d, const struct jdoc_node *v, struct arena *a,
    struct flat *out, struct err *e)
{
	char name[FLAT_NAME_MAX];
	struct walk w = { .d = d,
		.a = a,
		.out = out,
		.name = { .p = name,
		    .cap = sizeof(name),
		    .max = sizeof(name) - 1 },
		.e = e };

	*out = (struct flat) { 0 };
	if (v == NULL)
		return 0;
	w.cap = MIN(leaves(d, v), (size_t)FLAT_PAIRS_MAX);
	out->v = ARENA_ARRAY(a, w.cap, struct flat_pair);
	if (walk(&w, v) < 0)
		return -1;
	return out->n < 2 ? 0 : share_values(&w);
}
