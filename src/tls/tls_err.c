#include "tls/tls_err.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

int
tls_start(struct err *e)
{
	if (OPENSSL_init_ssl(
		OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) !=
	    1)
		return tls_err(e, ERR_INTERNAL, "start OpenSSL");
	return 0;
}

int
tls_err(struct err *e, enum err_code code, const char *what)
{
	unsigned long first = ERR_peek_error();
	const char *why = first != 0 ? ERR_reason_error_string(first) : NULL;

	ERR_clear_error();
	return err_set(
	    e, code, "%s: %s", what, why != NULL ? why : "unknown TLS failure");
}
