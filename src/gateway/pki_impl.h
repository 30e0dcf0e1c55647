/* pki_impl: the parts of pki, private to it. */
#ifndef GATEWAY_PKI_IMPL_H
#define GATEWAY_PKI_IMPL_H

#include <openssl/types.h>

#include "gateway/pki.h"

/* ---- certificates (pki_cert.c) ------------------------------------------ */

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

/* ---- files (pki_file.c) ------------------------------------------------- */

/* A directory of ours, 0700, made with its parents when missing. */
int pki_dir(const char *path, struct err *e) MUST_USE;
/*
 * Appends a file; b stays empty when there is none.  A private one must be
 * ours and nobody else's to read.
 */
int pki_load(const char *dir, const char *name, bool private, struct buf *b,
    struct err *e) MUST_USE;
/* Whole or not at all, on the disk when it returns. */
int pki_save(const char *dir, const char *name, mode_t mode, struct view text,
    struct err *e) MUST_USE;
/* The whole directory changes at once (cli.md 7.3). */
struct pki_file {
	const char *name;
	mode_t mode;
	struct view text;
};
int pki_save_dir(const char *dir, const struct pki_file *files, size_t n,
    struct err *e) MUST_USE;

#endif
