/*
 * extent_ops: operations inside the requests of one cell.
 *
 * Path by path, by which endpoints and rules are about it: the engine itself
 * says whether a request gets through that carries operations, on both sides;
 * which operations, extent_ops_find.c searches.  The request has no query: on
 * such a path only deny_rules look at one, so none passes more.  Of two
 * policies, it then has one that only the other one's deny_rules take.
 */
#include "policy/extent_ops.h"

/* --- rules --------------------------------------------------------------- */

static bool
takes(const struct ops *o, struct view pattern, struct view word, bool *yes)
{
	uint32_t lang;

	*yes = ops_is_any(pattern);
	if (*yes)
		return true;
	if (x_glob(o->r, pattern, '/', &lang) < 0)
		return false;
	*yes = glob_match(o->r->globs[lang], word);
	return true;
}

/* The parameters without params.name, which is the tool. */
static const struct p_query *
without_tool(struct ops *o, const struct p_query *q)
{
	struct p_query *out = ARENA_NEW(&o->tmp, struct p_query);

	*out = (struct p_query) { .v = ARENA_ARRAY(
				      &o->tmp, q->n, struct p_matcher) };
	for (size_t i = 0; i < q->n; i++)
		if (!view_eq(q->v[i].name.v, VIEW("name")))
			out->v[out->n++] = q->v[i];
	return out->n > 0 ? out : NULL;
}

static int
add_call(struct ops *o, struct ops_rule *r, const struct p_allow *a)
{
	bool calls_tools;

	r->kind = POLICY_OP_CALL;
	r->first = a->method.v;
	if (a->params.n > 0) {
		r->all = &a->params;
		r->rest = without_tool(o, r->all);
	}
	for (size_t i = 0; i < a->params.n; i++)
		if (view_eq(a->params.v[i].name.v, VIEW("name")))
			r->tool = &a->params.v[i];
	if (!takes(o, r->first, VIEW("tools/call"), &calls_tools))
		return -1;
	r->names_tool = r->tool != NULL && calls_tools;
	return 0;
}

/* Root fields are values of one parameter, by the same rules. */
static void
add_graphql(struct ops *o, struct ops_rule *r, const struct p_allow *a)
{
	struct p_query *q = ARENA_NEW(&o->tmp, struct p_query);

	r->kind = POLICY_OP_GRAPHQL;
	if (!view_eq(a->operation_type.v, VIEW("*")))
		r->type = a->operation_type.v;
	r->first = a->operation_name.v;
	if (a->fields.n == 0)
		return;
	*q = (struct p_query) { .v = ARENA_NEW(&o->tmp, struct p_matcher),
		.n = 1 };
	q->v[0] = (struct p_matcher) {
		.name.v = VIEW("fields"), .any = true, .globs = a->fields
	};
	r->all = q;
}

static int
add_rule(struct ops *o, const struct x_entry *entry, size_t place, bool deny,
    const struct p_allow *a)
{
	struct ops_rule *r = &o->v[o->n++];

	*r = (struct ops_rule) { .entry = entry,
		.rule = (uint32_t)place,
		.deny = deny,
		.scope = x_scope(entry->e) };
	switch (ops_kind(p_protocol(entry->e))) {
	case POLICY_OP_GRAPHQL:
		add_graphql(o, r, a);
		break;
	case POLICY_OP_GRPC:
		r->kind = POLICY_OP_GRPC;
		r->service = a->service.v;
		r->first = a->rpc.v;
		break;
	case POLICY_OP_CALL:
	case POLICY_OP_TEXT:
		return add_call(o, r, a);
	}
	return 0;
}

/* Rules of a WebSocket may be about requests instead. */
static bool
is_about_operations(const struct p_endpoint *e, const struct p_allow *a)
{
	return x_has_operations(e) || x_is_graphql(a);
}

