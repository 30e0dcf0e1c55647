/*
 * compile: what the files that make a snapshot share.  Private to the folder.
 */
#ifndef POLICY_COMPILE_H
#define POLICY_COMPILE_H

#include "policy/compiled.h"

/* An endpoint under one of its ports, on the way to its key. */
struct pending {
	uint32_t key;
	struct c_place at;
	const struct p_endpoint *e;
};

/* A rule about operations, and one of the texts it is to be found by. */
struct pending_op {
	struct view text;
	const struct c_op *op;
};

struct compiler {
	struct snapshot *s;
	const struct policy_link *links;
	struct strmap linkmap; /* path to place in links */
	struct strmap globmap; /* delimiter and pattern to place in s->globs */
	size_t globs_cap;
	struct arena tmp;
	uint32_t **policy_globs; /* places in s->binaries, by policy */
	size_t *policy_nglobs;
	uint32_t *seen; /* by binary: the stamp of the last key with it */
	uint32_t stamp;
	struct pending *pending; /* one for each (endpoint, port) */
	size_t npending;
	struct pending_op *ops;
	size_t nops, ops_cap;
	struct err *e;
};

uint64_t *c_set_new(struct compiler *c);
/* One compiled glob for each distinct pattern; NULL on error. */
const struct glob *c_glob(struct compiler *c, struct view pattern, char delim);
/* NULL for all paths; -1 on error. */
int c_scope_glob(struct compiler *c, const struct p_endpoint *e,
    const struct glob **out) MUST_USE;
int c_matchers(struct compiler *c, const struct p_query *q, char delim,
    const struct c_query **out, size_t *n) MUST_USE;
int c_glob_list(struct compiler *c, const struct p_strs *patterns, char delim,
    const struct glob *const **out) MUST_USE;

/* compile_rules.c: v[0..n) is everything under the key. */
int c_compile_rules(struct compiler *c, struct c_key *k,
    const struct pending *v, size_t n) MUST_USE;
int c_compile_scopes(struct compiler *c, struct c_key *k,
    const struct pending *v, size_t n) MUST_USE;

/* compile_ops.c */
int c_compile_ops(struct compiler *c, struct c_key *k, const struct pending *v,
    size_t n) MUST_USE;
/* Once all keys are there. */
void c_index_ops(struct compiler *c);

/* middleware.c */
int c_compile_middlewares(struct compiler *c) MUST_USE;

/* ports.c */
void c_index_ports(struct compiler *c);

#endif
