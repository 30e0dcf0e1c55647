/*
 * extent_ops_grpc: calls of gRPC.  The path of the request is service and
 * method, so that both are searched as such, and the engine is asked about the
 * path they make; which is exact as long as nothing else looks at paths.
 */
#include "policy/extent_ops.h"

struct calls {
	struct ops *o;
	struct view service;
	struct atoms_set *sets;
	int rc;
};

static int
refuse(const struct ops *o, const struct x_entry *at, const char *why)
{
	return err_set(o->r->e, ERR_INVALID,
	    "%s.endpoints[%u] %s: what gRPC may call there cannot be answered "
	    "yet",
	    p_show(p_policies(o->r->side[at->side].p)[at->policy].m.key.v).text,
	    at->endpoint, why);
}

static bool
any_path(struct view v)
{
	return v.n == 0 || view_eq(v, VIEW("**")) || view_eq(v, VIEW("/**"));
}

static bool
looks_at_paths(const struct p_endpoint *e)
{
	if (!any_path(e->path.v))
		return true;
	for (size_t i = 0; i < e->rules.n; i++)
		if (!any_path(p_rules(e)[i].allow.path.v))
			return true;
	for (size_t i = 0; i < e->deny_rules.n; i++)
		if (!any_path(p_deny_rules(e)[i].path.v) ||
		    p_deny_rules(e)[i].query.n > 0)
			return true;
	return false;
}

/* 1: there is something to search, and it can be; 0: there is not; -1. */
static int
check(const struct ops *o)
{
	const struct extent_never *never = o->r->never;
	const struct x_entry *mine = NULL;

	for (size_t i = 0; i < o->cell->at.n; i++)
		if (o->cell->at.v[i]->side == X_MINE &&
		    p_protocol(o->cell->at.v[i]->e) == POLICY_PROTO_GRPC)
			mine = o->cell->at.v[i];
	if (mine == NULL || !ops_is_asked(never, VIEW("POST")) ||
	    (never != NULL && never->op && never->kind != POLICY_OP_GRPC))
		return 0;
	if (never != NULL && never->paths != NULL)
		return refuse(o, mine,
		    "has protocol grpc, of which a question has no path (ask "
		    "for 'grpc SERVICE METHOD')");
	for (size_t i = 0; i < o->cell->at.n; i++) {
		const struct x_entry *at = o->cell->at.v[i];

		if (!x_is_judged(at->e))
			continue;
		if (looks_at_paths(at->e))
			return refuse(o, at,
			    "is about some paths, on a host and port with "
			    "protocol grpc");
		if (at->e->allow_encoded_slash.v)
			return refuse(o, at, "has allow_encoded_slash");
	}
	return 1;
}

/* The engine's word on one side; *v has the rule. */
static bool
passes(const struct ops *o, unsigned side, const struct policy_op *op,
    struct policy_verdict *v)
{
	struct policy_who who = { .exe = o->cell->program };
	struct policy_request r = { .method = o->method, .path = o->path };
	const struct snapshot *s = o->r->side[side].s;
	struct policy_reason why;

	policy_decide_request(
	    s, &who, o->cell->host, o->cell->ports[0], &r, v, &why);
	if (v->enforcement == POLICY_AUDIT || !v->allow || !v->operations)
		return v->allow || v->enforcement == POLICY_AUDIT;
	policy_decide_op(
	    s, &who, o->cell->host, o->cell->ports[0], &r, op, v, &why);
	return v->allow;
}

static const struct ops_rule *
rule_of(const struct ops *o, const struct policy_verdict *v)
{
	const struct p_policy *p = p_policies(o->r->side[X_MINE].p);

	for (size_t i = 0; i < o->n; i++) {
		const struct ops_rule *r = &o->v[i];

		if (ops_is_mine(r) && !r->deny && r->rule == v->rule &&
		    r->entry->endpoint == v->endpoint &&
		    view_eq(p[r->entry->policy].m.key.v, view_of(v->policy)))
			return r;
	}
	return NULL;
}

static bool
on_method(void *ctx, struct view word, const uint64_t *in UNUSED)
{
	struct calls *c = ctx;
	struct ops *o = c->o;
	AUTO_BUF struct buf path = BUF_INIT(EXTENT_PATH_MAX);
	struct policy_op op = {
		.kind = POLICY_OP_GRPC, .service = c->service, .method = word
	};
	enum extent_dim dim = EXTENT_OPERATION;
	const struct ops_rule *rule;
	struct policy_verdict v, there;

	buf_putc(&path, '/');
	buf_put(&path, c->service);
	buf_putc(&path, '/');
	buf_put(&path, word);
	o->path = buf_view(&path);
	o->method = VIEW("POST");
	/* Audits are told of as such; what passes unjudged is no operation. */
	if (!passes(o, X_MINE, &op, &v) || v.enforcement == POLICY_AUDIT ||
	    (rule = rule_of(o, &v)) == NULL)
		return false;
	if (o->other == DENIES)
		dim = x_conn_dim(o->r, o->cell);
	else if (o->other == NOT_THERE)
		dim = EXTENT_HOST;
	else if (passes(o, X_OTHER, &op, &there))
		return false;
	c->rc = ops_hit(o, rule, dim, &op);
	return c->rc < 0 || o->r->stop;
}

static int
add_set(struct calls *c, struct view pattern, size_t *n)
{
	uint32_t lang;

	if (pattern.n == 0 || view_eq(pattern, VIEW("**")))
		return 0;
	if (x_glob(c->o->r, pattern, '.', &lang) < 0)
		return -1;
	c->sets[(*n)++] =
	    (struct atoms_set) { c->o->r->lang[lang], ATOMS_FREE };
	return 0;
}

/* Every word that rules tell apart, of services or of methods. */
static int
find_words(struct calls *c, bool services, atoms_found *found)
{
	const struct extent_never *never = c->o->r->never;
	struct automaton *asked = NULL;
	struct atoms_query q = { .longest = EXTENT_CALL_MAX };

	if (never != NULL && never->op)
		asked = services ? never->call : never->tool;
	c->sets = ARENA_ARRAY(&c->o->tmp, c->o->n + 2, struct atoms_set);
	c->sets[q.n++] = (struct atoms_set) { c->o->r->segments, ATOMS_MUST };
	if (asked != NULL)
		c->sets[q.n++] = (struct atoms_set) { asked, ATOMS_MUST };
	for (size_t i = 0; i < c->o->n; i++) {
		const struct ops_rule *r = &c->o->v[i];

		if (r->kind == POLICY_OP_GRPC &&
		    add_set(c, services ? r->service : r->first, &q.n) < 0)
			return -1;
	}
	q.v = c->sets;
	if (atoms_find(&q, &c->o->r->budget, found, c, c->o->r->e) < 0)
		return -1;
	return c->rc;
}

static bool
on_service(void *ctx, struct view word, const uint64_t *in UNUSED)
{
	struct calls *c = ctx;

	c->service = arena_view(&c->o->tmp, word);
	c->rc = find_words(c, false, on_method);
	return c->rc < 0 || c->o->r->stop;
}

int
ops_find_grpc(struct ops *o)
{
	struct calls c = { .o = o };
	int rc = check(o);

	return rc <= 0 ? rc : find_words(&c, true, on_service);
}
