/*
 * mint: see mint.h.
 *
 * What all leaves share (key, key usages, key identifiers) is encoded once;
 * a new leaf costs one signature.  The cache is small enough that a scan over
 * hashes beats anything cleverer.
 */
#include "tls/mint.h"

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/addr.h"
#include "tls/tls_err.h"

enum { BACKDATE_S = 3600, LEAF_DAYS = 396, SHARED_EXTS = 5 };

struct entry {
	uint64_t used; /* tick of the last use; 0 when the slot is free */
	X509 *leaf;
	uint16_t n;
	char host[MINT_HOST_MAX];
};

struct mint {
	struct ca *ca;
	X509 *issuer; /* the CA's */
	EVP_PKEY *key;
	X509_EXTENSION *shared[SHARED_EXTS];
	uint64_t tick;
	size_t n;
	uint32_t hashes[MINT_CACHE_MAX];
	struct entry entries[MINT_CACHE_MAX];
};

static uint32_t
hash_of(struct view v)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < v.n; i++)
		h = (h ^ (unsigned char)v.p[i]) * 16777619u;
	return h;
}

static int
make_shared(struct mint *m, struct err *e)
{
	static const struct {
		int nid;
		const char *value;
	} rows[SHARED_EXTS] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth" },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
	};
	X509 *model, *issuer = ca_cert(m->ca, e);
	X509V3_CTX ctx;
	int rc = 0;

	if (issuer == NULL)
		return -1;
	m->issuer = issuer;
	model = X509_new();
	m->key = EVP_EC_gen("P-256");
	if (model == NULL || m->key == NULL ||
	    X509_set_pubkey(model, m->key) != 1) {
		X509_free(model);
		return tls_err(e, ERR_INTERNAL, "make the leaf key");
	}
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, model, NULL, NULL, 0);
	for (size_t i = 0; i < SHARED_EXTS; i++) {
		m->shared[i] =
		    X509V3_EXT_conf_nid(NULL, &ctx, rows[i].nid, rows[i].value);
		if (m->shared[i] == NULL)
			rc = -1;
	}
	X509_free(model);
	return rc < 0 ? tls_err(e, ERR_INTERNAL, "make leaf extensions") : 0;
}

int
mint_new(struct ca *ca, struct mint **out, struct err *e)
{
	struct mint *m;

	if (tls_start(e) < 0)
		return -1;
	m = NEW(struct mint);
	m->ca = ca;
	if (make_shared(m, e) < 0) {
		mint_free(m);
		return -1;
	}
	*out = m;
	return 0;
}

void
mint_free(struct mint *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		X509_free(m->entries[i].leaf);
	for (size_t i = 0; i < SHARED_EXTS; i++)
		X509_EXTENSION_free(m->shared[i]);
	EVP_PKEY_free(m->key);
	free(m);
}

/* One SAN: the name, or the address when host is a literal. */
static bool
add_san(X509 *leaf, struct view host, bool critical)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *text = NULL;
	struct addr a;
	bool ok = false, literal = addr_parse(host, &a);

	if (names == NULL || name == NULL)
		goto out;
	text = literal ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	if (text == NULL)
		goto out;
	if (literal)
		ok = ASN1_STRING_set(text, a.b, a.family == 4 ? 4 : 16) == 1;
	else
		ok = ASN1_STRING_set(text, host.p, (int)host.n) == 1;
	if (!ok)
		goto out;
	GENERAL_NAME_set0_value(
	    name, literal ? GEN_IPADD : GEN_DNS, take_ptr(text));
	ok = sk_GENERAL_NAME_push(names, name) > 0;
	if (ok)
		name = NULL;
	/* RFC 5280 section 4.2.1.6: critical when the subject is empty. */
	ok = ok && X509_add1_ext_i2d(leaf, NID_subject_alt_name, names,
		       critical, X509V3_ADD_DEFAULT) == 1;
out:
	ASN1_STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return ok;
}

static X509 *
make_leaf(struct mint *m, struct view host, struct err *e)
{
	X509 *leaf = X509_new();
	bool has_cn = host.n <= MINT_CN_MAX;
	bool ok;

	ok = leaf != NULL && X509_set_version(leaf, X509_VERSION_3) == 1 &&
	     X509_gmtime_adj(X509_getm_notBefore(leaf), -BACKDATE_S) != NULL &&
	     X509_time_adj_ex(X509_getm_notAfter(leaf), LEAF_DAYS, 0, NULL) !=
		 NULL &&
	     X509_set_pubkey(leaf, m->key) == 1;
	if (ok && has_cn)
		ok =
		    X509_NAME_add_entry_by_NID(X509_get_subject_name(leaf),
			NID_commonName, MBSTRING_ASC,
			(const unsigned char *)host.p, (int)host.n, -1, 0) == 1;
	for (size_t i = 0; ok && i < SHARED_EXTS; i++)
		ok = X509_add_ext(leaf, m->shared[i], -1) == 1;
	ok = ok && add_san(leaf, host, !has_cn);
	if (!ok) {
		(void)tls_err(e, ERR_INTERNAL, "make a leaf");
		X509_free(leaf);
		return NULL;
	}
	if (ca_sign(m->ca, leaf, e) < 0) {
		X509_free(leaf);
		return NULL;
	}
	return leaf;
}

/* A free slot, or the one that was not used for the longest time. */
static size_t
slot_for_new(struct mint *m)
{
	size_t oldest = 0;

	if (m->n < MINT_CACHE_MAX)
		return m->n++;
	for (size_t i = 1; i < MINT_CACHE_MAX; i++)
		if (m->entries[i].used < m->entries[oldest].used)
			oldest = i;
	X509_free(m->entries[oldest].leaf);
	return oldest;
}

X509 *
mint_leaf(struct mint *m, struct view host, struct err *e)
{
	uint32_t hash = hash_of(host);
	X509 *leaf;
	size_t i;

	if (host.n == 0 || host.n > MINT_HOST_MAX) {
		(void)err_set(e, ERR_INVALID, "no leaf for such a host name");
		return NULL;
	}
	m->tick++;
	for (i = 0; i < m->n; i++) {
		struct entry *en = &m->entries[i];

		if (m->hashes[i] == hash &&
		    view_eq(host, (struct view) { en->host, en->n })) {
			en->used = m->tick;
			return en->leaf;
		}
	}
	leaf = make_leaf(m, host, e);
	if (leaf == NULL)
		return NULL;
	i = slot_for_new(m);
	m->hashes[i] = hash;
	m->entries[i].used = m->tick;
	m->entries[i].leaf = leaf;
	m->entries[i].n = (uint16_t)host.n;
	memcpy(m->entries[i].host, host.p, host.n);
	return leaf;
}

EVP_PKEY *
mint_key(const struct mint *m)
{
	return m->key;
}

X509 *
mint_issuer(const struct mint *m)
{
	return m->issuer;
}

size_t
mint_cached(const struct mint *m)
{
	return m->n;
}
