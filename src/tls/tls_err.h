/* tls_err: OpenSSL's errors as ours, private to tls. */
#ifndef TLS_TLS_ERR_H
#define TLS_TLS_ERR_H

#include "base/err.h"

/*
 * Starts OpenSSL without its configuration file.  May be called again.  The
 * second starts libcrypto alone and loads none of its tables, for what uses
 * it below EVP.  Random numbers are the kernel's, without OpenSSL's own
 * generators between, which would have to be seeded and kept.
 */
int tls_start(struct err *e) MUST_USE;
int tls_start_crypto(struct err *e) MUST_USE;
/* Sets e from OpenSSL's queue and empties it.  Returns -1. */
int tls_err(struct err *e, enum err_code code, const char *what);

#endif
