/* ws_inflate: raw DEFLATE of permessage-deflate, bounded; private to ws. */
#ifndef INSPECT_WS_INFLATE_H
#define INSPECT_WS_INFLATE_H

#include "base/bytes.h"

struct ws_inflate;

enum ws_inflate_result { WS_INFLATE_OK, WS_INFLATE_BAD, WS_INFLATE_BOMB };

struct ws_inflate *ws_inflate_new(void) MUST_USE;
void ws_inflate_free(struct ws_inflate *z);
/* Forgets the window. */
void ws_inflate_reset(struct ws_inflate *z);

/*
 * Part of a message.  Appends to `to`, or drops when NULL; never more than
 * `room` bytes.  last: this ends it, which must be between blocks.  *total
 * grows by what came out.
 */
enum ws_inflate_result ws_inflate_feed(struct ws_inflate *z, struct view in,
    bool last, struct buf *to, size_t room, uint64_t *total);

#endif
