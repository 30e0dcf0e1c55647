/* frames: what rpc.h does not show of messages; private to rpc and its tests.
 */
#ifndef RPC_FRAMES_H
#define RPC_FRAMES_H

#include "rpc/rpc.h"

/* Checked bytes as a message, the caller's; NULL with the reason. */
ProtobufCMessage *rpc_unpack(
    const ProtobufCMessageDescriptor *d, struct view v, struct err *e) MUST_USE;

#endif
