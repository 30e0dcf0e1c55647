/* merge: see merge.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "policy/merge_impl.h"

void
policy_merged_fini(struct policy_merged *m)
{
	free(m->target);
	free(m->added);
	free(m->parts);
	*m = (struct policy_merged) { 0 };
}

/* --- in ------------------------------------------------------------------ */

/* What is put down for an undo, while endpoints are added. */
struct added {
	struct p_policy rule;
	struct p_endpoint *v;
	char *parts;
	size_t n;
};

static void
begin_added(struct merge *g, struct added *a, const struct p_policy *rule)
{
	*a = (struct added) { .rule = *rule };
	a->v = ARENA_ARRAY(&g->arena, rule->endpoints.n + 1, struct p_endpoint);
	a->parts = ARENA_ARRAY(&g->arena, rule->endpoints.n + 1, char);
}

static void
note(struct added *a, const struct p_endpoint *e, char part)
{
	a->parts[a->n] = part;
	a->v[a->n++] = *e;
}

static void
tell(const struct merge *g, struct added *a, struct view key,
    struct policy_merged *m)
{
	a->rule.m.key.v = key;
	a->rule.name.v = key;
	a->rule.endpoints.v = a->v;
	a->rule.endpoints.n = a->n;
	m->target = view_dup(key);
	m->added = a->n > 0 ? merge_text(&g->top, &a->rule) : mem_strdup("");
	m->parts = mem_strdup(a->parts);
}

/*
 * Endpoints of one host and port must agree on the connection: what the new
 * one does not say is as the owner has said it for that host.  A protocol of
 * its own it keeps, and whether it may then stand there is for the check.
 */
static struct p_endpoint
adopt(const struct merge *g, const struct p_endpoint *e)
{
	struct p_endpoint out = *e;

	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < g->v[i].endpoints.n; k++) {
			const struct p_endpoint *is = &p_endpoints(&g->v[i])[k];

			if (!merge_meets(is, e))
				continue;
			out.advisor_proposed = is->advisor_proposed;
			if (e->allowed_ips.n == 0)
				out.allowed_ips = is->allowed_ips;
			if (e->protocol.v.n > 0 || e->tls.v.n > 0)
				return out;
			out.tls = is->tls;
			if (p_protocol(is) == POLICY_PROTO_TCP)
				out.protocol = is->protocol;
			return out;
		}
	return out;
}

/* Where in the rule `e` belongs: the same place, treated alike. */
static struct p_endpoint *
find_place(const struct p_policy *p, const struct p_endpoint *e)
{
	struct p_endpoint *v = p->endpoints.v;

	for (size_t i = 0; i < p->endpoints.n; i++)
		if (merge_same_place(&v[i], e) &&
		    merge_same_treatment(&v[i], e))
			return &v[i];
	return NULL;
}

/* There is such a place, but it is treated in another way. */
static bool
is_at_odds(const struct p_policy *p, const struct p_endpoint *e)
{
	const struct p_endpoint *v = p_endpoints(p);
	bool odds = false;

	for (size_t i = 0; i < p->endpoints.n; i++) {
		if (!merge_same_place(&v[i], e))
			continue;
		if (merge_same_treatment(&v[i], e))
			return false;
		odds = true;
	}
	return odds;
}

/* The lists of `e` into an endpoint that is there. */
static void
widen(struct merge *g, struct p_endpoint *to, const struct p_endpoint *e,
    struct added *a)
{
	struct p_endpoint more = *e;

	more.rules = merge_rules(&g->arena, e, to, false);
	more.allowed_ips = merge_nets(&g->arena, e, to, false);
	if (more.rules.n == 0 && more.allowed_ips.n == 0)
		return;
	merge_add_rules(&g->arena, to, &more.rules);
	merge_add_nets(&g->arena, to, &more.allowed_ips);
	/* Without rules it is about addresses alone. */
	if (more.rules.n == 0)
		more = (struct p_endpoint) { .m = e->m,
			.host = e->host,
			.port = e->port,
			.ports = e->ports,
			.path = e->path,
			.allowed_ips = more.allowed_ips };
	note(a, &more, 'p');
}

static void
add_endpoints(struct merge *g, struct p_policy *to, const struct p_policy *rule,
    struct added *a)
{
	const struct p_endpoint *e = p_endpoints(rule);

	to->endpoints.v = merge_copy(&g->arena, to->endpoints.v,
	    to->endpoints.n, rule->endpoints.n, sizeof(struct p_endpoint));
	for (size_t i = 0; i < rule->endpoints.n; i++) {
		struct p_endpoint *at = find_place(to, &e[i]);
		struct p_endpoint *v = to->endpoints.v;

		if (at != NULL) {
			widen(g, at, &e[i], a);
			continue;
		}
		v[to->endpoints.n] = e[i];
		note(a, &v[to->endpoints.n++], 'w');
	}
}

