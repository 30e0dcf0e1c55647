/* TLS streams against each other and against plain OpenSSL peers, over
 * socket pairs in one thread. */
#include "test.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/stream.h"

struct fixture {
	struct ca *ca;
	struct mint *mint;
	struct trust *trust;
	struct tls_server *server;
	struct tls_client *client;
	struct err e;
};

static void
fixture_init(struct fixture *f)
{
	CHECK_INT(ca_new(&f->ca, &f->e), ==, 0);
	CHECK_INT(mint_new(f->ca, &f->mint, &f->e), ==, 0);
	f->trust = trust_new(ca_pem(f->ca));
	CHECK_INT(tls_server_new(f->mint, &f->server, &f->e), ==, 0);
	CHECK_INT(tls_client_new(f->trust, &f->client, &f->e), ==, 0);
}

static void
fixture_fini(struct fixture *f)
{
	tls_client_free(f->client);
	tls_server_free(f->server);
	trust_free(f->trust);
	mint_free(f->mint);
	ca_free(f->ca);
}

struct pair {
	struct stream *a, *b; /* client, server */
	struct err ea, eb;
};

static void
pair_init(struct pair *p)
{
	int fds[2];

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
	memset(p, 0, sizeof(*p));
	p->a = stream_new(fds[0]);
	p->b = stream_new(fds[1]);
}

static void
pair_fini(struct pair *p)
{
	stream_free(p->a);
	stream_free(p->b);
}

/* Drives both handshakes: true when both end well. */
static bool
shake(struct pair *p)
{
	bool done_a = false, done_b = false;

	for (int i = 0; i < 100; i++) {
		if (!done_a && stream_handshake(p->a, &p->ea) == 0)
			done_a = true;
		else if (!done_a && p->ea.code != ERR_AGAIN)
			return false;
		if (!done_b && stream_handshake(p->b, &p->eb) == 0)
			done_b = true;
		else if (!done_b && p->eb.code != ERR_AGAIN) {
			/* let the client see the alert */
			(void)!stream_handshake(p->a, &p->ea);
			return false;
		}
		if (done_a && done_b)
			return true;
	}
	fail_msg("handshake does not end");
	return false;
}

static bool
connect_pair(
    struct fixture *f, struct pair *p, const char *asked, const char *served)
{
	pair_init(p);
	CHECK_INT(stream_connect(p->a, f->client, view_of(asked), 443,
		      STREAM_ALPN_H1, &f->e),
	    ==, 0);
	CHECK_INT(stream_accept(
		      p->b, f->server, view_of(served), STREAM_ALPN_H1, &f->e),
	    ==, 0);
	return shake(p);
}

static void
check_read(struct stream *s, const char *want)
{
	char got[256];
	struct err e;
	ssize_t n = stream_read(s, got, sizeof(got), &e);

	if (n < 0)
		fail_msg("%s", e.code == ERR_AGAIN ? "again" : e.text);
	CHECK_VIEW(((struct view) { got, (size_t)n }), want);
}

TEST(stream, carries_bytes_both_ways_and_ends_cleanly)
{
	struct fixture f;
	struct pair p;
	char c;

	fixture_init(&f);
	if (!connect_pair(&f, &p, "api.example.com", "api.example.com"))
		fail_msg("%s / %s", p.ea.text, p.eb.text);
	CHECK(stream_is_tls(p.a) && !stream_resumed(p.a));
	CHECK_INT(stream_write(p.a, VIEW("ping"), &f.e), ==, 4);
	check_read(p.b, "ping");
	CHECK_INT(stream_read(p.b, &c, 1, &f.e), ==, -1);
	CHECK_INT(f.e.code, ==, ERR_AGAIN);
	CHECK_INT(stream_wants(p.b), ==, STREAM_READ);
	CHECK_INT(stream_write(p.b, VIEW("pong"), &f.e), ==, 4);
	check_read(p.a, "pong");
	CHECK_INT(stream_shutdown(p.a, &f.e), ==, 0);
	CHECK_INT(stream_read(p.b, &c, 1, &f.e), ==, 0);
	/* half closed: the other way still works */
	CHECK_INT(stream_write(p.b, VIEW("last"), &f.e), ==, 4);
	check_read(p.a, "last");
	CHECK_INT(stream_shutdown(p.b, &f.e), ==, 0);
	CHECK_INT(stream_read(p.a, &c, 1, &f.e), ==, 0);
	pair_fini(&p);
	fixture_fini(&f);
}

