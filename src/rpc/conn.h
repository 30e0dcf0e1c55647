/*
 * conn: one connection of rpc: a libuv stream, TLS or not, that feeds bytes to
 * its user and takes what an HTTP/2 session has to send.  Private to rpc.
 */
#ifndef RPC_CONN_H
#define RPC_CONN_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "loop/deadline.h"
#include "rpc/rpc.h"
#include "tls/mutual.h"

enum {
	CONN_READ_MAX = 65536,
	CONN_OUT_MAX = 4 << 20, /* bytes that wait for the peer; then cut */
	CONN_OUT_LOW = 256 << 10, /* no more is asked of the session above */
	CONN_STREAM_WINDOW = 256 << 10,
	CONN_WINDOW = 16 << 20,
	CONN_HEADERS_MAX = 16384,
	CONN_STREAMS_MAX = 100,
	CONN_RESETS_MAX = 1000, /* by the peer, within CONN_RESETS_MS */
	CONN_RESETS_MS = 10000,
	CONN_PING_WAIT_MS = 20000
};

struct rpc_conn;

/* What a server or a client shares among its connections. */
struct rpc_turn {
	uv_loop_t *loop;
	uv_prepare_t prepare; /* what was queued in a turn goes out in one */
	struct deadlines *deadlines;
	struct rpc_conn *dirty;
	char in[CONN_READ_MAX];
	unsigned handles; /* libuv's, not yet closed */
	bool freed;
};
struct rpc_turn *rpc_turn_new(uv_loop_t *loop, struct err *e) MUST_USE;
/* Memory goes when every connection of it is closed. */
void rpc_turn_free(struct rpc_turn *t);

struct rpc_conn_ops {
	/* Bytes came, decrypted.  -1 ends the connection with *e. */
	int (*bytes)(struct rpc_conn *c, struct view v, struct err *e);
	/* TLS is done (or there is none): may be NULL. */
	void (*open)(struct rpc_conn *c);
	/* The connection is over; called once, outside of `bytes`. */
	void (*over)(struct rpc_conn *c, const struct err *e);
};

struct rpc_conn {
	struct rpc_turn *turn;
	const struct rpc_conn_ops *ops;
	void *owner;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} u;
	SSL *ssl;
	BIO *tls_in, *tls_out;
	bool opened; /* TLS and all */
	bool busy; /* inside a callback of the session */
	bool closing; /* `over` comes, or came */
	bool close_after; /* once everything is written */
	bool queued; /* in turn->dirty */
	struct rpc_conn *next; /* there */
	nghttp2_session *h2; /* NULL until it is known to be HTTP/2 */
	struct buf out; /* to be written when the last write is done */
	struct buf writing;
	uv_write_t write;
	bool write_on;
	struct err why;
	enum rpc_transport transport;
	struct deadline deadline;
	uint64_t heard_ms; /* when bytes came last */
	bool pinged;
	unsigned ping_ms;
	unsigned resets;
	uint64_t resets_since;
	void (*released)(struct rpc_conn *c); /* memory may go now */
};

/* Makes the handle; conn is the caller's zeroed storage. */
int rpc_conn_init(struct rpc_conn *c, struct rpc_turn *t,
    enum rpc_transport kind, const struct rpc_conn_ops *ops, void *owner,
    struct err *e) MUST_USE;
/* The handle is connected: reads; `ssl` (taken over) may be NULL. */
void rpc_conn_start(struct rpc_conn *c, SSL *ssl);
/* Something is to be sent: goes out at the end of this turn of the loop. */
void rpc_conn_wake(struct rpc_conn *c);
/* Plain bytes, for what is not HTTP/2. */
void rpc_conn_put(struct rpc_conn *c, struct view v);
/* Ends it; `over` follows, then `released`. */
void rpc_conn_close(struct rpc_conn *c, const struct err *e);
/* After what is queued was written. */
void rpc_conn_finish(struct rpc_conn *c);
/* Feeds HTTP/2; the session must be there. */
int rpc_conn_feed_h2(struct rpc_conn *c, struct view v, struct err *e) MUST_USE;
/* From now on a PING after `ms` of silence; no answer ends it. */
void rpc_conn_keepalive(struct rpc_conn *c, unsigned ms);
/* The peer reset a stream or sent another cheap frame: true when too many. */
bool rpc_conn_abused(struct rpc_conn *c);

/* A field, its name a literal. */
#define RPC_NV(k, v, vn) \
	{ \
		(uint8_t *)(uintptr_t)(k), (uint8_t *)(uintptr_t)(v), \
		    sizeof(k) - 1, (vn), NGHTTP2_NV_FLAG_NO_COPY_NAME \
	}

/* Settings both sides send; options both sessions have. */
int rpc_conn_settings(nghttp2_session *s, struct err *e) MUST_USE;
nghttp2_option *rpc_conn_options(void) MUST_USE;

#endif
