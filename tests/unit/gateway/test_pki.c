#include "test.h"

#include <ftw.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "gateway/pki_impl.h"
#include "gateway/safefile.h"

enum { DAY = 86400, START = 1800000000 };

struct place {
	char root[64], dir[80], bundle[96];
	struct pki_config c;
};

static void
place_make(struct place *t)
{
	*t = (struct place) { .root = "/tmp/openshell-test-XXXXXX" };
	CHECK(mkdtemp(t->root) != NULL);
	(void)snprintf(t->dir, sizeof(t->dir), "%s/pki", t->root);
	(void)snprintf(
	    t->bundle, sizeof(t->bundle), "%s/config/g/mtls", t->root);
	t->c = (struct pki_config) { .dir = t->dir,
		.bundle = t->bundle,
		.user = "ada",
		.now_s = START };
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static void
place_end(struct place *t)
{
	CHECK_INT(nftw(t->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), ==, 0);
}

static bool
ensure(struct place *t)
{
	bool changed = false;
	struct err e = { 0 };

	if (pki_ensure(&t->c, &changed, &e) < 0)
		fail_msg("%s", e.text);
	return changed;
}

static void
refused(struct place *t, const char *part)
{
	bool changed = false;
	struct err e = { 0 };

	CHECK_INT(pki_ensure(&t->c, &changed, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_HAS(e.text, part);
}

static char *
text_of(const char *dir, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	char *text = NULL;
	size_t n;
	struct err e = { 0 };

	CHECK_INT(
	    file_read_path(path, true, PKI_PEM_MAX, &text, &n, &e), ==, 0);
	return text;
}

static X509 *
cert_of(const char *dir, const char *name, size_t at)
{
	AUTO_FREE char *text = text_of(dir, name);

	return pki_read_cert(view_of(text), at);
}

/* Does the chain hold for that purpose at that day, by OpenSSL itself? */
static bool
verifies(struct place *t, X509 *leaf, int purpose, int64_t when)
{
	X509_STORE *trust = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok;

	for (size_t i = 0;; i++) {
		X509 *ca = cert_of(t->dir, "ca.crt", i);

		if (ca == NULL)
			break;
		CHECK_INT(X509_STORE_add_cert(trust, ca), ==, 1);
		X509_free(ca);
	}
	CHECK_INT(X509_STORE_CTX_init(ctx, trust, leaf, NULL), ==, 1);
	CHECK_INT(X509_STORE_CTX_set_purpose(ctx, purpose), ==, 1);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)when);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	ok = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(trust);
	return ok;
}

static char *
sans_of(X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
	char *p = NULL, *text;
	long n;

	CHECK(X509V3_EXT_print(out, X509_get_ext(cert, at), 0, 0) == 1);
	n = BIO_get_mem_data(out, &p);
	text = mem_strndup(p, (size_t)n);
	BIO_free(out);
	return text;
}

TEST(pki, first_start_makes_all_with_roles_and_modes)
{
	static const char *const files[] = { "ca.crt", "ca.key", "tls.crt",
		"tls.key" };
	AUTO_FREE char *server_sans = NULL, *user_sans = NULL, *key = NULL;
	X509 *server, *user;
	struct stat st;
	struct place t;

	place_make(&t);
	CHECK(ensure(&t));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", t.dir, files[i]);

		CHECK_INT(stat(path, &st), ==, 0);
		CHECK_INT(st.st_mode & 07777, ==, 0600);
	}
	CHECK_INT(stat(t.bundle, &st), ==, 0);
	CHECK_INT(st.st_mode & 07777, ==, 0700);
	server = cert_of(t.dir, "tls.crt", 0);
	user = cert_of(t.bundle, "tls.crt", 0);
	CHECK(verifies(&t, server, X509_PURPOSE_SSL_SERVER, START));
	CHECK(!verifies(&t, server, X509_PURPOSE_SSL_CLIENT, START));
	CHECK(verifies(&t, user, X509_PURPOSE_SSL_CLIENT, START));
	CHECK(!verifies(&t, user, X509_PURPOSE_SSL_SERVER, START));
	CHECK(verifies(&t, user, X509_PURPOSE_SSL_CLIENT, START - 299));
	CHECK(!verifies(&t, user, X509_PURPOSE_SSL_CLIENT, START + 366 * DAY));
	server_sans = sans_of(server);
	user_sans = sans_of(user);
	CHECK_STR(server_sans,
	    "DNS:openshell, DNS:localhost, DNS:host.containers.internal, "
	    "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1");
	CHECK_STR(user_sans, "URI:openshell://user/ada");
	key = text_of(t.dir, "tls.key");
	CHECK_HAS(key, "-----BEGIN PRIVATE KEY-----"); /* PKCS#8 */
	X509_free(server);
	X509_free(user);
	CHECK(!ensure(&t));
	place_end(&t);
}

