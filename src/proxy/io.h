/*
 * io: one side of a connection: a non-blocking socket, plain or TLS, or a port
 * of something inside this process, with a bounded buffer each way, and the
 * wish to be woken.
 *
 * Buffers come from a pool and go back to it as soon as they are empty.
 */
#ifndef PROXY_IO_H
#define PROXY_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/addr.h"
#include "tls/stream.h"

/* A response head (64 KiB) must fit, and leave room to write it anew. */
enum { PX_BLOCK = 73728 };

struct px_block {
	char *p; /* NULL while empty */
	uint32_t at, n; /* bytes [at, n) are there */
};

struct px_io; /* of the process: pool, CA, TLS contexts, trust, sessions */

/*
 * Makes the sandbox's CA; its certificate is *pem (borrowed), its key never
 * leaves.
 */
int px_io_new(struct px_io **out, struct view *pem, struct err *e) MUST_USE;
/* A file (taken over) with the roots upstream is checked against, read at the
 * first need. */
void px_io_trust(struct px_io *io, int fd);
void px_io_free(struct px_io *io);
/* Frees the buffers that wait in the pool. */
void px_io_give_back(struct px_io *io);
/* Makes what TLS needs (contexts, trust) if that was not done yet: costs
 * milliseconds, so it is asked for while waiting for the resolver. */
int px_io_tls(struct px_io *io, struct err *e) MUST_USE;

/*
 * What stands behind an end that has no socket: a stream of HTTP/2, say.  Calls
 * come from the end's owner alone, and whoever implements them sees to it that
 * the owner runs again when one that said ERR_AGAIN may do better.
 */
struct px_port_ops {
	/* Bytes read, 0 at their end, -1 with ERR_AGAIN or why it broke. */
	ssize_t (*read)(void *port, char *p, size_t n, struct err *e);
	/* Bytes taken, at least one, or -1 as above. */
	ssize_t (*write)(void *port, struct view v, struct err *e);
	/* Nothing more will be written. */
	void (*fin)(void *port);
	/* The end lets go of it; `reset`: what was written is not whole. */
	void (*close)(void *port, bool reset);
};

struct px_end {
	void *owner;
	struct px_io *io;
	int fd; /* the stream's; -1: not there */
	struct stream *s;
	const struct px_port_ops *port; /* instead of fd, s and poll */
	void *port_arg;
	bool secure; /* the port stands for one that speaks TLS */
	uv_poll_t *poll; /* NULL: not open; moves with the socket */
	void (*wake)(struct px_end *end); /* something happened */
	int mask; /* what libuv was asked for */
	int fired; /* what it told since the last px_end_arm */
	struct px_block in, out;
	bool reading; /* wake when there is something to read */
	bool ready; /* a read may give something */
	bool eof; /* nothing more will come */
	bool fin; /* nothing more will be sent */
	bool failed; /* writing failed; reading may still give something */
	bool blocked; /* a write waits for room although out may be empty */
	unsigned budget; /* reads left before others get their turn */
	bool tls_write; /* a TLS read or handshake waits for room to write */
};

enum px_io_result { PX_IO_OK, PX_IO_AGAIN, PX_IO_EOF, PX_IO_FAIL };

/* Takes the socket over, for an end that is not open; closes it on failure. */
int px_end_open(
    struct px_end *end, uv_loop_t *loop, int fd, struct err *e) MUST_USE;
/* The same with a port. */
void px_end_open_port(
    struct px_end *end, const struct px_port_ops *ops, void *port, bool secure);
static inline bool
px_end_is_open(const struct px_end *end)
{
	return end->poll != NULL || end->port != NULL;
}
static inline bool
px_end_is_tls(const struct px_end *end)
{
	return end->port != NULL ? end->secure
				 : end->s != NULL && stream_is_tls(end->s);
}
/*
 * Tells libuv what this end waits for.  What it no longer waits for stays
 * asked for until it happens: each change costs two system calls.
 */
void px_end_arm(struct px_end *end);
/* The end may be opened anew afterwards. */
void px_end_close(struct px_end *end, bool reset);
/* The socket with all its state; `to` keeps its owner, `from` is closed. */
void px_end_move(struct px_end *to, struct px_end *from);

static inline struct view
px_in(const struct px_end *end)
{
	return (
	    struct view) { end->in.p != NULL ? end->in.p + end->in.at : NULL,
		end->in.n - end->in.at };
}
static inline size_t
px_out_pending(const struct px_end *end)
{
	return end->out.n - end->out.at;
}
/* Bytes that px_put can take now. */
size_t px_out_room(const struct px_end *end);
bool px_in_full(const struct px_end *end);
/* Reads what there is, into `in`. */
enum px_io_result px_fill(struct px_end *end, struct err *e);
/* n bytes of `in` are used up. */
void px_eat(struct px_end *end, size_t n);
/* Appends to `out`; v.n must not exceed px_out_room. */
void px_put(struct px_end *end, struct view v);
/* OK: out is empty; AGAIN: waits for room; FAIL: the peer takes no more. */
enum px_io_result px_flush(struct px_end *end, struct err *e);
/* Writes past the empty `out`; *n is how much was taken. */
enum px_io_result px_write_through(
    struct px_end *end, struct view v, size_t *n, struct err *e);
/* Whether px_fill may give more in this turn. */
bool px_end_has_more(const struct px_end *end);
/* See stream_more. */
void px_end_more(struct px_end *end, bool more);
/* FIN (and close_notify): nothing more will be sent. */
void px_end_fin(struct px_end *end);

/*
 * TLS.  The client side takes a leaf for `host`; what is in `in` is read
 * first.  The upstream side sends `host` as server name and checks the chain
 * for it.  `alpn`: STREAM_ALPN_*, to choose from or to offer.
 */
int px_tls_accept(struct px_end *end, const char *host, unsigned alpn,
    struct err *e) MUST_USE;
int px_tls_connect(struct px_end *end, const char *host, uint16_t port,
    unsigned alpn, struct err *e) MUST_USE;
/* OK when the handshake is done; FAIL with the reason in words. */
enum px_io_result px_tls_handshake(struct px_end *end, struct err *e);
/* A fatal alert, in the clear, before any ServerHello (RFC 8446 section 6). */
void px_tls_alert(struct px_end *end, uint8_t description);

#endif
