/* Mutual TLS of rpc over loopback TCP: who is let in, who is told why not. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "openshell.pb-c.h"
#include "rpc/rpc.h"
#include "test.h"

enum { DAY = 86400, PATH_SIZE = 128 };

struct pair {
	EVP_PKEY *key;
	X509 *cert;
	char cert_path[PATH_SIZE], key_path[PATH_SIZE];
};

static struct world {
	uv_loop_t loop;
	struct rpc_server *server;
	struct rpc_client *client;
	char dir[32];
	unsigned port;
	struct pair ca, server_pair, user;
	char uri[256], subject[256];
	bool verified, ready, lost;
	struct err why;
} w;

/* --- certificates -------------------------------------------------------- */

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *x;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	CHECK(x != NULL);
	CHECK_INT(X509_add_ext(cert, x, -1), ==, 1);
	X509_EXTENSION_free(x);
}

static void
write_pem(struct pair *p, const char *name)
{
	FILE *f;

	(void)snprintf(p->cert_path, PATH_SIZE, "%.31s/%.40s.crt", w.dir, name);
	(void)snprintf(p->key_path, PATH_SIZE, "%.31s/%.40s.key", w.dir, name);
	f = fopen(p->cert_path, "w");
	CHECK(f != NULL && PEM_write_X509(f, p->cert) == 1);
	CHECK_INT(fclose(f), ==, 0);
	f = fopen(p->key_path, "w");
	CHECK(f != NULL && fchmod(fileno(f), 0600) == 0);
	CHECK_INT(
	    PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL), ==, 1);
	CHECK_INT(fclose(f), ==, 0);
}

/* Valid from `from` to `to`, seconds from now; signed by `by`, or itself. */
static void
make_pair(struct pair *p, const char *name, const struct pair *by,
    const char *san, long from, long to)
{
	static long serial = 1;
	X509_NAME *subject;

	p->key = EVP_EC_gen("P-256");
	p->cert = X509_new();
	CHECK(p->key != NULL && p->cert != NULL);
	CHECK_INT(X509_set_version(p->cert, X509_VERSION_3), ==, 1);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(p->cert), serial++);
	CHECK(X509_gmtime_adj(X509_getm_notBefore(p->cert), from) != NULL);
	CHECK(X509_gmtime_adj(X509_getm_notAfter(p->cert), to) != NULL);
	subject = X509_get_subject_name(p->cert);
	CHECK_INT(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		      (const unsigned char *)name, -1, -1, 0),
	    ==, 1);
	(void)X509_set_pubkey(p->cert, p->key);
	(void)X509_set_issuer_name(
	    p->cert, by != NULL ? X509_get_subject_name(by->cert) : subject);
	add_extension(p->cert, by != NULL ? by->cert : p->cert,
	    NID_basic_constraints,
	    by != NULL ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (san != NULL)
		add_extension(p->cert, by->cert, NID_subject_alt_name, san);
	CHECK(X509_sign(p->cert, by != NULL ? by->key : p->key, EVP_sha256()) >
	      0);
	write_pem(p, name);
}

static void
free_pair(struct pair *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->cert);
	(void)unlink(p->cert_path);
	(void)unlink(p->key_path);
	*p = (struct pair) { 0 };
}

/* --- the two sides ------------------------------------------------------- */

static void
start_health(struct rpc_call *c, const ProtobufCMessage *m UNUSED)
{
	Openshell__V1__HealthResponse r = OPENSHELL__V1__HEALTH_RESPONSE__INIT;
	const struct rpc_peer *peer = rpc_call_peer(c);

	w.verified = peer->verified;
	(void)snprintf(w.uri, sizeof(w.uri), "%s", peer->san_uri);
	(void)snprintf(w.subject, sizeof(w.subject), "%s", peer->subject);
	rpc_answer(c, &r.base);
}

static const struct rpc_method methods[] = {
	{ .path = "/t.T/Health",
	    .in = &openshell__v1__health_request__descriptor,
	    .out = &openshell__v1__health_response__descriptor,
	    .max_request = 1000,
	    .start = start_health },
};

static enum rpc_code
allow(void *ctx UNUSED, const struct rpc_method *m UNUSED,
    const char *path UNUSED, const struct rpc_peer *peer UNUSED,
    struct buf *text UNUSED)
{
	return RPC_OK;
}

