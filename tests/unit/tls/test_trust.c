#include "test.h"

#include <fcntl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tls/mint.h"
#include "tls/trust.h"

/* Whether a leaf under `ca` verifies against the store. */
static bool
trusted(X509_STORE *store, struct ca *ca)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct mint *mint;
	struct err e;
	bool ok;

	CHECK_INT(mint_new(ca, &mint, &e), ==, 0);
	CHECK_INT(X509_STORE_CTX_init(
		      ctx, store, mint_leaf(mint, VIEW("a.test"), &e), NULL),
	    ==, 1);
	ok = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	mint_free(mint);
	return ok;
}

static int
decoded(X509_STORE *store)
{
	return sk_X509_OBJECT_num(X509_STORE_get0_objects(store));
}

/* Every CA of ours has the same name, as a re-issued root has. */
TEST(trust, reads_every_certificate_around_broken_ones)
{
	AUTO_BUF struct buf pem = BUF_INIT(65536);
	struct ca *a, *b, *other;
	X509_STORE *store;
	struct trust *t;
	struct err e;

	CHECK_INT(ca_new(&a, &e), ==, 0);
	CHECK_INT(ca_new(&b, &e), ==, 0);
	CHECK_INT(ca_new(&other, &e), ==, 0);
	buf_puts(&pem, "# a comment\n");
	buf_put(&pem, ca_pem(a));
	buf_puts(&pem,
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	    "noise\n");
	buf_put(&pem, ca_pem(b));
	buf_put(&pem, ca_pem(b));
	t = trust_new(buf_view(&pem));
	store = trust_store(t, &e);
	CHECK(store != NULL);
	CHECK(trust_store(t, &e) == store);
	CHECK_INT(decoded(store), ==, 0);
	CHECK(!trusted(store, other));
	CHECK(trusted(store, b));
	CHECK(trusted(store, a));
	CHECK(trusted(store, b));
	CHECK(!trusted(store, other));
	CHECK_INT(decoded(store), ==, 2);
	trust_free(t);
	ca_free(a);
	ca_free(b);
	ca_free(other);
}

/* No damage to a bundle may read past it or make another root trusted. */
TEST(trust, survives_damage)
{
	AUTO_BUF struct buf pem = BUF_INIT(65536);
	struct ca *a, *other;
	int read = 0, unread = 0;
	struct err e;

	CHECK_INT(ca_new(&a, &e), ==, 0);
	CHECK_INT(ca_new(&other, &e), ==, 0);
	buf_put(&pem, ca_pem(a));
	for (size_t i = 0; i < pem.n; i += 3) {
		char saved = pem.p[i];
		X509_STORE *store;
		struct trust *t;

		pem.p[i] = saved == 'A' ? '/' : 'A';
		t = trust_new(buf_view(&pem));
		store = trust_store(t, &e);
		if (store != NULL) {
			CHECK(!trusted(store, other));
			read++;
		} else {
			unread++;
		}
		trust_free(t);
		pem.p[i] = saved;
	}
	CHECK(read > 0 && unread > 0);
	ca_free(a);
	ca_free(other);
}

TEST(trust, reads_a_file_from_its_start_when_needed)
{
	int fd = memfd_create("roots", MFD_CLOEXEC);
	struct ca *ca, *other;
	X509_STORE *store;
	struct trust *t;
	struct view pem;
	struct err e;

	CHECK_INT(ca_new(&ca, &e), ==, 0);
	CHECK_INT(ca_new(&other, &e), ==, 0);
	t = trust_new_fd(fd);
	pem = ca_pem(ca);
	CHECK_INT(write(fd, pem.p, pem.n), ==, (ssize_t)pem.n);
	store = trust_store(t, &e);
	CHECK(store != NULL);
	CHECK_INT(fcntl(fd, F_GETFD), ==, -1); /* closed */
	CHECK(trusted(store, ca));
	CHECK(!trusted(store, other));
	trust_free(t);
	t = trust_new_fd(memfd_create("none", MFD_CLOEXEC));
	CHECK(trust_store(t, &e) == NULL);
	trust_free(t);
	trust_free(trust_new_fd(memfd_create("unread", MFD_CLOEXEC)));
	ca_free(ca);
	ca_free(other);
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
