/*
 * pki: what must be made, and in which order it is written.
 *
 * A kill between any two writes leaves something that the next start heals: a
 * certificate without its key is made anew, and ca.crt is written before
 * ca.key, so that the CA whose key is there is always among those trusted.
 */
#include "gateway/pki.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/pki_impl.h"
#include "gateway/safefile.h"
#include "net/addr.h"
#include "tls/tls_err.h"

enum { TRUST_MAX_CERTS = 8 };

/* Key text is wiped wherever it was. */
static void
wipe_buf(struct buf *b)
{
	if (b->p != NULL)
		mem_wipe(b->p, b->cap);
	buf_fini(b);
}
#define AUTO_SECRET_BUF CLEANUP(wipe_buf)

static int64_t
now_of(const struct pki_config *c)
{
	return c->now_s != 0 ? c->now_s : clock_wall_ms() / 1000;
}

/* ---- names ---------------------------------------------------------------
 */

static bool
is_word(const char *s, const char *more)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= 'A' && s[i] <= 'Z') &&
		    !(s[i] >= '0' && s[i] <= '9') && strchr(more, s[i]) == NULL)
			return false;
	return n > 0 && n <= 253;
}

/* Letters that mean nothing to x509v3_config(5): no name adds another. */
static int
put_san(struct buf *b, const char *name, struct err *e)
{
	struct addr a;

	if (addr_parse(view_of(name), &a)) {
		char text[ADDR_TEXT_MAX];

		buf_printf(b, ",IP:%s", addr_format(&a, text));
		return 0;
	}
	if (!is_word(name, "-."))
		return err_set(e, ERR_INVALID,
		    "'%s' is no host name or address for a certificate", name);
	buf_printf(b, ",DNS:%s", name);
	return 0;
}

static int
server_names(const struct pki_config *c, struct buf *b, struct err *e)
{
	buf_puts(b, "DNS:openshell,DNS:localhost,DNS:host.containers.internal,"
		    "IP:127.0.0.1,IP:::1");
	if (c->nsans > PKI_SANS_MAX)
		return err_set(e, ERR_LIMIT,
		    "more than %d names for the certificate",
		    (int)PKI_SANS_MAX);
	for (size_t i = 0; i < c->nsans; i++)
		if (put_san(b, c->sans[i], e) < 0)
			return -1;
	return 0;
}

static int
role_name(const char *kind, const char *name, struct buf *b, struct err *e)
{
	if (!is_word(name, "-._"))
		return err_set(e, ERR_INVALID,
		    "'%s' is no name for a certificate: letters, digits, '.', "
		    "'_' and '-' are",
		    name);
	buf_printf(b, "URI:openshell://%s/%s", kind, name);
	return 0;
}

/* ---- the CA --------------------------------------------------------------
 */

struct authority {
	struct pki_pair now; /* what signs */
	X509 *trusted[TRUST_MAX_CERTS]; /* others in ca.crt */
	size_t n;
};

static void
authority_fini(struct authority *a)
{
	pki_pair_fini(&a->now);
	for (size_t i = 0; i < a->n; i++)
		X509_free(a->trusted[i]);
	a->n = 0;
}
#define AUTO_AUTHORITY CLEANUP(authority_fini)

/* Only one of our making, still of use, is trusted on. */
static bool
may_stay(X509 *cert, int64_t now_s)
{
	char cn[64] = "";

	(void)X509_NAME_get_text_by_NID(
	    X509_get_subject_name(cert), NID_commonName, cn, sizeof(cn));
	return strcmp(cn, "openshell-ca") == 0 && X509_check_ca(cert) == 1 &&
	       X509_self_signed(cert, 1) == 1 && pki_holds(cert, now_s, 0);
}

/* The certificate of the key, and those beside it. */
static void
sort_certs(struct authority *a, struct view text, int64_t now_s)
{
	for (size_t i = 0; i < TRUST_MAX_CERTS; i++) {
		X509 *cert = pki_read_cert(text, i);

		if (cert == NULL)
			return;
		if (a->now.cert == NULL &&
		    X509_check_private_key(cert, a->now.key) == 1)
			a->now.cert = cert;
		else if (may_stay(cert, now_s))
			a->trusted[a->n++] = cert;
		else
			X509_free(cert);
	}
}

