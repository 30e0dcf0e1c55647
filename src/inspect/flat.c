#include "inspect/flat.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

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

static int
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Sorted so that names which are alike stand side by side. */
static int
by_fold(const void *a, const void *b)
{
	const struct view *x = a, *y = b;
	size_t n = MIN(x->n, y->n);

	for (size_t i = 0; i < n; i++) {
		int c = lower(x->p[i]), d = lower(y->p[i]);

		if (c != d)
			return c - d;
	}
	return x->n < y->n ? -1 : x->n > y->n;
}

/*
 * ASCII letters only by sorting; a name with the two letters beyond ASCII
 * that fold into it counts as alike to any, which is too strict and rare.
 */
static bool
any_alike(const struct jdoc *d, const struct jdoc_node *object)
{
	AUTO_FREE struct view *names = NULL;
	size_t n = 0;

	names = mem_calloc(object->n > 0 ? object->n : 1, sizeof(*names));
	JDOC_EACH(m, d, object)
	{
		for (size_t i = 0; i + 1 < m->key.n; i++)
			if (memcmp(m->key.p + i, "\xc5\xbf", 2) == 0 ||
			    (i + 2 < m->key.n &&
				memcmp(m->key.p + i, "\xe2\x84\xaa", 3) == 0))
				return true;
		names[n++] = m->key;
	}
	qsort(names, n, sizeof(*names), by_fold);
	for (size_t i = 1; i < n; i++)
		if (jdoc_name_like(names[i - 1], names[i]))
			return true;
	return false;
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
	if (v->type == JDOC_OBJECT && any_alike(w->d, v))
		w->out->ambiguous = true;
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
	return walk(&w, v);
}
