/*
 * mutual: TLS between our own programs, each with a certificate of one private
 * CA.  TLS 1.2 and 1.3, ALPN h2 and http/1.1; no system roots.
 */
#ifndef TLS_MUTUAL_H
#define TLS_MUTUAL_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"

enum { MUTUAL_NAME_MAX = 256 };

struct mutual_files {
	const char *cert, *key, *ca; /* PEM; cert may be a chain */
};

/*
 * A server's context.  Clients must present a certificate of `ca`, unless
 * `optional`: then one that is presented must still hold.  A key file that
 * others than its owner can read is refused (ERR_DENIED).
 */
int mutual_server_ctx(const struct mutual_files *f, bool optional,
    SSL_CTX **out, struct err *e) MUST_USE;
/*
 * A client's context; without cert and key it presents none.  mutual_client
 * makes a connection's SSL that checks the server for `host` (name or address).
 */
int mutual_client_ctx(
    const struct mutual_files *f, SSL_CTX **out, struct err *e) MUST_USE;
SSL *mutual_client(SSL_CTX *ctx, const char *host, struct err *e) MUST_USE;

/* What the peer's certificate says, or false when there is none that holds. */
struct mutual_peer {
	char san_uri[MUTUAL_NAME_MAX]; /* the first one, or "" */
	char subject[MUTUAL_NAME_MAX]; /* CN, or "" */
};
bool mutual_peer(SSL *ssl, struct mutual_peer *out);
/* Why a handshake failed, with the fix; the code is ERR_DENIED or ERR_PROTO. */
int mutual_why(SSL *ssl, const char *what, struct err *e);

#endif
