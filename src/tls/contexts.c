/*
 * contexts: one SSL_CTX a role, and what hangs on it: ALPN, SNI, tickets, and
 * the cache of upstream sessions.
 *
 * An upstream session is only ever offered to the host and port it came from,
 * because the name check is not made again when it is resumed.  A client's
 * ticket is bound to the tunnel's host by the session id context.
 */
#include "tls/contexts.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/addr.h"
#include "tls/tls_err.h"

enum { SESSIONS_MAX = 128, SESSIONS_PER_HOST = 16, READ_BUFFER = 66560 };

/* What may be offered: h2 first, as it stands first in what names both. */
static const struct {
	unsigned bits;
	unsigned n;
	const char *list;
} offers[] = {
	{ STREAM_ALPN_H1, 9, "\x08http/1.1" },
	{ STREAM_ALPN_H2, 3, "\x02h2" },
	{ STREAM_ALPN_H1 | STREAM_ALPN_H2, 12, "\x02h2\x08http/1.1" },
};

struct tls_server {
	SSL_CTX *ctx;
	struct mint *mint;
};

struct session {
	uint64_t tick; /* 0: free */
	SSL_SESSION *s;
	uint16_t port;
	char host[STREAM_HOST_MAX + 1];
};

struct tls_client {
	SSL_CTX *ctx;
	struct trust *trust;
	bool trusting; /* the store is in ctx */
	uint64_t tick;
	struct session sessions[SESSIONS_MAX];
};

