/*
 * ca: the certificate authority of one sandbox.
 *
 * Made at start, kept in memory only.  The private key never leaves this file:
 * it signs leaves here and is in no other structure, message or log.
 */
#ifndef TLS_CA_H
#define TLS_CA_H

#include <openssl/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

struct ca;

/*
 * EC P-256, CN `OpenShell Sandbox CA`, O `OpenShell`, CA:TRUE with pathlen 0,
 * keyCertSign and cRLSign, valid from an hour ago for ten years.
 */
int ca_new(struct ca **out, struct err *e) MUST_USE;
void ca_free(struct ca *ca);
/* The certificate for clients to trust, PEM, borrowed. */
struct view ca_pem(const struct ca *ca);

/* For mint.c: the certificate (borrowed; NULL when OpenSSL fails), and signing
 * with the hidden key. */
X509 *ca_cert(struct ca *ca, struct err *e) MUST_USE;
int ca_sign(struct ca *ca, X509 *leaf, struct err *e) MUST_USE;

#endif
