/*
 * atoms: the combinations of several sets of strings that some string really
 * has, each with a shortest such string.
 *
 * The sets cut all strings into pieces: those in A and B but not in C, and so
 * on.  A question about sets (is there a string in A outside of B?) is a
 * question about which pieces are not empty, and the search below finds every
 * one: breadth first over the automata in parallel, so that the first string
 * of a piece is a shortest, and among those the most readable one.
 */
#ifndef CODEC_ATOMS_H
#define CODEC_ATOMS_H

#include "codec/automaton.h"

enum atoms_role {
	ATOMS_FREE, /* in or out: told apart */
	ATOMS_MUST, /* only strings in it count */
	ATOMS_SOME /* only strings in one of these count, when there are any */
};

struct atoms_set {
	struct automaton *a;
	enum atoms_role role;
};

struct atoms_query {
	const struct atoms_set *v;
	size_t n;
	size_t longest; /* strings have at most this many bytes */
};

/* Work that may still be done; shared by the searches of one question. */
struct atoms_budget {
	uint64_t left;
};

/*
 * A string and the sets it is in, bit i for v[i].  true: that is enough.
 */
typedef bool atoms_found(void *ctx, struct view word, const uint64_t *in);

static inline bool
atoms_in(const uint64_t *in, size_t i)
{
	return in[i / 64] >> (i % 64) & 1;
}

/*
 * Calls `found` once for each piece that is not empty.  0, or -1: ERR_LIMIT
 * when the budget, or the memory a search may take, did not suffice, and the
 * answer is not known.
 */
int atoms_find(const struct atoms_query *q, struct atoms_budget *b,
    atoms_found *found, void *ctx, struct err *e) MUST_USE;

#endif
