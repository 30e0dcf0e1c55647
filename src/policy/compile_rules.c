/*
 * compile_rules: rules about HTTP requests, and how endpoints treat them;
 * each grouped by the literal beginning of its path (compiled.h).
 */
#include <stdlib.h>

#include "policy/compile.h"

uint16_t
c_method(struct view m)
{
	static const struct {
		struct view name;
		uint16_t bit;
	} known[] = {
		{ { "GET", 3 }, METHOD_GET },
		{ { "POST", 4 }, METHOD_POST },
		{ { "HEAD", 4 }, METHOD_HEAD },
		{ { "PUT", 3 }, METHOD_PUT },
		{ { "DELETE", 6 }, METHOD_DELETE },
		{ { "PATCH", 5 }, METHOD_PATCH },
		{ { "OPTIONS", 7 }, METHOD_OPTIONS },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (view_eq_nocase(m, known[i].name))
			return known[i].bit;
	return METHOD_OTHER;
}

/* Of a WebSocket, `*` is both the upgrade and the messages. */
static uint16_t
rule_methods(struct view method, enum policy_protocol p)
{
	uint16_t bit = c_method(method);

	if (view_eq(method, VIEW("*")))
		return p == POLICY_PROTO_WEBSOCKET ? METHOD_ANY | METHOD_TEXT
						   : METHOD_ANY;
	if (view_eq_nocase(method, VIEW("WEBSOCKET_TEXT")))
		return METHOD_TEXT;
	if (bit == METHOD_GET)
		return METHOD_GET | METHOD_HEAD;
	return bit == METHOD_OTHER ? 0 : bit;
}

/* --- groups ------------------------------------------------------------- */

/* The prefix of the i-th of some things that are sorted by it. */
typedef struct view prefix_of(const void *things, size_t i);

static void
group(struct compiler *c, const void *things, size_t n, prefix_of *prefix_at,
    struct c_groups *out)
{
	if (n == 0)
		return;
	out->v = ARENA_ARRAY(&c->s->arena, n, struct c_group);
	for (size_t i = 0; i < n; i++) {
		struct view prefix = prefix_at(things, i);
		struct c_group *g = out->v + out->n;
		uint32_t parent = (uint32_t)out->n - 1;

		if (out->n > 0 && view_eq(g[-1].prefix, prefix)) {
			g[-1].n++;
			continue;
		}
		if (out->n == 0)
			parent = C_NONE;
		/* Sorted: every prefix of this one is on that chain. */
		while (parent != C_NONE &&
		       !view_starts(prefix, out->v[parent].prefix))
			parent = out->v[parent].parent;
		*g = (struct c_group) { prefix, parent, (uint32_t)i, 1 };
		out->n++;
	}
}

/* --- rules -------------------------------------------------------------- */

/* false: no path begins with both, so the rule never matches. */
static bool
settle_prefix(struct c_rule *r)
{
	struct view scope = r->scope != NULL ? glob_prefix(r->scope) : VIEW("");

	r->prefix = glob_prefix(r->path);
	if (scope.n > r->prefix.n) {
		struct view swap = r->prefix;

		r->prefix = scope;
		scope = swap;
	}
	return view_starts(r->prefix, scope);
}

static int
add_rule(struct compiler *c, struct c_rules *to, const struct pending *p,
    size_t index, const struct p_allow *a)
{
	struct c_rule *r = &to->v[to->n];
	enum policy_protocol proto = p_protocol(p->e);

	*r = (struct c_rule) { .at = p->at,
		.rule = (uint16_t)index,
		.methods = rule_methods(a->method.v, proto),
		.method = a->method.v };
	r->path = c_glob(c, a->path.v, '/');
	if (r->path == NULL || c_scope_glob(c, p->e, &r->scope) < 0 ||
	    c_matchers(c, &a->query, '.', &r->query, &r->nquery) < 0)
		return -1;
	if (!settle_prefix(r))
		return 0;
	to->has_query |= r->nquery > 0;
	to->n++;
	return 0;
}

/* Rules of a WebSocket may be about the operations in its messages. */
static bool
is_about_requests(const struct p_allow *a)
{
	return a->method.v.n > 0;
}

static int
add_allows(struct compiler *c, struct c_key *k, const struct pending *p)
{
	const char *const *methods = p_preset(p_protocol(p->e), p->e->access.v);
	struct p_allow preset = { .path = { .v = VIEW("**") } };

	for (size_t i = 0; methods != NULL && methods[i] != NULL; i++) {
		preset.method.v = view_of(methods[i]);
		if (add_rule(c, &k->allow, p, i, &preset) < 0)
			return -1;
	}
	for (size_t i = 0; i < p->e->rules.n; i++) {
		const struct p_allow *a = &p_rules(p->e)[i].allow;

		if (is_about_requests(a) && add_rule(c, &k->allow, p, i, a) < 0)
			return -1;
	}
	return 0;
}

/* In an entry of deny_rules, what is not said is not asked for. */
static int
add_denies(struct compiler *c, struct c_key *k, const struct pending *p)
{
	for (size_t i = 0; i < p->e->deny_rules.n; i++) {
		struct p_allow a = p_deny_rules(p->e)[i];

		if (a.operation_type.v.n > 0 || a.operation_name.v.n > 0 ||
		    a.fields.n > 0)
			continue;
		if (a.method.v.n == 0)
			a.method.v = VIEW("*");
		if (a.path.v.n == 0)
			a.path.v = VIEW("**");
		if (add_rule(c, &k->deny, p, i, &a) < 0)
			return -1;
	}
	return 0;
}

/* By prefix, then by place. */
static int
rule_order(const void *ap, const void *bp)
{
	const struct c_rule *a = ap, *b = bp;
	int c = view_cmp(a->prefix, b->prefix);

	if (c != 0)
		return c;
	if (a->at.policy != b->at.policy)
		return a->at.policy < b->at.policy ? -1 : 1;
	if (a->at.endpoint != b->at.endpoint)
		return a->at.endpoint < b->at.endpoint ? -1 : 1;
	return (int)a->rule - (int)b->rule;
}

static struct view
rule_prefix(const void *things, size_t i)
{
	return ((const struct c_rule *)things)[i].prefix;
}

static void
settle(struct compiler *c, struct c_rules *r)
{
	if (r->n > 0)
		qsort(r->v, r->n, sizeof(*r->v), rule_order);
	group(c, r->v, r->n, rule_prefix, &r->groups);
}

int
c_compile_rules(
    struct compiler *c, struct c_key *k, const struct pending *v, size_t n)
{
	size_t allows = 0, denies = 0;

	for (size_t i = 0; i < n; i++) {
		if (policy_protocol_judged(p_protocol(v[i].e)) !=
		    POLICY_BY_REQUEST)
			continue;
		allows += v[i].e->rules.n +
			  (v[i].e->access.v.n > 0 ? PL_PRESET_MAX : 0);
		denies += v[i].e->deny_rules.n;
	}
	k->allow.v = ARENA_ARRAY(&c->s->arena, allows, struct c_rule);
	k->deny.v = ARENA_ARRAY(&c->s->arena, denies, struct c_rule);
	for (size_t i = 0; i < n; i++)
		if (policy_protocol_judged(p_protocol(v[i].e)) ==
			POLICY_BY_REQUEST &&
		    (add_allows(c, k, &v[i]) < 0 ||
			add_denies(c, k, &v[i]) < 0))
			return -1;
	settle(c, &k->allow);
	settle(c, &k->deny);
	return 0;
}

/* --- treatment ---------------------------------------------------------- */

static struct view
scope_prefix(const void *things, size_t i)
{
	const struct c_scope *s = (const struct c_scope *)things + i;

	return s->path != NULL ? glob_prefix(s->path) : VIEW("");
}

/* By prefix, the most specific first, then by text, then by place. */
static int
scope_order(const void *ap, const void *bp)
{
	const struct c_scope *a = ap, *b = bp;
	int c = view_cmp(scope_prefix(a, 0), scope_prefix(b, 0));

	if (c != 0)
		return c;
	if (a->rank != b->rank)
		return a->rank > b->rank ? -1 : 1;
	c = view_cmp(a->text, b->text);
	if (c != 0)
		return c;
	return c_is_before(a->at, 0, b->at, 0) ? -1 : 1;
}

static void
join_scope(struct c_scope *s, struct c_place at)
{
	if (s->nplaces > 0 && s->places[s->nplaces - 1].policy == at.policy)
		return;
	s->places[s->nplaces++] = at;
	c_set(s->policies, at.policy);
}

/* Those that say the same about the same path become one. */
static void
fold_scopes(struct compiler *c, struct c_scopes *s)
{
	size_t n = 0, twins = 0,
	       run = 0; /* of one path: from where, how many */

	for (size_t i = 0; i < s->n; i++) {
		struct c_scope new = s->v[i];
		size_t k;

		if (n == 0 || !view_eq(s->v[n - 1].text, new.text)) {
			twins = n;
			for (run = 1; i + run < s->n &&
				      view_eq(s->v[i + run].text, new.text);
			     run++)
				;
		}
		for (k = twins; k < n; k++)
			if (c_treatment_eq(&s->v[k].t, &new.t))
				break;
		if (k == n) {
			new.policies = c_set_new(c);
			new.places =
			    ARENA_ARRAY(&c->s->arena, run, struct c_place);
			s->v[n++] = new;
		}
		join_scope(&s->v[k], new.at);
	}
	s->n = n;
}

int
c_compile_scopes(
    struct compiler *c, struct c_key *k, const struct pending *v, size_t n)
{
	struct c_scopes *to = &k->scopes;

	to->v = ARENA_ARRAY(&c->s->arena, n, struct c_scope);
	for (size_t i = 0; i < n; i++) {
		const struct p_endpoint *e = v[i].e;
		struct c_scope *s = &to->v[to->n];

		if (!policy_protocol_is_inspected(p_protocol(e)))
			continue;
		s->t = c_treatment(e);
		s->at = v[i].at;
		s->text = e->path.v;
		s->rank = c_rank(e->path.v);
		if (c_scope_glob(c, e, &s->path) < 0)
			return -1;
		to->n++;
	}
	if (to->n > 0)
		qsort(to->v, to->n, sizeof(*to->v), scope_order);
	fold_scopes(c, to);
	group(c, to->v, to->n, scope_prefix, &to->groups);
	return 0;
}
