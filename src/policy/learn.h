/*
 * learn: from what programs asked for to the narrowest policy that allows it.
 *
 * Pure: requests in, text out; no name is looked up (Attack: an advisor that
 * resolves refused names tells them to the outside).  What the current policy
 * allows already is left out.  A segment of a path becomes `*` only when it
 * looks like an identifier and so many different ones were seen; nothing else
 * is widened, and what is, is marked by a comment.  Of a call, method and tool
 * are exact; the other parameters are in no record, and a comment says so.  Of
 * GraphQL, type and root fields are.
 */
#ifndef POLICY_LEARN_H
#define POLICY_LEARN_H

#include "policy/decide.h"

enum {
	LEARN_DISTINCT = 3, /* different identifiers that make a `*` */
	LEARN_SEEN_MAX = 8192 /* different requests; more are counted */
};

/*
 * One request, or (method and path empty) a connection alone.  operation: one
 * that the request carried, as records name it ("tools/call"), and its tool.
 */
struct policy_seen {
	struct view binary, host, method, path;
	uint16_t port;
	struct view operation, tool;
	struct view fields; /* of GraphQL: root fields, ", " joined */
};

/* Why something was not learned. */
enum learn_skip {
	LEARN_TAKEN,
	LEARN_ALLOWED, /* by the current policy */
	LEARN_NO_PROGRAM, /* it is not known who asked */
	LEARN_BAD_HOST,
	LEARN_BAD_REQUEST, /* a method or path that no rule can name */
	LEARN_PROTOCOL, /* the host has a protocol without such rules */
	LEARN_GRAPHQL, /* the record does not name root fields */
	LEARN_ARGUMENTS, /* a rule is about them, but no record has them */
	LEARN_REFUSED, /* by deny_rules: no rule that is added helps */
	LEARN_TOO_MANY,
	LEARN_NSKIPS
};
const char *learn_skip_text(enum learn_skip s);

struct learner;
/*
 * `current` (borrowed) is what the result adds to.  `enforce`: its endpoints
 * that only audit will enforce.
 */
int learner_new(const struct policy *current, unsigned distinct, bool enforce,
    struct learner **out, struct err *e) MUST_USE;
void learner_free(struct learner *l);
void learner_free_at(struct learner **l);
#define AUTO_LEARNER CLEANUP(learner_free_at)
/* The view's bytes are copied. */
enum learn_skip learner_add(struct learner *l, const struct policy_seen *seen);
/* Rules, or endpoints without any, that learner_yaml writes. */
size_t learner_count(const struct learner *l);
/*
 * The whole policy; it was parsed, and checked to allow all that was learned.
 * `head` are lines for its top, without '#'.
 */
int learner_yaml(struct learner *l, struct view head, struct buf *out,
    struct err *e) MUST_USE;

#endif
