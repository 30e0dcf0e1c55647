/* sealed: messages that are stored encrypted (seal.h), each bound to its row.
 */
#ifndef GATEWAY_SEALED_H
#define GATEWAY_SEALED_H

#include "gateway/gw.h"

/* Appended.  `bound` is what the row belongs to: no other row's opens in it. */
int sealed_pack(struct gateway *g, struct view bound, const ProtobufCMessage *m,
    struct buf *out, struct err *e) MUST_USE;
/* The caller's, who wipes what is secret in it. */
int sealed_unpack(struct gateway *g, struct view bound, struct view sealed,
    const ProtobufCMessageDescriptor *type, ProtobufCMessage **out,
    struct err *e) MUST_USE;

#endif
