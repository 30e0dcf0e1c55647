/*
 * Sniffing and the reading of a ClientHello give one answer however the bytes
 * arrive: a prefix says "more" or what the whole says.  And a server (OpenSSL)
 * that comes so far as to choose a certificate reads the same name and the same
 * protocols out of the bytes.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 2048 };

/* The extension as OpenSSL has it, without `skip` bytes of lengths in front. */
static struct view
peer_ext(SSL *ssl, unsigned type, size_t skip)
{
	const unsigned char *p;
	size_t n;

	if (SSL_client_hello_get0_ext(ssl, type, &p, &n) != 1)
		return (struct view) { NULL, 0 };
	assert(n >= skip);
	return (struct view) { (const char *)p + skip, n - skip };
}

/* Attack: a name for us and another for the server. */
static int
on_hello(SSL *ssl, int *alert, void *arg UNUSED)
{
	const struct client_hello *h = SSL_get_app_data(ssl);
	/* list, type, name: one name alone, so what is left is the name. */
	struct view sni = peer_ext(ssl, TLSEXT_TYPE_server_name, 5);
	struct view alpn = peer_ext(
	    ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, 2);

	(void)alert;
	assert(h != NULL);
	assert(h->has_sni == (sni.p != NULL));
	assert(view_eq(sni, view_of(h->sni)));
	assert(
	    view_eq(alpn, (struct view) { (const char *)h->alpn, h->alpn_n }));
	return SSL_CLIENT_HELLO_ERROR;
}

/* `mine` is NULL when more is needed: then OpenSSL must not be so far. */
static void
check_peer(struct view in, struct client_hello *mine)
{
	static SSL_CTX *ctx;
	BIO *bytes = BIO_new_mem_buf(in.p, (int)in.n);
	SSL *ssl;

	if (ctx == NULL) {
		ctx = SSL_CTX_new(TLS_server_method());
		SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
	}
	ssl = SSL_new(ctx);
	assert(ssl != NULL && bytes != NULL);
	SSL_set_app_data(ssl, mine);
	SSL_set_bio(ssl, bytes, BIO_new(BIO_s_null()));
	(void)SSL_accept(ssl);
	SSL_free(ssl);
	ERR_clear_error();
}

static void
check_hello(struct view in)
{
	struct client_hello whole, part;
	struct err e;
	int rc = client_hello_parse(in, &whole, &e);

	/* What we refuse reaches no server. */
	if (rc >= 0)
		check_peer(in, rc == 1 ? &whole : NULL);

	/* Every prefix of a short one. */
	for (size_t i = 0; i < in.n; i += i < 128 ? 1 : 11) {
		int sub = client_hello_parse(view_slice(in, 0, i), &part, &e);

		assert(sub == 0 || sub == rc);
		if (sub == 1)
			assert(memcmp(&part, &whole, sizeof(whole)) == 0);
	}
	if (rc == 1) {
		assert(whole.has_sni == (whole.sni[0] != '\0'));
		(void)client_hello_offers(&whole, VIEW("http/1.1"));
	}
}

static void
check_kind(struct view in)
{
	enum sniff_kind whole = sniff_classify(in);

	for (size_t i = 0; i < MIN(in.n, SNIFF_MAX); i++) {
		enum sniff_kind k = sniff_classify(view_slice(in, 0, i));

		assert(k == SNIFF_MORE || k == whole);
	}
	assert(in.n < SNIFF_MAX || whole != SNIFF_MORE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, MIN(n, INPUT_MAX) };

	check_kind(in);
	check_hello(in);
	return 0;
}
