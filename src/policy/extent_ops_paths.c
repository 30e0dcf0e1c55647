/*
 * extent_ops_paths: what looks at the paths and the queries of requests that
 * have operations in them.
 */
#include "policy/extent_ops.h"

/* --- paths --------------------------------------------------------------- */

static int
add_set(struct ops *o, struct ops_sets *s, struct view pattern, size_t *at)
{
	uint32_t lang;

	*at = EXTENT_IGNORED;
	if (pattern.n == 0)
		return 0;
	if (x_glob(o->r, pattern, '/', &lang) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].a == o->r->lang[lang] &&
		    s->v[i].role == ATOMS_FREE) {
			*at = i;
			return 0;
		}
	*at = s->n;
	s->v[s->n++] = (struct atoms_set) { o->r->lang[lang], ATOMS_FREE };
	return 0;
}

/* Rules about requests have a say in whether the carrier gets through. */
static int
add_requests(struct ops *o, struct ops_sets *s, const struct p_endpoint *e)
{
	size_t unused;

	if (!x_is_judged(e))
		return 0;
	if (add_set(o, s, x_scope(e), &unused) < 0)
		return -1;
	if (x_has_operations(e))
		return 0;
	for (size_t k = 0; k < e->rules.n; k++)
		if (add_set(o, s, p_rules(e)[k].allow.path.v, &unused) < 0)
			return -1;
	for (size_t k = 0; k < e->deny_rules.n; k++)
		if (add_set(o, s, p_deny_rules(e)[k].path.v, &unused) < 0)
			return -1;
	return 0;
}

int
ops_sets_of_paths(struct ops *o, size_t more, struct ops_sets *out)
{
	const struct extent_never *never = o->r->never;
	const struct x_entries *at = &o->cell->at;
	size_t n = o->n + at->n + 4 + more;
	uint32_t star = x_word(o->r, VIEW("*"));

	for (size_t i = 0; i < at->n; i++)
		n += at->v[i]->e->rules.n + at->v[i]->e->deny_rules.n;
	*out =
	    (struct ops_sets) { ARENA_ARRAY(&o->tmp, n, struct atoms_set), 0 };
	out->v[out->n++] = (struct atoms_set) { o->r->paths, ATOMS_MUST };
	if (never != NULL && never->paths != NULL)
		out->v[out->n++] =
		    (struct atoms_set) { never->paths, ATOMS_MUST };
	for (size_t i = 0; i < o->n; i++)
		if (add_set(o, out, o->v[i].scope, &o->v[i].scope_set) < 0)
			return -1;
	for (size_t i = 0; i < at->n; i++)
		if (add_requests(o, out, at->v[i]->e) < 0)
			return -1;
	out->v[out->n++] = (struct atoms_set) { o->r->slashes, ATOMS_FREE };
	out->v[out->n++] = (struct atoms_set) { o->r->lang[star], ATOMS_FREE };
	return 0;
}

/* --- queries ------------------------------------------------------------- */

static int
has_path(const struct ops *o, struct view pattern, bool *yes)
{
	uint32_t lang;

	*yes = pattern.n == 0;
	if (*yes)
		return 0;
	if (x_glob(o->r, pattern, '/', &lang) < 0)
		return -1;
	*yes = glob_match(o->r->globs[lang], o->path);
	return 0;
}

int
ops_is_on_path(const struct ops *o, const struct x_rule *r, bool *yes)
{
	bool path, scope;

	if (has_path(o, r->path, &path) < 0 ||
	    has_path(o, r->scope, &scope) < 0)
		return -1;
	*yes = path && scope;
	return 0;
}

/* Those of the deny rules that look at the query of this request. */
static int
gather(const struct ops *o, const struct x_rules *rules,
    const struct x_rule **mine, const struct x_rule **theirs,
    struct x_demand *d)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct x_rule *r = &rules->v[i];
		bool on;

		if (!r->deny || r->query == NULL || !x_has_method(r, o->method))
			continue;
		if (ops_is_on_path(o, r, &on) < 0)
			return -1;
		if (!on)
			continue;
		if (x_is_mine(r))
			mine[d->n_my_denies++] = r;
		else
			theirs[d->n_their_denies++] = r;
	}
	d->my_denies = mine;
	d->their_denies = theirs;
	return 0;
}

int
ops_shut_by_query(struct ops *o, struct buf *query)
{
	/* There, all that its deny rules leave passes. */
	static const struct x_rule passes = { 0 };
	static const struct x_rule *const allows[] = { &passes };
	struct x_demand d = { .their_allows = allows, .n_their_allows = 1 };
	const struct x_rule **mine, **theirs;
	struct x_rules rules;
	int rc;

	if (o->shut)
		return 0;
	x_rules_collect(o->r, o->cell, &o->tmp, &rules);
	mine = ARENA_ARRAY(&o->tmp, rules.n + 1, const struct x_rule *);
	theirs = ARENA_ARRAY(&o->tmp, rules.n + 1, const struct x_rule *);
	if (gather(o, &rules, mine, theirs, &d) < 0)
		return -1;
	if (d.n_their_denies == 0)
		return 0;
	rc = x_query(o->r, &d, query);
	if (rc <= 0)
		return rc;
	o->query = buf_view(query);
	o->shut = true;
	o->shut_dim = EXTENT_QUERY;
	return 1;
}
