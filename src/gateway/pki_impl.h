/* pki_impl: keys and certificates (pki_cert.c), private to pki. */
#ifndef GATEWAY_PKI_IMPL_H
#define GATEWAY_PKI_IMPL_H

#include <openssl/types.h>

#include "gateway/pki.h"

struct pki_pair {
	EVP_PKEY *key;
	X509 *cert;
};
void pki_pair_fini(struct pki_pair *p);
#define AUTO_PAIR CLEANUP(pki_pair_fini)

struct pki_leaf {
	const char *cn, *eku, *sans; /* in the form of x509v3_config(5) */
};

EVP_PKEY *pki_new_key(struct err *e) MUST_USE;
/* A CA certificate of `key`, signed by itself. */
X509 *pki_new_ca(EVP_PKEY *key, int64_t now_s, struct err *e) MUST_USE;
/* A key and its certificate; ends no later than the CA. */
int pki_new_leaf(const struct pki_pair *ca, const struct pki_leaf *leaf,
    int64_t now_s, struct pki_pair *out, struct err *e) MUST_USE;
/* Of this CA, holding for `days` more, with this key and these names? */
bool pki_leaf_is_good(const struct pki_pair *ca, const struct pki_pair *p,
    const struct pki_leaf *leaf, int64_t now_s, int days);
/* Has begun, and ends more than `days` from now. */
bool pki_holds(const X509 *cert, int64_t now_s, int days);

/* PEM; NULL when there is none (any more) in *text. */
EVP_PKEY *pki_read_key(struct view text);
X509 *pki_read_cert(struct view text, size_t at);
int pki_put_key(struct buf *b, EVP_PKEY *key, struct err *e) MUST_USE;
int pki_put_cert(struct buf *b, X509 *cert, struct err *e) MUST_USE;

#endif
