/*
 * rpc: gRPC (unary and streams) over HTTP/2, both sides, on a libuv loop.
 *
 * HTTP/2 is nghttp2's; framing of messages, metadata, deadlines, limits and
 * flow control are ours.  One connection is plain, TLS (mutual) or a Unix
 * socket.  Nothing here knows a service: a method is a path and two message
 * descriptors of protobuf-c.
 *
 * Bounds: a message is at most its method's max_request, and unpacked 8 MiB and
 * sixteen times its size (else RESOURCE_EXHAUSTED); what a slow peer has
 * not taken is counted (rpc_queued) and the owner of the call stops producing;
 * what an owner has not taken is not asked for (rpc_hold).
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

/* grpc/doc/statuscodes.md */
enum rpc_code {
	RPC_OK,
	RPC_CANCELLED,
	RPC_UNKNOWN,
	RPC_INVALID_ARGUMENT,
	RPC_DEADLINE_EXCEEDED,
	RPC_NOT_FOUND,
	RPC_ALREADY_EXISTS,
	RPC_PERMISSION_DENIED,
	RPC_RESOURCE_EXHAUSTED,
	RPC_FAILED_PRECONDITION,
	RPC_ABORTED,
	RPC_OUT_OF_RANGE,
	RPC_UNIMPLEMENTED,
	RPC_INTERNAL,
	RPC_UNAVAILABLE,
	RPC_DATA_LOSS,
	RPC_UNAUTHENTICATED
};
/* "INVALID_ARGUMENT"; "UNKNOWN" for numbers that are none. */
const char *rpc_code_name(enum rpc_code c);
/* By table: ERR_NOT_FOUND is NOT_FOUND, ERR_INVALID is INVALID_ARGUMENT ... */
enum rpc_code rpc_code_of(enum err_code c);

enum {
	RPC_MESSAGE_MAX = 1 << 20, /* of a request, unless its row says less */
	RPC_STATUS_MAX = 4096, /* bytes of a status text; longer is cut */
	RPC_GRACE_MS = 500 /* for a last status to be read */
};

/* --- who asks ------------------------------------------------------------ */

enum rpc_transport { RPC_PLAIN, RPC_TLS, RPC_UNIX };

/* What is known of the other side; borrowed, valid during the call. */
struct rpc_peer {
	enum rpc_transport transport;
	uid_t uid; /* of a Unix socket's peer (SO_PEERCRED) */
	bool beside; /* and whether it connected from our user namespace */
	bool verified; /* a client certificate was presented and holds */
	const char *san_uri; /* its first URI SAN, or "" */
	const char *subject; /* its CN, or "" */
	struct view
	    bearer; /* "authorization: Bearer X" of this call, or empty */
};

/* --- server -------------------------------------------------------------- */

struct rpc_server;
struct rpc_call; /* one call, server side */

struct rpc_method {
	const char *path; /* "/openshell.v1.OpenShell/Health" */
	const ProtobufCMessageDescriptor *in, *out;
	bool in_stream; /* more than one message may come */
	size_t max_request; /* bytes of one message; larger: OUT_OF_RANGE */
	/*
	 * Ours; the client's grpc-timeout may be sooner, and a malformed one
	 * is INTERNAL, as in other servers.  0: none.  The status follows what
	 * is queued; a peer that does not read it within RPC_GRACE_MS gets a
	 * reset.
	 */
	unsigned deadline_ms;
	/*
	 * The call begins.  `m` is the request, or NULL when in_stream.  Must
	 * lead to exactly one rpc_finish, now or later.  m is borrowed.
	 */
	void (*start)(struct rpc_call *c, const ProtobufCMessage *m);
	/* One message of an in_stream; not called while held. */
	void (*message)(struct rpc_call *c, const ProtobufCMessage *m);
	/* The client sends no more (in_stream only). */
	void (*half_closed)(struct rpc_call *c);
	/* rpc_queued fell below RPC_LOW_WATER again after being above. */
	void (*drained)(struct rpc_call *c);
	/*
	 * The call is over and `c` goes away, whoever ended it: finished, reset
	 * by the client, deadline, connection lost.  `why` is how: RPC_OK when
	 * our status was sent, else RPC_CANCELLED or RPC_DEADLINE_EXCEEDED.
	 * May be NULL.
	 */
	void (*closed)(struct rpc_call *c, enum rpc_code why);
};

enum { RPC_LOW_WATER = 64 << 10, RPC_HIGH_WATER = 256 << 10 };

struct rpc_server_hooks {
	/*
	 * Who may call what: asked when the head of a call is there, before any
	 * of its messages is read.  `method` is NULL for an unknown path.
	 * RPC_OK lets it pass; else the status, with its text in *text.
	 */
	enum rpc_code (*allow)(void *ctx, const struct rpc_method *method,
	    const char *path, const struct rpc_peer *peer, struct buf *text);
	/*
	 * A plain HTTP/1.1 request (also over TLS with ALPN http/1.1): fills
	 * status, content type and body.  Method and target are as sent.
	 */
	void (*http)(void *ctx, struct view method, struct view target,
	    unsigned *status, const char **type, struct buf *body);
	void *ctx;
};

