/* gql_lex: the tokens of a GraphQL document; private to gql.c. */
#ifndef INSPECT_GQL_LEX_H
#define INSPECT_GQL_LEX_H

#include "base/bytes.h"
#include "base/err.h"

enum gql_token {
	GT_END,
	GT_NAME,
	GT_INT,
	GT_FLOAT,
	GT_STRING,
	GT_SPREAD, /* ... */
	GT_PUNCT /* one of ! $ & ( ) : = @ [ ] { | } : `punct` says which */
};

struct gql_lex {
	struct view text;
	size_t at; /* behind the token */
	size_t *left; /* of tokens */
	enum gql_token token;
	char punct;
	struct view lexeme;
};

/* The next token.  ERR_PROTO, or ERR_LIMIT when none are left. */
int gql_next(struct gql_lex *l, struct err *e) MUST_USE;

#endif
