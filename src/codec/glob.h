/*
 * glob: the pattern language of policies, compiled.
 *
 * Patterns match whole subjects, bytewise.  With delimiter D:
 *
 *	*	zero or more bytes except D
 *	?	one byte except D
 *	[a-z]	one byte of the class, [!x] or [^x] one not of it; never D
 *	{a,b}	either; nestable; empty branches are dropped
 *	\c	c itself
 *	**	as a whole component: alone everything; leading "**D" zero or
 *		more components; "D**D" zero or more between; trailing "D**"
 *		D and anything after it.  Elsewhere the same as "*"; that
 *		includes touching a brace, since a branch is no component.
 */
#ifndef CODEC_GLOB_H
#define CODEC_GLOB_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

enum { GLOB_MAX = 1024, GLOB_BRANCHES_MAX = 64, GLOB_DEPTH_MAX = 16 };

struct glob; /* immutable */

/*
 * Compiles.  ERR_INVALID with what is wrong ("unclosed '['"), ERR_LIMIT for
 * more than GLOB_MAX bytes, GLOB_BRANCHES_MAX branches in all, or braces
 * nested deeper than GLOB_DEPTH_MAX.
 */
int glob_new(
    struct view pattern, char delim, struct glob **out, struct err *e) MUST_USE;
void glob_free(struct glob *g);

/* Time at most proportional to pattern times subject; never allocates. */
bool glob_match(const struct glob *g, struct view subject);

/* The bytes every subject begins with; borrowed from the glob. */
struct view glob_prefix(const struct glob *g);
/* The prefix is the whole pattern: nothing but equality. */
bool glob_is_literal(const struct glob *g);
/* glob_match for a subject already known to begin with glob_prefix. */
bool glob_match_rest(const struct glob *g, struct view subject);

/*
 * Some subject matches both (which must have one delimiter).  Adds to *work
 * what it cost, at most the product of their lengths.
 */
bool glob_overlaps(const struct glob *a, const struct glob *b, size_t *work);

#endif