static void
add_programs(struct merge *g, struct p_policy *to, const struct p_policy *rule,
    struct added *a)
{
	struct p_binary *v = merge_copy(&g->arena, to->binaries.v,
	    to->binaries.n, rule->binaries.n, sizeof(*v));
	struct p_binary *more =
	    ARENA_ARRAY(&g->arena, rule->binaries.n + 1, struct p_binary);
	size_t k = 0;

	for (size_t i = 0; i < rule->binaries.n; i++)
		if (!merge_has_program(to, p_binaries(rule)[i].path.v))
			more[k++] = p_binaries(rule)[i];
	if (k == 0)
		return;
	memcpy(v + to->binaries.n, more, k * sizeof(*v));
	to->binaries.v = v;
	to->binaries.n += k;
	a->rule.binaries.v = more;
	a->rule.binaries.n = k;
	for (size_t i = 0; i < to->endpoints.n; i++)
		note(a, &p_endpoints(to)[i], 'w');
}

static bool
names_same_programs(const struct p_policy *a, const struct p_policy *b)
{
	return merge_programs_in(a, b) && merge_programs_in(b, a);
}

static bool
fits_endpoints(const struct p_policy *to, const struct p_policy *rule)
{
	for (size_t i = 0; i < rule->endpoints.n; i++)
		if (is_at_odds(to, &p_endpoints(rule)[i]))
			return false;
	return true;
}

static bool
names_same_endpoints(const struct p_policy *to, const struct p_policy *rule)
{
	if (to->endpoints.n != rule->endpoints.n)
		return false;
	for (size_t i = 0; i < rule->endpoints.n; i++) {
		const struct p_endpoint *e = &p_endpoints(rule)[i],
					*at = find_place(to, e);

		if (at == NULL || !merge_same_endpoint(at, e))
			return false;
	}
	return true;
}

static bool
is_candidate(const struct p_policy *to, const struct p_policy *rule)
{
	if (view_eq(to->m.key.v, rule->m.key.v))
		return true;
	for (size_t i = 0; i < to->endpoints.n; i++)
		for (size_t k = 0; k < rule->endpoints.n; k++)
			if (merge_meets(
				&p_endpoints(to)[i], &p_endpoints(rule)[k]))
				return true;
	return false;
}

/* Takes the rule in, when both together say what both say. */
static bool
take_in(struct merge *g, struct p_policy *to, const struct p_policy *rule,
    struct added *a)
{
	if (!is_candidate(to, rule))
		return false;
	if (names_same_programs(to, rule) && fits_endpoints(to, rule)) {
		add_endpoints(g, to, rule, a);
		return true;
	}
	if (names_same_endpoints(to, rule)) {
		add_programs(g, to, rule, a);
		return true;
	}
	return false;
}

static struct p_policy *
place(struct merge *g, const struct p_policy *rule, struct added *a)
{
	struct p_policy *to = merge_find(g, rule->m.key.v), empty = *rule;

	if (to != NULL && take_in(g, to, rule, a))
		return to;
	for (size_t i = 0; i < g->n; i++)
		if (take_in(g, &g->v[i], rule, a))
			return &g->v[i];
	empty.endpoints.n = 0;
	to = merge_new_rule(g, &empty, rule->m.key.v);
	add_endpoints(g, to, rule, a);
	return to;
}

static void
adopt_all(struct merge *g, struct p_policy *rule)
{
	struct p_endpoint *v = merge_copy(
	    &g->arena, rule->endpoints.v, rule->endpoints.n, 0, sizeof(*v));

	for (size_t i = 0; i < rule->endpoints.n; i++)
		v[i] = adopt(g, &v[i]);
	rule->endpoints.v = v;
}

int
policy_merge(const struct policy *base, const struct policy *rule,
    struct policy **next, struct policy_merged *m, struct policy_findings *f)
{
	struct p_policy one = *p_policies(rule);
	struct policy *made = NULL;
	const struct p_policy *to;
	struct added a;
	struct merge g;
	int rc = 0;

	merge_begin(&g, base);
	adopt_all(&g, &one);
	begin_added(&g, &a, &one);
	to = place(&g, &one, &a);
	if (a.n > 0)
		rc = merge_finish(&g, &made, f);
	if (rc == 0) {
		tell(&g, &a, to->m.key.v, m);
		*next = made;
	}
	arena_fini(&g.arena);
	return rc;
}

/* --- out ----------------------------------------------------------------- */

/* What became of an endpoint. */
enum taken { TAKEN_NONE, TAKEN_SOME, TAKEN_ALL };