TEST(stream, plain_streams_have_the_same_face)
{
	struct pair p;
	struct err e;
	char c;

	pair_init(&p);
	CHECK(!stream_is_tls(p.a));
	CHECK_INT(stream_handshake(p.a, &e), ==, 0);
	CHECK_INT(stream_read(p.b, &c, 1, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	CHECK_INT(stream_write(p.a, VIEW("two"), &e), ==, 3);
	CHECK_INT(stream_unread(p.b, VIEW("one "), &e), ==, 0);
	CHECK_INT(stream_unread(p.b, VIEW("zero "), &e), ==, 0);
	CHECK(stream_pending(p.b));
	check_read(p.b, "zero one ");
	CHECK(!stream_pending(p.b));
	check_read(p.b, "two");
	CHECK_INT(stream_shutdown(p.a, &e), ==, 0);
	CHECK_INT(stream_read(p.b, &c, 1, &e), ==, 0);
	stream_free(p.b);
	p.b = NULL;
	CHECK_INT(stream_write(p.a, VIEW("x"), &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_IO);
	pair_fini(&p);
}

/* Bytes read while sniffing are part of the handshake. */
TEST(stream, accepts_after_bytes_were_read_ahead)
{
	struct fixture f;
	struct pair p;
	char first[24];
	ssize_t n;

	fixture_init(&f);
	pair_init(&p);
	CHECK_INT(stream_connect(
		      p.a, f.client, VIEW("h.test"), 443, STREAM_ALPN_H1, &f.e),
	    ==, 0);
	CHECK_INT(stream_handshake(p.a, &f.e), ==, -1);
	n = stream_read(p.b, first, sizeof(first), &f.e);
	CHECK_INT(n, ==, sizeof(first));
	CHECK_INT(stream_unread(p.b, (struct view) { first, (size_t)n }, &f.e),
	    ==, 0);
	CHECK_INT(
	    stream_accept(p.b, f.server, VIEW("h.test"), STREAM_ALPN_H1, &f.e),
	    ==, 0);
	CHECK(shake(&p));
	pair_fini(&p);
	fixture_fini(&f);
}

TEST(stream, resumes_for_the_same_host_only)
{
	struct fixture f;
	struct pair p;
	char c;

	fixture_init(&f);
	for (int i = 0; i < 3; i++) {
		CHECK(connect_pair(&f, &p, "one.test", "one.test"));
		CHECK_INT(stream_resumed(p.a), ==, i > 0);
		CHECK_INT(stream_resumed(p.b), ==, i > 0);
		/* tickets arrive with the first read */
		CHECK_INT(stream_read(p.a, &c, 1, &f.e), ==, -1);
		CHECK_INT(f.e.code, ==, ERR_AGAIN);
		pair_fini(&p);
	}
	CHECK(connect_pair(&f, &p, "two.test", "two.test"));
	CHECK(!stream_resumed(p.a));
	pair_fini(&p);
	fixture_fini(&f);
}

/* A41 */
TEST(stream, refuses_a_client_that_names_another_host)
{
	struct fixture f;
	struct pair p;

	fixture_init(&f);
	CHECK(!connect_pair(&f, &p, "evil.test", "allowed.test"));
	CHECK_INT(p.eb.code, ==, ERR_DENIED);
	CHECK_HAS(p.eb.text, "SNI differs");
	pair_fini(&p);
	CHECK(connect_pair(&f, &p, "Allowed.TEST", "allowed.test"));
	pair_fini(&p);
	CHECK(connect_pair(&f, &p, "192.0.2.7", "192.0.2.7"));
	pair_fini(&p);
	fixture_fini(&f);
}

TEST(stream, survives_garbage_and_an_early_end)
{
	struct fixture f;
	struct pair p;

	fixture_init(&f);
	pair_init(&p);
	CHECK_INT(
	    stream_accept(p.b, f.server, VIEW("h.test"), STREAM_ALPN_H1, &f.e),
	    ==, 0);
	CHECK_INT(
	    stream_write(p.a, VIEW("GET / HTTP/1.1\r\n\r\n"), &f.e), >, 0);
	CHECK_INT(stream_handshake(p.b, &f.e), ==, -1);
	CHECK_INT(f.e.code, ==, ERR_PROTO);
	CHECK_INT(stream_handshake(p.b, &f.e), ==, -1);
	CHECK(f.e.code != ERR_AGAIN);
	pair_fini(&p);
	pair_init(&p);
	CHECK_INT(
	    stream_accept(p.b, f.server, VIEW("h.test"), STREAM_ALPN_H1, &f.e),
	    ==, 0);
	CHECK_INT(stream_shutdown(p.a, &f.e), ==, 0);
	CHECK_INT(stream_handshake(p.b, &f.e), ==, -1);
	CHECK_INT(f.e.code, ==, ERR_PROTO);
	CHECK_HAS(f.e.text, "during the handshake");
	pair_fini(&p);
	fixture_fini(&f);
}

/* Attack: cutting a response short by closing the transport under TLS. */
TEST(stream, tells_truncation_from_a_clean_end)
{
	struct fixture f;
	struct pair p;
	char c;

	fixture_init(&f);
	CHECK(connect_pair(&f, &p, "h.test", "h.test"));
	CHECK_INT(shutdown(stream_fd(p.b), SHUT_WR), ==, 0);
	while (stream_read(p.a, &c, 1, &f.e) >= 0)
		;
	CHECK_INT(f.e.code, ==, ERR_PROTO);
	CHECK_HAS(f.e.text, "close_notify");
	pair_fini(&p);
	fixture_fini(&f);
}

/* More than the socket holds: partial writes, moved buffers, all arrives. */
TEST(stream, bulk_arrives_whole_through_full_sockets)
{
	enum { TOTAL = 3 * 1024 * 1024 };
	static char sent[TOTAL], got[TOTAL];
	size_t n_sent = 0, n_got = 0;
	bool blocked = false;
	struct fixture f;
	struct pair p;

	fixture_init(&f);
	CHECK(connect_pair(&f, &p, "h.test", "h.test"));
	for (size_t i = 0; i < TOTAL; i++)
		sent[i] = (char)(i * 31 >> 3);
	while (n_got < TOTAL) {
		ssize_t n = 0;

		while (n_sent < TOTAL) {
			char moved[20000];
			size_t len = MIN(sizeof(moved), TOTAL - n_sent);

			memcpy(moved, sent + n_sent, len);
			n = stream_write(
			    p.a, (struct view) { moved, len }, &f.e);
			if (n < 0)
				break;
			n_sent += (size_t)n;
		}
		if (n < 0) {
			CHECK_INT(f.e.code, ==, ERR_AGAIN);
			CHECK_INT(stream_wants(p.a), ==, STREAM_WRITE);
			blocked = true;
		}
		while ((n = stream_read(p.b, got + n_got,
			    MIN(7001, TOTAL - n_got), &f.e)) > 0)
			n_got += (size_t)n;
		if (n < 0)
			CHECK_INT(f.e.code, ==, ERR_AGAIN);
		CHECK(n != 0 || n_got == TOTAL);
		if (n < 0)
			CHECK(!stream_pending(p.b));
	}
	CHECK(blocked);
	CHECK(memcmp(sent, got, TOTAL) == 0);
	pair_fini(&p);
	fixture_fini(&f);
}

/* A read may leave decrypted or buffered bytes that no event announces. */
TEST(stream, pending_bytes_are_announced)
{
	struct fixture f;
	struct pair p;
	char c;

	fixture_init(&f);
	CHECK(connect_pair(&f, &p, "h.test", "h.test"));
	CHECK_INT(stream_write(p.a, VIEW("ab"), &f.e), ==, 2);
	CHECK_INT(stream_write(p.a, VIEW("c"), &f.e), ==, 1);
	CHECK_INT(stream_read(p.b, &c, 1, &f.e), ==, 1);
	CHECK(stream_pending(p.b));
	CHECK_INT(stream_read(p.b, &c, 1, &f.e), ==, 1);
	CHECK(stream_pending(p.b));
	CHECK_INT(stream_read(p.b, &c, 1, &f.e), ==, 1);
	CHECK_INT(stream_read(p.b, &c, 1, &f.e), ==, -1);
	CHECK(!stream_pending(p.b));
	pair_fini(&p);
	fixture_fini(&f);
}

/* An upstream of the kind a test needs, on OpenSSL alone. */
struct origin {
	const char *name;
	long from, until; /* seconds from now */
	bool self_signed;
	const EVP_MD *digest;
	int rsa_bits; /* 0: P-256 */
	int max_version;
	const char *alpn; /* chosen whatever was offered */
};

static int
choose_alpn(SSL *ssl UNUSED, const unsigned char **out, unsigned char *n,
    const unsigned char *in UNUSED, unsigned in_n UNUSED, void *arg)
{
	*out = arg;
	*n = (unsigned char)strlen(arg);
	return SSL_TLSEXT_ERR_OK;
}

/* A root of our own: the product's CA gives its key to nobody. */
static EVP_PKEY *root_key;
static X509 *root_cert;

static X509 *
make_cert(const struct origin *o, EVP_PKEY *key, bool is_ca)
{
	X509_EXTENSION *ext;
	X509 *x = X509_new();
	X509V3_CTX ctx;
	char san[100];

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), is_ca ? 1 : 2);
	X509_gmtime_adj(X509_getm_notBefore(x), o->from);
	X509_gmtime_adj(X509_getm_notAfter(x), o->until);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)o->name, -1, -1, 0);
	X509_set_issuer_name(
	    x, X509_get_subject_name(is_ca || o->self_signed ? x : root_cert));
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	(void)snprintf(san, sizeof(san), "DNS:%s", o->name);
	ext = X509V3_EXT_conf_nid(NULL, &ctx,
	    is_ca ? NID_basic_constraints : NID_subject_alt_name,
	    is_ca ? "critical,CA:TRUE" : san);
	CHECK(ext != NULL);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	CHECK(X509_sign(
		  x, is_ca || o->self_signed ? key : root_key, o->digest) > 0);
	return x;
}

