/* peer: who is at the other end of a Unix socket; private to rpc. */
#ifndef RPC_PEER_H
#define RPC_PEER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Of the process that connected: its uid (left alone when it cannot be told)
 * and whether it is in our user namespace.  To be asked once, at the accept.
 */
void rpc_peer_read(int fd, uid_t *uid, bool *beside);

#endif
