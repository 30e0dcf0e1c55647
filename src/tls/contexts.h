/* contexts: the OpenSSL contexts behind streams, private to tls. */
#ifndef TLS_CONTEXTS_H
#define TLS_CONTEXTS_H

#include <openssl/ssl.h>

#include "tls/stream.h"

/* What the callbacks of a context must know of the connection; its address is
 * the SSL's app data. */
struct tls_peer {
	struct tls_client *client; /* NULL on our server side */
	char host[STREAM_HOST_MAX + 1];
	uint16_t port;
	unsigned alpn; /* STREAM_ALPN_* to choose from, or to offer */
	bool sni_differs; /* the client's SNI named another host */
	bool ticket_came; /* and left a buffer behind: stream.c */
};

/* An SSL ready for its BIO; `peer` must outlive it. */
SSL *tls_server_ssl(
    struct tls_server *t, struct tls_peer *peer, struct err *e) MUST_USE;
SSL *tls_client_ssl(
    struct tls_client *t, struct tls_peer *peer, struct err *e) MUST_USE;

#endif