/* Whether our client side accepts the origin; the reason in *e. */
static bool
client_accepts(const struct origin *o, const char *asked, struct err *e)
{
	static const struct origin root = {
		.name = "root", .from = -86400, .until = 86400
	};
	struct origin root_with_md = root;
	struct tls_client *client;
	struct trust *trust;
	struct stream *s;
	EVP_PKEY *key;
	SSL_CTX *ctx;
	bool ok = false;
	int fds[2], rc;
	X509 *cert;
	char *pem;
	BIO *mem;
	SSL *ssl;

	root_with_md.digest = EVP_sha256();
	root_key = EVP_EC_gen("P-256");
	root_cert = make_cert(&root_with_md, root_key, true);
	mem = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(mem, root_cert);
	rc = (int)BIO_get_mem_data(mem, &pem);
	trust = trust_new((struct view) { pem, (size_t)rc });
	BIO_free(mem);
	key = o->rsa_bits ? EVP_RSA_gen((unsigned)o->rsa_bits)
			  : EVP_EC_gen("P-256");
	cert = make_cert(o, key, false);
	ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	if (o->max_version != 0)
		SSL_CTX_set_max_proto_version(ctx, o->max_version);
	if (o->alpn != NULL)
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, (void *)o->alpn);
	CHECK_INT(SSL_CTX_use_certificate(ctx, cert), ==, 1);
	CHECK_INT(SSL_CTX_use_PrivateKey(ctx, key), ==, 1);

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
	s = stream_new(fds[0]);
	CHECK_INT(tls_client_new(trust, &client, e), ==, 0);
	CHECK_INT(
	    stream_connect(s, client, view_of(asked), 443, STREAM_ALPN_H1, e),
	    ==, 0);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fds[1]);
	for (int i = 0; i < 100; i++) {
		rc = stream_handshake(s, e);
		if (rc == 0 || e->code != ERR_AGAIN)
			break;
		(void)SSL_accept(ssl);
	}
	ok = rc == 0;
	SSL_free(ssl);
	stream_free(s);
	(void)close(fds[1]);
	tls_client_free(client);
	trust_free(trust);
	SSL_CTX_free(ctx);
	X509_free(cert);
	X509_free(root_cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(root_key);
	return ok;
}