static int
load_authority(
    const char *dir, int64_t now_s, struct authority *a, struct err *e)
{
	AUTO_SECRET_BUF struct buf key = BUF_INIT(PKI_PEM_MAX);
	AUTO_BUF struct buf certs = BUF_INIT(PKI_PEM_MAX);

	if (safe_load(dir, "ca.key", true, &key, e) < 0 ||
	    safe_load(dir, "ca.crt", false, &certs, e) < 0)
		return -1;
	if (key.n == 0 && certs.n == 0)
		return 0;
	if (key.n > 0) {
		a->now.key = pki_read_key(buf_view(&key));
		if (a->now.key == NULL)
			return err_set(e, ERR_DENIED,
			    "%s/ca.key is not a private key: put it back, or "
			    "remove %s to make all certificates anew",
			    dir, dir);
		sort_certs(a, buf_view(&certs), now_s);
	}
	return 0;
}

static int
save_authority(const char *dir, struct authority *a, struct err *e)
{
	AUTO_SECRET_BUF struct buf key = BUF_INIT(PKI_PEM_MAX);
	AUTO_BUF struct buf certs = BUF_INIT(PKI_PEM_MAX);

	if (pki_put_cert(&certs, a->now.cert, e) < 0 ||
	    pki_put_key(&key, a->now.key, e) < 0)
		return -1;
	for (size_t i = 0; i < a->n; i++)
		if (pki_put_cert(&certs, a->trusted[i], e) < 0)
			return -1;
	if (safe_save(dir, "ca.crt", 0600, buf_view(&certs), e) < 0)
		return -1;
	return safe_save(dir, "ca.key", 0600, buf_view(&key), e);
}

/* The one before stays trusted, and only that one. */
static int
new_authority(struct authority *a, int64_t now_s, struct err *e)
{
	struct authority next = { .now.key = pki_new_key(e) };

	if (next.now.key == NULL)
		return -1;
	next.now.cert = pki_new_ca(next.now.key, now_s, e);
	if (next.now.cert == NULL) {
		authority_fini(&next);
		return -1;
	}
	if (a->now.cert != NULL && may_stay(a->now.cert, now_s))
		next.trusted[next.n++] = take_ptr(a->now.cert);
	authority_fini(a);
	*a = next;
	return 0;
}

static int
ensure_authority(const struct pki_config *c, struct authority *a, bool *changed,
    struct err *e)
{
	int64_t now_s = now_of(c);

	if (load_authority(c->dir, now_s, a, e) < 0)
		return -1;
	if (a->now.cert != NULL &&
	    pki_holds(a->now.cert, now_s, PKI_CA_RENEW_DAYS))
		return 0;
	/* A key whose certificate was lost gets another one; what it signed
	 * holds on. */
	if (a->now.key != NULL && a->now.cert == NULL) {
		a->now.cert = pki_new_ca(a->now.key, now_s, e);
		if (a->now.cert == NULL)
			return -1;
	} else if (new_authority(a, now_s, e) < 0) {
		return -1;
	}
	*changed = true;
	return save_authority(c->dir, a, e);
}

/* ---- leaves --------------------------------------------------------------
 */

static int
load_leaf(const char *dir, struct pki_pair *p, struct err *e)
{
	AUTO_SECRET_BUF struct buf key = BUF_INIT(PKI_PEM_MAX);
	AUTO_BUF struct buf cert = BUF_INIT(PKI_PEM_MAX);

	if (safe_load(dir, "tls.key", true, &key, e) < 0 ||
	    safe_load(dir, "tls.crt", false, &cert, e) < 0)
		return -1;
	p->key = pki_read_key(buf_view(&key));
	p->cert = pki_read_cert(buf_view(&cert), 0);
	return 0;
}

static int
put_pair(
    const struct pki_pair *p, struct buf *cert, struct buf *key, struct err *e)
{
	if (pki_put_cert(cert, p->cert, e) < 0)
		return -1;
	return pki_put_key(key, p->key, e);
}

