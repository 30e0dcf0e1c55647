/* mutual: contexts from files, and what certificates say. */
#include "tls/mutual.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "net/addr.h"
#include "tls/tls_err.h"

static const unsigned char session_context[] = "openshell";
static const unsigned char alpn_wire[] = "\x02h2";

/* Attack: a key that others can read is no identity. */
static int
check_key(const char *path, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "failed to read TLS key from %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(
		    e, ERR_INVALID, "TLS key %s is not a regular file", path);
	if ((st.st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "TLS key %s can be read by others (mode %04o)\n"
		    "make it yours alone: chmod 600 %s",
		    path, (unsigned)st.st_mode & 07777, path);
	return 0;
}

static int
check_readable(const char *what, const char *path, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? err_sys(e, "failed to read TLS %s from %s", what, path)
		      : 0;
}

static int
load_own(SSL_CTX *ctx, const struct mutual_files *f, struct err *e)
{
	if (check_readable("cert", f->cert, e) < 0 || check_key(f->key, e) < 0)
		return -1;
	if (SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1) {
		(void)tls_err(e, ERR_INVALID, "no certificate in it");
		return err_wrap(e, "TLS cert %s", f->cert);
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM) != 1) {
		(void)tls_err(e, ERR_INVALID, "no usable private key in it");
		return err_wrap(e, "TLS key %s", f->key);
	}
	if (SSL_CTX_check_private_key(ctx) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_INVALID,
		    "TLS key %s does not belong to certificate %s", f->key,
		    f->cert);
	}
	return 0;
}

static int
load_ca(SSL_CTX *ctx, const char *path, struct err *e)
{
	if (check_readable("CA", path, e) < 0)
		return -1;
	if (SSL_CTX_load_verify_file(ctx, path) != 1) {
		(void)tls_err(e, ERR_INVALID, "no certificate in it");
		return err_wrap(e, "TLS CA %s", path);
	}
	return 0;
}

static int
context(const SSL_METHOD *method, const struct mutual_files *f, SSL_CTX **out,
    struct err *e)
{
	SSL_CTX *ctx;

	if (tls_start(e) < 0)
		return -1;
	ctx = SSL_CTX_new(method);
	if (ctx == NULL)
		return tls_err(e, ERR_INTERNAL, "make a TLS context");
	SSL_CTX_set_security_level(ctx, 2);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION |
					   SSL_OP_NO_RENEGOTIATION |
					   SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_mode(
	    ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx,
		"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
		"TLS_CHACHA20_POLY1305_SHA256") != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
		SSL_CTX_free(ctx);
		return tls_err(e, ERR_INTERNAL, "set up a TLS context");
	}
	if ((f->cert != NULL && load_own(ctx, f, e) < 0) ||
	    (f->ca != NULL && load_ca(ctx, f->ca, e) < 0)) {
		SSL_CTX_free(ctx);
		return -1;
	}
	*out = ctx;
	return 0;
}