/* A43, each beside the certificate that is accepted. */
TEST(stream, verifies_upstream)
{
	const struct origin good = { .name = "good.test",
		.from = -3600,
		.until = 3600,
		.digest = EVP_sha256() };
	const struct {
		const char *what, *asked, *reason;
		struct origin o;
	} bad[] = {
		{ "expired", "good.test", "expired",
		    { "good.test", -7200, -3600, false, EVP_sha256(), 0, 0,
			NULL } },
		{ "not yet valid", "good.test", "not yet valid",
		    { "good.test", 3600, 7200, false, EVP_sha256(), 0, 0,
			NULL } },
		{ "wrong host", "other.test", "hostname mismatch", good },
		{ "self-signed", "good.test", "self-signed",
		    { "good.test", -3600, 3600, true, EVP_sha256(), 0, 0,
			NULL } },
		{ "SHA-1", "good.test", "too weak",
		    { "good.test", -3600, 3600, false, EVP_sha1(), 0, 0,
			NULL } },
		{ "short key", "good.test", "key too weak",
		    { "good.test", -3600, 3600, false, EVP_sha256(), 1024, 0,
			NULL } },
		{ "literal asked", "192.0.2.1", "IP address mismatch", good },
	};
	struct err e;

	if (!client_accepts(&good, "good.test", &e))
		fail_msg("%s", e.text);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (client_accepts(&bad[i].o, bad[i].asked, &e))
			fail_msg("%s was accepted", bad[i].what);
		CHECK_INT(e.code, ==, ERR_DENIED);
		CHECK_HAS(e.text, bad[i].asked);
		CHECK_HAS(e.text, bad[i].reason);
	}
}

