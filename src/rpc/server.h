/* server: what server.c and call.c share. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include "rpc/conn.h"

enum {
	RPC_HANDSHAKE_MS = 10000,
	RPC_HEAD_MS = 10000, /* to the first request */
	RPC_PING_MS = 30000,
	RPC_CONNECTIONS_MAX = 20000
};

struct rpc_listener {
	struct rpc_server *server;
	struct rpc_listener *next;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} u;
	enum rpc_transport kind;
	SSL_CTX *ctx;
	SSL_CTX *fresh; /* during a reload only */
	char *cert, *key, *ca;
	bool optional;
};

struct rpc_server {
	struct rpc_turn *turn;
	const struct rpc_method *methods;
	size_t n_methods;
	struct rpc_server_hooks hooks;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	struct rpc_listener *listeners;
	struct rpc_sconn *conns;
	struct rpc_server_stats stats;
	bool draining;
	struct deadline drain_late;
	void (*drained)(void *ctx);
	void *drain_ctx;
	unsigned handles; /* what still points here */
};

/* A connection of the server's. */
struct rpc_sconn {
	struct rpc_conn c;
	struct rpc_server *server;
	struct rpc_sconn *next, *prev;
	struct rpc_call *calls;
	struct buf head; /* until it is known what is spoken */
	size_t scanned;
	bool answered; /* HTTP/1.1: nothing more is read */
	uid_t uid;
	bool beside, verified;
	struct mutual_peer names;
};

/* call.c */
nghttp2_session_callbacks *rpc_call_callbacks(void) MUST_USE;
/* The stream, or its connection, is gone, and the call with it. */
void rpc_call_end(struct rpc_call *c);
/* Finishes every open call of a connection with UNAVAILABLE. */
void rpc_calls_refuse(struct rpc_sconn *conn);

#endif
