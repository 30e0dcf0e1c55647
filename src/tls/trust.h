/*
 * trust: the roots that upstream certificates are verified against.
 *
 * Parsing a system bundle takes some 10 ms, so it is done once, at the first
 * need or ahead of it on a worker.
 */
#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include <openssl/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

struct trust;

/* `pem` (copied) holds certificates one after another; other text between
 * them is skipped. */
struct trust *trust_new(struct view pem) MUST_USE;
void trust_free(struct trust *t);
/*
 * The parsed store, borrowed; NULL when not one certificate could be read.
 * The first call parses; any thread may call it (a worker, to warm it).
 */
X509_STORE *trust_store(struct trust *t, struct err *e) MUST_USE;

#endif
