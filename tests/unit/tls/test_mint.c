#include "test.h"

#include <openssl/x509v3.h>

#include "tls/mint.h"

struct fixture {
	struct ca *ca;
	struct mint *mint;
	struct err e;
};

static void
fixture_init(struct fixture *f)
{
	CHECK_INT(ca_new(&f->ca, &f->e), ==, 0);
	CHECK_INT(mint_new(f->ca, &f->mint, &f->e), ==, 0);
}

static void
fixture_fini(struct fixture *f)
{
	mint_free(f->mint);
	ca_free(f->ca);
}

static X509 *
leaf_of(struct fixture *f, const char *host)
{
	X509 *x = mint_leaf(f->mint, view_of(host), &f->e);

	if (x == NULL)
		fail_msg("%s: %s", host, f->e.text);
	return x;
}

/* X-56 and the rest of spec 3.7. */
TEST(mint, leaf_is_as_specified)
{
	struct fixture f;
	int days, secs;
	X509 *x;

	fixture_init(&f);
	x = leaf_of(&f, "example.com");
	CHECK(x == leaf_of(&f, "example.com"));
	CHECK_INT(X509_check_host(x, "example.com", 11, 0, NULL), ==, 1);
	CHECK_INT(X509_check_host(x, "a.example.com", 13, 0, NULL), ==, 0);
	CHECK_INT(X509_check_issued(ca_cert(f.ca, &(struct err) { 0 }), x), ==,
	    X509_V_OK);
	CHECK_INT(X509_verify(
		      x, X509_get0_pubkey(ca_cert(f.ca, &(struct err) { 0 }))),
	    ==, 1);
	CHECK_INT(X509_check_ca(x), ==, 0);
	CHECK_INT(X509_get_extended_key_usage(x), ==, XKU_SSL_SERVER);
	CHECK_INT(X509_get_key_usage(x), ==, KU_DIGITAL_SIGNATURE);
	CHECK(X509_get0_authority_key_id(x) != NULL);
	CHECK_INT(ASN1_TIME_diff(&days, &secs, X509_get0_notBefore(x),
		      X509_get0_notAfter(x)),
	    ==, 1);
	CHECK(days < 397 || (days == 397 && secs == 0));
	CHECK_INT(X509_cmp_current_time(X509_get0_notBefore(x)), <, 0);
	CHECK_INT(X509_check_private_key(x, mint_key(f.mint)), ==, 1);
	CHECK_INT(X509_check_purpose(x, X509_PURPOSE_SSL_SERVER, 0), ==, 1);
	fixture_fini(&f);
}

TEST(mint, literals_become_addresses)
{
	struct fixture f;
	X509 *x;

	fixture_init(&f);
	x = leaf_of(&f, "192.0.2.7");
	CHECK_INT(X509_check_ip_asc(x, "192.0.2.7", 0), ==, 1);
	CHECK_INT(X509_check_ip_asc(x, "192.0.2.8", 0), ==, 0);
	x = leaf_of(&f, "2001:db8::1");
	CHECK_INT(X509_check_ip_asc(x, "2001:db8::1", 0), ==, 1);
	fixture_fini(&f);
}

/* A name that looks like an extension must stay one name. */
TEST(mint, name_is_not_read_as_configuration)
{
	struct fixture f;
	X509 *x;

	fixture_init(&f);
	x = leaf_of(&f, "a.test,DNS:b.test");
	CHECK_INT(X509_check_host(x, "b.test", 6, 0, NULL), ==, 0);
	fixture_fini(&f);
}

TEST(mint, long_names_have_no_common_name)
{
	static const char name[] =
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    ".test"; /* 65 bytes */
	struct fixture f;
	X509 *x;

	fixture_init(&f);
	x = leaf_of(&f, name);
	CHECK_INT(strlen(name), ==, 65);
	CHECK_INT(X509_NAME_entry_count(X509_get_subject_name(x)), ==, 0);
	CHECK_INT(X509_check_host(x, name, 65, 0, NULL), ==, 1);
	x = leaf_of(&f, name + 1);
	CHECK_INT(X509_NAME_entry_count(X509_get_subject_name(x)), ==, 1);
	CHECK(mint_leaf(f.mint, (struct view) { NULL, 0 }, &f.e) == NULL);
	fixture_fini(&f);
}

/* the least recently used goes, the rest stay. */
TEST(mint, cache_forgets_the_least_recently_used)
{
	X509 *first, *second;
	struct fixture f;
	char host[32];

	fixture_init(&f);
	first = leaf_of(&f, "host0.test");
	second = leaf_of(&f, "host1.test");
	CHECK_INT(X509_up_ref(second), ==, 1); /* keeps its address taken */
	for (int i = 2; i < MINT_CACHE_MAX; i++) {
		(void)snprintf(host, sizeof(host), "host%d.test", i);
		(void)leaf_of(&f, host);
	}
	CHECK_INT(mint_cached(f.mint), ==, 256);
	CHECK(first == leaf_of(&f, "host0.test"));
	(void)leaf_of(&f, "host256.test");
	CHECK_INT(mint_cached(f.mint), ==, 256);
	CHECK(first == leaf_of(&f, "host0.test"));
	CHECK(second != leaf_of(&f, "host1.test"));
	X509_free(second);
	fixture_fini(&f);
}