/* `methods` (n rows) and hooks must outlive the server. */
int rpc_server_new(uv_loop_t *loop, const struct rpc_method *methods, size_t n,
    const struct rpc_server_hooks *hooks, struct rpc_server **out,
    struct err *e) MUST_USE;
/*
 * Accepts on a listening socket (taken over).  With TLS: certificate chain,
 * key and client CA as PEM files; a client certificate is required unless
 * `optional_client`, and must hold when presented.  NULL: plain.
 */
struct rpc_tls_files {
	const char *cert, *key, *ca;
	bool optional_client;
};
int rpc_server_listen(struct rpc_server *s, int fd, enum rpc_transport kind,
    const struct rpc_tls_files *tls, struct err *e) MUST_USE;
/*
 * A listening Unix socket (0600) at a path of any length; one that nobody
 * listens on any more is replaced, another is ERR_EXISTS.
 */
int rpc_unix_listen(const char *path, int *fd, struct err *e) MUST_USE;
/*
 * Reads the files anew for connections to come (renewal, SIGHUP): of every
 * listener, or, when one of them fails, of none.
 */
int rpc_server_reload(struct rpc_server *s, struct err *e) MUST_USE;
/*
 * Accepts no more, closes what is idle and sends GOAWAY: calls that come later
 * are not served (REFUSED_STREAM).  After `ms` the open calls are finished with
 * UNAVAILABLE, and RPC_GRACE_MS later connections that are still there are
 * closed.  done(ctx) when none is left, maybe at once; it may free the server.
 */
void rpc_server_drain(
    struct rpc_server *s, unsigned ms, void (*done)(void *ctx), void *ctx);
/* Ends everything at once; memory goes when the loop ran its callbacks. */
void rpc_server_free(struct rpc_server *s);

struct rpc_server_stats {
	uint64_t connections, calls; /* ever */
	unsigned open_connections, open_calls;
};
void rpc_server_stats(const struct rpc_server *s, struct rpc_server_stats *out);

const struct rpc_method *rpc_call_method(const struct rpc_call *c);
const struct rpc_peer *rpc_call_peer(const struct rpc_call *c);
/* No status was given yet, by anybody: a deadline or the server's end too. */
bool rpc_call_open(const struct rpc_call *c);
/* The ctx of the server's hooks. */
void *rpc_call_context(const struct rpc_call *c);
/* The handler's own state of a call. */
void rpc_call_set_data(struct rpc_call *c, void *data);
void *rpc_call_data(const struct rpc_call *c);

/* Queues a message (copied).  After rpc_finish or the end it does nothing. */
void rpc_send(struct rpc_call *c, const ProtobufCMessage *m);
/* Bytes queued that the peer has not taken. */
size_t rpc_queued(const struct rpc_call *c);
/* Ends the call with a status after what is queued; text may be NULL. */
void rpc_finish(struct rpc_call *c, enum rpc_code code, const char *fmt, ...)
    PRINTF(3, 4);
/* The same from an error: code by rpc_code_of, text is e->text. */
void rpc_finish_err(struct rpc_call *c, const struct err *e);
/* rpc_send and rpc_finish(RPC_OK): the answer of a unary call. */
void rpc_answer(struct rpc_call *c, const ProtobufCMessage *m);
/* No more `message` until rpc_resume: the client's window is not refilled. */
void rpc_hold(struct rpc_call *c);
void rpc_resume(struct rpc_call *c);

/* --- client -------------------------------------------------------------- */

struct rpc_client;
struct rpc_out; /* one call, client side */

/* A metadata entry: a lower-case name, a value of printable ASCII. */
struct rpc_metadata {
	const char *name, *value;
};

struct rpc_target {
	/* "https://gateway.example:8080", "http://...", or "unix:/path" */
	const char *url;
	/*
	 * A connection to the gateway that exists already, -1 afterwards: plain
	 * HTTP/2 goes over it, whatever the scheme of the URL.  NULL: connect.
	 */
	int *fd;
	/* Sent with every call; ends with a NULL name.  May be NULL. */
	const struct rpc_metadata *metadata;
	/* With https; the server must match the URL's host. */
	const char *cert, *key, *ca;
	/* Sent with every call unless NULL. */
	const char *bearer;
	unsigned connect_ms; /* 0: 10 s */
	size_t answer_max; /* bytes of one message that comes; 0: 64 MiB */
};

