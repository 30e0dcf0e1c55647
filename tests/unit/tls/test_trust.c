#include "test.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "tls/ca.h"
#include "tls/trust.h"

TEST(trust, reads_every_certificate_around_broken_ones)
{
	AUTO_BUF struct buf pem = BUF_INIT(65536);
	struct ca *a, *b;
	X509_STORE *store;
	struct trust *t;
	struct err e;

	CHECK_INT(ca_new(&a, &e), ==, 0);
	CHECK_INT(ca_new(&b, &e), ==, 0);
	buf_puts(&pem, "# a comment\n");
	buf_put(&pem, ca_pem(a));
	buf_puts(&pem, "-----BEGIN CERTIFICATE-----\nAAAA\n"
		       "-----END CERTIFICATE-----\nnoise\n");
	buf_put(&pem, ca_pem(b));
	buf_put(&pem, ca_pem(b));
	t = trust_new(buf_view(&pem));
	store = trust_store(t, &e);
	CHECK(store != NULL);
	CHECK_INT(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), ==, 2);
	CHECK(trust_store(t, &e) == store);
	trust_free(t);
	ca_free(a);
	ca_free(b);
}

TEST(trust, nothing_readable_is_an_error_each_time)
{
	static const char *const bad[] = { "", "hello",
		"-----BEGIN CERTIFICATE-----\n",
		"-----BEGIN X-----\n-----END X-----" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct trust *t = trust_new(view_of(bad[i]));
		struct err e;

		CHECK(trust_store(t, &e) == NULL);
		CHECK(trust_store(t, &e) == NULL);
		CHECK_HAS(e.text, "no trusted root");
		trust_free(t);
	}
}
