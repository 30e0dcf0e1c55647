/* learn_impl: what learn.c and learn_paths.c share (not for others). */
#ifndef POLICY_LEARN_IMPL_H
#define POLICY_LEARN_IMPL_H

#include "codec/arena.h"
#include "policy/learn.h"

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
 * The rules for `n` requests, which are put in order by method and path; *rules
 * is made in `a`.
 */
size_t learn_paths(struct learn_request *v, size_t n, unsigned distinct,
    struct arena *a, struct learn_rule **rules);
/* false: longer than a pattern may be, or not canonical: no rule names it. */
bool learn_path_fits(struct view path);

#endif