static int
add_rules(struct ops *o, const struct x_entry *entry)
{
	const struct p_endpoint *e = entry->e;

	for (size_t k = 0; k < e->rules.n; k++)
		if (is_about_operations(e, &p_rules(e)[k].allow) &&
		    add_rule(o, entry, k, false, &p_rules(e)[k].allow) < 0)
			return -1;
	for (size_t k = 0; k < e->deny_rules.n; k++)
		if (is_about_operations(e, &p_deny_rules(e)[k]) &&
		    add_rule(o, entry, k, true, &p_deny_rules(e)[k]) < 0)
			return -1;
	return 0;
}

static int
add_endpoint(struct ops *o, const struct x_entry *entry)
{
	const struct p_endpoint *e = entry->e;
	const char *const *words = NULL;

	if (x_has_operations(e)) /* else it is about requests */
		words = p_preset(p_protocol(e), e->access.v);
	if (e->mcp.allow_all_known_mcp_methods.v)
		o->v[o->n++] = (struct ops_rule) { .entry = entry,
			.rule = EXTENT_NONE,
			.known = true,
			.kind = POLICY_OP_CALL,
			.scope = x_scope(e) };
	for (size_t k = 0; words != NULL && words[k] != NULL; k++) {
		struct p_allow a = { .operation_type.v = view_of(words[k]),
			.service.v = view_of(words[k]) };

		if (add_rule(o, entry, k, false, &a) < 0)
			return -1;
	}
	return add_rules(o, entry);
}

static int
collect(struct ops *o)
{
	const struct x_entries *at = &o->cell->at;
	size_t n = 0;

	for (size_t i = 0; i < at->n; i++)
		n += PL_PRESET_MAX + 1 + at->v[i]->e->rules.n +
		     at->v[i]->e->deny_rules.n;
	o->v = ARENA_ARRAY(&o->tmp, n + 1, struct ops_rule);
	for (size_t i = 0; i < at->n; i++)
		if ((x_has_operations(at->v[i]->e) ||
			p_protocol(at->v[i]->e) == POLICY_PROTO_WEBSOCKET) &&
		    add_endpoint(o, at->v[i]) < 0)
			return -1;
	x_rules_collect(o->r, o->cell, &o->tmp, &o->requests);
	n = o->requests.n + 1;
	o->my_denies = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	o->their_allows = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	o->their_denies = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	return 0;
}

/* --- finds --------------------------------------------------------------- */

static struct x_hit
hit_of(const struct ops *o, const struct ops_rule *rule, enum extent_dim dim)
{
	struct x_hit h = { .cell = o->cell,
		.how = EXTENT_RULE,
		.dim = dim,
		.rule = EXTENT_NONE,
		.method = o->method,
		.path = o->path };

	if (o->query.n > 0)
		h.query = o->query;
	if (rule != NULL) {
		h.entry = rule->entry;
		h.rule = rule->rule;
		h.how = rule->known ? EXTENT_KNOWN : EXTENT_RULE;
		h.carries = EXTENT_OPERATION_IN;
		return h;
	}
	h.how = EXTENT_STREAM;
	h.carries = EXTENT_NOTHING;
	for (size_t i = 0; i < o->cell->at.n && h.entry == NULL; i++)
		if (o->cell->at.v[i]->side == X_MINE &&
		    p_protocol(o->cell->at.v[i]->e) == POLICY_PROTO_MCP)
			h.entry = o->cell->at.v[i];
	return h;
}

bool
ops_is_told(
    const struct ops *o, const struct ops_rule *rule, enum extent_dim dim)
{
	struct x_hit h = hit_of(o, rule, dim);

	return o->r->known(o->r, &h);
}

int
ops_hit(struct ops *o, const struct ops_rule *rule, enum extent_dim dim,
    const struct policy_op *op)
{
	struct x_hit h = hit_of(o, rule, dim);

	h.op = op;
	return o->r->known(o->r, &h) ? 0 : o->r->hit(o->r, &h, o->r->e);
}

