#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method */
#include "tls/tls_err.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/macros.h"
#include "base/random.h"

static int
kernel_bytes(unsigned char *p, int n)
{
	if (n > 0)
		random_bytes(p, (size_t)n);
	return 1;
}

static int
kernel_status(void)
{
	return 1;
}

int
tls_start_crypto(struct err *e)
{
	static const RAND_METHOD kernel = { .bytes = kernel_bytes,
		.pseudorand = kernel_bytes,
		.status = kernel_status };

	/* Not with the flags that keep tables from being loaded: they hold for
	 * the whole life of the process. */
	if (OPENSSL_init_crypto(
		OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) !=
		1 ||
	    RAND_set_rand_method(&kernel) != 1)
		return tls_err(e, ERR_INTERNAL, "start OpenSSL");
	return 0;
}

int
tls_start(struct err *e)
{
	if (tls_start_crypto(e) < 0)
		return -1;
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
