/*
 * sniff: what a client speaks, from its first bytes, and what a ClientHello
 * asks for.  Pure functions over bytes; the result never depends on how the
 * peer split its writes.
 */
#ifndef TLS_SNIFF_H
#define TLS_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum sniff_kind {
	SNIFF_MORE, /* not decidable yet; never once SNIFF_MAX bytes are there
		     */
	SNIFF_TLS,
	SNIFF_HTTP, /* one of the common methods and a blank */
	SNIFF_H2, /* the HTTP/2 connection preface, "PRI * HTTP/2" */
	SNIFF_BINARY
};

enum { SNIFF_MAX = 24 };

/*
 * `first` is everything the client sent so far.  At the end of input, or when
 * time is up, a caller takes SNIFF_MORE as SNIFF_BINARY.
 */
enum sniff_kind sniff_classify(struct view first);
/*
 * The same of a client that may speak nothing but HTTP: any method, by the
 * whole first line.  SNIFF_HTTP, SNIFF_MORE (at most SNIFF_LINE_MAX bytes), or
 * SNIFF_BINARY.
 */
enum sniff_kind sniff_request_line(struct view first);
enum { SNIFF_LINE_MAX = 8192 + 64 };

enum {
	HELLO_MAX = 16384, /* handshake message, however many records */
	HELLO_SNI_MAX = 255,
	HELLO_ALPN_MAX = 256
};

struct client_hello {
	bool has_sni;
	char sni[HELLO_SNI_MAX + 1]; /* as sent, printable ASCII */
	uint16_t alpn_n; /* bytes of the list below */
	uint8_t alpn[HELLO_ALPN_MAX]; /* length-prefixed names, RFC 7301 */
};

/*
 * `bytes` is the client's stream from its first byte.  1 when the hello was
 * read, 0 when more is needed, -1 when it can never be one or is too large.
 */
int client_hello_parse(
    struct view bytes, struct client_hello *out, struct err *e) MUST_USE;
bool client_hello_offers(const struct client_hello *h, struct view protocol);

#endif
