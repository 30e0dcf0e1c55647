/*
 * flat: a JSON value as name and value pairs, which matchers look at.
 *
 *	{"a": {"b": [1, 2]}, "c.d": true}
 *
 * is  a.b=1  a.b=2  c\.d=true: a name is the path of member names with dots
 * between; a dot or backslash of a member name itself gets a backslash in
 * front, so that no literal name can pass for a path.  The items of a list
 * all have the list's name; those of a list that is the whole have their
 * index.  Empty objects and lists give no pair.
 *
 * Attack: {"path": "/ok", "Path": "/etc"} to a server that ignores case and
 * takes the last.  A pair whose name differs from another's only by case is
 * there under that name too: whoever asks for one sees the values of both.
 */
#ifndef INSPECT_FLAT_H
#define INSPECT_FLAT_H

#include "inspect/jdoc.h"

enum { FLAT_PAIRS_MAX = 16384, FLAT_NAME_MAX = 1024 };

struct flat_pair {
	struct view name, value; /* value: jdoc_scalar */
};

struct flat {
	struct flat_pair *v;
	size_t n;
};

/* Storage is `a`'s; `v` NULL gives none.  ERR_LIMIT beyond the bounds. */
int flat_new(const struct jdoc *d, const struct jdoc_node *v, struct arena *a,
    struct flat *out, struct err *e) MUST_USE;

#endif