/* What both roles share. */
static SSL_CTX *
context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_security_level(ctx, 2);
	(void)SSL_CTX_set_options(ctx,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_mode(
	    ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
	/* AES-128 first: as safe, and a fifth cheaper in bulk. */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx,
		"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
		"TLS_CHACHA20_POLY1305_SHA256") != 1 ||
	    SSL_CTX_set_cipher_list(
		ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM") != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521") != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/*
 * HTTP/2, or HTTP/1.1, or 1.0, of those that this connection may speak.  A
 * client that offers HTTP and nothing of that is told so (RFC 7301
 * section 3.2). What offers no HTTP goes on as if it had offered nothing: its
 * protocol may be one that a tunnel without rules carries.
 */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
    const unsigned char *in, unsigned n, void *arg UNUSED)
{
	static const struct {
		struct view name;
		unsigned bit;
	} known[] = { { VIEW("h2"), STREAM_ALPN_H2 },
		{ VIEW("http/1.1"), STREAM_ALPN_H1 },
		{ VIEW("http/1.0"), STREAM_ALPN_H1 } };
	const struct tls_peer *peer = SSL_get_app_data(ssl);
	struct rd r = rd_of((struct view) { (const char *)in, n });
	size_t best = ARRAY_LEN(known);
	bool http = false;

	while (r.n > 0) {
		struct view name = rd_view(&r, rd_u8(&r));

		for (size_t i = 0; i < ARRAY_LEN(known); i++) {
			if (!view_eq(name, known[i].name))
				continue;
			http = true;
			if (i >= best || !(peer->alpn & known[i].bit))
				continue;
			*out = (const unsigned char *)name.p;
			*out_n = (unsigned char)name.n;
			best = i;
		}
	}
	if (best < ARRAY_LEN(known))
		return SSL_TLSEXT_ERR_OK;
	return http ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* Attack: domain fronting, an allowed CONNECT host with another SNI (A41). */
static int
on_sni(SSL *ssl, int *alert, void *arg UNUSED)
{
	struct tls_peer *peer = SSL_get_app_data(ssl);
	const char *text = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct view name = view_of(text);

	if (text == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (view_eq_nocase(name, view_of(peer->host)))
		return SSL_TLSEXT_ERR_OK;
	peer->sni_differs = true;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * The leaf, for a handshake that shows it: a resumed one does not, and is
 * spared what OpenSSL checks of a certificate.
 */
static int
on_certificate(SSL *ssl, void *arg)
{
	const struct tls_server *t = arg;
	const struct tls_peer *peer = SSL_get_app_data(ssl);
	struct err unused;
	X509 *leaf = mint_leaf(t->mint, view_of(peer->host), &unused);

	return leaf != NULL && SSL_use_certificate(ssl, leaf) == 1 &&
	       SSL_use_PrivateKey(ssl, mint_key(t->mint)) == 1 &&
	       SSL_add1_chain_cert(ssl, mint_issuer(t->mint)) == 1;
}

int
tls_server_new(struct mint *mint, struct tls_server **out, struct err *e)
{
	struct tls_server *t;
	SSL_CTX *ctx;

	if (tls_start(e) < 0)
		return -1;
	ctx = context(TLS_server_method());
	if (ctx == NULL)
		return tls_err(e, ERR_INTERNAL, "TLS server context");
	/* Tickets only, under keys that OpenSSL draws and keeps in memory. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, on_sni);
	t = NEW(struct tls_server);
	t->ctx = ctx;
	t->mint = mint;
	SSL_CTX_set_cert_cb(ctx, on_certificate, t);
	*out = t;
	return 0;
}

void
tls_server_free(struct tls_server *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

static bool
bind_tickets(SSL *ssl, const char *host)
{
	unsigned char digest[32];
	unsigned n = 0;

	return EVP_Digest(host, strlen(host), digest, &n, EVP_sha256(), NULL) ==
		   1 &&
	       SSL_set_session_id_context(ssl, digest, n) == 1;
}

SSL *
tls_server_ssl(struct tls_server *t, struct tls_peer *peer, struct err *e)
{
	SSL *ssl = SSL_new(t->ctx);

	if (ssl == NULL || SSL_set_app_data(ssl, peer) != 1 ||
	    !bind_tickets(ssl, peer->host)) {
		SSL_free(ssl);
		(void)tls_err(e, ERR_INTERNAL, "TLS to the client");
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}

static void
session_drop(struct session *s)
{
	SSL_SESSION_free(s->s);
	s->s = NULL;
	s->tick = 0;
}

/* A new session: into a free slot, or over the oldest of its host when that
 * has enough of them, or over the oldest of all. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_peer *peer = SSL_get_app_data(ssl);
	struct session *any, *own = NULL, *at;
	struct tls_client *t = peer->client;
	size_t n_own = 0;

	any = &t->sessions[0];
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session *s = &t->sessions[i];

		if (s->tick < any->tick)
			any = s;
		if (s->tick == 0 || s->port != peer->port ||
		    strcmp(s->host, peer->host) != 0)
			continue;
		n_own++;
		if (own == NULL || s->tick < own->tick)
			own = s;
	}
	at = n_own >= SESSIONS_PER_HOST ? own : any;
	session_drop(at);
	at->s = session;
	at->tick = ++t->tick;
	at->port = peer->port;
	memcpy(at->host, peer->host, sizeof(at->host));
	peer->ticket_came = true;
	return 1; /* the reference is ours now */
}

/* Offers the newest session of the host.  One of TLS 1.3 is offered once
 * (RFC 8446 appendix C.4). */
static void
offer_session(struct tls_client *t, SSL *ssl, const struct tls_peer *peer)
{
	struct session *best = NULL;

	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session *s = &t->sessions[i];

		if (s->tick != 0 && s->port == peer->port &&
		    (best == NULL || s->tick > best->tick) &&
		    strcmp(s->host, peer->host) == 0)
			best = s;
	}
	if (best == NULL)
		return;
	(void)SSL_set_session(ssl, best->s);
	if (SSL_SESSION_get_protocol_version(best->s) >= TLS1_3_VERSION ||
	    !SSL_SESSION_is_resumable(best->s))
		session_drop(best);
}

int
tls_client_new(struct trust *trust, struct tls_client **out, struct err *e)
{
	struct tls_client *t;
	SSL_CTX *ctx;

	if (tls_start(e) < 0)
		return -1;
	ctx = context(TLS_client_method());
	if (ctx == NULL)
		return tls_err(e, ERR_INTERNAL, "TLS client context");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	t = NEW(struct tls_client);
	t->ctx = ctx;
	t->trust = trust;
	*out = t;
	return 0;
}

void
tls_client_free(struct tls_client *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		session_drop(&t->sessions[i]);
	SSL_CTX_free(t->ctx);
	free(t);
}

static bool
set_verified_name(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	struct addr a;

	X509_VERIFY_PARAM_set_hostflags(
	    p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
		   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (addr_parse(view_of(host), &a))
		return X509_VERIFY_PARAM_set1_ip(
			   p, a.b, a.family == 4 ? 4 : 16) == 1;
	return X509_VERIFY_PARAM_set1_host(p, host, 0) == 1 &&
	       SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool
set_offer(SSL *ssl, unsigned alpn)
{
	for (size_t i = 0; i < ARRAY_LEN(offers); i++)
		/* 0 is success here, unlike everywhere else. */
		if (offers[i].bits == alpn)
			return SSL_set_alpn_protos(ssl,
				   (const unsigned char *)offers[i].list,
				   offers[i].n) == 0;
	return false;
}

SSL *
tls_client_ssl(struct tls_client *t, struct tls_peer *peer, struct err *e)
{
	X509_STORE *store;
	SSL *ssl;

	if (!t->trusting) {
		store = trust_store(t->trust, e);
		if (store == NULL)
			return NULL;
		if (SSL_CTX_set1_verify_cert_store(t->ctx, store) != 1) {
			(void)tls_err(e, ERR_INTERNAL, "trust store");
			return NULL;
		}
		t->trusting = true;
	}
	ssl = SSL_new(t->ctx);
	if (ssl == NULL || SSL_set_app_data(ssl, peer) != 1 ||
	    !set_verified_name(ssl, peer->host) ||
	    !set_offer(ssl, peer->alpn)) {
		SSL_free(ssl);
		(void)tls_err(e, ERR_INTERNAL, "TLS to the upstream");
		return NULL;
	}
	peer->client = t;
	offer_session(t, ssl, peer);
	SSL_set_connect_state(ssl);
	return ssl;
}