static enum taken
take_from(struct merge *g, struct p_endpoint *e, const struct p_endpoint *was,
    bool whole)
{
	struct p_list rules = merge_rules(&g->arena, e, was, false);
	struct p_strs nets = merge_nets(&g->arena, e, was, false);
	bool some = rules.n < e->rules.n;

	if (e->rules.n > 0 && rules.n == 0 && (whole || was->rules.n > 0))
		return TAKEN_ALL;
	if (whole && e->rules.n == 0 && nets.n == 0)
		return TAKEN_ALL;
	e->rules = rules;
	/* Rules that came later need the addresses of an endpoint that was
	 * added whole. */
	if (whole && e->rules.n > 0)
		return some ? TAKEN_SOME : TAKEN_NONE;
	some |= nets.n < e->allowed_ips.n;
	e->allowed_ips = nets;
	return some ? TAKEN_SOME : TAKEN_NONE;
}

/* What was added to an endpoint that was there may be its addresses alone. */
static bool
is_added_to(struct merge *g, const struct p_endpoint *e,
    const struct p_endpoint *was, bool whole)
{
	if (!merge_same_place(e, was))
		return false;
	return whole || was->rules.n > 0
		   ? merge_same_treatment(e, was)
		   : merge_nets(&g->arena, was, e, false).n == 0;
}

/* Where in the list what was added should be; -1 when it is not. */
static ssize_t
find_added(struct merge *g, const struct p_list *l,
    const struct p_endpoint *was, bool whole)
{
	const struct p_endpoint *v = l->v;

	for (size_t i = 0; i < l->n; i++)
		if (is_added_to(g, &v[i], was, whole))
			return (ssize_t)i;
	return -1;
}

/* The endpoints of `p` without those of `was`, as a list of its own. */
static struct p_list
without(struct merge *g, const struct p_policy *p, const struct p_policy *was,
    const char *parts, bool *any)
{
	struct p_endpoint *v = merge_copy(&g->arena, p->endpoints.v,
	    p->endpoints.n, 0, sizeof(struct p_endpoint));
	struct p_list out = p->endpoints;
	size_t n_parts = strlen(parts);

	out.v = v;
	*any = false;
	for (size_t i = 0; i < was->endpoints.n; i++) {
		const struct p_endpoint *e = &p_endpoints(was)[i];
		bool whole = i >= n_parts || parts[i] != 'p';
		ssize_t k = find_added(g, &out, e, whole);
		enum taken what =
		    k < 0 ? TAKEN_NONE : take_from(g, &v[k], e, whole);

		*any |= what != TAKEN_NONE;
		if (what == TAKEN_ALL)
			memmove(&v[k], &v[k + 1],
			    (--out.n - (size_t)k) * sizeof(*v));
	}
	return out;
}

/* The programs of `p` that are (`in`) or are not programs of `was`. */
static struct p_list
programs(struct merge *g, const struct p_policy *p, const struct p_policy *was,
    bool in)
{
	struct p_binary *v =
	    ARENA_ARRAY(&g->arena, p->binaries.n + 1, struct p_binary);
	struct p_list out = { .h = p->binaries.h, .v = v };

	for (size_t i = 0; i < p->binaries.n; i++)
		if (merge_has_program(was, p_binaries(p)[i].path.v) == in)
			v[out.n++] = p_binaries(p)[i];
	return out;
}

/*
 * (B x E) without (b x e): where others share the rule, they keep E, and the
 * programs of b get what is left of it in a rule of their own.
 */
static bool
take_out(struct merge *g, struct p_policy *to, const struct p_policy *was,
    const char *parts)
{
	bool any;
	struct p_list left = without(g, to, was, parts, &any);
	struct p_list theirs = programs(g, to, was, true),
		      others = programs(g, to, was, false);
	struct p_policy rest = *to;

	/* A rule without programs is all of what was added to it. */
	if (!any || (theirs.n == 0 && to->binaries.n > 0))
		return false;
	rest.endpoints = left;
	rest.binaries = theirs;
	if (others.n > 0) {
		to->binaries = others;
		if (left.n > 0)
			(void)merge_new_rule(g, &rest, rest.m.key.v);
	} else if (left.n > 0)
		*to = rest;
	else
		memmove(to, to + 1, (size_t)(g->v + --g->n - to) * sizeof(*to));
	return true;
}

int
policy_unmerge(const struct policy *base, const struct policy_merged *m,
    struct policy **next, struct policy_findings *f)
{
	AUTO_POLICY struct policy *was = NULL, *made = NULL;
	struct p_policy *to;
	struct merge g;
	int rc = 0;

	*next = NULL;
	if (m->added[0] == '\0')
		return 0;
	if (policy_parse(view_of(m->added), &was, f) < 0)
		return -1;
	merge_begin(&g, base);
	to = merge_find(&g, view_of(m->target));
	if (to != NULL && take_out(&g, to, p_policies(was), m->parts))
		rc = merge_finish(&g, &made, f);
	arena_fini(&g.arena);
	if (rc == 0)
		*next = take_ptr(made);
	return rc;
}
