/*
 * extent_ops_find: an operation that mine lets pass on a path and the other
 * side does not.
 *
 * Of a call first the method, then (of tools/call on MCP, which must have just
 * one) the tool, then the parameters; of GraphQL the type, the name, then the
 * root fields, which are values of one parameter as the rules see them.  What
 * rules demand of values is x_values' business.
 */
#include "policy/extent_ops.h"

#include <stdlib.h>

#include "base/mem.h"

struct find {
	struct ops *o;
	enum policy_op_kind kind;
	struct view first; /* of the method or name */
	struct view type, tool;
	bool has_tool; /* `tool` is chosen: rules look at the rest */
	bool malformed; /* there, whatever its rules say */
	struct x_rule *demands; /* their parameters, in the place of rules */
	const struct x_rule **mine, **allows, **denies;
	struct atoms_set *sets;
	struct automaton *values;
	int rc;
};

/* --- the last step: parameters ------------------------------------------- */

static const struct p_query *
params_of(const struct find *f, const struct ops_rule *r)
{
	return f->has_tool ? r->rest : r->all;
}

static bool
is_tools_call(const struct find *f)
{
	return f->kind == POLICY_OP_CALL &&
	       view_eq(f->first, VIEW("tools/call"));
}

/* Without a rule MCP's methods pass, but tools when some rule names them. */
static bool
is_in_force(const struct find *f, const struct ops_rule *r)
{
	const struct policy_treatment *t = &f->o->t[r->entry->side];

	if (!r->fits)
		return false;
	return !r->known ||
	       (t->protocol == POLICY_PROTO_MCP && t->allow_all_methods &&
		   !(is_tools_call(f) && f->o->listed[r->entry->side]));
}

static void
demand_of(struct find *f, const struct ops_rule *rule, struct x_demand *d)
{
	const struct extent_never *never = f->o->r->never;

	*d = (struct x_demand) { .allow = params_of(f, rule),
		.my_denies = f->mine,
		.their_allows = f->allows,
		.their_denies = f->denies,
		.values = f->values,
		.delim = f->kind == POLICY_OP_GRAPHQL ? '.' : '/' };
	if (f->kind == POLICY_OP_GRAPHQL) {
		d->some = VIEW("fields");
		if (never != NULL && never->op)
			d->asked = never->tool;
	}
	for (size_t i = 0; i < f->o->n; i++) {
		const struct ops_rule *r = &f->o->v[i];
		struct x_rule *x = &f->demands[i];

		if (!is_in_force(f, r))
			continue;
		*x = (struct x_rule) { .query = params_of(f, r) };
		if (ops_is_mine(r)) {
			if (r->deny)
				f->mine[d->n_my_denies++] = x;
		} else if (f->o->shut || f->malformed)
			continue;
		else if (r->deny)
			f->denies[d->n_their_denies++] = x;
		else
			f->allows[d->n_their_allows++] = x;
	}
}

static int
take(struct find *f, const struct ops_rule *rule, enum extent_dim dim,
    struct x_pairs *p)
{
	struct policy_op op = { .kind = f->kind };
	struct view *fields = ARENA_ARRAY(&f->o->tmp, p->n + 1, struct view);

	if (f->kind == POLICY_OP_CALL) {
		op.method = f->first;
		op.params = p->v;
		op.n_params = p->n;
	} else {
		op.type = f->type;
		op.name = f->first;
		for (size_t i = 0; i < p->n; i++)
			fields[op.n_fields++] = p->v[i].value;
		op.fields = fields;
	}
	return ops_hit(f->o, rule, dim, &op);
}

static int
try_rule(struct find *f, const struct ops_rule *rule)
{
	enum extent_dim dim =
	    f->o->shut ? f->o->shut_dim : (enum extent_dim)EXTENT_OPERATION;
	struct x_pairs pairs, all;
	struct x_demand d;
	int rc;

	if (ops_is_told(f->o, rule, dim))
		return 0;
	demand_of(f, rule, &d);
	rc = x_values(f->o->r, &d, &f->o->tmp, &pairs);
	if (rc <= 0)
		return rc;
	if (!f->has_tool)
		return take(f, rule, dim, &pairs);
	all = (struct x_pairs) { ARENA_ARRAY(&f->o->tmp, pairs.n + 1,
				     struct policy_param),
		pairs.n + 1 };
	all.v[0] = (struct policy_param) { VIEW("name"), f->tool };
	if (pairs.n > 0)
		memcpy(all.v + 1, pairs.v, pairs.n * sizeof(*pairs.v));
	return take(f, rule, dim, &all);
}

static int
try_rules(struct find *f)
{
	int rc = 0;

	for (size_t i = 0; i < f->o->n && rc == 0 && !f->o->r->stop; i++) {
		const struct ops_rule *r = &f->o->v[i];

		if (ops_is_mine(r) && !r->deny && is_in_force(f, r))
			rc = try_rule(f, r);
	}
	return rc;
}

