/*
 * trust: the roots that upstream certificates are verified against.
 *
 * A bundle is read once, at the first need or ahead of it on a worker, and
 * each root is decoded when the first chain asks for it.
 */
#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include <openssl/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

enum { TRUST_MAX = 8 << 20 };

struct trust;

/* `pem` (copied) holds certificates one after another; other text between
 * them, and what is no certificate, is skipped. */
struct trust *trust_new(struct view pem) MUST_USE;
/* The same of a file from its first byte on, whatever its offset (fd is taken
 * over), which is read at the first need: most sandboxes have none.  Longer
 * than TRUST_MAX is as if it were empty. */
struct trust *trust_new_fd(int fd) MUST_USE;
void trust_free(struct trust *t);
/*
 * The store, borrowed; NULL when not one certificate could be read.  The first
 * call reads the bundle; any thread may call it (a worker, to warm it).  It
 * must not be used after trust_free.
 */
X509_STORE *trust_store(struct trust *t, struct err *e) MUST_USE;

#endif
