/*
 * stream: see stream.h.
 *
 * TLS runs over a BIO of ours, which reads the bytes handed in by
 * stream_unread before the descriptor, and writes without SIGPIPE.  `failed`
 * marks that OpenSSL must not be used again after a fatal error.
 */
#include "tls/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "tls/contexts.h"
#include "tls/tls_err.h"

struct stream {
	int fd;
	SSL *ssl; /* NULL: plain */
	BIO_METHOD *bio_method;
	struct tls_peer peer;
	struct buf unread;
	size_t unread_at;
	unsigned wants;
	int sys; /* errno of the descriptor, behind an SSL failure */
	bool eof; /* the descriptor gave its end */
	bool dry; /* the last read found too little to go on with */
	bool ready; /* the handshake is done */
	bool failed;
	bool more; /* what is written now is not the last of it */
	bool held; /* the system holds some of it back for that */
	bool alpn_refused;
	unsigned alpn;
};

/* ERR_AGAIN without formatting a sentence: this is the common case. */
static int
again(struct stream *s, unsigned wants, struct err *e)
{
	s->wants = wants;
	e->code = ERR_AGAIN;
	e->sys = EAGAIN;
	e->text[0] = '\0';
	return -1;
}

static ssize_t
take_unread(struct stream *s, void *p, size_t n)
{
	size_t left = s->unread.n - s->unread_at;

	n = MIN(n, left);
	memcpy(p, s->unread.p + s->unread_at, n);
	s->unread_at += n;
	if (n == left) {
		buf_fini(&s->unread);
		s->unread_at = 0;
	}
	return (ssize_t)n;
}

static int
bio_read(BIO *bio, char *p, int n)
{
	struct stream *s = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	if (n <= 0)
		return 0;
	if (s->unread.n > 0)
		return (int)take_unread(s, p, (size_t)n);
	do
		got = recv(s->fd, p, (size_t)n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			BIO_set_retry_read(bio);
		else
			s->sys = errno;
	}
	s->eof |= got == 0;
	return (int)got;
}

/*
 * A server's ticket of TLS 1.3 is the last thing it says in a handshake and
 * nobody waits for it: it goes with the first answer (tcp(7): after 200 ms at
 * the latest).
 */
static bool
can_wait(const struct stream *s)
{
	return SSL_get_state(s->ssl) == TLS_ST_SW_SESSION_TICKET &&
	       SSL_version(s->ssl) >= TLS1_3_VERSION;
}

static int
bio_write(BIO *bio, const char *p, int n)
{
	struct stream *s = BIO_get_data(bio);
	int flags = MSG_NOSIGNAL | (s->more || can_wait(s) ? MSG_MORE : 0);
	ssize_t put;

	BIO_clear_retry_flags(bio);
	if (n <= 0)
		return 0;
	do
		put = send(s->fd, p, (size_t)n, flags);
	while (put < 0 && errno == EINTR);
	s->held = s->more && put > 0;
	if (put < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			BIO_set_retry_write(bio);
		else
			s->sys = errno;
	}
	return (int)put;
}

static long
bio_ctrl(BIO *bio, int cmd, long num UNUSED, void *ptr UNUSED)
{
	const struct stream *s = BIO_get_data(bio);

	if (cmd == BIO_CTRL_FLUSH)
		return 1;
	if (cmd == BIO_CTRL_EOF)
		return s->eof;
	return 0;
}

static int
attach_bio(struct stream *s, struct err *e)
{
	BIO *bio;

	s->bio_method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
	if (s->bio_method == NULL ||
	    BIO_meth_set_read(s->bio_method, bio_read) != 1 ||
	    BIO_meth_set_write(s->bio_method, bio_write) != 1 ||
	    BIO_meth_set_ctrl(s->bio_method, bio_ctrl) != 1)
		return tls_err(e, ERR_INTERNAL, "TLS stream");
	bio = BIO_new(s->bio_method);
	if (bio == NULL)
		return tls_err(e, ERR_INTERNAL, "TLS stream");
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	return 0;
}

