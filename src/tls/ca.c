#include "tls/ca.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "tls/tls_err.h"

enum { BACKDATE_S = 3600, CA_DAYS = 3652 };

struct ca {
	EVP_PKEY *key;
	X509 *cert;
	char *pem;
	size_t pem_n;
};

static bool
add_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
add_name(X509_NAME *name, const char *field, const char *value)
{
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC,
		   (const unsigned char *)value, -1, -1, 0) == 1;
}

/* Two sandboxes have CAs of one name: a random serial keeps them apart. */
static bool
set_serial(X509 *cert)
{
	unsigned char bytes[16];
	BIGNUM *n;
	bool ok;

	random_bytes(bytes, sizeof(bytes));
	bytes[0] = (bytes[0] & 0x3f) | 0x40; /* positive, 16 bytes */
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return ok;
}

static int
make_cert(struct ca *ca, struct err *e)
{
	X509_NAME *name;

	ca->key = EVP_EC_gen("P-256");
	ca->cert = X509_new();
	if (ca->key == NULL || ca->cert == NULL)
		return tls_err(e, ERR_INTERNAL, "make the sandbox CA");
	name = X509_get_subject_name(ca->cert);
	if (X509_set_version(ca->cert, X509_VERSION_3) != 1 ||
	    !set_serial(ca->cert) || !add_name(name, "O", "OpenShell") ||
	    !add_name(name, "CN", "OpenShell Sandbox CA") ||
	    X509_set_issuer_name(ca->cert, name) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(ca->cert), -BACKDATE_S) ==
		NULL ||
	    X509_time_adj_ex(X509_getm_notAfter(ca->cert), CA_DAYS, 0, NULL) ==
		NULL ||
	    X509_set_pubkey(ca->cert, ca->key) != 1 ||
	    !add_ext(ca->cert, NID_basic_constraints,
		"critical,CA:TRUE,pathlen:0") ||
	    !add_ext(ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_ext(ca->cert, NID_subject_key_identifier, "hash") ||
	    X509_sign(ca->cert, ca->key, EVP_sha256()) <= 0)
		return tls_err(e, ERR_INTERNAL, "make the sandbox CA");
	return 0;
}

static int
make_pem(struct ca *ca, struct err *e)
{
	BIO *mem = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	if (mem == NULL || PEM_write_bio_X509(mem, ca->cert) != 1 ||
	    (n = BIO_get_mem_data(mem, &p)) <= 0) {
		BIO_free(mem);
		return tls_err(e, ERR_INTERNAL, "write the sandbox CA");
	}
	ca->pem_n = (size_t)n;
	ca->pem = mem_strndup(p, ca->pem_n);
	BIO_free(mem);
	return 0;
}

int
ca_new(struct ca **out, struct err *e)
{
	struct ca *ca;

	if (tls_start(e) < 0)
		return -1;
	ca = NEW(struct ca);
	if (make_cert(ca, e) < 0 || make_pem(ca, e) < 0) {
		ca_free(ca);
		return -1;
	}
	*out = ca;
	return 0;
}

void
ca_free(struct ca *ca)
{
	if (ca == NULL)
		return;
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
	free(ca->pem);
	free(ca);
}

struct view
ca_pem(const struct ca *ca)
{
	return (struct view) { ca->pem, ca->pem_n };
}

X509 *
ca_cert(const struct ca *ca)
{
	return ca->cert;
}

int
ca_sign(struct ca *ca, X509 *leaf, struct err *e)
{
	if (!set_serial(leaf) ||
	    X509_set_issuer_name(leaf, X509_get_subject_name(ca->cert)) != 1 ||
	    X509_sign(leaf, ca->key, EVP_sha256()) <= 0)
		return tls_err(e, ERR_INTERNAL, "sign a leaf");
	return 0;
}
