/*
 * extent_programs: the programs of the policies that have a host and port, by
 * which of these policies name them.
 */
#include "policy/extent_impl.h"

#include <stdlib.h>

#include "base/mem.h"

/* --- programs -------------------------------------------------------- */

/* A policy that has the host and port, and the sets of its binaries. */
struct owner {
	uint16_t side, policy;
	size_t first, n; /* in `bins` */
	bool active;
};

struct programs {
	struct x_run *r;
	struct x_cell cell; /* host and ports; the rest is filled in */
	struct x_entries at; /* those that match them */
	struct owner *owners;
	size_t n_owners;
	size_t *bins; /* places in `sets` */
	struct atoms_set *sets;
	size_t n_sets, n_musts;
	int rc;
};

/* What the engine says of the connection must be what the sets say. */
static int
treat(struct x_run *r, struct x_cell *c, unsigned side, bool matched)
{
	struct policy_who who = { .exe = c->program };
	struct policy_reason why = { { 0 } };

	if (r->side[side].s == NULL)
		return 0;
	policy_decide_conn(
	    r->side[side].s, &who, c->host, c->ports[0], &c->conn[side], &why);
	if (c->conn[side].allow == matched ||
	    (matched && view_starts(view_of(why.text),
			    VIEW("policy evaluation error"))))
		return 0;
	return err_set(r->e, ERR_INTERNAL,
	    "the search and the engine disagree about %s, %s:%u: please "
	    "report this as a bug",
	    p_show(c->program).text, p_show(c->host).text, c->ports[0]);
}

static bool
on_program(void *ctx, struct view word, const uint64_t *in)
{
	struct programs *p = ctx;
	struct x_cell c = p->cell;
	struct x_entry **v = mem_calloc(p->at.n + 1, sizeof(struct x_entry *));
	bool matched[2] = { false, false };
	size_t o = 0;

	for (size_t i = 0; i < p->n_owners; i++) {
		struct owner *own = &p->owners[i];

		c.others |= own->side == X_OTHER;
		own->active = false;
		for (size_t k = 0; k < own->n && !own->active; k++)
			own->active = atoms_in(in, p->bins[own->first + k]);
		matched[own->side] |= own->active;
	}
	c.program = word;
	c.at.v = v;
	for (size_t i = 0; i < p->at.n; i++) { /* entries are by owner */
		struct x_entry *e = p->at.v[i];

		while (p->owners[o].side != e->side ||
		       p->owners[o].policy != e->policy)
			o++;
		if (p->owners[o].active)
			v[c.at.n++] = e;
	}
	if (matched[X_MINE]) {
		p->rc = treat(p->r, &c, X_MINE, true);
		if (p->rc == 0)
			p->rc = treat(p->r, &c, X_OTHER, matched[X_OTHER]);
		if (p->rc == 0 && c.conn[X_MINE].allow)
			p->rc = x_requests(p->r, &c);
	}
	free(v);
	return p->rc < 0 || p->r->stop;
}

/* Among those that may be in or out; MUST ones stand before them. */
static size_t
add_set(struct programs *p, uint32_t lang, enum atoms_role role)
{
	struct automaton *a = p->r->lang[lang];
	size_t i = p->n_musts;

	while (i < p->n_sets && p->sets[i].a != a)
		i++;
	if (i == p->n_sets)
		p->sets[p->n_sets++] = (struct atoms_set) { a, role };
	else if (p->sets[i].role == ATOMS_FREE)
		p->sets[i].role = role;
	return i;
}

static const struct p_policy *
policy_of(const struct x_run *r, const struct x_entry *e)
{
	return &p_policies(r->side[e->side].p)[e->policy];
}

static int
add_owner(struct programs *p, const struct x_entry *e, size_t *n_bins)
{
	const struct p_policy *q = policy_of(p->r, e);
	enum atoms_role role = e->side == X_MINE ? ATOMS_SOME : ATOMS_FREE;
	uint32_t lang;

	p->owners[p->n_owners++] = (struct owner) { .side = e->side,
		.policy = e->policy,
		.first = *n_bins,
		.n = q->binaries.n };
	for (size_t i = 0; i < q->binaries.n; i++) {
		if (x_binary(p->r, p_binaries(q)[i].path.v, &lang) < 0)
			return -1;
		p->bins[(*n_bins)++] = add_set(p, lang, role);
	}
	return 0;
}

static bool
same_owner(const struct x_entry *a, const struct x_entry *b)
{
	return a->side == b->side && a->policy == b->policy;
}

/* All programs, or (filter not EXTENT_NONE) those of one set. */
static int
search_programs(struct programs *p, uint32_t filter)
{
	struct x_run *r = p->r;
	size_t n_bins = 0;
	struct atoms_query q;

	p->n_owners = 0;
	p->n_sets = 0;
	p->sets[p->n_sets++] = (struct atoms_set) { r->exes, ATOMS_MUST };
	if (filter != EXTENT_NONE)
		p->sets[p->n_sets++] =
		    (struct atoms_set) { r->lang[filter], ATOMS_MUST };
	p->n_musts = p->n_sets;
	for (size_t i = 0; i < p->at.n; i++)
		if ((i == 0 || !same_owner(p->at.v[i - 1], p->at.v[i])) &&
		    add_owner(p, p->at.v[i], &n_bins) < 0)
			return -1;
	q = (struct atoms_query) { p->sets, p->n_sets, EXTENT_PROGRAM_MAX };
	if (atoms_find(&q, &r->budget, on_program, p, r->e) < 0)
		return -1;
	return p->rc;
}

int
x_programs(struct x_run *r, const struct x_cell *cell, struct x_entries at)
{
	struct arena tmp = { 0 };
	struct programs p = { .r = r, .cell = *cell, .at = at };
	size_t bins = 0;
	int rc = 0;

	for (size_t i = 0; i < at.n; i++)
		if (i == 0 || !same_owner(at.v[i - 1], at.v[i]))
			bins += policy_of(r, at.v[i])->binaries.n;
	p.owners = ARENA_ARRAY(&tmp, at.n, struct owner);
	p.bins = ARENA_ARRAY(&tmp, bins + 1, size_t);
	p.sets = ARENA_ARRAY(&tmp, bins + 2, struct atoms_set);
	if (r->n_programs == 0)
		rc = search_programs(&p, EXTENT_NONE);
	for (size_t i = 0; i < r->n_programs && rc == 0 && !r->stop; i++) {
		uint32_t filter;

		rc = x_binary(r, r->programs[i], &filter);
		if (rc == 0)
			rc = search_programs(&p, filter);
	}
	arena_fini(&tmp);
	return rc;
}
