/*
 * extent_pieces: the values of one parameter, cut into pieces by the matchers
 * that look at it.
 */
#include "policy/extent_query.h"

int
q_too_many(struct x_run *r)
{
	return err_set(r->e, ERR_LIMIT,
	    "more rules look at the query of one request than the search can "
	    "hold: the answer is not known");
}

static bool
is_deny(const struct q_solver *s, size_t clause)
{
	return (clause >= s->first_mine && clause < s->end_mine) ||
	       clause >= s->end_allows;
}

/* What is said under a name in another case counts; check_rules has seen to
 * it that there is one at most. */
const struct p_matcher *
q_matcher(const struct p_query *q, struct view name)
{
	for (size_t i = 0; i < q->n; i++)
		if (view_eq_nocase(q->v[i].name.v, name))
			return &q->v[i];
	return NULL;
}

static const struct p_matcher *
matcher_in(const struct q_solver *s, size_t clause, struct view name)
{
	return q_matcher(s->clauses[clause].q, name);
}

/* The places of a clause's globs among the sets of one parameter. */
struct cutter {
	struct q_solver *s;
	struct q_param *p;
	size_t first[Q_RULES_MAX], n[Q_RULES_MAX];
	size_t asked; /* the place of the question's pattern; 0: none */
	bool overflow;
};

static bool
on_value(void *ctx, struct view word, const uint64_t *in)
{
	struct cutter *c = ctx;
	bool asked = c->asked > 0 && atoms_in(in, c->asked);
	uint64_t rules = 0;

	for (size_t i = 0; i < c->s->n_clauses; i++)
		for (size_t k = 0; k < c->n[i]; k++)
			if (atoms_in(in, c->first[i] + k))
				rules |= (uint64_t)1 << i;
	for (size_t i = 0; i < c->p->n; i++)
		if (c->p->v[i].rules == rules && c->p->v[i].asked == asked)
			return false;
	if (c->p->n == Q_PIECES_MAX - 1) {
		c->overflow = true;
		return true;
	}
	c->p->v[c->p->n++] =
	    (struct q_piece) { arena_view(&c->s->tmp, word), rules, asked };
	return false;
}

/*
 * A value with NUL, which no glob is asked about: an allow takes it for no
 * match, a deny for one.
 */
static void
add_nul(struct q_solver *s, struct q_param *p)
{
	uint64_t rules = 0;

	for (size_t i = s->first_mine; i < s->n_clauses; i++)
		if (is_deny(s, i) && matcher_in(s, i, p->name) != NULL)
			rules |= (uint64_t)1 << i;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].rules == rules)
			return;
	p->v[p->n++] = (struct q_piece) { { "\0", 1 }, rules, false };
}

int
q_cut(struct q_solver *s, struct q_param *p)
{
	struct cutter c = { .s = s, .p = p };
	struct x_run *r = s->r;
	struct atoms_query q = { .longest = EXTENT_VALUE_MAX };
	struct atoms_set *sets;
	size_t n = 2;

	for (size_t i = 0; i < s->n_clauses; i++) {
		const struct p_matcher *m = matcher_in(s, i, p->name);

		n += m != NULL ? m->globs.n : 0;
	}
	sets = ARENA_ARRAY(&s->tmp, n, struct atoms_set);
	sets[q.n++] = (struct atoms_set) { s->d->values, ATOMS_MUST };
	if (s->d->asked != NULL && view_eq(p->name, s->d->some)) {
		c.asked = q.n;
		sets[q.n++] = (struct atoms_set) { s->d->asked, ATOMS_FREE };
	}
	for (size_t i = 0; i < s->n_clauses; i++) {
		const struct p_matcher *m = matcher_in(s, i, p->name);

		c.first[i] = q.n;
		c.n[i] = m != NULL ? m->globs.n : 0;
		for (size_t k = 0; k < c.n[i]; k++) {
			uint32_t lang;

			if (x_glob(r, m->globs.v[k].v, s->d->delim, &lang) < 0)
				return -1;
			sets[q.n++] =
			    (struct atoms_set) { r->lang[lang], ATOMS_FREE };
		}
	}
	q.v = sets;
	p->v = ARENA_ARRAY(&s->tmp, Q_PIECES_MAX, struct q_piece);
	if (atoms_find(&q, &r->budget, on_value, &c, r->e) < 0)
		return -1;
	if (c.overflow)
		return q_too_many(r);
	if (s->d->nul)
		add_nul(s, p);
	return 0;
}

/* The pieces of `p` that satisfy a clause's matcher. */
uint64_t
q_inside(const struct q_param *p, size_t clause)
{
	uint64_t set = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].rules >> clause & 1)
			set |= (uint64_t)1 << i;
	return set;
}

uint64_t
q_all(const struct q_param *p)
{
	return p->n == 64 ? UINT64_MAX : ((uint64_t)1 << p->n) - 1;
}