TEST(stream, refuses_old_versions_and_other_protocols)
{
	struct origin o = { .name = "good.test",
		.from = -3600,
		.until = 3600,
		.digest = EVP_sha256(),
		.max_version = TLS1_2_VERSION };
	struct err e;

	CHECK(client_accepts(&o, "good.test", &e));
	o.max_version = TLS1_1_VERSION;
	CHECK(!client_accepts(&o, "good.test", &e));
	CHECK_INT(e.code, ==, ERR_PROTO);
	o.max_version = 0;
	o.alpn = "http/1.1";
	CHECK(client_accepts(&o, "good.test", &e));
	o.alpn = "h2";
	CHECK(!client_accepts(&o, "good.test", &e));
	CHECK_INT(e.code, ==, ERR_PROTO);
}

/* What a client of ours may be like: `alpn` in wire form or NULL. */
static bool
server_accepts(
    struct fixture *f, const char *alpn, int max_version, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct stream *s;
	bool ok;
	int fds[2], rc;
	SSL *ssl;

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
	SSL_CTX_set_security_level(ctx, 0);
	if (max_version != 0) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, max_version);
	}
	X509_STORE_add_cert(
	    SSL_CTX_get_cert_store(ctx), ca_cert(f->ca, &(struct err) { 0 }));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	ssl = SSL_new(ctx);
	SSL_set1_host(ssl, "h.test");
	SSL_set_fd(ssl, fds[0]);
	if (alpn != NULL)
		SSL_set_alpn_protos(
		    ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	s = stream_new(fds[1]);
	CHECK_INT(
	    stream_accept(s, f->server, VIEW("h.test"), STREAM_ALPN_H1, e), ==,
	    0);
	for (int i = 0; i < 100; i++) {
		(void)SSL_connect(ssl);
		rc = stream_handshake(s, e);
		if (rc == 0 || e->code != ERR_AGAIN)
			break;
	}
	ok = rc == 0;
	if (ok) {
		CHECK_INT(SSL_connect(ssl), ==, 1);
		/* leaf and CA */
		CHECK_INT(sk_X509_num(SSL_get_peer_cert_chain(ssl)), ==, 2);
		CHECK_INT(SSL_get_verify_result(ssl), ==, X509_V_OK);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)close(fds[0]);
	stream_free(s);
	return ok;
}

