/* extent_ops: what extent_ops.c and extent_ops_find.c share. */
#ifndef POLICY_EXTENT_OPS_H
#define POLICY_EXTENT_OPS_H

#include "policy/extent_impl.h"

/* A rule about operations; an empty pattern takes everything. */
struct ops_rule {
	const struct x_entry *entry;
	uint32_t rule; /* its place */
	bool deny;
	bool known; /* none: allow_all_known_mcp_methods of the entry */
	enum policy_op_kind kind;
	struct view service; /* GRPC; there only "**" is any */
	struct view type; /* GRAPHQL; empty: all */
	struct view first; /* of the method; GRAPHQL: of the name */
	const struct p_matcher *tool; /* CALL: of params.name; NULL: none */
	bool names_tool; /* and is about tools/call */
	const struct p_query *all; /* parameters, or fields; NULL: any */
	const struct p_query *rest; /* of them, without params.name */
	struct view scope;
	size_t scope_set, set; /* in searches */
	bool scoped; /* is about this path */
	bool fits; /* is about this method or name, too */
};

/* The operations of a cell, path by path. */
struct ops {
	struct x_run *r;
	const struct x_cell *cell;
	enum x_other other;
	struct arena tmp;
	struct ops_rule *v;
	size_t n;
	/* Those about requests; in a search, with their sets of paths. */
	struct x_rules requests;
	const struct x_rule **my_denies, **their_allows, **their_denies;
	/* Of the path and the carrier that are looked at: */
	const uint64_t *in; /* the sets that the path is in */
	struct view path, method, query;
	struct policy_treatment t[2];
	bool listed[2]; /* some rule names a tool */
	bool shut; /* the other side refuses whatever it carries */
	enum extent_dim shut_dim;
	struct strmap searched; /* what ops_is_news was asked about */
	int rc;
};

/* Patterns over paths, for a search. */
struct ops_sets {
	struct atoms_set *v;
	size_t n;
};
/*
 * The paths of requests, in the question if there is one, told apart by all
 * that looks at paths; and room for `more` sets.
 */
int ops_sets_of_paths(
    struct ops *o, size_t more, struct ops_sets *out) MUST_USE;

/* How both sides treat the path; the engine's verdict on the request. */
void ops_treat(struct ops *o);
struct policy_verdict ops_ask(const struct ops *o, unsigned side);
/* The kind of operation that such a protocol has. */
enum policy_op_kind ops_kind(enum policy_protocol p);
/* Does the other side judge, or (then it is `shut`) refuse, what is in it? */
bool ops_look_there(struct ops *o) MUST_USE;
/*
 * Where it is not shut without a query, it may be with one that passes here: 1
 * with o->query, which is in *query then, 0, or -1.
 */
int ops_shut_by_query(struct ops *o, struct buf *query) MUST_USE;

/*
 * Nothing was searched yet where the same rules have a say and both sides do
 * the same: many paths differ in none of it.
 */
bool ops_is_news(struct ops *o) MUST_USE;

/* What messages of WebSockets carry under this path. */
int ops_try_messages(struct ops *o) MUST_USE;
/* What mine lets pass on this path and the other one does not. */
int ops_find_calls(struct ops *o) MUST_USE;
int ops_find_graphql(struct ops *o) MUST_USE;
/* Those that an id stands for, where the other side judges them as well. */
int ops_find_registered(struct ops *o) MUST_USE;
/* Of all paths, since a path of gRPC is the operation. */
int ops_find_grpc(struct ops *o) MUST_USE;
/* A find, unless it is known; `rule` NULL: there is none. */
int ops_hit(struct ops *o, const struct ops_rule *rule, enum extent_dim dim,
    const struct policy_op *op) MUST_USE;
/* The question, if any, is about requests with that method. */
bool ops_is_asked(const struct extent_never *never, struct view method);
bool ops_is_told(
    const struct ops *o, const struct ops_rule *rule, enum extent_dim dim);

static inline bool
ops_is_any(struct view pattern)
{
	return pattern.n == 0 || view_eq(pattern, VIEW("*")) ||
	       view_eq(pattern, VIEW("**"));
}

/* Has the rule about requests this path? */
static inline bool
ops_has_path(const struct ops *o, const struct x_rule *r)
{
	return (r->set == EXTENT_IGNORED || atoms_in(o->in, r->set)) &&
	       (r->scope_set == EXTENT_IGNORED ||
		   atoms_in(o->in, r->scope_set));
}

static inline bool
ops_is_mine(const struct ops_rule *o)
{
	return o->entry->side == X_MINE;
}

#endif