struct rpc_client_hooks {
	/* Connection and (TLS, HTTP/2) handshake done: calls may be made. */
	void (*ready)(void *ctx);
	/*
	 * The connection ended or could not be made; every call has been closed
	 * before with UNAVAILABLE.  e->code: ERR_NOT_FOUND nobody listens,
	 * ERR_DENIED certificates do not hold, ERR_AGAIN timeout, else ERR_IO.
	 */
	void (*lost)(void *ctx, const struct err *e);
	void *ctx;
};

/* Starts connecting.  Calls made before `ready` wait for it. */
int rpc_client_new(uv_loop_t *loop, const struct rpc_target *t,
    const struct rpc_client_hooks *hooks, struct rpc_client **out,
    struct err *e) MUST_USE;
/* Ends at once, without callbacks; memory goes when the loop ran. */
void rpc_client_free(struct rpc_client *c);
uv_loop_t *rpc_client_loop(const struct rpc_client *c);

struct rpc_out_hooks {
	/* A message of the answer (borrowed); not called while held. */
	void (*message)(void *ctx, const ProtobufCMessage *m);
	/* As `drained` above; may be NULL. */
	void (*drained)(void *ctx);
	/* The end, exactly once; the call goes away after it. */
	void (*closed)(void *ctx, enum rpc_code code, const char *text);
	void *ctx;
};

/* `answer` describes the messages that come back. */
struct rpc_out *rpc_out_new(struct rpc_client *c, const char *path,
    const ProtobufCMessageDescriptor *answer, const struct rpc_out_hooks *hooks,
    unsigned deadline_ms) MUST_USE;
void rpc_out_send(struct rpc_out *o, const ProtobufCMessage *m);
size_t rpc_out_queued(const struct rpc_out *o);
/* We send no more. */
void rpc_out_end(struct rpc_out *o);
/* Resets the call; `closed` is not called. */
void rpc_out_cancel(struct rpc_out *o);
void rpc_out_hold(struct rpc_out *o);
void rpc_out_resume(struct rpc_out *o);

/*
 * A unary call.  `done` is called once, at its end: with RPC_OK and the answer,
 * which it may take (*answer = NULL; protobuf_c_message_free_unpacked), or with
 * another code, NULL and why.  The ask goes away after it.
 */
struct rpc_ask;
typedef void rpc_ask_done(
    void *ctx, enum rpc_code code, ProtobufCMessage **answer, const char *text);
struct rpc_ask *rpc_ask_new(struct rpc_client *c, const char *path,
    const ProtobufCMessage *m, const ProtobufCMessageDescriptor *answer_type,
    unsigned deadline_ms, rpc_ask_done *done, void *ctx);
/* `done` is not called.  NULL is harmless. */
void rpc_ask_cancel(struct rpc_ask *a);

/*
 * A unary call, run to its end on the client's loop.  0 and *answer (the
 * caller's, protobuf_c_message_free_unpacked); -1 with *code (may be NULL) and
 * "TEXT (CODE)" in *e.  The loop runs meanwhile.
 */
int rpc_unary(struct rpc_client *c, const char *path, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *answer_type, ProtobufCMessage **answer,
    unsigned deadline_ms, enum rpc_code *code, struct err *e) MUST_USE;

/*
 * A Unix socket address of a path of any length: opens the directory (*dirfd,
 * the caller's) and writes a short path through /proc/self/fd.
 */
int rpc_unix_path(
    const char *path, int *dirfd, char *out, size_t n, struct err *e) MUST_USE;

/* --- bytes --------------------------------------------------------------- */

/*
 * The length-prefixed messages of gRPC (PROTOCOL-HTTP2.md): fed in any pieces,
 * gives each whole message once.
 */
struct rpc_frames {
	struct buf b;
	size_t max;
};
void rpc_frames_init(struct rpc_frames *f, size_t max);
void rpc_frames_fini(struct rpc_frames *f);
/*
 * Takes bytes from the front of *in until they end or a message is whole.  -1:
 * compressed flag set (ERR_PROTO), or a message longer than max (ERR_LIMIT),
 * found before its bytes are stored.
 */
int rpc_frames_feed(
    struct rpc_frames *f, struct view *in, struct err *e) MUST_USE;
/* 1 and a view of a whole message, valid until rpc_frames_taken; else 0. */
int rpc_frames_next(struct rpc_frames *f, struct view *message);
void rpc_frames_taken(struct rpc_frames *f);
/* Nothing is half there. */
bool rpc_frames_empty(const struct rpc_frames *f);
/* Appends prefix and packed message; sets b->full when it does not fit. */
void rpc_frame_put(struct buf *b, const ProtobufCMessage *m);

/* grpc-timeout ("100m", "5S") in milliseconds; -1 when malformed. */
int64_t rpc_timeout_ms(struct view v);
/* What grpc_message_put wrote, as it was. */
void rpc_percent_take(struct buf *b, struct view v);

#endif
