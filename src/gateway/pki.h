/*
 * pki: the certificates of one gateway, made at its first start.
 *
 *	DIR/ca.key, DIR/ca.crt		the CA; ca.crt may hold the one before
 *					it, so that both are trusted
 *	DIR/tls.key, DIR/tls.crt	the server's
 *	BUNDLE/{ca.crt,tls.crt,tls.key}	the user's, for the command line
 *
 * All are ECDSA P-256 and hold for 365 days from five minutes ago.  The role
 * is in the URI SAN of a client certificate: openshell://user/NAME or
 * openshell://sandbox/ID.
 */
#ifndef GATEWAY_PKI_H
#define GATEWAY_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

enum {
	PKI_DAYS = 365,
	PKI_LEAF_RENEW_DAYS = 30, /* with less left a leaf is made anew */
	PKI_CA_RENEW_DAYS = 60,
	PKI_SANS_MAX = 32,
	PKI_PEM_MAX = 64 << 10
};

struct pki_config {
	const char *dir; /* made 0700 when missing */
	const char *bundle; /* NULL: no user's certificate */
	const char *user; /* NAME of its role: A-Z a-z 0-9 . _ - */
	const char *const *sans; /* more names or addresses of the server */
	size_t nsans;
	int64_t now_s; /* 0: the clock's */
};

/*
 * Makes what is missing, expiring, of another CA or without its key; leaves the
 * rest.  *changed says whether any file was written.  ERR_DENIED with the fix
 * for a key that others may read, of another owner, or a CA key that cannot be
 * read: those are never replaced silently.
 */
int pki_ensure(
    const struct pki_config *c, bool *changed, struct err *e) MUST_USE;

/*
 * A certificate of the sandbox `id` (the same letters) and its key, as PEM
 * appended to the buffers; wipe `key` after use.
 */
int pki_mint_sandbox(const struct pki_config *c, const char *id,
    struct buf *cert, struct buf *key, struct err *e) MUST_USE;

#endif
