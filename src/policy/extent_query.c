/*
 * extent_query: parameters that some rules match and others do not.
 *
 * The values of one parameter are cut into pieces by the matchers that look at
 * it; a query is then, for each parameter, the set of pieces it has values of.
 * What rules demand of that set is of three kinds: the allowing rule wants
 * some piece, and only pieces of its own; a rule that must not match wants one
 * of its parameters missing or with a value outside (allow: every value
 * counts), or without any value inside (deny: one value is enough).  The
 * search over the choices is bounded like all others.
 */
#include "policy/extent_query.h"

#include "codec/query.h"

static struct q_param *
param_of(struct q_solver *s, struct view name)
{
	for (size_t i = 0; i < s->n_params; i++)
		if (view_eq(s->params[i].name, name))
			return &s->params[i];
	return NULL;
}

/* The parameters that a rule's name is about. */
static size_t
spellings(const struct q_solver *s, struct view name,
    struct q_param *out[Q_SPELLINGS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_params; i++)
		if (view_eq_nocase(s->params[i].name, name))
			out[n++] = &s->params[i]; /* collect_params counted */
	return n;
}

/* --- choices --------------------------------------------------------- */

static uint64_t
open_of(const struct q_param *p)
{
	return p->allowed & ~p->barred;
}

/* Every wanted parameter can still have a value. */
static bool
possible(const struct q_solver *s)
{
	for (size_t i = 0; i < s->n_params; i++)
		if (s->params[i].wanted && open_of(&s->params[i]) == 0)
			return false;
	return true;
}

static int
spend(struct q_solver *s)
{
	if (s->r->budget.left == 0)
		return err_set(s->r->e, ERR_LIMIT,
		    "the query matchers are too intricate together: the "
		    "search was given up, and the answer is not known");
	s->r->budget.left--;
	return 0;
}

/* 1: done, 0: no way from here, -1: gave up. */
static int break_allows(struct q_solver *s, size_t clause);

static int trigger(struct q_solver *s, size_t clause, size_t at);

/* The one parameter gets a value inside, then the others that are left. */
static int
trigger_with(struct q_solver *s, size_t clause, size_t at, struct q_param *p)
{
	uint64_t before = p->used;
	uint64_t options = open_of(p) & q_inside(p, clause);
	int rc = 0;

	for (size_t i = 0; i < p->n && rc == 0; i++) {
		if (!(options >> i & 1))
			continue;
		p->used = before | (uint64_t)1 << i;
		rc = trigger(s, clause, at + 1);
	}
	if (rc == 0)
		p->used = before;
	return rc;
}

/* All parameters of a deny rule of theirs get a value inside. */
static int
trigger(struct q_solver *s, size_t clause, size_t at)
{
	const struct p_query *q = s->clauses[clause].q;
	struct q_param *v[Q_SPELLINGS_MAX];
	size_t n;
	int rc = 0;

	if (at == q->n)
		return possible(s);
	if (spend(s) < 0)
		return -1;
	n = spellings(s, q->v[at].name.v, v);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = trigger_with(s, clause, at, v[i]);
	return rc;
}

/* The parameter is missing. */
static int
break_without(struct q_solver *s, size_t clause, struct q_param *p)
{
	uint64_t barred = p->barred;
	int rc;

	if (p->wanted || p->used != 0)
		return 0;
	p->barred = q_all(p);
	rc = break_allows(s, clause + 1);
	if (rc == 0)
		p->barred = barred;
	return rc;
}

/* It has a value outside. */
static int
break_with(struct q_solver *s, size_t clause, struct q_param *p)
{
	uint64_t used = p->used;
	uint64_t outside = open_of(p) & ~q_inside(p, clause);
	int rc = 0;

	for (size_t i = 0; i < p->n && rc == 0; i++) {
		if (!(outside >> i & 1))
			continue;
		p->used = used | (uint64_t)1 << i;
		rc = break_allows(s, clause + 1);
	}
	if (rc == 0)
		p->used = used;
	return rc;
}

