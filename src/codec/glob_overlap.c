/*
 * glob_overlap: do two patterns have a subject in common?  Both automata run
 * side by side over a subject that is made up on the way: a pair of states is
 * reached when some bytes lead there in both.  Each pair is looked at once.
 */
#include <string.h>

#include "base/mem.h"
#include "codec/glob_impl.h"

struct pairs {
	const struct glob *a, *b;
	uint64_t *seen; /* a->n times b->n bits */
	uint32_t *todo;
	size_t n;
};

static void
reach(struct pairs *p, size_t i, size_t k)
{
	size_t at = i * p->b->n + k;

	if (p->seen[at / 64] >> (at % 64) & 1)
		return;
	p->seen[at / 64] |= (uint64_t)1 << (at % 64);
	p->todo[p->n++] = (uint32_t)at;
}

/* The bytes that the state reads; none for those that read nothing. */
static struct glob_class
reads(const struct glob *g, const struct glob_state *s)
{
	struct glob_class all;
	unsigned char d = g->delim;

	memset(&all, 0xff, sizeof(all));
	switch ((enum glob_op)s->op) {
	case OP_BYTE:
		all = (struct glob_class) { { 0 } };
		all.bits[s->byte / 64] = (uint64_t)1 << (s->byte % 64);
		return all;
	case OP_CLASS:
		return g->classes[s->arg];
	case OP_ONE:
	case OP_STAR:
		all.bits[d / 64] &= ~((uint64_t)1 << (d % 64));
		return all;
	case OP_GLOBSTAR:
		return all;
	case OP_FORK:
	case OP_JUMP:
	case OP_END:
		break;
	}
	return (struct glob_class) { { 0 } };
}

static bool
share(const struct glob_class *x, const struct glob_class *y)
{
	uint64_t both = 0;

	for (size_t i = 0; i < ARRAY_LEN(x->bits); i++)
		both |= x->bits[i] & y->bits[i];
	return both != 0;
}

static bool
stays(const struct glob_state *s)
{
	return s->op == OP_STAR || s->op == OP_GLOBSTAR;
}

/* The states that follow without a byte: how many, and which. */
static size_t
follow(const struct glob_state *s, size_t i, size_t to[2])
{
	to[0] = i + 1;
	to[1] = s->arg;
	switch ((enum glob_op)s->op) {
	case OP_STAR:
	case OP_GLOBSTAR:
		return 1;
	case OP_FORK:
		return 2;
	case OP_JUMP:
		to[0] = s->arg;
		return 1;
	case OP_BYTE:
	case OP_ONE:
	case OP_CLASS:
	case OP_END:
		break;
	}
	return 0;
}

/* true: both are at their end. */
static bool
step(struct pairs *p, size_t i, size_t k)
{
	const struct glob_state *s = &p->a->states[i], *t = &p->b->states[k];
	struct glob_class x, y;
	size_t to[2], n;

	if (s->op == OP_END && t->op == OP_END)
		return true;
	n = follow(s, i, to);
	for (size_t m = 0; m < n; m++)
		reach(p, to[m], k);
	n = follow(t, k, to);
	for (size_t m = 0; m < n; m++)
		reach(p, i, to[m]);
	x = reads(p->a, s);
	y = reads(p->b, t);
	if (share(&x, &y))
		reach(p, stays(s) ? i : i + 1, stays(t) ? k : k + 1);
	return false;
}

bool
glob_overlaps(const struct glob *a, const struct glob *b, size_t *work)
{
	AUTO_FREE uint64_t *seen = NULL;
	AUTO_FREE uint32_t *todo = NULL;
	struct pairs p = { .a = a, .b = b };
	struct view x = a->prefix, y = b->prefix;
	bool yes = false;

	++*work;
	if (!(x.n < y.n ? view_starts(y, x) : view_starts(x, y)))
		return false;
	p.seen = seen = mem_calloc(a->n * b->n / 64 + 1, sizeof(*seen));
	p.todo = todo = mem_calloc(a->n * b->n, sizeof(*todo));
	reach(&p, 0, 0);
	while (p.n > 0 && !yes) {
		uint32_t at = p.todo[--p.n];

		++*work;
		yes = step(&p, at / b->n, at % b->n);
	}
	return yes;
}
