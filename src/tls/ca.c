/*
 * ca: see ca.h.
 *
 * A sandbox waits for this certificate at its start, and most sandboxes never
 * open a TLS connection.  So it is written out here, a fixed form with four
 * blanks, and signed with the functions below EVP: the first use of EVP and
 * X509 makes OpenSSL build its tables of every algorithm and encoder, which
 * costs 1.5 ms and 400 KiB.  The certificate becomes an X509 when the first
 * leaf is asked for.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* what is below EVP */
#include "tls/ca.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "tls/tls_err.h"

enum {
	BACKDATE_S = 3600,
	CA_DAYS = 3652,
	CERT_MAX = 1024, /* of DER */
	POINT_SIZE = 65, /* of P-256, uncompressed */
	KEY_ID_SIZE = 20,
	SERIAL_SIZE = 16,
	PEM_LINE = 48 /* bytes; 64 characters */
};

struct ca {
	EC_KEY *key;
	EVP_PKEY *pkey; /* the same, once there are leaves to sign */
	X509 *cert;
	struct buf der, pem;
};

/* ---- the certificate, RFC 5280 section 4.1, in DER (X.690) ----------------
 */

enum { TAG_INTEGER = 0x02, TAG_BITS = 0x03, TAG_SEQUENCE = 0x30 };

/* version [0] 3 */
static const unsigned char version[] = { 0xa0, 3, 2, 1, 2 };
/* ecdsa-with-SHA256, RFC 5758 section 3.2 */
static const unsigned char algorithm[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48,
	0xce, 0x3d, 4, 3, 2 };
