/*
 * redact: tokens that are secrets by their shape, taken out of a text.
 *
 * A token is `sk-` and at least six more of A-Z a-z 0-9 _ -, all that follow,
 * where no letter or digit stands before it.  Each of these characters may
 * also be written as JSON (\u0073) or URLs (%73) may have it.  What is put in
 * its place is REDACT_WITH, which no text needs to escape: JSON stays JSON.
 *
 * Not a token: `sk-OPENSHELL-RESOLVE-ENV-NAME`, the name that stands for a
 * credential (secrets/placeholder.h).
 */
#ifndef INSPECT_REDACT_H
#define INSPECT_REDACT_H

#include "base/bytes.h"

#define REDACT_WITH "[REDACTED]"

/*
 * How many tokens are in `in`.  When there are any, `out` (empty, its max at
 * least redact_room) gets the text without them.
 */
size_t redact_tokens(struct view in, struct buf *out) MUST_USE;
/* The most that comes of n bytes. */
size_t redact_room(size_t n) MUST_USE;

#endif
