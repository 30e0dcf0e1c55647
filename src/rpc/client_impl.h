/*
 * client_impl: what the files of the client share.  client.c has the
 * connection, client_dial.c how it is made, client_out.c the calls on it.
 */
#ifndef RPC_CLIENT_IMPL_H
#define RPC_CLIENT_IMPL_H

#include "net/dial_name.h"
#include "rpc/conn.h"
#include "rpc/frames.h"
#include "rpc/sendq.h"

enum { AUTHORITY_MAX = 300, METADATA_MAX = 4 };

struct rpc_out {
	struct rpc_client *client;
	struct rpc_out *next, *prev;
	int32_t id; /* 0: waits for the connection */
	char *path;
	const ProtobufCMessageDescriptor *answer;
	struct rpc_out_hooks hooks;
	struct deadline deadline;
	unsigned deadline_ms;
	struct rpc_sendq out;
	bool ended, deferred;
	struct rpc_frames frames;
	struct buf in;
	bool held, busy, over; /* over: the stream is gone, bytes may be left */
	bool telling; /* its owner is told that the queue drained */
	bool has_status, detached;
	bool broken; /* what came is no gRPC: nothing more is read */
	enum rpc_code code;
	char text[RPC_STATUS_MAX];
};

struct rpc_client {
	struct rpc_conn c;
	struct rpc_turn *turn;
	struct rpc_client_hooks hooks;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	struct rpc_out *calls;
	SSL_CTX *ctx;
	char *url, *host, *bearer;
	char *names[METADATA_MAX], *values[METADATA_MAX];
	size_t n_metadata;
	struct dial_name *dial; /* under way */
	char authority[AUTHORITY_MAX];
	size_t answer_max;
	int dirfd;
	uv_connect_t connect;
	bool up, over, freed;
	struct err why;
};

/* client.c: freed once its connection is closed and its calls are over. */
void rpc_client_release(struct rpc_client *c);
/* The connection stands: TLS and HTTP/2 begin on it. */
void rpc_client_begin(struct rpc_client *c);
/* With its socket made ready for a transport; `released` is ours. */
int rpc_client_conn(
    struct rpc_client *c, enum rpc_transport t, struct err *e) MUST_USE;

/* client_dial.c: on the way to where the target says. */
int rpc_client_dial(
    struct rpc_client *c, const struct rpc_target *t, struct err *e) MUST_USE;

/* client_out.c */
void rpc_out_submit(struct rpc_out *o);
/* The first one counts. */
void rpc_out_status(struct rpc_out *o, enum rpc_code code, const char *text);
/* Its owner is told, and it is gone. */
void rpc_out_over(struct rpc_out *o);
void rpc_out_callbacks(nghttp2_session_callbacks *callbacks);

#endif