/* One parameter of an allow rule of theirs is missing or has a bad value. */
static int
break_allows(struct q_solver *s, size_t clause)
{
	const struct p_query *q;
	int rc = 0;

	if (clause == s->end_allows)
		return possible(s);
	if (spend(s) < 0)
		return -1;
	q = s->clauses[clause].q;
	for (size_t i = 0; i < q->n && rc == 0; i++) {
		struct q_param *v[Q_SPELLINGS_MAX];
		size_t n = spellings(s, q->v[i].name.v, v);

		rc = break_without(s, clause, param_of(s, q->v[i].name.v));
		for (size_t k = 0; k < n && rc == 0; k++)
			rc = break_with(s, clause, v[k]);
	}
	return rc;
}

/* The other one denies it: by no rule that allows, or by one that denies. */
static int
denied(struct q_solver *s)
{
	int rc = 0;

	if (s->denied || !possible(s))
		return possible(s);
	if (!s->allowed)
		rc = break_allows(s, s->end_mine);
	for (size_t i = s->end_allows; i < s->n_clauses && rc == 0; i++)
		rc = trigger(s, i, 0);
	return rc;
}

/* What the question asks about is among the values of that parameter. */
static int
choose_asked(struct q_solver *s)
{
	struct q_param *p;
	int rc = 0;

	if (s->d->asked == NULL)
		return denied(s);
	p = param_of(s, s->d->some);
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		if (!p->v[i].asked || !(open_of(p) >> i & 1))
			continue;
		p->used = (uint64_t)1 << i;
		rc = denied(s);
	}
	if (rc == 0)
		p->used = 0;
	return rc;
}

/* Deny rules of mine: one parameter, in no case, has a value inside. */
static int
avoid_denies(struct q_solver *s, size_t clause)
{
	const struct p_query *q;
	int rc = 0;

	if (clause == s->end_mine)
		return choose_asked(s);
	if (spend(s) < 0)
		return -1;
	q = s->clauses[clause].q;
	for (size_t i = 0; i < q->n && rc == 0; i++) {
		struct q_param *v[Q_SPELLINGS_MAX];
		uint64_t before[Q_SPELLINGS_MAX];
		size_t n = spellings(s, q->v[i].name.v, v);

		for (size_t k = 0; k < n; k++) {
			before[k] = v[k]->barred;
			v[k]->barred |= q_inside(v[k], clause);
		}
		if (possible(s))
			rc = avoid_denies(s, clause + 1);
		for (size_t k = 0; k < n && rc == 0; k++)
			v[k]->barred = before[k];
	}
	return rc;
}

/* --- the demand ------------------------------------------------------ */

static int
add_clause(struct q_solver *s, const struct p_query *q)
{
	if (s->n_clauses == Q_RULES_MAX)
		return q_too_many(s->r);
	s->clauses[s->n_clauses++].q = q;
	return 0;
}

/* 1 when some of them has no parameters: it matches whatever the query. */
static int
add_rules(struct q_solver *s, const struct x_rule *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i]->query == NULL)
			return 1;
		if (add_clause(s, v[i]->query) < 0)
			return -1;
	}
	return 0;
}

static size_t
count_spellings(const struct q_solver *s, struct view name)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_params; i++)
		n += view_eq_nocase(s->params[i].name, name);
	return n;
}

/* What a rule that allows wants of a parameter, in whatever case. */
static void
want(const struct q_solver *s, size_t clause, struct q_param *p)
{
	const struct p_matcher *m = q_matcher(s->clauses[clause].q, p->name);

	if (m == NULL)
		return;
	p->wanted |= view_eq(m->name.v, p->name);
	p->allowed &= q_inside(p, clause);
}