/* --- patterns as sets ---------------------------------------------------- */

static int
add_set(struct find *f, struct view pattern, char delim, size_t *n, size_t *at)
{
	struct x_run *r = f->o->r;
	uint32_t lang;

	*at = EXTENT_IGNORED;
	if (ops_is_any(pattern))
		return 0;
	if (x_glob(r, pattern, delim, &lang) < 0)
		return -1;
	for (size_t i = 0; i < *n; i++)
		if (f->sets[i].a == r->lang[lang] &&
		    f->sets[i].role == ATOMS_FREE) {
			*at = i;
			return 0;
		}
	*at = *n;
	f->sets[(*n)++] = (struct atoms_set) { r->lang[lang], ATOMS_FREE };
	return 0;
}

static int
find_words(
    struct find *f, size_t n, size_t longest, atoms_found *found, void *ctx)
{
	struct atoms_query q = { f->sets, n, longest };

	if (atoms_find(&q, &f->o->r->budget, found, ctx, f->o->r->e) < 0)
		return -1;
	return f->rc;
}

/* The rules of that kind, on this path, that take the first word in. */
static void
mark(struct find *f, const uint64_t *in)
{
	for (size_t i = 0; i < f->o->n; i++) {
		struct ops_rule *r = &f->o->v[i];

		r->fits = r->kind == f->kind && r->scoped &&
			  (r->set == EXTENT_IGNORED || atoms_in(in, r->set));
	}
}

/* --- tools --------------------------------------------------------------- */

struct tools {
	struct find *f;
	size_t (*at)[PL_ALTERNATES_MAX]; /* of each rule, its patterns */
	bool *fitted; /* by all but the tool */
	size_t strict; /* the place of the names that strict_tool_names takes */
};

static bool
names(const struct tools *t, size_t rule, const uint64_t *in)
{
	const struct p_matcher *m = t->f->o->v[rule].tool;

	if (m == NULL)
		return true;
	for (size_t k = 0; k < m->globs.n; k++)
		if (t->at[rule][k] == EXTENT_IGNORED ||
		    atoms_in(in, t->at[rule][k]))
			return true;
	return false;
}

static bool
on_tool(void *ctx, struct view word, const uint64_t *in)
{
	struct tools *t = ctx;
	struct find *f = t->f;
	const struct policy_treatment *there = &f->o->t[X_OTHER];

	f->tool = arena_view(&f->o->tmp, word);
	f->malformed = f->o->other == JUDGES &&
		       there->protocol == POLICY_PROTO_MCP &&
		       there->strict_tool_names &&
		       (!atoms_in(in, t->strict) || word.n > EXTENT_TOOL_MAX);
	for (size_t i = 0; i < f->o->n; i++)
		f->o->v[i].fits = t->fitted[i] && names(t, i, in);
	f->rc = try_rules(f);
	return f->rc < 0 || f->o->r->stop;
}

static int
add_tools(struct tools *t, size_t *n)
{
	struct find *f = t->f;

	for (size_t i = 0; i < f->o->n; i++) {
		const struct p_matcher *m = f->o->v[i].tool;

		t->fitted[i] = f->o->v[i].fits;
		for (size_t k = 0; m != NULL && k < m->globs.n; k++)
			if (add_set(f, m->globs.v[k].v, '/', n, &t->at[i][k]) <
			    0)
				return -1;
	}
	return 0;
}

/* A call of a tool, by its name: just one, and of the kind that is taken. */
static int
find_tools(struct find *f)
{
	const struct extent_never *never = f->o->r->never;
	const struct policy_treatment *here = &f->o->t[X_MINE];
	bool strict =
	    here->protocol == POLICY_PROTO_MCP && here->strict_tool_names;
	struct tools t = { .f = f };
	struct atoms_set *sets = f->sets;
	size_t n = 0, patterns = 3;
	int rc;

	for (size_t i = 0; i < f->o->n; i++)
		if (f->o->v[i].tool != NULL)
			patterns += f->o->v[i].tool->globs.n;
	t.at = arena_alloc(
	    &f->o->tmp, (f->o->n + 1) * sizeof(*t.at), _Alignof(size_t));
	t.fitted = ARENA_ARRAY(&f->o->tmp, f->o->n + 1, bool);
	f->sets = ARENA_ARRAY(&f->o->tmp, patterns, struct atoms_set);
	f->sets[n++] =
	    (struct atoms_set) { strict ? f->o->r->tools : f->o->r->strings,
		    ATOMS_MUST };
	if (never != NULL && never->tool != NULL)
		f->sets[n++] = (struct atoms_set) { never->tool, ATOMS_MUST };
	t.strict = n;
	f->sets[n++] = (struct atoms_set) { f->o->r->tools, ATOMS_FREE };
	f->has_tool = true;
	rc = add_tools(&t, &n);
	if (rc == 0)
		rc = find_words(f, n,
		    strict ? (size_t)EXTENT_TOOL_MAX : EXTENT_VALUE_MAX,
		    on_tool, &t);
	f->has_tool = f->malformed = false;
	f->sets = sets;
	return rc;
}

