/*
 * overlap: what the files that compare endpoints share.  Private to the
 * folder.
 */
#ifndef POLICY_OVERLAP_H
#define POLICY_OVERLAP_H

#include "policy/compiled.h"

/* One of the two. */
struct overlap_side {
	const struct p_policy *policy;
	const struct p_endpoint *e;
	size_t index;
	enum p_hostkind kind;
	struct p_host name;
	bool judged; /* has a protocol that says something of requests */
	uint32_t rank; /* of its path */
	struct glob *path; /* compiled when first needed */
	struct policy_treatment t;
};

/* What must be the same for all that can match one connection. */
bool p_conn_agree(
    const struct p_endpoint *a, const struct p_endpoint *b) MUST_USE;
/* "field=x vs y; ..." for each that is not; nothing when all are. */
void p_conn_conflicts(
    const struct p_endpoint *a, const struct p_endpoint *b, struct buf *out);
/* The same of requests, for what c_treatment_eq compares. */
void p_request_conflicts(const struct overlap_side *a,
    const struct overlap_side *b, struct buf *out);

/*
 * What an endpoint written beside `e` takes over from it, so that the two
 * agree: what is of the connection and, if `requests`, what is of requests.
 * Not what an endpoint says of itself: where, about which paths, what it
 * allows.  Lines of a policy, under the key of an endpoint.
 */
void p_put_shared(struct buf *out, const struct p_endpoint *e, bool requests);

#endif