static int
collect_params(struct q_solver *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_clauses; i++)
		n += s->clauses[i].q->n;
	s->params = ARENA_ARRAY(&s->tmp, n + 2, struct q_param);
	if (s->d->some.n > 0)
		s->params[s->n_params++].name = s->d->some;
	for (size_t i = 0; i < s->n_clauses; i++)
		for (size_t k = 0; k < s->clauses[i].q->n; k++) {
			struct view name = s->clauses[i].q->v[k].name.v;

			if (param_of(s, name) == NULL)
				s->params[s->n_params++].name = name;
		}
	for (size_t i = 0; i < s->n_params; i++)
		if (count_spellings(s, s->params[i].name) > Q_SPELLINGS_MAX)
			return q_too_many(s->r);
	for (size_t i = 0; i < s->n_params; i++) {
		struct q_param *p = &s->params[i];

		if (q_cut(s, p) < 0)
			return -1;
		p->allowed = q_all(p);
		p->wanted = s->d->some.n > 0 && view_eq(p->name, s->d->some);
		for (size_t k = 0; k < s->first_mine; k++)
			want(s, k, p);
	}
	return 0;
}

static void
put_encoded(struct buf *out, struct view v)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] = "-._~";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char b = (unsigned char)v.p[i];
		bool keep = (b >= '0' && b <= '9') ||
			    ((b | 0x20) >= 'a' && (b | 0x20) <= 'z') ||
			    (b != '\0' && strchr(plain, b) != NULL);

		if (!keep) {
			buf_putc(out, '%');
			buf_putc(out, hex[b >> 4]);
			b = (unsigned char)hex[b & 15];
		}
		buf_putc(out, (char)b);
	}
}

/* The values that were chosen, by parameter. */
static void
take_pairs(struct q_solver *s, struct arena *a, struct x_pairs *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_params; i++)
		n += s->params[i].n;
	*out =
	    (struct x_pairs) { ARENA_ARRAY(a, n + 1, struct policy_param), 0 };
	for (size_t i = 0; i < s->n_params; i++) {
		struct q_param *p = &s->params[i];

		if (p->wanted && p->used == 0)
			p->used = open_of(p) & -open_of(p); /* any one */
		for (size_t k = 0; k < p->n; k++)
			if (p->used >> k & 1)
				out->v[out->n++] =
				    (struct policy_param) { p->name,
					    arena_view(a, p->v[k].value) };
	}
}

static int
solve(struct q_solver *s, const struct x_demand *d)
{
	int rc;

	if ((d->allow != NULL && add_clause(s, d->allow) < 0) ||
	    (d->also != NULL && add_clause(s, d->also) < 0))
		return -1;
	s->first_mine = s->n_clauses;
	rc = add_rules(s, d->my_denies, d->n_my_denies);
	if (rc != 0)
		return rc < 0 ? -1 : 0; /* denied here, whatever it is */
	s->end_mine = s->n_clauses;
	rc = add_rules(s, d->their_allows, d->n_their_allows);
	s->allowed = rc > 0;
	s->end_allows = s->n_clauses;
	if (rc >= 0)
		rc = add_rules(s, d->their_denies, d->n_their_denies);
	s->denied = rc > 0;
	if (rc < 0 || collect_params(s) < 0)
		return -1;
	return avoid_denies(s, s->first_mine);
}

int
x_values(struct x_run *r, const struct x_demand *d, struct arena *a,
    struct x_pairs *out)
{
	struct q_solver s = { .r = r, .d = d };
	int rc = solve(&s, d);

	if (rc > 0)
		take_pairs(&s, a, out);
	arena_fini(&s.tmp);
	return rc;
}

int
x_query(struct x_run *r, struct x_demand *d, struct buf *out)
{
	struct arena tmp = { 0 };
	struct x_pairs pairs;
	int rc;

	d->values = r->values;
	d->delim = '.';
	d->nul = true;
	rc = x_values(r, d, &tmp, &pairs);
	for (size_t i = 0; rc > 0 && i < pairs.n; i++) {
		if (out->n > 0)
			buf_putc(out, '&');
		put_encoded(out, pairs.v[i].name);
		buf_putc(out, '=');
		put_encoded(out, pairs.v[i].value);
	}
	arena_fini(&tmp);
	if (rc > 0 && (out->full || out->n > QUERY_MAX))
		return q_too_many(r);
	return rc;
}
