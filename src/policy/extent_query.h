/*
 * extent_query: what its two files share, the pieces and the search.  Private
 * to them.
 */
#ifndef POLICY_EXTENT_QUERY_H
#define POLICY_EXTENT_QUERY_H

#include "policy/extent_impl.h"

enum {
	Q_RULES_MAX = 64, /* that have a say; bits of a piece */
	Q_SPELLINGS_MAX = 8, /* of one name, by case */
	Q_PIECES_MAX = 64 /* of one parameter with NUL; bits of a set */
};

/* A piece: the rules whose matcher of this parameter it satisfies. */
struct q_piece {
	struct view value;
	uint64_t rules;
	bool asked; /* in what the question asks about */
};

struct q_param {
	struct view name;
	struct q_piece *v;
	size_t n;
	bool wanted; /* by the allowing rule */
	uint64_t allowed; /* pieces that its values may be of */
	uint64_t used, barred; /* the choice so far */
};

/* A rule with parameters: bit i of the pieces. */
struct q_clause {
	const struct p_query *q;
};

struct q_solver {
	struct x_run *r;
	const struct x_demand *d;
	struct arena tmp;
	struct q_param *params;
	size_t n_params;
	struct q_clause clauses[Q_RULES_MAX];
	size_t n_clauses;
	/* In this order: the rules that allow, my denies up to end_mine,
	 * their allows up to end_allows, their denies. */
	size_t first_mine, end_mine, end_allows;
	bool denied; /* there, whatever the query */
	bool allowed; /* there, but for the deny rules */
};

/* extent_pieces.c */
int q_too_many(struct x_run *r);
/* The one matcher that what is said under `name` must satisfy, or NULL. */
const struct p_matcher *q_matcher(const struct p_query *q, struct view name);
/* Cuts the values of `p` into its pieces. */
int q_cut(struct q_solver *s, struct q_param *p) MUST_USE;
/* The pieces of `p` that satisfy a clause's matcher; all there are. */
uint64_t q_inside(const struct q_param *p, size_t clause);
uint64_t q_all(const struct q_param *p);

#endif
