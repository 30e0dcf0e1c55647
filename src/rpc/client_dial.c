/* client_dial: from the URL of a target to a connection. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/fd.h"
#include "rpc/client_impl.h"

static void
on_connected(uv_connect_t *req, int status)
{
	struct rpc_client *c = req->data;
	struct err e;

	if (c->c.closing || status == UV_ECANCELED)
		return;
	if (status < 0) {
		bool nobody = status == UV_ECONNREFUSED || status == UV_ENOENT;

		(void)err_set(&e, nobody ? ERR_NOT_FOUND : ERR_IO,
		    "connect to %s: %s", c->url, uv_strerror(status));
		rpc_conn_close(&c->c, &e);
		return;
	}
	rpc_client_begin(c);
}

static void
on_dialled(
    void *arg, int fd, const struct addr *to UNUSED, const struct err *why)
{
	struct rpc_client *c = arg;
	struct err e;
	int rc;

	c->dial = NULL;
	if (c->c.closing) {
		fd_close(&fd);
		return;
	}
	if (why != NULL) {
		(void)err_set(&e,
		    why->sys == ECONNREFUSED ? ERR_NOT_FOUND : ERR_IO,
		    "connect to %s: %.300s", c->url, why->text);
		rpc_conn_close(&c->c, &e);
		return;
	}
	rc = uv_tcp_open(&c->c.u.tcp, fd);
	if (rc < 0) {
		fd_close(&fd);
		(void)err_set(
		    &e, ERR_IO, "connect to %s: %s", c->url, uv_strerror(rc));
		rpc_conn_close(&c->c, &e);
		return;
	}
	rpc_client_begin(c);
}

/* "host:port" of a URL; the port has no default but those of the schemes. */
static int
split_host(struct rpc_client *c, struct view v, uint16_t *port, struct err *e)
{
	struct view host, rest = { 0 };
	uint64_t n;

	v = view_cut(v, '/', &rest);
	if (v.n > 0 && v.p[0] == '[') {
		host = view_cut(view_slice(v, 1, v.n), ']', &rest);
		if (rest.n > 0 && rest.p[0] == ':')
			rest = view_slice(rest, 1, rest.n);
	} else
		host = view_cut(v, ':', &rest);
	if (host.n == 0 || host.n > 253)
		return err_set(
		    e, ERR_INVALID, "%s: gateway URL missing host", c->url);
	if (rest.n > 0) {
		if (!view_u64(rest, 65535, &n) || n == 0)
			return err_set(e, ERR_INVALID,
			    "%s: no port from 1 to 65535", c->url);
		*port = (uint16_t)n;
	}
	c->host = view_dup(host);
	(void)snprintf(
	    c->authority, sizeof(c->authority), "%.*s", (int)v.n, v.p);
	return 0;
}

/* A literal is connected to by libuv, which asks nobody. */
static int
connect_tcp(struct rpc_client *c, uint16_t port, struct err *e)
{
	struct sockaddr_storage ss;
	struct addr a;
	int rc;

	if (!addr_parse(view_of(c->host), &a)) {
		c->dial = dial_name_start(
		    c->turn->loop, c->host, port, on_dialled, c);
		return 0;
	}
	(void)addr_to_sockaddr(&a, port, &ss);
	c->connect.data = c;
	rc = uv_tcp_connect(
	    &c->connect, &c->c.u.tcp, (struct sockaddr *)&ss, on_connected);
	return rc == 0 ? 0
		       : err_set(e, ERR_IO, "connect to %s: %s", c->url,
			     uv_strerror(rc));
}

static void
on_fd(void *arg)
{
	rpc_client_begin(arg);
}

static int
use_fd(struct rpc_client *c, int *fd, struct err *e)
{
	int rc = uv_pipe_open(&c->c.u.pipe, *fd);

	if (rc < 0)
		return err_set(e, ERR_IO, "use the connection to %s: %s",
		    c->url, uv_strerror(rc));
	*fd = -1;
	/* Not from inside the caller's own call. */
	deadline_init(&c->c.deadline, on_fd, c);
	deadline_set(c->turn->deadlines, &c->c.deadline, 1);
	return 0;
}

static int
connect_unix(struct rpc_client *c, const char *path, struct err *e)
{
	struct sockaddr_un a;

	if (rpc_unix_path(path, &c->dirfd, a.sun_path, sizeof(a.sun_path), e) <
	    0)
		return -1;
	(void)snprintf(c->authority, sizeof(c->authority), "localhost");
	c->connect.data = c;
	uv_pipe_connect(&c->connect, &c->c.u.pipe, a.sun_path, on_connected);
	return 0;
}

static const struct scheme {
	const char *prefix;
	enum rpc_transport transport;
	uint16_t port;
} schemes[] = {
	{ "https://", RPC_TLS, 443 },
	{ "http://", RPC_PLAIN, 80 },
	{ "unix:", RPC_UNIX, 0 },
};

static const struct scheme *
scheme_of(const char *url)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strncmp(
			url, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			return &schemes[i];
	return NULL;
}

int
rpc_client_dial(struct rpc_client *c, const struct rpc_target *t, struct err *e)
{
	const struct scheme *s = scheme_of(t->url);
	struct mutual_files files = { t->cert, t->key, t->ca };
	const char *rest;
	uint16_t port;

	if (s == NULL)
		return err_set(e, ERR_INVALID,
		    "%s: invalid gateway URL (https://, http:// or unix:)",
		    t->url);
	rest = t->url + strlen(s->prefix);
	port = s->port;
	if (s->transport != RPC_UNIX &&
	    split_host(c, view_of(rest), &port, e) < 0)
		return -1;
	if (t->fd != NULL) {
		if (rpc_client_conn(c, RPC_UNIX, e) < 0)
			return -1;
		return use_fd(c, t->fd, e);
	}
	if (s->transport == RPC_TLS && t->ca == NULL)
		return err_set(
		    e, ERR_INVALID, "TLS CA is required for https endpoints");
	if (s->transport == RPC_TLS &&
	    mutual_client_ctx(&files, &c->ctx, e) < 0)
		return -1;
	if (rpc_client_conn(c, s->transport, e) < 0)
		return -1;
	return s->transport == RPC_UNIX ? connect_unix(c, rest, e)
					: connect_tcp(c, port, e);
}