/* h2 for gRPC, http/1.1 for health probes; h2 first, whoever asks. */
static int
on_alpn(SSL *ssl UNUSED, const unsigned char **out, unsigned char *out_n,
    const unsigned char *in, unsigned n, void *arg UNUSED)
{
	static const struct view known[] = { VIEW("h2"), VIEW("http/1.1") };
	size_t best = ARRAY_LEN(known);
	struct rd r = rd_of((struct view) { (const char *)in, n });

	while (r.n > 0) {
		struct view name = rd_view(&r, rd_u8(&r));

		for (size_t i = 0; i < best; i++)
			if (view_eq(name, known[i])) {
				*out = (const unsigned char *)name.p;
				*out_n = (unsigned char)name.n;
				best = i;
			}
	}
	return best < ARRAY_LEN(known) ? SSL_TLSEXT_ERR_OK
				       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int
mutual_server_ctx(
    const struct mutual_files *f, bool optional, SSL_CTX **out, struct err *e)
{
	SSL_CTX *ctx = NULL;
	STACK_OF(X509_NAME) * names;

	if (context(TLS_server_method(), f, &ctx, e) < 0)
		return -1;
	SSL_CTX_set_verify(ctx,
	    SSL_VERIFY_PEER | (optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
	    NULL);
	/* Sessions of another context must not carry an identity over. */
	(void)SSL_CTX_set_session_id_context(
	    ctx, session_context, sizeof(session_context) - 1);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	names = SSL_load_client_CA_file(f->ca);
	if (names != NULL)
		SSL_CTX_set_client_CA_list(ctx, names);
	*out = ctx;
	return 0;
}

int
mutual_client_ctx(const struct mutual_files *f, SSL_CTX **out, struct err *e)
{
	SSL_CTX *ctx = NULL;

	if (context(TLS_client_method(), f, &ctx, e) < 0)
		return -1;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* 0 is success, unlike everywhere else. */
	if (SSL_CTX_set_alpn_protos(ctx, alpn_wire, sizeof(alpn_wire) - 1) !=
	    0) {
		SSL_CTX_free(ctx);
		return tls_err(e, ERR_INTERNAL, "set ALPN");
	}
	*out = ctx;
	return 0;
}

SSL *
mutual_client(SSL_CTX *ctx, const char *host, struct err *e)
{
	SSL *ssl = SSL_new(ctx);
	struct addr a;
	bool ok;

	if (ssl == NULL) {
		(void)tls_err(e, ERR_INTERNAL, "make a TLS connection");
		return NULL;
	}
	if (addr_parse(view_of(host), &a))
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) ==
		     1;
	else
		ok = SSL_set1_host(ssl, host) == 1 &&
		     SSL_set_tlsext_host_name(ssl, host) == 1;
	if (!ok) {
		SSL_free(ssl);
		(void)tls_err(e, ERR_INVALID, "host name of the server");
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

/* A NUL or control byte inside would make one name look like another. */
static void
keep_name(char out[MUTUAL_NAME_MAX], const unsigned char *p, int n)
{
	out[0] = '\0';
	if (n <= 0 || n >= MUTUAL_NAME_MAX)
		return;
	for (int i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f)
			return;
	memcpy(out, p, (size_t)n);
	out[n] = '\0';
}

static void
read_uri(X509 *cert, char out[MUTUAL_NAME_MAX])
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type != GEN_URI)
			continue;
		keep_name(out,
		    ASN1_STRING_get0_data(g->d.uniformResourceIdentifier),
		    ASN1_STRING_length(g->d.uniformResourceIdentifier));
		break;
	}
	GENERAL_NAMES_free(names);
}

static void
read_subject(X509 *cert, char out[MUTUAL_NAME_MAX])
{
	const X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *cn;

	if (at < 0)
		return;
	cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	keep_name(out, ASN1_STRING_get0_data(cn), ASN1_STRING_length(cn));
}

bool
mutual_peer(SSL *ssl, struct mutual_peer *out)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);

	*out = (struct mutual_peer) { 0 };
	if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	read_uri(cert, out->san_uri);
	read_subject(cert, out->subject);
	return true;
}

static const char *
fix_of(long result)
{
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "check the clock; openshell gateway restart makes new "
		       "certificates";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "use the name or address that the gateway's "
		       "certificate names";
	default:
		return "this is not the gateway whose CA is on file: select "
		       "the right one, or register it anew";
	}
}

/* What an alert says of the certificate that we sent, RFC 8446 section 6.2;
 * NULL for one about something else. */
static const char *
refusal(int alert)
{
	static const struct {
		int alert;
		const char *text;
	} rows[] = {
		{ SSL_AD_BAD_CERTIFICATE, "bad certificate" },
		{ SSL_AD_UNSUPPORTED_CERTIFICATE, "not for this use" },
		{ SSL_AD_CERTIFICATE_REVOKED, "certificate revoked" },
		{ SSL_AD_CERTIFICATE_EXPIRED, "certificate expired" },
		{ SSL_AD_CERTIFICATE_UNKNOWN, "certificate unknown" },
		{ SSL_AD_UNKNOWN_CA, "unknown CA" },
		{ SSL_AD_ACCESS_DENIED, "access denied" },
		{ SSL_AD_CERTIFICATE_REQUIRED,
		    "certificate required, none shown" },
		{ SSL_AD_HANDSHAKE_FAILURE,
		    "handshake failure, as when none is shown" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].alert == alert)
			return rows[i].text;
	return NULL;
}

int
mutual_why(SSL *ssl, const char *what, struct err *e)
{
	long result = SSL_get_verify_result(ssl);
	unsigned long code = ERR_peek_last_error();
	const char *why;

	if (result != X509_V_OK) {
		ERR_clear_error();
		return err_set(e, ERR_DENIED, "%s: certificate refused: %s\n%s",
		    what, X509_verify_cert_error_string(result),
		    fix_of(result));
	}
	if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
	    ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET &&
	    (why = refusal(ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET)) !=
		NULL) {
		ERR_clear_error();
		return err_set(e, ERR_DENIED,
		    "%s: the other side refused our certificate: %s\n"
		    "openshell gateway restart makes new ones",
		    what, why);
	}
	return tls_err(e, ERR_PROTO, what);
}