/* --- one carrier --------------------------------------------------------- */

struct policy_verdict
ops_ask(const struct ops *o, unsigned side)
{
	struct policy_who who = { .exe = o->cell->program };
	struct policy_request r = { .method = o->method, .path = o->path };
	struct policy_reason why;
	struct policy_verdict v;

	policy_decide_request(o->r->side[side].s, &who, o->cell->host,
	    o->cell->ports[0], &r, &v, &why);
	return v;
}

bool
ops_look_there(struct ops *o)
{
	struct policy_verdict v;

	o->shut = true;
	o->shut_dim = EXTENT_HOST;
	if (o->other == DENIES)
		o->shut_dim = x_conn_dim(o->r, o->cell);
	if (o->other != JUDGES)
		return true;
	o->shut_dim = EXTENT_PATH;
	if (o->t[X_OTHER].enforcement == POLICY_AUDIT &&
	    o->t[X_OTHER].protocol != POLICY_PROTO_NONE &&
	    !(extent_has_slash(o->path) && !o->t[X_OTHER].allow_encoded_slash))
		return false;
	if (extent_has_slash(o->path) && !o->t[X_OTHER].allow_encoded_slash)
		return true;
	v = ops_ask(o, X_OTHER);
	if (!v.allow)
		return true;
	o->shut = false;
	return v.operations;
}

/* MCP lets pass what carries no operation. */
static int
try_nothing(struct ops *o)
{
	const struct extent_never *never = o->r->never;

	if (o->t[X_MINE].protocol != POLICY_PROTO_MCP ||
	    (never != NULL && never->op))
		return 0;
	if (!o->shut && o->t[X_OTHER].protocol == POLICY_PROTO_MCP)
		return 0;
	return ops_hit(o, NULL, o->shut ? o->shut_dim : EXTENT_OPERATION, NULL);
}

enum policy_op_kind
ops_kind(enum policy_protocol p)
{
	if (p == POLICY_PROTO_GRAPHQL || p == POLICY_PROTO_WEBSOCKET)
		return POLICY_OP_GRAPHQL;
	return p == POLICY_PROTO_GRPC ? POLICY_OP_GRPC : POLICY_OP_CALL;
}

bool
ops_is_news(struct ops *o)
{
	AUTO_BUF struct buf key = BUF_INIT(1 << 20);

	for (size_t i = 0; i < o->n; i++)
		buf_putc(&key, (char)o->v[i].scoped);
	for (unsigned side = X_MINE; side <= X_OTHER; side++) {
		buf_putc(&key, (char)o->t[side].protocol);
		buf_putc(&key, (char)o->t[side].strict_tool_names);
		buf_putc(&key, (char)o->t[side].allow_all_methods);
	}
	buf_putc(&key, (char)o->shut);
	buf_putc(&key, (char)o->shut_dim);
	buf_put(&key, o->method);
	if (key.full)
		return true;
	if (strmap_get(&o->searched, buf_view(&key)) != STRMAP_NONE)
		return false;
	(void)strmap_add(&o->searched, arena_view(&o->tmp, buf_view(&key)), 0);
	return true;
}

/* What it may carry here and not there, or, when that is shut, anything. */
static int
try_operations(struct ops *o)
{
	const struct extent_never *never = o->r->never;
	bool graphql = o->t[X_MINE].protocol == POLICY_PROTO_GRAPHQL;
	enum policy_op_kind kind = ops_kind(o->t[X_MINE].protocol);

	if (try_nothing(o) < 0)
		return -1;
	if (o->r->stop || (never != NULL && never->op && never->kind != kind) ||
	    (!graphql && !view_eq(o->method, VIEW("POST"))))
		return 0;
	/* Operations of another kind than the path's are refused. */
	if (!o->shut && ops_kind(o->t[X_OTHER].protocol) != kind) {
		o->shut = true;
		o->shut_dim = EXTENT_OPERATION;
	}
	if (ops_is_news(o) &&
	    (graphql ? ops_find_graphql(o) : ops_find_calls(o)) < 0)
		return -1;
	return graphql && !o->r->stop ? ops_find_registered(o) : 0;
}