/* id-ecPublicKey with prime256v1, RFC 5480 section 2.1.1 */
static const unsigned char key_type[] = { 0x30, 19, 6, 7, 0x2a, 0x86, 0x48,
	0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
/* O and CN, UTF8String */
static const char name[] = "\x30\x33"
			   "\x31\x12\x30\x10\x06\x03\x55\x04\x0a\x0c\x09"
			   "OpenShell"
			   "\x31\x1d\x30\x1b\x06\x03\x55\x04\x03\x0c\x14"
			   "OpenShell Sandbox CA";
/* [3], a list: basicConstraints (critical, CA, pathlen 0), keyUsage (critical,
 * keyCertSign and cRLSign), subjectKeyIdentifier, whose value follows */
static const unsigned char extensions[] = { 0xa3, 0x45, 0x30, 0x43, 0x30, 0x12,
	6, 3, 0x55, 0x1d, 0x13, 1, 1, 0xff, 4, 8, 0x30, 6, 1, 1, 0xff, 2, 1, 0,
	0x30, 0x0e, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 0xff, 4, 4, 3, 2, 1, 6, 0x30,
	0x1d, 6, 3, 0x55, 0x1d, 0x0e, 4, 0x16, 4, 0x14 };

#define BYTES(v) ((struct view) { (const char *)(v), sizeof(v) })

/* Tag and length of what follows; lengths below 65536. */
static void
put_head(struct buf *out, unsigned tag, size_t n)
{
	buf_putc(out, (char)tag);
	if (n >= 256) {
		buf_putc(out, (char)0x82);
		buf_putc(out, (char)(n >> 8));
	} else if (n >= 128) {
		buf_putc(out, (char)0x81);
	}
	buf_putc(out, (char)n);
}

static void
put(struct buf *out, unsigned tag, struct view v)
{
	put_head(out, tag, v.n);
	buf_put(out, v);
}

/* Validity, RFC 5280 section 4.1.2.5: UTCTime through 2049. */
static void
put_time(struct buf *out, time_t t)
{
	struct tm tm = { 0 };
	char text[32];
	bool utc;
	size_t n;

	(void)gmtime_r(&t, &tm);
	n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	utc = tm.tm_year < 150;
	put(out, utc ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME,
	    view_slice((struct view) { text, n }, utc ? 2 : 0, n));
}

/* Two sandboxes have CAs of one name: a random serial keeps them apart. */
static void
new_serial(unsigned char out[SERIAL_SIZE])
{
	random_bytes(out, SERIAL_SIZE);
	out[0] = (out[0] & 0x3f) | 0x40; /* positive, no leading zero */
}

static void
put_tbs(struct buf *out, const unsigned char point[POINT_SIZE])
{
	AUTO_BUF struct buf body = BUF_INIT(CERT_MAX),
			    part = BUF_INIT(CERT_MAX);
	unsigned char serial[SERIAL_SIZE], digest[SHA256_DIGEST_LENGTH];
	time_t now = (time_t)(clock_wall_ms() / 1000);
	SHA256_CTX hash;

	new_serial(serial);
	buf_put(&body, BYTES(version));
	put(&body, TAG_INTEGER, BYTES(serial));
	buf_put(&body, BYTES(algorithm));
	buf_put(&body, (struct view) { name, sizeof(name) - 1 });
	put_time(&part, now - BACKDATE_S);
	put_time(&part, now + (time_t)CA_DAYS * 86400);
	put(&body, TAG_SEQUENCE, buf_view(&part));
	buf_put(&body, (struct view) { name, sizeof(name) - 1 });
	buf_reset(&part);
	buf_put(&part, BYTES(key_type));
	put_head(&part, TAG_BITS, POINT_SIZE + 1);
	buf_putc(&part, 0); /* no unused bits */
	buf_put(&part, (struct view) { (const char *)point, POINT_SIZE });
	put(&body, TAG_SEQUENCE, buf_view(&part));
	buf_put(&body, BYTES(extensions));
	/* Key identifier by RFC 7093 section 2, method 1. */
	SHA256_Init(&hash);
	SHA256_Update(&hash, point, POINT_SIZE);
	SHA256_Final(digest, &hash);
	buf_put(&body, (struct view) { (const char *)digest, KEY_ID_SIZE });
	put(out, TAG_SEQUENCE, buf_view(&body));
}

/* ECDSA-Sig-Value of `v`, RFC 3279 section 2.2.3, as a BIT STRING. */
static bool
put_signature(struct buf *out, EC_KEY *key, struct view v)
{
	unsigned char digest[SHA256_DIGEST_LENGTH], der[80], *p = der;
	BIGNUM *kinv = NULL, *r = NULL;
	ECDSA_SIG *sig = NULL;
	SHA256_CTX hash;
	int n = 0;

	SHA256_Init(&hash);
	SHA256_Update(&hash, v.p, v.n);
	SHA256_Final(digest, &hash);
	/* With the nonce drawn before, uniformly (SEC 1 section 4.1.3): signing
	 * in one step would hash it with a digest of EVP. */
	if (ECDSA_sign_setup(key, NULL, &kinv, &r) == 1)
		sig = ECDSA_do_sign_ex(digest, sizeof(digest), kinv, r, key);
	if (sig != NULL && i2d_ECDSA_SIG(sig, NULL) <= (int)sizeof(der))
		n = i2d_ECDSA_SIG(sig, &p);
	ECDSA_SIG_free(sig);
	BN_clear_free(kinv);
	BN_free(r);
	if (n <= 0)
		return false;
	put_head(out, TAG_BITS, (size_t)n + 1);
	buf_putc(out, 0);
	buf_put(out, (struct view) { (const char *)der, (size_t)n });
	return true;
}

static bool
make_cert(struct ca *ca)
{
	AUTO_BUF struct buf body = BUF_INIT(CERT_MAX);
	unsigned char point[POINT_SIZE];
	size_t signed_n;

	ca->key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	if (ca->key == NULL || EC_KEY_generate_key(ca->key) != 1 ||
	    EC_POINT_point2oct(EC_KEY_get0_group(ca->key),
		EC_KEY_get0_public_key(ca->key), POINT_CONVERSION_UNCOMPRESSED,
		point, sizeof(point), NULL) != sizeof(point))
		return false;
	put_tbs(&body, point);
	signed_n = body.n;
	buf_put(&body, BYTES(algorithm));
	if (!put_signature(
		&body, ca->key, view_slice(buf_view(&body), 0, signed_n)))
		return false;
	put(&ca->der, TAG_SEQUENCE, buf_view(&body));
	return true;
}

static void
make_pem(struct ca *ca)
{
	struct view rest = buf_view(&ca->der);
	unsigned char line[PEM_LINE * 4 / 3 + 1];

	buf_puts(&ca->pem, "-----BEGIN CERTIFICATE-----\n");
	while (rest.n > 0) {
		struct view part =
		    view_slice(rest, 0, MIN(rest.n, (size_t)PEM_LINE));

		(void)EVP_EncodeBlock(
		    line, (const unsigned char *)part.p, (int)part.n);
		buf_puts(&ca->pem, (const char *)line);
		buf_putc(&ca->pem, '\n');
		rest = view_slice(rest, part.n, rest.n);
	}
	buf_puts(&ca->pem, "-----END CERTIFICATE-----\n");
}

/* ---- the authority --------------------------------------------------------
 */

int
ca_new(struct ca **out, struct err *e)
{
	struct ca *ca;

	if (tls_start_crypto(e) < 0)
		return -1;
	ca = NEW(struct ca);
	ca->der = BUF_INIT(CERT_MAX);
	ca->pem = BUF_INIT(2 * CERT_MAX);
	if (!make_cert(ca)) {
		ca_free(ca);
		return tls_err(e, ERR_INTERNAL, "make the sandbox CA");
	}
	make_pem(ca);
	*out = ca;
	return 0;
}

void
ca_free(struct ca *ca)
{
	if (ca == NULL)
		return;
	EVP_PKEY_free(ca->pkey);
	X509_free(ca->cert);
	EC_KEY_free(ca->key);
	buf_fini(&ca->der);
	buf_fini(&ca->pem);
	free(ca);
}

struct view
ca_pem(const struct ca *ca)
{
	return buf_view(&ca->pem);
}

X509 *
ca_cert(struct ca *ca, struct err *e)
{
	const unsigned char *p = (const unsigned char *)ca->der.p;

	if (ca->cert != NULL)
		return ca->cert;
	if (tls_start(e) < 0)
		return NULL;
	ca->pkey = EVP_PKEY_new();
	if (ca->pkey == NULL || EVP_PKEY_set1_EC_KEY(ca->pkey, ca->key) != 1 ||
	    (ca->cert = d2i_X509(NULL, &p, (long)ca->der.n)) == NULL)
		(void)tls_err(e, ERR_INTERNAL, "read the sandbox CA");
	return ca->cert;
}

int
ca_sign(struct ca *ca, X509 *leaf, struct err *e)
{
	X509 *own = ca_cert(ca, e);
	unsigned char serial[SERIAL_SIZE];
	BIGNUM *n;
	bool ok;

	if (own == NULL)
		return -1;
	new_serial(serial);
	n = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = n != NULL &&
	     BN_to_ASN1_INTEGER(n, X509_get_serialNumber(leaf)) != NULL &&
	     X509_set_issuer_name(leaf, X509_get_subject_name(own)) == 1 &&
	     X509_sign(leaf, ca->pkey, EVP_sha256()) > 0;
	BN_free(n);
	return ok ? 0 : tls_err(e, ERR_INTERNAL, "sign a leaf");
}
