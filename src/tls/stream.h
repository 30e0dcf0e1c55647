/*
 * stream: bytes over a non-blocking descriptor, with or without TLS.
 *
 * Every call that would block returns -1 with ERR_AGAIN, and stream_wants says
 * which event to wait for; with TLS a read may want to write and the other way
 * round.  Buffers inside are given back while nothing is under way, so that an
 * idle connection costs little.
 *
 * TLS 1.2 and 1.3, no renegotiation, no compression, ALPN http/1.1 (from
 * clients 1.0 too) and h2.  OpenSSL configuration files and engines are never
 * read.
 */
#ifndef TLS_STREAM_H
#define TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"
#include "tls/mint.h"
#include "tls/trust.h"

enum {
	STREAM_HOST_MAX = 253,
	STREAM_UNREAD_MAX = 65536,
	STREAM_READ = 1, /* bits of stream_wants */
	STREAM_WRITE = 2,
	STREAM_ALPN_H1 = 1, /* bits of what may be spoken inside */
	STREAM_ALPN_H2 = 2,
	STREAM_ALPN_ANY = 3
};

/* Our side towards clients: leaves of `mint`, tickets with keys in memory. */
struct tls_server;
int tls_server_new(
    struct mint *mint, struct tls_server **out, struct err *e) MUST_USE;
void tls_server_free(struct tls_server *t);

/*
 * Our side towards upstreams: verifies chain and name, security level 2 (no
 * SHA-1, RSA of 2048 bits and more), resumes sessions per host and port.
 * `trust` must outlive it.
 */
struct tls_client;
int tls_client_new(
    struct trust *trust, struct tls_client **out, struct err *e) MUST_USE;
void tls_client_free(struct tls_client *t);

struct stream;

/* Takes over `fd`, which must be non-blocking. */
struct stream *stream_new(int fd) MUST_USE;
/* Closes the descriptor; sends nothing. */
void stream_free(struct stream *s);
int stream_fd(const struct stream *s);

/*
 * Bytes that were read from the descriptor before (or from this stream) and
 * are to be read first: copied, in front of what is already so kept.  Before
 * stream_accept only, or on a plain stream.  ERR_LIMIT past STREAM_UNREAD_MAX.
 */
int stream_unread(struct stream *s, struct view bytes, struct err *e) MUST_USE;

/*
 * Starts TLS on the stream; stream_handshake then drives it.  `host` is the
 * CONNECT host: a name or a literal without brackets.  As a server, a client
 * whose SNI names another host is refused.  As a client, SNI (names only) and
 * the verified name are `host`.  `alpn` is what we choose from, or offer, h2
 * first.
 */
int stream_accept(struct stream *s, struct tls_server *t, struct view host,
    unsigned alpn, struct err *e) MUST_USE;
int stream_connect(struct stream *s, struct tls_client *t, struct view host,
    uint16_t port, unsigned alpn, struct err *e) MUST_USE;
/*
 * 0 when done; -1 with ERR_AGAIN, ERR_DENIED (a certificate that does not hold,
 * an SNI that names another host), ERR_PROTO or ERR_IO, and the reason.
 */
int stream_handshake(struct stream *s, struct err *e) MUST_USE;
bool stream_is_tls(const struct stream *s);
/* After the handshake: the one that was agreed on; 0 when none was. */
unsigned stream_alpn(const struct stream *s);
/* The handshake failed as the peer speaks nothing of what was offered. */
bool stream_alpn_refused(const struct stream *s);
/* After the handshake: the session was an earlier one's. */
bool stream_resumed(const struct stream *s);

/*
 * Bytes read or written (at least one), 0 at a clean end of the peer's bytes
 * (FIN; with TLS close_notify), -1 with ERR_AGAIN, ERR_IO, or ERR_PROTO (TLS
 * ended without close_notify: what was read may be cut short).  A write that
 * said ERR_AGAIN must be tried again with the same bytes, at any address, and
 * possibly more of them.
 */
ssize_t stream_read(
    struct stream *s, void *p, size_t n, struct err *e) MUST_USE;
ssize_t stream_write(struct stream *s, struct view v, struct err *e) MUST_USE;
/*
 * More is about to be written (true): the system may wait for it, to send it
 * in fewer packets.  Or nothing is (false): it goes now.
 */
void stream_more(struct stream *s, bool more);
/* The event that the last ERR_AGAIN waits for. */
unsigned stream_wants(const struct stream *s);
/*
 * Bytes may be there that no event of the descriptor will announce: read until
 * ERR_AGAIN, or look here before waiting.
 */
bool stream_pending(const struct stream *s);

/* Ends our direction: close_notify with TLS, then FIN.  -1 with ERR_AGAIN. */
int stream_shutdown(struct stream *s, struct err *e) MUST_USE;

#endif
