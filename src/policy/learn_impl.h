/* learn_impl: what learn.c and learn_paths.c share (not for others). */
#ifndef POLICY_LEARN_IMPL_H
#define POLICY_LEARN_IMPL_H

#include "codec/arena.h"
#include "policy/learn.h"
#include "policy/model.h"

/* A request of one program to one place. */
struct learn_request {
	struct view method, path;
};

/* What one rule says. */
struct learn_rule {
	struct view method;
	struct view glob;
	struct view note; /* what was widened; empty: nothing */
};

/*
 * A call that is to be allowed; tool: empty but for tools/call of MCP.  Of
 * GraphQL the type of an operation, and one of its root fields.
 */
struct learn_op {
	struct view method, tool;
};
enum { LEARN_FIELDS_MAX = PL_GQL_FIELDS_MAX };
bool learn_is_graphql(const struct p_endpoint *judge);
/* The next of `list`, "a, b"; false at its end. */
bool learn_next_field(struct view *list, struct view *out);

/*
 * Whether a rule can be made of it: LEARN_TAKEN with *e, the endpoint whose
 * protocol it is of, or why not.
 */
enum learn_skip learn_op_ask(const struct snapshot *s,
    const struct policy_seen *seen, const struct p_endpoint **e);
/* `rules` of an endpoint, for at most PL_RULES_MAX calls, in order. */
void learn_op_rules(const struct learn_op *v, size_t n, struct buf *out);
/* The same of operations of GraphQL, for at most LEARN_FIELDS_MAX fields. */
void learn_graphql_rules(const struct learn_op *v, size_t n, struct buf *out);
/*
 * Is it about a WebSocket whose messages are judged: its upgrade, or (method
 * WEBSOCKET_TEXT) a message?  LEARN_NSKIPS: no; else as learn_op_ask.
 */
enum learn_skip learn_socket_ask(const struct snapshot *s,
    const struct policy_seen *seen, const struct p_endpoint **e);
int learn_op_order(const void *a, const void *b);

/*
 * The rules for `n` requests, which are put in order by method and path; *rules
 * is made in `a`.
 */
size_t learn_paths(struct learn_request *v, size_t n, unsigned distinct,
    struct arena *a, struct learn_rule **rules);
/* A number, a UUID, or hexadecimal that is no word. */
bool learn_is_ident(struct view segment);
/* As a pattern that means it and nothing else. */
void learn_put_literal(struct buf *out, struct view v);
/* A method that a rule can name. */
bool learn_method_fits(struct view v);
/* false: longer than a pattern may be, or not canonical: no rule names it. */
bool learn_path_fits(struct view path);

#endif
