/*
 * spiffe: asks the SPIFFE agent of this machine who we are: FetchJWTSVID of
 * the Workload API (gRPC over a Unix socket).
 */
#ifndef MINTER_SPIFFE_H
#define MINTER_SPIFFE_H

#include "minter/way.h"

enum { SPIFFE_SVID_MAX = 16384 };

/*
 * A JWT for `audience`, appended to `svid` (a rw_out).  `id` is which of our
 * identities; empty: the agent's first.
 */
int spiffe_jwt(const struct minter_job *j, struct view socket, struct view id,
    struct view audience, struct buf *svid, struct err *e) MUST_USE;

/* Three parts of base64url with dots between (RFC 7515 section 3.1). */
bool spiffe_is_jwt(struct view v);

#endif