/* --- calls --------------------------------------------------------------- */

/* json-rpc here, mcp there: a tool needs no name here. */
static int
find_nameless(struct find *f)
{
	for (size_t i = 0; i < f->o->n; i++)
		if (f->o->v[i].fits && ops_is_mine(&f->o->v[i]) &&
		    f->o->v[i].tool != NULL)
			return err_set(f->o->r->e, ERR_INVALID,
			    "tools of an endpoint with protocol json-rpc "
			    "cannot be compared with those of one with "
			    "protocol mcp");
	f->malformed = true;
	f->rc = try_rules(f);
	f->malformed = false;
	return f->rc;
}

static bool
on_method(void *ctx, struct view word, const uint64_t *in)
{
	struct find *f = ctx;
	struct ops *o = f->o;
	const struct extent_never *never = o->r->never;
	bool mcp = o->t[X_MINE].protocol == POLICY_PROTO_MCP;
	bool asked = never != NULL && never->tool != NULL;

	f->first = arena_view(&o->tmp, word);
	mark(f, in);
	if (asked && !is_tools_call(f))
		return false;
	if (is_tools_call(f) && (mcp || asked))
		f->rc = find_tools(f);
	else if (is_tools_call(f) && o->other == JUDGES && !o->shut &&
		 o->t[X_OTHER].protocol == POLICY_PROTO_MCP)
		f->rc = find_nameless(f) < 0 ? -1 : find_tools(f);
	else
		f->rc = try_rules(f);
	return f->rc < 0 || o->r->stop;
}

static void
find_init(struct find *f, struct ops *o, enum policy_op_kind kind)
{
	size_t n = o->n + 1;

	*f = (struct find) { .o = o, .kind = kind };
	f->demands = ARENA_ARRAY(&o->tmp, n, struct x_rule);
	f->mine = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	f->allows = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	f->denies = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	f->sets = ARENA_ARRAY(&o->tmp, n + 4, struct atoms_set);
}

int
ops_find_calls(struct ops *o)
{
	const struct extent_never *never = o->r->never;
	struct find f;
	size_t n = 0, unused;

	find_init(&f, o, POLICY_OP_CALL);
	f.values = o->r->strings;
	f.sets[n++] = (struct atoms_set) { o->r->calls, ATOMS_MUST };
	if (never != NULL && never->op && never->call != NULL)
		f.sets[n++] = (struct atoms_set) { never->call, ATOMS_MUST };
	if (add_set(&f, VIEW("tools/call"), '/', &n, &unused) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (add_set(&f, o->v[i].first, '/', &n, &o->v[i].set) < 0)
			return -1;
	return find_words(&f, n, EXTENT_CALL_MAX, on_method, &f);
}

/* --- GraphQL ------------------------------------------------------------- */

static int
try_types(struct find *f)
{
	static const char *const types[] = { "query", "mutation",
		"subscription" };
	const struct extent_never *never = f->o->r->never;
	AUTO_FREE bool *named = mem_calloc(f->o->n + 1, sizeof(bool));
	int rc = 0;

	for (size_t i = 0; i < f->o->n; i++)
		named[i] = f->o->v[i].fits;
	for (size_t t = 0; t < ARRAY_LEN(types) && rc == 0 && !f->o->r->stop;
	     t++) {
		f->type = view_of(types[t]);
		if (never != NULL && never->op && never->type.n > 0 &&
		    !view_eq(never->type, f->type))
			continue;
		for (size_t i = 0; i < f->o->n; i++)
			f->o->v[i].fits =
			    named[i] && (f->o->v[i].type.n == 0 ||
					    view_eq(f->o->v[i].type, f->type));
		rc = try_rules(f);
	}
	return rc;
}

static bool
on_name(void *ctx, struct view word, const uint64_t *in)
{
	struct find *f = ctx;

	f->first = arena_view(&f->o->tmp, word);
	mark(f, in);
	f->rc = try_types(f);
	return f->rc < 0 || f->o->r->stop;
}

int
ops_find_graphql(struct ops *o)
{
	struct find f;
	size_t n = 0;

	find_init(&f, o, POLICY_OP_GRAPHQL);
	f.values = o->r->graphql;
	f.sets[n++] = (struct atoms_set) { o->r->graphql_or_none, ATOMS_MUST };
	for (size_t i = 0; i < o->n; i++)
		if (add_set(&f, o->v[i].first, '.', &n, &o->v[i].set) < 0)
			return -1;
	return find_words(&f, n, EXTENT_VALUE_MAX, on_name, &f);
}
