/* edge_impl: the tunnel's state, shared by edge_tunnel.c and edge_dial.c alone.
 */
#ifndef CLI_EDGE_IMPL_H
#define CLI_EDGE_IMPL_H

#include "inspect/ws.h"
#include "tls/stream.h"

struct tunnel {
	const char *token;
	char *host, *authority;
	uint16_t port;
	int local; /* the rpc client's */
	struct stream *edge;
	struct trust *trust;
	struct tls_client *tls;
	struct buf from_edge; /* not understood yet */
	struct buf to_edge, to_local;
	struct ws_frame frame; /* whose payload is under way */
	uint64_t left; /* of it */
	bool in_frame, in_message;
	struct buf control; /* payload of a control frame */
	bool over; /* a close frame came or went */
};

/* Connects, TLS, handshake; within ten seconds.  ERR_DENIED: the edge does not
 * take the token. */
int edge_dial(struct tunnel *t, const char *url, struct err *e) MUST_USE;
/* Writes what is queued; -1 with ERR_AGAIN when some is left. */
int edge_flush(struct tunnel *t, struct err *e) MUST_USE;

#endif
