/*
 * extent_ops_grpc: calls of gRPC.  The path of the request is service and
 * method, so all rules are sets of paths, those about calls and those about
 * requests alike; the engine is asked about one path of each piece.
 */
#include "policy/extent_ops.h"

/* Without a query. */
static bool
call_passes(const struct ops *o, unsigned side, const struct policy_op *op,
    struct policy_verdict *v)
{
	struct policy_who who = { .exe = o->cell->program };
	struct policy_request r = { .method = o->method, .path = o->path };
	struct policy_reason why;

	policy_decide_op(o->r->side[side].s, &who, o->cell->host,
	    o->cell->ports[0], &r, op, v, &why);
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

/* Its call passes here, by that rule: it may not, there. */
static int
try_there(
    struct ops *o, const struct ops_rule *rule, const struct policy_op *op)
{
	AUTO_BUF struct buf query = BUF_INIT(1 << 16);
	struct policy_verdict v;
	int rc = 0;

	if (ops_look_there(o) && (o->shut || !call_passes(o, X_OTHER, op, &v)))
		return ops_hit(
		    o, rule, o->shut ? o->shut_dim : EXTENT_OPERATION, op);
	rc = ops_shut_by_query(o, &query);
	if (rc > 0)
		rc = ops_hit(o, rule, o->shut_dim, op);
	o->query = VIEW("");
	return rc;
}

static bool
on_path(void *ctx, struct view word, const uint64_t *in)
{
	struct ops *o = ctx;
	struct policy_op op = { .kind = POLICY_OP_GRPC };
	const struct ops_rule *rule;
	struct policy_verdict v;

	o->path = word;
	o->in = in;
	o->method = VIEW("POST");
	ops_treat(o);
	/* Audits are told of as such; what passes unjudged is no call. */
	if (o->t[X_MINE].protocol != POLICY_PROTO_GRPC ||
	    o->t[X_MINE].enforcement == POLICY_AUDIT ||
	    (extent_has_slash(word) && !o->t[X_MINE].allow_encoded_slash) ||
	    !ops_ask(o, X_MINE).allow)
		return false;
	op.service = view_cut(view_slice(word, 1, word.n), '/', &op.method);
	if (!call_passes(o, X_MINE, &op, &v) || (rule = rule_of(o, &v)) == NULL)
		return false;
	o->rc = try_there(o, rule, &op);
	return o->rc < 0 || o->r->stop;
}

static bool
is_asked(const struct ops *o)
{
	const struct extent_never *never = o->r->never;

	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].kind == POLICY_OP_GRPC && ops_is_mine(&o->v[i]))
			return ops_is_asked(never, VIEW("POST")) &&
			       (never == NULL || !never->op ||
				   never->kind == POLICY_OP_GRPC);
	return false;
}

static int
add_call(struct ops *o, struct ops_sets *s, struct view service,
    struct view method, enum atoms_role role)
{
	uint32_t lang;

	if (view_eq(service, VIEW("**"))) /* "*" stops at dots */
		service = VIEW("");
	if (ops_is_any(method))
		method = VIEW("");
	if (x_call(o->r, service, method, &lang) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].a == o->r->lang[lang])
			return 0;
	s->v[s->n++] = (struct atoms_set) { o->r->lang[lang], role };
	return 0;
}

int
ops_find_grpc(struct ops *o)
{
	struct atoms_query q = { .longest = EXTENT_PATH_MAX };
	struct ops_sets sets;

	if (!is_asked(o))
		return 0;
	if (ops_sets_of_paths(o, o->n + 1, &sets) < 0 ||
	    add_call(o, &sets, VIEW(""), VIEW(""), ATOMS_MUST) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].kind == POLICY_OP_GRPC &&
		    add_call(o, &sets, o->v[i].service, o->v[i].first,
			ATOMS_FREE) < 0)
			return -1;
	q.v = sets.v;
	q.n = sets.n;
	if (atoms_find(&q, &o->r->budget, on_path, o, o->r->e) < 0)
		return -1;
	return o->rc;
}
