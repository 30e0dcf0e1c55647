/*
 * oauth2: what a token endpoint is asked (RFC 6749 section 4.4 with the client
 * assertion of RFC 7523 section 2.2), and what it answers (RFC 6749 section 5).
 */
#ifndef MINTER_OAUTH2_H
#define MINTER_OAUTH2_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* The body of the request, appended; empty ones are left out. */
void oauth2_form(struct view client_id, struct view scope,
    struct view assertion, struct buf *form);

/*
 * Of a 200: the access token, appended to `token` (a rw_out), and how long it
 * is good for; 0: the server does not say.  A token of another type than Bearer
 * is refused: it could not be used.
 */
int oauth2_answer(struct view body, struct buf *token, uint64_t *lifetime_s,
    struct err *e) MUST_USE;
/*
 * Of another status: "invalid_client" or the like, or "" when it says none.
 * The description beside it is left: it may repeat what was sent.
 */
enum { OAUTH2_CODE_MAX = 64 };
void oauth2_error(struct view body, char out[OAUTH2_CODE_MAX]);

#endif
