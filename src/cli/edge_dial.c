/* edge_dial: from a URL to a WebSocket that the edge has accepted. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "cli/dial_url.h"
#include "cli/edge_impl.h"
#include "http/h1.h"

enum { CONNECT_MS = 10000 };

/* --- the edge ------------------------------------------------------------ */

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

static int
open_roots(struct err *e)
{
	const char *file = getenv("SSL_CERT_FILE");
	int fd = -1;

	if (file != NULL && *file != '\0') {
		fd = open(file, O_RDONLY | O_CLOEXEC);
		return fd >= 0 ? fd : err_sys(e, "SSL_CERT_FILE %.200s", file);
	}
	for (size_t i = 0; fd < 0 && i < ARRAY_LEN(bundles); i++)
		fd = open(bundles[i], O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd
		       : err_set(e, ERR_NOT_FOUND,
			     "no trusted roots are installed: install "
			     "ca-certificates, or set SSL_CERT_FILE");
}

static int
dial(struct tunnel *t, struct err *e)
{
	int fd = dial_url(t->host, t->port, e);

	return fd >= 0 ? fd : err_wrap(e, "connect to %.200s", t->authority);
}

static int
wait_edge(const struct tunnel *t, uint64_t end, struct err *e)
{
	unsigned w = stream_wants(t->edge);
	struct pollfd p = { stream_fd(t->edge),
		(short)((w & STREAM_READ ? POLLIN : 0) |
			(w & STREAM_WRITE ? POLLOUT : 0)),
		0 };
	uint64_t now = clock_mono_ms();

	if (now >= end || poll(&p, 1, (int)(end - now)) == 0)
		return err_set(e, ERR_AGAIN, "%.200s did not answer in time",
		    t->authority);
	return 0;
}

static int
secure(struct tunnel *t, uint64_t end, struct err *e)
{
	int roots = open_roots(e);
	int fd;

	if (roots < 0)
		return -1;
	t->trust = trust_new_fd(roots);
	if (tls_client_new(t->trust, &t->tls, e) < 0 || (fd = dial(t, e)) < 0)
		return -1;
	t->edge = stream_new(fd);
	if (stream_connect(t->edge, t->tls, view_of(t->host), t->port,
		STREAM_ALPN_H1, e) < 0)
		return -1;
	while (stream_handshake(t->edge, e) < 0) {
		if (e->code == ERR_AGAIN && wait_edge(t, end, e) == 0)
			continue;
		/* ERR_DENIED is for a token that is not taken. */
		e->code = ERR_IO;
		return err_wrap(e, "TLS with %.200s", t->authority);
	}
	return 0;
}

/* --- the handshake, RFC 6455 section 4 ----------------------------------- */

static void
put_request(struct tunnel *t, const char *key)
{
	struct buf *b = &t->to_edge;

	buf_printf(b,
	    "GET /_ws_tunnel HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: %s\r\n",
	    t->authority, key);
	buf_printf(b,
	    "Cf-Access-Token: %s\r\nCf-Access-Jwt-Assertion: %s\r\n"
	    "Cookie: CF_Authorization=%s\r\n\r\n",
	    t->token, t->token, t->token);
}

int
edge_flush(struct tunnel *t, struct err *e)
{
	while (t->to_edge.n > 0) {
		ssize_t n = stream_write(t->edge, buf_view(&t->to_edge), e);

		if (n < 0)
			return -1;
		buf_drop(&t->to_edge, (size_t)n);
	}
	return 0;
}

static int
check_answer(
    const struct tunnel *t, struct view head, const char *key, struct err *e)
{
	const struct h1_field *f;
	char accept[WS_ACCEPT_SIZE];
	struct h1_head h;

	if (h1_parse_response(head, VIEW("GET"), &h, e) < 0)
		return err_wrap(e, "answer of %.200s", t->authority);
	if (h.status != 101)
		return err_set(e, ERR_DENIED,
		    "%.200s answered HTTP %u: it does not take the token",
		    t->authority, h.status);
	ws_accept(view_of(key), accept);
	f = h1_find(&h, VIEW("sec-websocket-accept"));
	if (f == NULL || !view_eq(f->value, view_of(accept)) ||
	    !h1_list_has(&h, VIEW("upgrade"), VIEW("websocket")) ||
	    h1_find(&h, VIEW("sec-websocket-extensions")) != NULL)
		return err_set(e, ERR_PROTO,
		    "%.200s does not speak WebSocket as asked", t->authority);
	return 0;
}

static int
upgrade(struct tunnel *t, uint64_t end, struct err *e)
{
	unsigned char nonce[16];
	char key[25], bytes[4096];
	size_t scanned = 0;
	ssize_t n = 0, got;

	random_bytes(nonce, sizeof(nonce));
	(void)EVP_EncodeBlock((unsigned char *)key, nonce, sizeof(nonce));
	put_request(t, key);
	while (edge_flush(t, e) < 0)
		if (e->code != ERR_AGAIN || wait_edge(t, end, e) < 0)
			return -1;
	while (n == 0) {
		got = stream_read(t->edge, bytes, sizeof(bytes), e);
		if (got == 0)
			return err_set(
			    e, ERR_IO, "%.200s hung up", t->authority);
		if (got < 0) {
			if (e->code != ERR_AGAIN || wait_edge(t, end, e) < 0)
				return -1;
			continue;
		}
		buf_put(&t->from_edge, (struct view) { bytes, (size_t)got });
		n = h1_head_end(
		    buf_view(&t->from_edge), H1_RESPONSE_HEAD_MAX, &scanned, e);
	}
	if (n < 0 ||
	    check_answer(t, view_slice(buf_view(&t->from_edge), 0, (size_t)n),
		key, e) < 0)
		return -1;
	buf_drop(&t->from_edge, (size_t)n);
	return 0;
}

int
edge_dial(struct tunnel *t, const char *url, struct err *e)
{
	static const char scheme[] = "https://";
	uint64_t end = clock_mono_ms() + CONNECT_MS;
	struct url_host at;

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return err_set(e, ERR_INVALID, "%.200s is not https", url);
	at.port = 443;
	if (url_host_of(url, sizeof(scheme) - 1, &at, e) < 0)
		return -1;
	t->authority = at.authority;
	t->host = at.host;
	t->port = at.port;
	if (secure(t, end, e) < 0)
		return -1;
	return upgrade(t, end, e);
}
