/*
 * extent_ops_messages: GraphQL in messages of WebSockets.
 *
 * Two things have to hold: the upgrade passes, by its path and query, and the
 * operation does, by rules that look at neither but have a scope.  So under
 * one path any query that lets the upgrade pass stands for all of them, unless
 * the other side judges messages as text, which its rules may do by the query.
 *
 * Where the upgrade does not pass on the other side, extent_requests.c tells.
 */
#include "policy/extent_ops.h"

struct upgrade {
	struct ops *o;
	struct x_rules rules;
	const struct x_rule **mine, **allows, **denies;
};

/* Asked about; or of two policies, as extent_requests.c has it. */
static bool
is_asked(const struct ops *o)
{
	const struct extent_never *never = o->r->never;

	if (o->other == NOT_THERE)
		return never != NULL && never->messages &&
		       (!never->op || never->kind == POLICY_OP_GRAPHQL);
	return o->other == JUDGES &&
	       (never == NULL || (never->n_methods == 0 && !never->op));
}

/* The rules that have a say under this path: 0, or -1. */
static int
gather(struct upgrade *u, bool texts, struct x_demand *d)
{
	d->my_denies = u->mine;
	d->their_allows = u->allows;
	d->their_denies = u->denies;
	for (size_t i = 0; i < u->rules.n; i++) {
		const struct x_rule *r = &u->rules.v[i];
		bool on;

		if (ops_is_on_path(u->o, r, &on) < 0)
			return -1;
		if (!on)
			continue;
		if (x_is_mine(r)) {
			if (r->deny && x_has_method(r, VIEW("GET")))
				u->mine[d->n_my_denies++] = r;
		} else if (!texts || !x_is_about_text(r))
			continue;
		else if (r->deny)
			u->denies[d->n_their_denies++] = r;
		else
			u->allows[d->n_their_allows++] = r;
	}
	return 0;
}

/* With the rule that admits the upgrade; NULL: the endpoint does. */
static int
try_upgrade(struct upgrade *u, const struct x_rule *rule)
{
	AUTO_BUF struct buf query = BUF_INIT(1 << 16);
	struct ops *o = u->o;
	struct x_demand d = { .allow = rule != NULL ? rule->query : NULL };
	bool texts = o->other == JUDGES && !o->t[X_OTHER].graphql_messages;
	int rc;

	o->shut = o->other == NOT_THERE || texts;
	o->shut_dim = EXTENT_HOST; /* nobody asks */
	if (gather(u, texts, &d) < 0)
		return -1;
	if (texts)
		o->shut_dim =
		    d.n_their_allows > 0 ? EXTENT_QUERY : EXTENT_METHOD;
	rc = x_query(o->r, &d, &query);
	if (rc <= 0)
		return rc;
	o->query = buf_view(&query);
	rc = ops_find_graphql(o);
	if (rc == 0 && !o->r->stop)
		rc = ops_find_registered(o);
	o->query = VIEW("");
	return rc;
}

static int
try_rules(struct upgrade *u)
{
	for (size_t i = 0; i < u->rules.n && !u->o->r->stop; i++) {
		const struct x_rule *r = &u->rules.v[i];
		bool on;

		if (!x_is_mine(r) || r->deny || !x_has_method(r, VIEW("GET")))
			continue;
		if (ops_is_on_path(u->o, r, &on) < 0 ||
		    (on && try_upgrade(u, r) < 0))
			return -1;
	}
	return 0;
}

/* Opens WebSockets into which somebody looks, under this path. */
static bool
looks(const struct ops *o, const struct policy_treatment *t)
{
	return (t->protocol == POLICY_PROTO_WEBSOCKET ||
		   t->protocol == POLICY_PROTO_GRAPHQL) &&
	       t->enforcement != POLICY_AUDIT &&
	       (t->allow_encoded_slash || !extent_has_slash(o->path));
}

int
ops_try_messages(struct ops *o)
{
	const struct policy_treatment *here = &o->t[X_MINE];
	struct upgrade u = { .o = o };
	size_t n;

	if (!is_asked(o) || !here->graphql_messages || !looks(o, here) ||
	    view_eq(o->path, VIEW("*")) ||
	    (o->other == JUDGES && !looks(o, &o->t[X_OTHER])))
		return 0;
	x_rules_collect(o->r, o->cell, &o->tmp, &u.rules);
	n = u.rules.n + 1;
	u.mine = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	u.allows = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	u.denies = ARENA_ARRAY(&o->tmp, n, const struct x_rule *);
	o->method = VIEW(EXTENT_TEXT);
	if (here->protocol == POLICY_PROTO_GRAPHQL)
		return try_upgrade(&u, NULL);
	return try_rules(&u);
}
