/* pki_cert: keys and certificates by OpenSSL, in memory. */
#include <limits.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/random.h"
#include "gateway/pki_impl.h"
#include "tls/tls_err.h"

enum { BACKDATE_S = 300, DAY_S = 86400, SERIAL_SIZE = 16 };

static const char organization[] = "openshell", ca_name[] = "openshell-ca";

struct ext {
	int nid;
	const char *value;
};

void
pki_pair_fini(struct pki_pair *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->cert);
	*p = (struct pki_pair) { 0 };
}

EVP_PKEY *
pki_new_key(struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (key == NULL)
		(void)tls_err(e, ERR_INTERNAL, "make a key");
	return key;
}

static bool
set_serial(X509 *cert)
{
	unsigned char serial[SERIAL_SIZE];
	BIGNUM *n;
	bool ok;

	random_bytes(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x3f) | 0x40; /* positive */
	n = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = n != NULL &&
	     BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
	BN_free(n);
	return ok;
}

static bool
set_subject(X509 *cert, const char *o, const char *cn)
{
	X509_NAME *name = X509_get_subject_name(cert);

	if (o != NULL && X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
			     (const unsigned char *)o, -1, -1, 0) != 1)
		return false;
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		   (const unsigned char *)cn, -1, -1, 0) == 1;
}

static bool
set_times(X509 *cert, int64_t now_s)
{
	time_t now = (time_t)now_s;

	return X509_time_adj_ex(
		   X509_getm_notBefore(cert), 0, -BACKDATE_S, &now) != NULL &&
	       X509_time_adj_ex(X509_getm_notAfter(cert), PKI_DAYS, 0, &now) !=
		   NULL;
}

static bool
add_ext(X509 *cert, X509V3_CTX *ctx, const struct ext *x)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, x->nid, x->value);
	bool ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

/* `issuer` may be `cert` itself. */
static bool
finish(
    X509 *cert, X509 *issuer, EVP_PKEY *with, const struct ext *exts, size_t n)
{
	X509V3_CTX ctx;

	if (!set_serial(cert) ||
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1)
		return false;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	for (size_t i = 0; i < n; i++)
		if (!add_ext(cert, &ctx, &exts[i]))
			return false;
	return X509_sign(cert, with, EVP_sha256()) > 0;
}

X509 *
pki_new_ca(EVP_PKEY *key, int64_t now_s, struct err *e)
{
	static const struct ext exts[] = {
		{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
		{ NID_key_usage, "critical,keyCertSign,cRLSign" },
		{ NID_subject_key_identifier, "hash" },
	};
	X509 *cert = X509_new();

	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    set_subject(cert, organization, ca_name) &&
	    set_times(cert, now_s) && X509_set_pubkey(cert, key) == 1 &&
	    finish(cert, cert, key, exts, ARRAY_LEN(exts)))
		return cert;
	X509_free(cert);
	(void)tls_err(e, ERR_INTERNAL, "make the CA certificate");
	return NULL;
}

/* A leaf that outlived its issuer would be refused by everyone. */
static bool
end_with_issuer(X509 *cert, const X509 *issuer)
{
	const ASN1_TIME *end = X509_get0_notAfter(issuer);

	return ASN1_TIME_compare(X509_get0_notAfter(cert), end) <= 0 ||
	       X509_set1_notAfter(cert, end) == 1;
}

int
pki_new_leaf(const struct pki_pair *ca, const struct pki_leaf *leaf,
    int64_t now_s, struct pki_pair *out, struct err *e)
{
	const struct ext exts[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, leaf->eku },
		{ NID_subject_alt_name, leaf->sans },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
	};
	AUTO_PAIR struct pki_pair p = { .key = pki_new_key(e) };

	if (p.key == NULL)
		return -1;
	p.cert = X509_new();
	if (p.cert == NULL || X509_set_version(p.cert, X509_VERSION_3) != 1 ||
	    !set_subject(p.cert, NULL, leaf->cn) || !set_times(p.cert, now_s) ||
	    !end_with_issuer(p.cert, ca->cert) ||
	    X509_set_pubkey(p.cert, p.key) != 1 ||
	    !finish(p.cert, ca->cert, ca->key, exts, ARRAY_LEN(exts)))
		return tls_err(e, ERR_INTERNAL, "make a certificate");
	*out = p;
	p = (struct pki_pair) { 0 };
	return 0;
}