struct stream *
stream_new(int fd)
{
	struct stream *s = NEW(struct stream);

	s->fd = fd;
	s->unread = BUF_INIT(STREAM_UNREAD_MAX);
	return s;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	/* Else OpenSSL would call the session unfit to be resumed, which no
	 * version of TLS asks for since 1.1. */
	if (s->ssl != NULL && s->ready && !s->failed)
		SSL_set_shutdown(
		    s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(s->ssl);
	BIO_meth_free(s->bio_method);
	buf_fini(&s->unread);
	fd_close(&s->fd);
	free(s);
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

int
stream_unread(struct stream *s, struct view bytes, struct err *e)
{
	struct buf joined = BUF_INIT(STREAM_UNREAD_MAX);

	if (bytes.n == 0)
		return 0;
	buf_put(&joined, bytes);
	buf_put(&joined,
	    view_slice(buf_view(&s->unread), s->unread_at, s->unread.n));
	if (joined.full) {
		buf_fini(&joined);
		return err_set(e, ERR_LIMIT, "too many bytes to read again");
	}
	buf_fini(&s->unread);
	s->unread = joined;
	s->unread_at = 0;
	s->dry = false;
	return 0;
}

static int
set_peer(struct stream *s, struct view host, uint16_t port, unsigned alpn,
    struct err *e)
{
	if (s->ssl != NULL)
		return err_set(e, ERR_INTERNAL, "stream has TLS already");
	if (host.n == 0 || host.n > STREAM_HOST_MAX ||
	    memchr(host.p, '\0', host.n) != NULL)
		return err_set(e, ERR_INVALID, "no TLS for such a host name");
	s->peer = (struct tls_peer) { .port = port, .alpn = alpn };
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		s->peer.host[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return 0;
}

int
stream_accept(struct stream *s, struct tls_server *t, struct view host,
    unsigned alpn, struct err *e)
{
	if (set_peer(s, host, 0, alpn, e) < 0)
		return -1;
	s->ssl = tls_server_ssl(t, &s->peer, e);
	return s->ssl != NULL ? attach_bio(s, e) : -1;
}

int
stream_connect(struct stream *s, struct tls_client *t, struct view host,
    uint16_t port, unsigned alpn, struct err *e)
{
	if (set_peer(s, host, port, alpn, e) < 0)
		return -1;
	s->ssl = tls_client_ssl(t, &s->peer, e);
	return s->ssl != NULL ? attach_bio(s, e) : -1;
}

/* Why an SSL call gave rc <= 0: -1 and e, or 0 at a clean end. */
static int
ssl_outcome(struct stream *s, int rc, struct err *e)
{
	const char *side = s->peer.client != NULL ? "upstream" : "client";
	char what[300];
	long verify;
	int why = SSL_get_error(s->ssl, rc);

	if (why == SSL_ERROR_WANT_READ)
		return again(s, STREAM_READ, e);
	if (why == SSL_ERROR_WANT_WRITE)
		return again(s, STREAM_WRITE, e);
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	s->failed = true;
	verify = SSL_get_verify_result(s->ssl);
	if (!s->ready && s->peer.client != NULL && verify != X509_V_OK) {
		ERR_clear_error();
		return err_set(e, ERR_DENIED, "certificate of %s refused: %s",
		    s->peer.host, X509_verify_cert_error_string(verify));
	}
	if (s->peer.sni_differs) {
		ERR_clear_error();
		return err_set(e, ERR_DENIED,
		    "client's SNI differs from the tunnel's host %s",
		    s->peer.host);
	}
	if (s->sys != 0) {
		ERR_clear_error();
		errno = s->sys;
		return err_sys(e, "TLS with %s", side);
	}
	if (s->eof) {
		ERR_clear_error();
		return err_set(e, ERR_PROTO, "TLS with %s ended %s", side,
		    s->ready ? "without close_notify" : "during the handshake");
	}
	(void)snprintf(what, sizeof(what), "TLS with %s", side);
	return tls_err(e, ERR_PROTO, what);
}

static int
check_failed(const struct stream *s, struct err *e)
{
	if (s->failed)
		return err_set(e, ERR_IO, "stream has failed before");
	return 0;
}

/* What was agreed on must be something that was offered. */
static int
take_alpn(struct stream *s, struct err *e)
{
	const unsigned char *p;
	struct view name;
	unsigned n;

	SSL_get0_alpn_selected(s->ssl, &p, &n);
	name = (struct view) { (const char *)p, n };
	if (n == 0)
		return 0;
	s->alpn = view_eq(name, VIEW("h2")) ? STREAM_ALPN_H2 : STREAM_ALPN_H1;
	if (s->peer.client != NULL &&
	    (!(s->peer.alpn & s->alpn) ||
		(s->alpn == STREAM_ALPN_H1 &&
		    !view_eq(name, VIEW("http/1.1"))))) {
		s->failed = true;
		return err_set(e, ERR_PROTO, "peer chose another protocol");
	}
	return 0;
}

int
stream_handshake(struct stream *s, struct err *e)
{
	int rc;

	if (s->ssl == NULL || s->ready)
		return 0;
	if (check_failed(s, e) < 0)
		return -1;
	ERR_clear_error();
	rc = SSL_do_handshake(s->ssl);
	if (rc <= 0) {
		s->alpn_refused = ERR_GET_REASON(ERR_peek_error()) ==
				  SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL;
		rc = ssl_outcome(s, rc, e);
		return rc == 0 ? err_set(e, ERR_PROTO,
				     "TLS ended during the handshake")
			       : -1;
	}
	s->ready = true;
	return take_alpn(s, e);
}

unsigned
stream_alpn(const struct stream *s)
{
	return s->alpn;
}

bool
stream_alpn_refused(const struct stream *s)
{
	return s->alpn_refused;
}

bool
stream_is_tls(const struct stream *s)
{
	return s->ssl != NULL;
}

bool
stream_resumed(const struct stream *s)
{
	return s->ssl != NULL && SSL_session_reused(s->ssl) == 1;
}

static ssize_t
plain_read(struct stream *s, void *p, size_t n, struct err *e)
{
	ssize_t got;

	if (s->unread.n > 0)
		return take_unread(s, p, n);
	do
		got = recv(s->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return again(s, STREAM_READ, e);
		return err_sys(e, "read");
	}
	return got;
}

/*
 * A ticket makes OpenSSL set up the buffer to write from, 16 KiB, which it
 * gives back only after the next write: of a connection that waits, never.
 */
static void
give_back(struct stream *s)
{
	if (s->peer.ticket_came && SSL_free_buffers(s->ssl) == 1)
		s->peer.ticket_came = false;
}

ssize_t
stream_read(struct stream *s, void *p, size_t n, struct err *e)
{
	size_t got = 0;
	ssize_t out;
	int rc;

	if (s->ssl == NULL)
		return plain_read(s, p, n, e);
	if (check_failed(s, e) < 0)
		return -1;
	ERR_clear_error();
	rc = SSL_read_ex(s->ssl, p, n, &got);
	s->dry = rc != 1;
	out = rc == 1 ? (ssize_t)got : ssl_outcome(s, rc, e);
	if (!s->failed)
		give_back(s);
	return out;
}

static ssize_t
plain_write(struct stream *s, struct view v, struct err *e)
{
	ssize_t put;

	do
		put = send(s->fd, v.p, v.n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return again(s, STREAM_WRITE, e);
		return err_sys(e, "write");
	}
	return put;
}

ssize_t
stream_write(struct stream *s, struct view v, struct err *e)
{
	size_t put = 0;
	int rc;

	if (v.n == 0)
		return 0;
	if (s->ssl == NULL)
		return plain_write(s, v, e);
	if (check_failed(s, e) < 0)
		return -1;
	ERR_clear_error();
	rc = SSL_write_ex(s->ssl, v.p, v.n, &put);
	if (rc == 1)
		return (ssize_t)put;
	if (ssl_outcome(s, rc, e) == 0)
		return err_set(e, ERR_IO, "TLS was ended by the peer");
	return -1;
}

void
stream_more(struct stream *s, bool more)
{
	static const int on = 1;

	s->more = more;
	if (more || !s->held)
		return;
	s->held = false;
	/* tcp(7): setting it pushes out what is pending. */
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

unsigned
stream_wants(const struct stream *s)
{
	return s->wants;
}

bool
stream_pending(const struct stream *s)
{
	if (s->unread.n > 0)
		return true;
	return s->ssl != NULL && !s->dry && SSL_has_pending(s->ssl) == 1;
}

int
stream_shutdown(struct stream *s, struct err *e)
{
	if (s->ssl != NULL && s->ready && !s->failed) {
		int rc;

		ERR_clear_error();
		rc = SSL_shutdown(s->ssl);
		if (rc < 0 && ssl_outcome(s, rc, e) < 0 &&
		    e->code == ERR_AGAIN && s->wants == STREAM_WRITE)
			return -1;
		/* Whatever else went wrong, the FIN still tells the peer. */
	}
	if (shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return err_sys(e, "shut down");
	return 0;
}
