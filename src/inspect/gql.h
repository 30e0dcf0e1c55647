/*
 * gql: GraphQL executable documents (October 2021), as far as a verdict needs
 * them: which operation runs and which root fields it reaches.
 *
 * The whole document is read by the grammar; what is no executable document,
 * a schema definition for one, is refused.
 */
#ifndef INSPECT_GQL_H
#define INSPECT_GQL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "codec/arena.h"

enum { GQL_TOKENS_MAX = 20000, GQL_DEPTH_MAX = 128, GQL_FIELDS_MAX = 512 };

enum gql_type { GQL_QUERY, GQL_MUTATION, GQL_SUBSCRIPTION };
const char *gql_type_name(enum gql_type t);

struct gql_operation {
	enum gql_type type;
	struct view name; /* empty for an anonymous one */
	/* Root fields (their names, not aliases), through all fragments, each
	 * once, whatever @skip and @include say. */
	struct view *fields;
	size_t n_fields;
};

/*
 * The operation of that name, or the only one when `name` is empty.  Storage
 * is `a`'s, names are borrowed from `text`.  tokens: how many of
 * GQL_TOKENS_MAX are left, for documents that share a bound; counted down.
 */
int gql_operation(struct view text, struct view name, struct arena *a,
    size_t *tokens, struct gql_operation *out, struct err *e) MUST_USE;

#endif
