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

/* The rules that have a say under this path. */
static void
gather(struct ops *o, bool texts, struct x_demand *d)
{
	d->my_denies = o->my_denies;
	d->their_allows = o->their_allows;
	d->their_denies = o->their_denies;
	for (size_t i = 0; i < o->requests.n; i++) {
		const struct x_rule *r = &o->requests.v[i];

		if (!ops_has_path(o, r))
			continue;
		if (x_is_mine(r)) {
			if (r->deny && x_has_method(r, VIEW("GET")))
				o->my_denies[d->n_my_denies++] = r;
		} else if (!texts || !x_is_about_text(r))
			continue;
		else if (r->deny)
			o->their_denies[d->n_their_denies++] = r;
		else
			o->their_allows[d->n_their_allows++] = r;
	}
}

/* With the rule that admits the upgrade; NULL: the endpoint does. */
static int
try_upgrade(struct ops *o, const struct x_rule *rule)
{
	AUTO_BUF struct buf query = BUF_INIT(1 << 16);
	struct x_demand d = { .allow = rule != NULL ? rule->query : NULL };
	bool texts = o->other == JUDGES && !o->t[X_OTHER].graphql_messages;
	int rc;

	o->shut = o->other == NOT_THERE || texts;
	o->shut_dim = EXTENT_HOST; /* nobody asks */
	gather(o, texts, &d);
	if (texts)
		o->shut_dim =
		    d.n_their_allows > 0 ? EXTENT_QUERY : EXTENT_METHOD;
	rc = x_query(o->r, &d, &query);
	if (rc <= 0)
		return rc;
	o->query = buf_view(&query);
	rc = ops_is_news(o) ? ops_find_graphql(o) : 0;
	if (rc == 0 && !o->r->stop)
		rc = ops_find_registered(o);
	o->query = VIEW("");
	return rc;
}

static int
try_rules(struct ops *o)
{
	for (size_t i = 0; i < o->requests.n && !o->r->stop; i++) {
		const struct x_rule *r = &o->requests.v[i];

		if (x_is_mine(r) && !r->deny && ops_has_path(o, r) &&
		    x_has_method(r, VIEW("GET")) && try_upgrade(o, r) < 0)
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

	if (!is_asked(o) || !here->graphql_messages || !looks(o, here) ||
	    view_eq(o->path, VIEW("*")) ||
	    (o->other == JUDGES && !looks(o, &o->t[X_OTHER])))
		return 0;
	o->method = VIEW(EXTENT_TEXT);
	if (here->protocol == POLICY_PROTO_GRAPHQL)
		return try_upgrade(o, NULL);
	return try_rules(o);
}
