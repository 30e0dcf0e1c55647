/* tls_err: OpenSSL's errors as ours, private to tls. */
#ifndef TLS_TLS_ERR_H
#define TLS_TLS_ERR_H

#include "base/err.h"

/* Starts OpenSSL without its configuration file.  May be called again. */
int tls_start(struct err *e) MUST_USE;
/* Sets e from OpenSSL's queue and empties it.  Returns -1. */
int tls_err(struct err *e, enum err_code code, const char *what);

#endif