static int
ensure_server(const struct pki_config *c, const struct authority *a,
    bool *changed, struct err *e)
{
	AUTO_SECRET_BUF struct buf key = BUF_INIT(PKI_PEM_MAX);
	AUTO_BUF struct buf names = BUF_INIT(PKI_PEM_MAX),
			    cert = BUF_INIT(PKI_PEM_MAX);
	AUTO_PAIR struct pki_pair old = { 0 }, p = { 0 };
	struct pki_leaf leaf = { "openshell-server", "serverAuth", NULL };

	if (server_names(c, &names, e) < 0 || load_leaf(c->dir, &old, e) < 0)
		return -1;
	leaf.sans = buf_str(&names);
	if (pki_leaf_is_good(
		&a->now, &old, &leaf, now_of(c), PKI_LEAF_RENEW_DAYS))
		return 0;
	if (pki_new_leaf(&a->now, &leaf, now_of(c), &p, e) < 0 ||
	    put_pair(&p, &cert, &key, e) < 0)
		return -1;
	*changed = true;
	if (safe_save(c->dir, "tls.key", 0600, buf_view(&key), e) < 0)
		return -1;
	return safe_save(c->dir, "tls.crt", 0600, buf_view(&cert), e);
}

/* Does the bundle trust what the server trusts? */
static int
bundle_trusts(const char *bundle, struct view trust, bool *same, struct err *e)
{
	AUTO_BUF struct buf has = BUF_INIT(PKI_PEM_MAX);

	if (safe_load(bundle, "ca.crt", false, &has, e) < 0)
		return -1;
	*same = view_eq(buf_view(&has), trust);
	return 0;
}

static int
ensure_bundle(const struct pki_config *c, const struct authority *a,
    bool *changed, struct err *e)
{
	AUTO_SECRET_BUF struct buf key = BUF_INIT(PKI_PEM_MAX);
	AUTO_BUF struct buf names = BUF_INIT(1024),
			    cert = BUF_INIT(PKI_PEM_MAX),
			    trust = BUF_INIT(PKI_PEM_MAX);
	AUTO_PAIR struct pki_pair p = { 0 };
	struct pki_leaf leaf = { "openshell-client", "clientAuth", NULL };
	bool same = false;

	if (role_name("user", c->user, &names, e) < 0 ||
	    load_leaf(c->bundle, &p, e) < 0 ||
	    safe_load(c->dir, "ca.crt", false, &trust, e) < 0 ||
	    bundle_trusts(c->bundle, buf_view(&trust), &same, e) < 0)
		return -1;
	leaf.sans = buf_str(&names);
	if (!pki_leaf_is_good(
		&a->now, &p, &leaf, now_of(c), PKI_LEAF_RENEW_DAYS)) {
		pki_pair_fini(&p);
		if (pki_new_leaf(&a->now, &leaf, now_of(c), &p, e) < 0)
			return -1;
	} else if (same) {
		return 0;
	}
	if (put_pair(&p, &cert, &key, e) < 0)
		return -1;
	*changed = true;
	return safe_save_dir(c->bundle,
	    (const struct safe_file[]) {
		{ "ca.crt", 0600, buf_view(&trust) },
		{ "tls.crt", 0600, buf_view(&cert) },
		{ "tls.key", 0600, buf_view(&key) },
	    },
	    3, e);
}

int
pki_ensure(const struct pki_config *c, bool *changed, struct err *e)
{
	AUTO_AUTHORITY struct authority a = { 0 };

	*changed = false;
	if (tls_start(e) < 0 || safe_dir(c->dir, e) < 0 ||
	    ensure_authority(c, &a, changed, e) < 0 ||
	    ensure_server(c, &a, changed, e) < 0)
		return err_wrap(e, "certificates of the gateway");
	if (c->bundle != NULL && ensure_bundle(c, &a, changed, e) < 0)
		return err_wrap(e, "certificates of the command line");
	return 0;
}

int
pki_mint_sandbox(const struct pki_config *c, const char *id, struct buf *cert,
    struct buf *key, struct err *e)
{
	AUTO_AUTHORITY struct authority a = { 0 };
	AUTO_PAIR struct pki_pair p = { 0 };
	AUTO_BUF struct buf names = BUF_INIT(1024);
	struct pki_leaf leaf = { "openshell-sandbox", "clientAuth", NULL };

	if (tls_start(e) < 0 || role_name("sandbox", id, &names, e) < 0 ||
	    load_authority(c->dir, now_of(c), &a, e) < 0)
		return -1;
	if (a.now.cert == NULL)
		return err_set(
		    e, ERR_NOT_FOUND, "there is no CA in %s yet", c->dir);
	leaf.sans = buf_str(&names);
	if (pki_new_leaf(&a.now, &leaf, now_of(c), &p, e) < 0)
		return -1;
	return put_pair(&p, cert, key, e);
}