static int
listen_tcp(unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_INT(bind(fd, (void *)&a, sizeof(a)), ==, 0);
	CHECK_INT(getsockname(fd, (void *)&a, &n), ==, 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void
open_world(bool optional)
{
	const struct rpc_server_hooks hooks = { .allow = allow };
	struct rpc_tls_files files;
	struct err e;
	int fd;

	w = (struct world) { .port = 0 };
	CHECK_INT(uv_loop_init(&w.loop), ==, 0);
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/rpc-tls-XXXXXX");
	CHECK(mkdtemp(w.dir) != NULL);
	make_pair(&w.ca, "ca", NULL, NULL, -DAY, DAY);
	make_pair(&w.server_pair, "server", &w.ca, "IP:127.0.0.1,DNS:localhost",
	    -DAY, DAY);
	make_pair(&w.user, "user", &w.ca, "URI:openshell://user/me", -DAY, DAY);
	files = (struct rpc_tls_files) { .cert = w.server_pair.cert_path,
		.key = w.server_pair.key_path,
		.ca = w.ca.cert_path,
		.optional_client = optional };
	fd = listen_tcp(&w.port);
	CHECK_INT(rpc_server_new(&w.loop, methods, ARRAY_LEN(methods), &hooks,
		      &w.server, &e),
	    ==, 0);
	if (rpc_server_listen(w.server, fd, RPC_TLS, &files, &e) < 0)
		fail_msg("%s", e.text);
}

static void
close_world(void)
{
	rpc_client_free(w.client);
	rpc_server_free(w.server);
	CHECK_INT(uv_run(&w.loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(uv_loop_close(&w.loop), ==, 0);
	free_pair(&w.ca);
	free_pair(&w.server_pair);
	free_pair(&w.user);
	CHECK_INT(rmdir(w.dir), ==, 0);
}

static void
on_lost(void *ctx UNUSED, const struct err *e)
{
	w.lost = true;
	w.why = *e;
}

/* Connects, asks once and hangs up: what the call said; w.why of the loss. */
static int
ask_at(const char *host, const struct pair *ca, const struct pair *own,
    struct err *e)
{
	const struct rpc_client_hooks hooks = { .lost = on_lost };
	Openshell__V1__HealthRequest q = OPENSHELL__V1__HEALTH_REQUEST__INIT;
	AUTO_FREE char *url = mem_printf("https://%s:%u", host, w.port);
	struct rpc_target t = { .url = url,
		.cert = own != NULL ? own->cert_path : NULL,
		.key = own != NULL ? own->key_path : NULL,
		.ca = ca->cert_path };
	ProtobufCMessage *answer = NULL;
	int rc;

	w.lost = false;
	if (rpc_client_new(&w.loop, &t, &hooks, &w.client, e) < 0)
		return -1;
	rc = rpc_unary(w.client, "/t.T/Health", &q.base,
	    &openshell__v1__health_response__descriptor, &answer, 5000, NULL,
	    e);
	if (rc == 0)
		protobuf_c_message_free_unpacked(answer, NULL);
	rpc_client_free(take_ptr(w.client));
	return rc;
}

static void
check_refused(const struct pair *ca, const struct pair *own, const char *text)
{
	struct err e;

	CHECK_INT(ask_at("127.0.0.1", ca, own, &e), ==, -1);
	CHECK_HAS(e.text, text);
	CHECK(w.lost);
	CHECK_INT(w.why.code, ==, ERR_DENIED);
	CHECK_HAS(w.why.text, text);
}

/* --- tests --------------------------------------------------------------- */

TEST(rpc_tls, tells_a_handler_who_calls)
{
	struct err e;

	open_world(false);
	if (ask_at("127.0.0.1", &w.ca, &w.user, &e) < 0)
		fail_msg("%s", e.text);
	CHECK(w.verified);
	CHECK_STR(w.uri, "openshell://user/me");
	CHECK_STR(w.subject, "user");
	CHECK_INT(ask_at("localhost", &w.ca, &w.user, &e), ==, 0);
	close_world();
}

TEST(rpc_tls, lets_a_stranger_in_only_when_certificates_are_optional)
{
	struct err e;

	open_world(true);
	if (ask_at("127.0.0.1", &w.ca, NULL, &e) < 0)
		fail_msg("%s", e.text);
	CHECK(!w.verified);
	CHECK_STR(w.uri, "");
	close_world();
	open_world(false);
	check_refused(&w.ca, NULL, "refused our certificate");
	close_world();
}

/* With TLS 1.3 the refusal comes after the client believes that it is in. */
TEST(rpc_tls, says_why_a_client_certificate_was_refused)
{
	struct pair foreign = { 0 }, theirs = { 0 }, old = { 0 };

	open_world(false);
	make_pair(&foreign, "foreign-ca", NULL, NULL, -DAY, DAY);
	make_pair(
	    &theirs, "theirs", &foreign, "URI:openshell://user/me", -DAY, DAY);
	make_pair(
	    &old, "old", &w.ca, "URI:openshell://user/me", -2 * DAY, -DAY);
	check_refused(&w.ca, &theirs, "refused our certificate");
	check_refused(&w.ca, &old, "refused our certificate: certificate exp");
	check_refused(&w.ca, NULL, "refused our certificate: certificate req");
	free_pair(&foreign);
	free_pair(&theirs);
	free_pair(&old);
	close_world();
}

/* ... and so it is when a certificate is not needed, but one is shown. */
TEST(rpc_tls, refuses_a_bad_certificate_where_none_is_needed)
{
	struct pair old = { 0 };

	open_world(true);
	make_pair(
	    &old, "old", &w.ca, "URI:openshell://user/me", -2 * DAY, -DAY);
	check_refused(&w.ca, &old, "expired");
	free_pair(&old);
	close_world();
}

TEST(rpc_tls, refuses_a_server_of_another_ca_or_of_another_name)
{
	struct pair foreign = { 0 }, renamed = { 0 };
	struct err e;

	open_world(false);
	make_pair(&foreign, "foreign-ca", NULL, NULL, -DAY, DAY);
	check_refused(&foreign, &w.user, "certificate refused");
	free_pair(&foreign);
	/* The same files, another name in them. */
	renamed = w.server_pair;
	(void)memset(&w.server_pair, 0, sizeof(w.server_pair));
	make_pair(
	    &w.server_pair, "server", &w.ca, "DNS:other.example", -DAY, DAY);
	CHECK_INT(rpc_server_reload(w.server, &e), ==, 0);
	check_refused(&w.ca, &w.user, "certificate refused");
	EVP_PKEY_free(renamed.key);
	X509_free(renamed.cert);
	close_world();
}

TEST(rpc_tls, refuses_a_server_whose_time_is_over_or_to_come)
{
	static const struct {
		long from, to;
		const char *text;
	} rows[] = { { -2 * DAY, -DAY, "expired" },
		{ DAY, 2 * DAY, "not yet valid" } };
	struct err e;

	open_world(false);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		free_pair(&w.server_pair);
		make_pair(&w.server_pair, "server", &w.ca, "IP:127.0.0.1",
		    rows[i].from, rows[i].to);
		CHECK_INT(rpc_server_reload(w.server, &e), ==, 0);
		check_refused(&w.ca, &w.user, rows[i].text);
	}
	close_world();
}

TEST(rpc_tls, keeps_the_old_certificate_when_the_new_one_cannot_be_read)
{
	struct err e;

	open_world(false);
	CHECK_INT(truncate(w.server_pair.cert_path, 10), ==, 0);
	CHECK_INT(rpc_server_reload(w.server, &e), ==, -1);
	CHECK_HAS(e.text, w.server_pair.cert_path);
	CHECK_INT(ask_at("127.0.0.1", &w.ca, &w.user, &e), ==, 0);
	close_world();
}

TEST(rpc_tls, refuses_a_key_that_others_can_read)
{
	struct err e;

	open_world(false);
	CHECK_INT(chmod(w.user.key_path, 0640), ==, 0);
	CHECK_INT(ask_at("127.0.0.1", &w.ca, &w.user, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_HAS(e.text, "chmod 600");
	CHECK_INT(chmod(w.server_pair.key_path, 0604), ==, 0);
	CHECK_INT(rpc_server_reload(w.server, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	close_world();
}

/* A second listener whose key can be read no more: both stay as they were. */
TEST(rpc_tls, reloads_every_listener_or_none)
{
	struct pair other = { 0 };
	struct rpc_tls_files files;
	unsigned port;
	struct err e;

	open_world(false);
	make_pair(&other, "other", &w.ca, "IP:127.0.0.1", -DAY, DAY);
	files = (struct rpc_tls_files) { .cert = other.cert_path,
		.key = other.key_path,
		.ca = w.ca.cert_path };
	CHECK_INT(
	    rpc_server_listen(w.server, listen_tcp(&port), RPC_TLS, &files, &e),
	    ==, 0);
	/* Whichever is loaded first, its new certificate is no good. */
	for (unsigned i = 0; i < 2; i++) {
		struct pair *broken = i == 0 ? &w.server_pair : &other;
		struct pair *changed = i == 0 ? &other : &w.server_pair;
		const char *name = i == 0 ? "other" : "server";
		unsigned own = w.port;

		CHECK_INT(chmod(broken->key_path, 0604), ==, 0);
		free_pair(changed);
		make_pair(changed, name, &w.ca, "DNS:x.example", -DAY, DAY);
		CHECK_INT(rpc_server_reload(w.server, &e), ==, -1);
		CHECK_HAS(e.text, broken->key_path);
		w.port = i == 0 ? port : own;
		CHECK_INT(ask_at("127.0.0.1", &w.ca, &w.user, &e), ==, 0);
		w.port = own;
		CHECK_INT(chmod(broken->key_path, 0600), ==, 0);
		free_pair(changed);
		make_pair(changed, name, &w.ca, "IP:127.0.0.1", -DAY, DAY);
	}
	CHECK_INT(rpc_server_reload(w.server, &e), ==, 0);
	free_pair(&other);
	close_world();
}
