#include "test.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/ca.h"

static void
check_days(const ASN1_TIME *from, const ASN1_TIME *to, int least, int most)
{
	int days = 0, secs = 0;

	CHECK_INT(ASN1_TIME_diff(&days, &secs, from, to), ==, 1);
	CHECK_INT(days, >=, least);
	CHECK_INT(days, <=, most);
}

TEST(ca, certificate_is_as_specified)
{
	struct ca *ca;
	char text[128];
	struct err e;
	X509 *x;

	CHECK_INT(ca_new(&ca, &e), ==, 0);
	x = ca_cert(ca, &e);
	CHECK_INT(X509_NAME_get_text_by_NID(X509_get_subject_name(x),
		      NID_commonName, text, sizeof(text)),
	    >, 0);
	CHECK_STR(text, "OpenShell Sandbox CA");
	CHECK_INT(X509_NAME_get_text_by_NID(X509_get_subject_name(x),
		      NID_organizationName, text, sizeof(text)),
	    >, 0);
	CHECK_STR(text, "OpenShell");
	CHECK_INT(X509_check_ca(x), ==, 1);
	CHECK_INT(X509_get_pathlen(x), ==, 0);
	CHECK_INT(X509_get_key_usage(x), ==, KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	CHECK_INT(EVP_PKEY_get_bits(X509_get0_pubkey(x)), ==, 256);
	CHECK_INT(X509_cmp_current_time(X509_get0_notBefore(x)), <, 0);
	check_days(NULL, X509_get0_notAfter(x), 3651, 3653);
	check_days(X509_get0_notBefore(x), NULL, 0, 0);
	CHECK_INT(X509_verify(x, X509_get0_pubkey(x)), ==, 1);
	ca_free(ca);
}

TEST(ca, pem_holds_the_certificate_and_no_key)
{
	struct ca *ca, *other;
	struct view pem;
	struct err e;
	BIO *mem;
	X509 *x;

	CHECK_INT(ca_new(&ca, &e), ==, 0);
	CHECK_INT(ca_new(&other, &e), ==, 0);
	pem = ca_pem(ca);
	CHECK(memmem(pem.p, pem.n, "PRIVATE", 7) == NULL);
	mem = BIO_new_mem_buf(pem.p, (int)pem.n);
	x = PEM_read_bio_X509(mem, NULL, NULL, NULL);
	CHECK(x != NULL);
	CHECK_INT(X509_cmp(x, ca_cert(ca, &e)), ==, 0);
	CHECK(X509_cmp(x, ca_cert(other, &e)) != 0);
	CHECK_INT(ASN1_INTEGER_cmp(X509_get0_serialNumber(x),
		      X509_get0_serialNumber(ca_cert(other, &e))),
	    !=, 0);
	X509_free(x);
	BIO_free(mem);
	ca_free(ca);
	ca_free(other);
}
