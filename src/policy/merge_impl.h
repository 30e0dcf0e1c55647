/* merge_impl: sets of programs, rules and addresses, private to merge. */
#ifndef POLICY_MERGE_IMPL_H
#define POLICY_MERGE_IMPL_H

#include "policy/merge.h"
#include "policy/model.h"

/* A policy in the making: its rules can be changed, what they hold cannot. */
struct merge {
	struct arena arena;
	struct p_top top;
	struct p_policy *v; /* room for one more than there was */
	size_t n;
};

/* --- making ------------------------------------------------------------ */

void merge_begin(struct merge *g, const struct policy *base);
/* The policy that it has become, checked.  Ends nothing: arena_fini. */
int merge_finish(
    struct merge *g, struct policy **next, struct policy_findings *f) MUST_USE;
/* A policy of that rule alone, as text; the caller's. */
char *merge_text(const struct p_top *like, const struct p_policy *rule);
/* NULL when there is none of that key. */
struct p_policy *merge_find(const struct merge *g, struct view key);
/* A copy under that key, or under key_2, key_3 ... when it is taken. */
struct p_policy *merge_new_rule(
    struct merge *g, const struct p_policy *like, struct view key);
void merge_drop(struct merge *g, struct p_policy *at);

/* --- equal ------------------------------------------------------------- */

/* The same host, ports and path. */
bool merge_same_place(const struct p_endpoint *a, const struct p_endpoint *b);
/* They share a host and a port, or have none. */
bool merge_meets(const struct p_endpoint *a, const struct p_endpoint *b);
/* All that is neither place, rules, nor addresses and who vouches for them. */
bool merge_same_treatment(
    const struct p_endpoint *a, const struct p_endpoint *b);
bool merge_same_endpoint(
    const struct p_endpoint *a, const struct p_endpoint *b);
/* Every program of `a` is one of `b`, as written. */
bool merge_programs_in(const struct p_policy *a, const struct p_policy *b);
bool merge_has_program(const struct p_policy *p, struct view path);

/* --- sets -------------------------------------------------------------- */

/* The rules, or addresses, of `a` that are (`in`) or are not in `b`. */
struct p_list merge_rules(struct arena *a, const struct p_endpoint *x,
    const struct p_endpoint *y, bool in);
struct p_strs merge_nets(struct arena *a, const struct p_endpoint *x,
    const struct p_endpoint *y, bool in);
/* Appends to *to. */
void merge_add_rules(
    struct arena *a, struct p_endpoint *to, const struct p_list *more);
void merge_add_nets(
    struct arena *a, struct p_endpoint *to, const struct p_strs *more);
/* `n` members of `size` bytes, and room for `more`. */
void *merge_copy(
    struct arena *a, const void *v, size_t n, size_t more, size_t size);

#endif
