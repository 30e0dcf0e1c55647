/* serve: see serve.h. */
#include "gateway/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/fd.h"
#include "base/mem.h"
#include "gateway/gateway.h"
#include "gateway/lock.h"
#include "gateway/port.h"
#include "gateway/safefile.h"
#include "http/egress.h"

enum { DRAIN_MS = 2000, RENEW_MS = 24 * 3600 * 1000 };

struct serve {
	const struct options *o;
	uv_loop_t loop;
	uv_signal_t term, intr, hup;
	uv_timer_t renew;
	bool handles, draining;
	int lock;
	uint16_t port;
	char user[24];
	char *pki, *socket, *endpoint, *db, *cert, *key, *ca;
	struct pki_config certs;
	struct buf egress;
	struct store *store;
	struct gateway *gateway;
	struct rpc_server_hooks hooks;
	struct rpc_server *server;
};

/* ---- the process ---------------------------------------------------------
 */

static void
set_up_process(void)
{
	struct rlimit files;

	/* Each is an error of the write that caused it. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)umask(077);
	/* A connection a sandbox. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int
open_log(const struct options *o, struct err *e)
{
	AUTO_CLOSE int fd = -1;

	if (o->log_file == NULL)
		return 0;
	fd = open(o->log_file,
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return err_sys(e, "log %s", o->log_file);
	return 0;
}

/* ---- signals and time ----------------------------------------------------
 */

static void
on_drained(void *ctx)
{
	struct serve *s = ctx;

	uv_stop(&s->loop);
}

static void
on_end(uv_signal_t *h, int number)
{
	struct serve *s = h->data;

	if (s->draining) {
		uv_stop(&s->loop);
		return;
	}
	LOG_INFO("stopping", KV_INT("signal", number));
	s->draining = true;
	gateway_drain(s->gateway);
	rpc_server_drain(s->server, DRAIN_MS, on_drained, s);
}

/* Certificates near their end are replaced; connections to come use them. */
static void
renew(struct serve *s, bool reload)
{
	struct err e = { 0 };
	bool changed = false;

	if (s->o->disable_tls)
		return;
	if (pki_ensure(&s->certs, &changed, &e) < 0)
		LOG_ERROR("certificates-not-renewed", KV_STR("reason", e.text));
	if (changed)
		LOG_INFO("certificates-renewed");
	if ((changed || reload) && rpc_server_reload(s->server, &e) < 0)
		LOG_ERROR(
		    "certificates-not-reloaded", KV_STR("reason", e.text));
}

static void
on_renew(uv_timer_t *h)
{
	renew(h->data, false);
}

static void
on_hup(uv_signal_t *h, int number)
{
	struct serve *s = h->data;
	struct err e = { 0 };

	if (open_log(s->o, &e) < 0)
		LOG_ERROR("log-not-reopened", KV_STR("reason", e.text));
	LOG_INFO("reload");
	renew(s, true);
}

/* ---- start ---------------------------------------------------------------
 */

static void
set_paths(struct serve *s)
{
	const char *state = s->o->state_dir;

	s->pki = mem_printf("%s/pki", state);
	s->socket = mem_printf("%s/gateway.sock", state);
	s->endpoint = mem_printf("unix:%s", s->socket);
	s->db = mem_printf("%s/data/openshell.db", state);
	s->cert = mem_printf("%s/tls.crt", s->pki);
	s->key = mem_printf("%s/tls.key", s->pki);
	s->ca = mem_printf("%s/ca.crt", s->pki);
	(void)snprintf(s->user, sizeof(s->user), "%u", (unsigned)geteuid());
	s->certs = (struct pki_config) { .dir = s->pki,
		.bundle = s->o->bundle,
		.user = s->user,
		.sans = (const char *const *)s->o->sans,
		.nsans = s->o->nsans };
}

static int
open_state(struct serve *s, struct err *e)
{
	AUTO_FREE char *data = mem_printf("%s/data", s->o->state_dir);
	AUTO_FREE char *lock = mem_printf("%s/gateway.pid", s->o->state_dir);
	bool changed;

	if (safe_dir(s->o->state_dir, e) < 0 ||
	    lock_take(lock, &s->lock, e) < 0 || open_log(s->o, e) < 0 ||
	    safe_dir(data, e) < 0 || store_open(s->db, &s->store, e) < 0)
		return -1;
	return s->o->disable_tls ? 0 : pki_ensure(&s->certs, &changed, e);
}

static int
open_server(struct serve *s, int tcp, int local, struct err *e)
{
	const struct rpc_tls_files files = { s->cert, s->key, s->ca,
		s->o->disable_auth };
	const struct rpc_method *methods;
	size_t n;

	methods = gateway_methods(&n);
	s->hooks = gateway_hooks(s->gateway);
	if (rpc_server_new(&s->loop, methods, n, &s->hooks, &s->server, e) <
	    0) {
		(void)close(tcp);
		(void)close(local);
		return -1;
	}
	if (rpc_server_listen(s->server, local, RPC_UNIX, NULL, e) < 0) {
		(void)close(tcp);
		return -1;
	}
	return s->o->disable_tls
		   ? rpc_server_listen(s->server, tcp, RPC_PLAIN, NULL, e)
		   : rpc_server_listen(s->server, tcp, RPC_TLS, &files, e);
}

static int
open_gateway(struct serve *s, struct err *e)
{
	struct gateway_config c = { .name = s->o->name,
		.state_dir = s->o->state_dir,
		.driver = s->o->driver,
		.endpoint = s->endpoint,
		.default_image = s->o->image,
		.egress = buf_str(&s->egress),
		.services = s->o->middlewares,
		.owner = geteuid(),
		.open_access = s->o->disable_tls || s->o->disable_auth };
	AUTO_CLOSE int tcp = -1, local = -1;

	s->port = s->o->port;
	if (port_listen(&s->port, &tcp, e) < 0)
		return -1;
	c.port = s->port;
	if (rpc_unix_listen(s->socket, &local, e) < 0 ||
	    gateway_new(&s->loop, &c, s->store, &s->gateway, e) < 0)
		return -1;
	return open_server(s, take_fd(tcp), take_fd(local), e);
}

static int
watch_signals(struct serve *s, struct err *e)
{
	const struct {
		uv_signal_t *h;
		int number;
		uv_signal_cb cb;
	} rows[] = { { &s->term, SIGTERM, on_end },
		{ &s->intr, SIGINT, on_end }, { &s->hup, SIGHUP, on_hup } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		(void)uv_signal_init(&s->loop, rows[i].h);
	(void)uv_timer_init(&s->loop, &s->renew);
	s->renew.data = s;
	s->handles = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rows[i].h->data = s;
		if (uv_signal_start(rows[i].h, rows[i].cb, rows[i].number) < 0)
			return err_set(e, ERR_INTERNAL, "watch for signals");
	}
	(void)uv_timer_start(&s->renew, on_renew, RENEW_MS, RENEW_MS);
	return 0;
}

/* It answers from here on: the sockets were listening before. */
static int
tell_ready(struct serve *s, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(32);
	int fd = s->o->ready_fd;

	buf_printf(&b, "R%u\n", (unsigned)s->port);
	if (safe_save(s->o->state_dir, "port", 0600,
		view_slice(buf_view(&b), 1, b.n), e) < 0)
		return -1;
	LOG_INFO(
	    "listening", KV_UINT("port", s->port), KV_STR("socket", s->socket));
	if (fd < 0)
		return 0;
	/* Whoever waited may be gone: no reason not to serve. */
	if (fd_write_all(fd, b.p, b.n, e) < 0)
		LOG_WARN("nobody-waits", KV_STR("reason", e->text));
	(void)close(fd);
	return 0;
}

static int
start(struct serve *s, struct err *e)
{
	const struct egress_options way = { s->o->upstream_proxy,
		s->o->upstream_no_proxy, s->o->upstream_auth_file,
		s->o->upstream_auth_insecure, s->o->upstream_by_hostname,
		s->o->ignore_binaries };

	set_paths(s);
	s->egress = BUF_INIT(EGRESS_TEXT_MAX);
	if (egress_write(&way, &s->egress, e) < 0)
		return -1;
	if (open_state(s, e) < 0)
		return -1;
	if (uv_loop_init(&s->loop) < 0)
		return err_set(e, ERR_INTERNAL, "make the loop");
	s->loop.data = s;
	if (watch_signals(s, e) < 0 || open_gateway(s, e) < 0)
		return -1;
	return tell_ready(s, e);
}

/* ---- end -----------------------------------------------------------------
 */

static void
close_loop(struct serve *s)
{
	if (s->loop.data == NULL)
		return;
	/* Calls end first: they know the gateway. */
	rpc_server_free(s->server);
	gateway_free(s->gateway);
	if (s->server != NULL)
		(void)unlink(s->socket); /* ours: the lock is still held */
	/* A second signal, while they are watched, cannot end this half way. */
	store_close(s->store);
	s->store = NULL;
	if (s->handles) {
		uv_close((uv_handle_t *)&s->term, NULL);
		uv_close((uv_handle_t *)&s->intr, NULL);
		uv_close((uv_handle_t *)&s->hup, NULL);
		uv_close((uv_handle_t *)&s->renew, NULL);
	}
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&s->loop);
}

static void
serve_fini(struct serve *s)
{
	close_loop(s);
	store_close(s->store);
	buf_fini(&s->egress);
	free(s->pki);
	free(s->socket);
	free(s->endpoint);
	free(s->db);
	free(s->cert);
	free(s->key);
	free(s->ca);
	/* The lock last: who takes it finds nothing of ours in use. */
	fd_close(&s->lock);
}

int
serve_run(const struct options *o, struct err *e)
{
	struct serve *s = NEW(struct serve);
	int rc;

	s->o = o;
	s->lock = -1;
	log_set_name("openshell-gateway");
	log_set_level(o->log_level);
	set_up_process();
	rc = start(s, e);
	if (rc == 0) {
		mem_settle();
		(void)uv_run(&s->loop, UV_RUN_DEFAULT);
		LOG_INFO("stopped");
	}
	serve_fini(s);
	free(s);
	return rc;
}