static int
try_carrier(struct ops *o)
{
	AUTO_BUF struct buf query = BUF_INIT(1 << 16);
	int rc = ops_look_there(o) ? try_operations(o) : 0;

	if (rc == 0 && !o->r->stop)
		rc = ops_shut_by_query(o, &query);
	if (rc > 0)
		rc = try_operations(o);
	o->query = VIEW("");
	return rc;
}

/* --- paths --------------------------------------------------------------- */

bool
ops_is_asked(const struct extent_never *never, struct view method)
{
	if (never == NULL || never->n_methods == 0)
		return true;
	for (size_t i = 0; i < never->n_methods; i++)
		if (view_eq(never->methods[i], method))
			return true;
	return false;
}

void
ops_treat(struct ops *o)
{
	struct policy_who who = { .exe = o->cell->program };

	for (unsigned side = X_MINE; side <= X_OTHER; side++) {
		o->t[side] = (struct policy_treatment) { 0 };
		o->listed[side] = false;
		if (o->r->side[side].s != NULL)
			(void)policy_treat_request(o->r->side[side].s, &who,
			    o->cell->host, o->cell->ports[0], o->path,
			    &o->t[side]);
	}
}

/* Under the path that is looked at. */
static int
try_carriers(struct ops *o)
{
	static const char *const carriers[] = { "POST", "GET", "DELETE" };
	const struct policy_treatment *here = &o->t[X_MINE];
	int rc = 0;

	if (policy_protocol_judged(here->protocol) != POLICY_BY_OPERATION ||
	    here->protocol == POLICY_PROTO_GRPC ||
	    here->enforcement == POLICY_AUDIT ||
	    (extent_has_slash(o->path) && !here->allow_encoded_slash))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(carriers) && rc == 0 && !o->r->stop;
	     i++) {
		o->method = view_of(carriers[i]);
		if (ops_is_asked(o->r->never, o->method) &&
		    ops_ask(o, X_MINE).allow)
			rc = try_carrier(o);
	}
	return rc;
}

static bool
on_path(void *ctx, struct view word, const uint64_t *in)
{
	struct ops *o = ctx;

	o->path = word;
	o->in = in;
	ops_treat(o);
	for (size_t i = 0; i < o->n; i++) {
		struct ops_rule *r = &o->v[i];

		r->scoped = r->scope_set == EXTENT_IGNORED ||
			    atoms_in(in, r->scope_set);
		o->listed[r->entry->side] |=
		    r->scoped && r->names_tool && !r->deny;
	}
	o->rc = try_carriers(o);
	if (o->rc == 0 && !o->r->stop)
		o->rc = ops_try_messages(o);
	return o->rc < 0 || o->r->stop;
}

static int
scan_paths(struct ops *o)
{
	struct ops_sets sets;
	struct atoms_query q = { .longest = EXTENT_PATH_MAX };

	if (ops_sets_of_paths(o, 0, &sets) < 0)
		return -1;
	q.v = sets.v;
	q.n = sets.n;
	if (atoms_find(&q, &o->r->budget, on_path, o, o->r->e) < 0)
		return -1;
	return o->rc;
}

int
x_operations(struct x_run *r, const struct x_cell *c, enum x_other other)
{
	struct ops o = { .r = r, .cell = c, .other = other };
	int rc = collect(&o);

	o.searched = STRMAP_INIT(&o.tmp);
	if (rc == 0 && o.n > 0)
		rc = scan_paths(&o);
	if (rc == 0 && !r->stop)
		rc = ops_find_grpc(&o);
	arena_fini(&o.tmp);
	return rc;
}