TEST(stream, serves_clients_of_every_allowed_kind)
{
	struct fixture f;
	struct err e;

	fixture_init(&f);
	CHECK(server_accepts(&f, NULL, 0, &e));
	CHECK(server_accepts(&f, "\x08http/1.1", 0, &e));
	CHECK(server_accepts(&f, "\x02h2\x08http/1.1", 0, &e));
	CHECK(server_accepts(&f, NULL, TLS1_2_VERSION, &e));
	CHECK(server_accepts(&f, "\x08http/1.0", 0, &e));
	CHECK(server_accepts(&f, "\x08http/1.0\x08http/1.1", 0, &e));
	CHECK(server_accepts(&f, "\x0apostgresql", 0, &e));
	CHECK(!server_accepts(&f, "\x02h2\x02h3", 0, &e));
	CHECK(!server_accepts(&f, "\x02h2", 0, &e));
	CHECK_INT(e.code, ==, ERR_PROTO);
	CHECK(!server_accepts(&f, NULL, TLS1_1_VERSION, &e));
	fixture_fini(&f);
}

/* Our client side offers `offer`, our server side may speak `serve`: what they
 * agree on, or 0 when they do not, and whether the client was told so. */
static unsigned
agree(struct fixture *f, unsigned offer, unsigned serve, bool *refused)
{
	unsigned got = 0;
	struct pair p;

	pair_init(&p);
	CHECK_INT(
	    stream_connect(p.a, f->client, VIEW("h.test"), 443, offer, &f->e),
	    ==, 0);
	CHECK_INT(
	    stream_accept(p.b, f->server, VIEW("h.test"), serve, &f->e), ==, 0);
	if (shake(&p)) {
		got = stream_alpn(p.a);
		CHECK_INT(got, ==, (int)stream_alpn(p.b));
	}
	*refused = stream_alpn_refused(p.a);
	pair_fini(&p);
	return got;
}

TEST(stream, agrees_on_a_version_of_http)
{
	enum {
		H1 = STREAM_ALPN_H1,
		H2 = STREAM_ALPN_H2,
		ANY = STREAM_ALPN_ANY
	};
	static const struct {
		unsigned offer, serve, want;
	} rows[] = {
		{ H1, H1, H1 },
		{ H2, H2, H2 },
		{ ANY, ANY, H2 },
		{ ANY, H1, H1 },
		{ ANY, H2, H2 },
		{ H1, ANY, H1 },
		{ H2, ANY, H2 },
		{ H1, H2, 0 },
		{ H2, H1, 0 },
	};
	struct fixture f;
	bool refused;

	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned got =
		    agree(&f, rows[i].offer, rows[i].serve, &refused);

		if (got != rows[i].want || refused != (got == 0))
			fail_msg("row %zu: %u", i, got);
	}
	fixture_fini(&f);
}
