/*
 * mint: leaf certificates under the sandbox CA, one a host, cached.
 */
#ifndef TLS_MINT_H
#define TLS_MINT_H

#include <openssl/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"
#include "tls/ca.h"

enum { MINT_CACHE_MAX = 256, MINT_HOST_MAX = 253, MINT_CN_MAX = 64 };

struct mint;

/* `ca` must outlive it.  Not for several threads at once. */
int mint_new(struct ca *ca, struct mint **out, struct err *e) MUST_USE;
void mint_free(struct mint *m);

/*
 * The leaf of `host` (a lower-case name or an IP literal without brackets):
 * serverAuth, one SAN, at most 397 days, CN only when it fits its 64 bytes.
 * Borrowed, valid until the mint is freed or 256 other hosts were asked for;
 * take a reference (X509_up_ref) to keep it.  NULL with the reason.
 */
X509 *mint_leaf(struct mint *m, struct view host, struct err *e) MUST_USE;
/* The one key of all leaves, borrowed. */
EVP_PKEY *mint_key(const struct mint *m);
/* The CA certificate that completes the chain, borrowed. */
X509 *mint_issuer(const struct mint *m);
size_t mint_cached(const struct mint *m);

#endif
