/*
 * read: what the readers of the YAML tree share.  Private to the folder.
 */
#ifndef POLICY_READ_H
#define POLICY_READ_H

#include "policy/model.h"

struct p_reader {
	struct policy *p;
	struct policy_findings *f;
	struct buf where; /* "github.endpoints[0].rules[1]" */
	bool whole;
};

/* The location in front of a message: "github.endpoints[0]: ", or nothing. */
const char *p_where(struct p_reader *r);

#define FAULT(r, node, fmt, ...) \
	p_error((r)->f, p_mark_of(node), "parse", "%s%s" fmt, p_where(r), \
	    (r)->where.n > 0 ? ": " : "", ##__VA_ARGS__)

static inline struct p_mark
p_mark_of(const struct ydoc_node *n)
{
	return (struct p_mark) { n->line, n->column };
}

static inline struct p_head
p_head_of(const struct ydoc_node *n)
{
	return (struct p_head) { .at = p_mark_of(n), .set = true };
}

/* Adds to the location; p_leave takes it back to what was returned. */
size_t p_enter(struct p_reader *r, struct view key);
void p_leave(struct p_reader *r, size_t before);
/* How many members to read; says so when there are too many. */
size_t p_bounded(
    struct p_reader *r, const struct ydoc_node *n, uint64_t max) MUST_USE;
bool p_read_str(struct p_reader *r, const struct ydoc_node *n, uint64_t max,
    struct p_str *out);
/* The name of a member; false, and said, when it cannot be one. */
bool p_read_key(
    struct p_reader *r, const struct ydoc_node *k, struct p_str *out) MUST_USE;

/* Decimal, 0o17 or 0x1F without a sign; false beyond max. */
bool p_whole_number(struct view v, uint64_t max, uint64_t *out) MUST_USE;
/* read_tree.c */
void p_read_tree(struct p_reader *r, const struct ydoc_node *n, uint64_t max,
    struct p_str *out);
/* read_match.c: K_QUERY, K_PARAMS, K_TOOL */
void p_read_query(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, struct p_query *out);
void p_read_params(struct p_reader *r, const struct ydoc_node *n,
    const struct p_field *f, struct p_query *out);
/* `tool` goes to the params of the same mapping. */
void p_read_tool(
    struct p_reader *r, const struct ydoc_node *n, struct p_allow *out);

#endif
