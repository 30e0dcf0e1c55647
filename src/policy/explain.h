/*
 * explain: what a policy says about one request, for people and programs.
 */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include "policy/decide.h"

enum policy_answer {
	POLICY_ALLOWED,
	POLICY_DENIED,
	POLICY_WOULD_LOG /* not allowed, but the endpoint only audits */
};

/*
 * Judges the connection and, where requests are inspected, the request (NULL:
 * the connection only), and appends the verdict, the policy, endpoint and rule
 * behind it, or the reason and the smallest change that would allow it.  Text
 * is "key: value" lines; JSON is one object and a newline.
 */
enum policy_answer policy_explain(const struct snapshot *s,
    const struct policy_who *who, struct view host, uint16_t port,
    const struct policy_request *r, bool json, struct buf *out);

#endif
