#include "cli/healthz.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/dial_url.h"
#include "http/h1.h"
#include "rpc/rpc.h"

enum { WAIT_MS = 10000, STEP_S = 5 };

struct wire {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void
wire_fini(struct wire *w)
{
	SSL_free(w->ssl);
	SSL_CTX_free(w->ctx);
	fd_close(&w->fd);
}

static int
dial_unix(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd = -1;

	if (rpc_unix_path(path, &dir, a.sun_path, sizeof(a.sun_path), e) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "connect to %.200s", path);
	return take_fd(fd);
}

static int
begin_tls(struct wire *w, const struct mutual_files *files, const char *host,
    struct err *e)
{
	static const unsigned char alpn[] = "\x08http/1.1";

	if (mutual_client_ctx(files, &w->ctx, e) < 0)
		return -1;
	w->ssl = mutual_client(w->ctx, host, e);
	if (w->ssl == NULL)
		return -1;
	(void)SSL_set_alpn_protos(w->ssl, alpn, sizeof(alpn) - 1);
	(void)SSL_set_fd(w->ssl, w->fd);
	return SSL_connect(w->ssl) == 1 ? 0 : mutual_why(w->ssl, host, e);
}

/* Blocking, each wait bounded. */
static int
patient(int fd, struct err *e)
{
	struct timeval step = { STEP_S, 0 };

	if (fd_set_nonblock(fd, false, e) < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &step, sizeof(step)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &step, sizeof(step)) < 0)
		return err_sys(e, "bound the waiting");
	return 0;
}

static int
open_wire(const struct healthz_target *t, struct wire *w, struct url_host *at,
    struct err *e)
{
	bool tls = strncmp(t->url, "https://", 8) == 0;

	at->port = tls ? 443 : 80;
	if (strncmp(t->url, "unix:", 5) == 0)
		w->fd = dial_unix(t->url + 5, e);
	else if (url_host_of(t->url, tls ? 8 : 7, at, e) < 0)
		return -1;
	else if (t->fd != NULL) {
		w->fd = *t->fd;
		*t->fd = -1;
	} else
		w->fd = dial_url(at->host, at->port, e);
	if (w->fd < 0 || patient(w->fd, e) < 0)
		return -1;
	return tls && t->fd == NULL ? begin_tls(w, &t->files, at->host, e) : 0;
}

static ssize_t
wire_read(struct wire *w, void *p, size_t n)
{
	return w->ssl != NULL ? SSL_read(w->ssl, p, (int)n)
			      : recv(w->fd, p, n, 0);
}

static int
wire_write(struct wire *w, struct view v, struct err *e)
{
	if (w->ssl == NULL)
		return fd_write_all(w->fd, v.p, v.n, e);
	return SSL_write(w->ssl, v.p, (int)v.n) == (int)v.n
		   ? 0
		   : err_set(e, ERR_IO, "send a request: the connection ended");
}

static int
read_status(struct wire *w, unsigned *status, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(H1_RESPONSE_HEAD_MAX + 4096);
	uint64_t end = clock_mono_ms() + WAIT_MS;
	size_t scanned = 0;
	ssize_t n = 0;
	struct h1_head h;

	while (n == 0) {
		char bytes[4096];
		ssize_t got = wire_read(w, bytes, sizeof(bytes));

		if (got <= 0 || clock_mono_ms() > end)
			return err_set(e, ERR_IO, "HTTP did not answer");
		buf_put(&b, (struct view) { bytes, (size_t)got });
		n = h1_head_end(
		    buf_view(&b), H1_RESPONSE_HEAD_MAX, &scanned, e);
	}
	if (n < 0 || h1_parse_response(view_slice(buf_view(&b), 0, (size_t)n),
			 VIEW("GET"), &h, e) < 0)
		return err_wrap(e, "HTTP answered what is not HTTP");
	*status = h.status;
	return 0;
}

int
healthz_get(const struct healthz_target *t, unsigned *status, struct err *e)
{
	CLEANUP(wire_fini) struct wire w = { .fd = -1 };
	AUTO_URL_HOST struct url_host at = { 0 };
	AUTO_BUF struct buf b = BUF_INIT(1024);

	if (open_wire(t, &w, &at, e) < 0)
		return -1;
	buf_printf(&b,
	    "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
	    at.authority != NULL ? at.authority : "localhost");
	if (wire_write(&w, buf_view(&b), e) < 0)
		return -1;
	return read_status(&w, status, e);
}