TEST(pki, extra_names_and_addresses_make_a_new_server_certificate)
{
	static const char *const sans[] = { "192.168.1.100", "remote.host" };
	AUTO_FREE char *text = NULL, *before = NULL, *after = NULL;
	struct place t;
	X509 *server;

	place_make(&t);
	CHECK(ensure(&t));
	before = text_of(t.bundle, "tls.crt");
	t.c.sans = sans;
	t.c.nsans = ARRAY_LEN(sans);
	CHECK(ensure(&t));
	CHECK(!ensure(&t));
	server = cert_of(t.dir, "tls.crt", 0);
	text = sans_of(server);
	CHECK_HAS(text, "IP Address:192.168.1.100, DNS:remote.host");
	X509_free(server);
	after = text_of(t.bundle, "tls.crt");
	CHECK_STR(after, before);
	place_end(&t);
}

TEST(pki, names_that_are_none_are_refused)
{
	static const char *const bad[] = { "", "a b", "a,DNS:b", "a\nb", "*",
		"h\xc3\xb6st" };
	struct place t;
	bool changed;
	struct err e = { 0 };

	place_make(&t);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		t.c.sans = &bad[i];
		t.c.nsans = 1;
		CHECK_INT(pki_ensure(&t.c, &changed, &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
	}
	t.c.nsans = 0;
	t.c.user = "ada/../eve";
	CHECK_INT(pki_ensure(&t.c, &changed, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_INVALID);
	place_end(&t);
}

TEST(pki, leaves_are_renewed_before_they_end)
{
	AUTO_FREE char *before = NULL, *after = NULL;
	struct place t;

	place_make(&t);
	CHECK(ensure(&t));
	before = text_of(t.dir, "tls.crt");
	t.c.now_s = START + 304LL * DAY;
	CHECK(!ensure(&t));
	/* The clock went back: what has not begun is no good. */
	t.c.now_s = START - DAY;
	CHECK(ensure(&t));
	after = text_of(t.dir, "tls.crt");
	CHECK(strcmp(before, after) != 0);
	place_end(&t);
}

TEST(pki, a_new_ca_leaves_the_old_one_trusted_until_it_ends)
{
	X509 *old_user, *user;
	struct place t;

	place_make(&t);
	CHECK(ensure(&t));
	old_user = cert_of(t.bundle, "tls.crt", 0);
	t.c.now_s = START + 306LL * DAY;
	CHECK(ensure(&t));
	CHECK(!ensure(&t));
	user = cert_of(t.bundle, "tls.crt", 0);
	CHECK(X509_cmp(user, old_user) != 0);
	CHECK(verifies(&t, user, X509_PURPOSE_SSL_CLIENT, t.c.now_s));
	CHECK(verifies(&t, old_user, X509_PURPOSE_SSL_CLIENT, t.c.now_s));
	/* The one after that: only the one before is kept. */
	t.c.now_s += 306LL * DAY;
	CHECK(ensure(&t));
	CHECK(!verifies(&t, old_user, X509_PURPOSE_SSL_CLIENT, START + DAY));
	CHECK(verifies(&t, user, X509_PURPOSE_SSL_CLIENT, t.c.now_s));
	X509_free(user);
	X509_free(old_user);
	place_end(&t);
}

TEST(pki, what_is_missing_foreign_or_torn_is_made_anew)
{
	static const char *const names[] = { "tls.key", "tls.crt", "ca.crt",
		"ca.key" };
	struct place t, other;
	AUTO_FREE char *text = NULL;
	X509 *server;
	struct err e = { 0 };

	place_make(&t);
	place_make(&other);
	CHECK(ensure(&t));
	CHECK(ensure(&other));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *path = mem_printf("%s/%s", t.dir, names[i]);

		CHECK_INT(unlink(path), ==, 0);
		CHECK(ensure(&t));
		CHECK(!ensure(&t));
	}
	/* A server certificate of another gateway's CA. */
	text = text_of(other.dir, "tls.crt");
	CHECK_INT(safe_save(t.dir, "tls.crt", 0600, view_of(text), &e), ==, 0);
	CHECK(ensure(&t));
	server = cert_of(t.dir, "tls.crt", 0);
	CHECK(verifies(&t, server, X509_PURPOSE_SSL_SERVER, START));
	X509_free(server);
	/* And the user's: */
	CHECK_INT(
	    safe_save(t.bundle, "tls.crt", 0600, view_of(text), &e), ==, 0);
	CHECK(ensure(&t));
	CHECK(!ensure(&t));
	place_end(&other);
	place_end(&t);
}

TEST(pki, unsafe_keys_are_refused_with_the_fix)
{
	static const char *const keys[] = { "ca.key", "tls.key" };
	AUTO_FREE char *path = NULL;
	struct place t;
	struct err e = { 0 };

	place_make(&t);
	CHECK(ensure(&t));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO_FREE char *key = mem_printf("%s/%s", t.dir, keys[i]);

		CHECK_INT(chmod(key, 0640), ==, 0);
		refused(&t, "chmod 600");
		CHECK_INT(chmod(key, 0600), ==, 0);
	}
	path = mem_printf("%s/tls.key", t.bundle);
	CHECK_INT(chmod(path, 0604), ==, 0);
	refused(&t, path);
	CHECK_INT(chmod(path, 0600), ==, 0);
	CHECK_INT(chmod(t.dir, 0750), ==, 0);
	refused(&t, "chmod 700");
	CHECK_INT(chmod(t.dir, 0700), ==, 0);
	CHECK_INT(safe_save(t.dir, "ca.key", 0600, VIEW("junk\n"), &e), ==, 0);
	refused(&t, "ca.key is not a private key");
	place_end(&t);
}

TEST(pki, a_sandbox_gets_a_certificate_of_its_own_role)
{
	AUTO_BUF struct buf cert = BUF_INIT(PKI_PEM_MAX),
			    key = BUF_INIT(PKI_PEM_MAX);
	AUTO_FREE char *text = NULL;
	struct place t;
	struct err e = { 0 };
	EVP_PKEY *pkey;
	X509 *leaf;

	place_make(&t);
	CHECK(ensure(&t));
	CHECK_INT(pki_mint_sandbox(&t.c, "box-1", &cert, &key, &e), ==, 0);
	leaf = pki_read_cert(buf_view(&cert), 0);
	pkey = pki_read_key(buf_view(&key));
	CHECK_INT(X509_check_private_key(leaf, pkey), ==, 1);
	CHECK(verifies(&t, leaf, X509_PURPOSE_SSL_CLIENT, START));
	text = sans_of(leaf);
	CHECK_STR(text, "URI:openshell://sandbox/box-1");
	CHECK_INT(
	    pki_mint_sandbox(&t.c, "x,URI:openshell://user/a", &cert, &key, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_INVALID);
	X509_free(leaf);
	EVP_PKEY_free(pkey);
	place_end(&t);
}
