/* nearest: what nearest.c and nearest_op.c share (not for others). */
#ifndef POLICY_NEAREST_H
#define POLICY_NEAREST_H

#include "policy/compiled.h"
#include "policy/decide.h"

struct near {
	const struct snapshot *s;
	const struct policy_who *who;
	struct view host;
	uint16_t port;
	struct view method, path;
	struct view query;
	struct c_text where, miss;
};

/* "KEY endpoints[1]" */
void near_put_where(struct near *n, unsigned policy, size_t endpoint);
/* ".rules[2]" */
void near_put_index(struct c_text *t, const char *list, size_t at);
/* In quotes, clipped. */
void near_put_shown(struct c_text *t, struct view v);
/* An entry of deny_rules, which no rule outweighs. */
void near_put_refusing(struct near *n, const struct policy_verdict *v);
/* Bytes that both begin with. */
size_t near_common(struct view a, struct view b);

#endif
