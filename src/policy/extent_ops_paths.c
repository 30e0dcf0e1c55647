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

/* They have a say in whether the carrier gets through. */
static int
add_requests(struct ops *o, struct ops_sets *s)
{
	const struct x_entries *at = &o->cell->at;
	size_t unused;

	for (size_t i = 0; i < o->requests.n; i++) {
		struct x_rule *r = &o->requests.v[i];

		if (add_set(o, s, r->path, &r->set) < 0 ||
		    add_set(o, s, r->scope, &r->scope_set) < 0)
			return -1;
	}
	for (size_t i = 0; i < at->n; i++)
		if (x_is_judged(at->v[i]->e) &&
		    add_set(o, s, x_scope(at->v[i]->e), &unused) < 0)
			return -1;
	return 0;
}

int
ops_sets_of_paths(struct ops *o, size_t more, struct ops_sets *out)
{
	const struct extent_never *never = o->r->never;
	size_t n = o->n + 2 * o->requests.n + o->cell->at.n + 4 + more;
	uint32_t star = x_word(o->r, VIEW("*"));

	*out =
	    (struct ops_sets) { ARENA_ARRAY(&o->tmp, n, struct atoms_set), 0 };
	out->v[out->n++] = (struct atoms_set) { o->r->paths, ATOMS_MUST };
	if (never != NULL && never->paths != NULL)
		out->v[out->n++] =
		    (struct atoms_set) { never->paths, ATOMS_MUST };
	for (size_t i = 0; i < o->n; i++)
		if (add_set(o, out, o->v[i].scope, &o->v[i].scope_set) < 0)
			return -1;
	if (add_requests(o, out) < 0)
		return -1;
	out->v[out->n++] = (struct atoms_set) { o->r->slashes, ATOMS_FREE };
	out->v[out->n++] = (struct atoms_set) { o->r->lang[star], ATOMS_FREE };
	return 0;
}

/* --- queries ------------------------------------------------------------- */

int
ops_shut_by_query(struct ops *o, struct buf *query)
{
	/* There, all that its deny rules leave passes. */
	static const struct x_rule passes = { 0 };
	static const struct x_rule *const allows[] = { &passes };
	struct x_demand d = { .my_denies = o->my_denies,
		.their_allows = allows,
		.n_their_allows = 1,
		.their_denies = o->their_denies };
	int rc;

	if (o->shut)
		return 0;
	for (size_t i = 0; i < o->requests.n; i++) {
		const struct x_rule *r = &o->requests.v[i];

		if (!r->deny || r->query == NULL || !ops_has_path(o, r) ||
		    !x_has_method(r, o->method))
			continue;
		if (x_is_mine(r))
			o->my_denies[d.n_my_denies++] = r;
		else
			o->their_denies[d.n_their_denies++] = r;
	}
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