bool
pki_holds(const X509 *cert, int64_t now_s, int days)
{
	time_t now = (time_t)now_s;
	time_t then = now + (time_t)days * DAY_S;

	return X509_cmp_time(X509_get0_notBefore(cert), &now) < 0 &&
	       X509_cmp_time(X509_get0_notAfter(cert), &then) > 0;
}

/* The extension as it would be made now, byte for byte. */
static bool
has_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *want = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int at = X509_get_ext_by_NID(cert, nid, -1);
	X509_EXTENSION *is = at >= 0 ? X509_get_ext(cert, at) : NULL;
	bool same = want != NULL && is != NULL &&
		    ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(want),
			X509_EXTENSION_get_data(is)) == 0;

	X509_EXTENSION_free(want);
	return same;
}

bool
pki_leaf_is_good(const struct pki_pair *ca, const struct pki_pair *p,
    const struct pki_leaf *leaf, int64_t now_s, int days)
{
	bool good = p->key != NULL && p->cert != NULL &&
		    X509_check_private_key(p->cert, p->key) == 1 &&
		    X509_check_issued(ca->cert, p->cert) == X509_V_OK &&
		    X509_verify(p->cert, ca->key) == 1 &&
		    pki_holds(p->cert, now_s, days) &&
		    has_ext(p->cert, NID_subject_alt_name, leaf->sans) &&
		    has_ext(p->cert, NID_ext_key_usage, leaf->eku);

	ERR_clear_error();
	return good;
}

/* ---- PEM ------------------------------------------------------------------
 */

/* No question on the terminal for a key with a passphrase: it is refused. */
static int
no_passphrase(char *out, int n, int write, void *arg)
{
	return -1;
}

EVP_PKEY *
pki_read_key(struct view text)
{
	BIO *in = BIO_new_mem_buf(text.p, (int)MIN(text.n, (size_t)INT_MAX));
	EVP_PKEY *key =
	    in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL)
		       : NULL;

	BIO_free(in);
	ERR_clear_error();
	return key;
}

X509 *
pki_read_cert(struct view text, size_t at)
{
	BIO *in = BIO_new_mem_buf(text.p, (int)MIN(text.n, (size_t)INT_MAX));
	X509 *cert = NULL;

	for (size_t i = 0; in != NULL && i <= at; i++) {
		X509_free(cert);
		cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
		if (cert == NULL)
			break;
	}
	BIO_free(in);
	ERR_clear_error();
	return cert;
}

static int
take_bio(struct buf *b, BIO *out, bool ok, struct err *e)
{
	char *p = NULL;
	long n = ok ? BIO_get_mem_data(out, &p) : 0;

	if (n > 0) {
		buf_put(b, (struct view) { p, (size_t)n });
		mem_wipe(p, (size_t)n);
	}
	BIO_free(out);
	if (n > 0 && !b->full)
		return 0;
	return tls_err(e, ERR_INTERNAL, "write a certificate as text");
}

int
pki_put_key(struct buf *b, EVP_PKEY *key, struct err *e)
{
	BIO *out = BIO_new(BIO_s_mem());
	bool ok = out != NULL && PEM_write_bio_PKCS8PrivateKey(
				     out, key, NULL, NULL, 0, NULL, NULL) == 1;

	return take_bio(b, out, ok, e);
}

int
pki_put_cert(struct buf *b, X509 *cert, struct err *e)
{
	BIO *out = BIO_new(BIO_s_mem());
	bool ok = out != NULL && PEM_write_bio_X509(out, cert) == 1;

	return take_bio(b, out, ok, e);
}
