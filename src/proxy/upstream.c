/*
 * upstream: from a verdict to a connected socket: resolve, check every
 * address, dial only what was checked.
 *
 * Attack: DNS rebinding.  The name is resolved once; what dest.c saw is what
 * is dialled.
 */
#include "proxy/h2.h"

#include "base/fd.h"
#include "base/log.h"
#include "proxy/through.h"

static enum px_next
failed(struct px_conn *c, unsigned status, const char *stage, const char *shown)
{
	return px_fail(c, status, AUDIT_UPSTREAM_FAILED, stage,
	    "upstream_failed", shown, &c->async_err);
}

/* 0: these may be dialled; else it was refused. */
static int
check(struct px_conn *c, const struct addr *v, size_t n, enum px_next *next)
{
	struct view host = view_of(c->dst.host);
	struct err e;

	if (through_is_proxy(c)) {
		n = 0; /* no endpoint could allow them */
		(void)err_set(&e, ERR_DENIED,
		    "%s:%u is the upstream proxy itself", c->dst.host,
		    c->dst.port);
	} else if (dest_check(host, c->dst.port, &c->conn, v, n, &c->px->dest,
		       &e) == 0)
		return 0;
	*next = px_deny_dest(c, v, n, &e);
	return -1;
}

static void
on_resolved(void *arg, const struct addr *v, size_t n, const struct err *e)
{
	struct px_conn *c = arg;

	c->resolving = NULL;
	c->have_answer = true;
	if (e != NULL)
		c->async_err = *e;
	else if (n > PX_ADDRS_MAX)
		(void)err_set(&c->async_err, ERR_LIMIT,
		    "more than %d addresses", PX_ADDRS_MAX);
	else if (n > 0)
		memcpy(c->addrs, v, n * sizeof(*v));
	c->n_addrs = MIN(n, (size_t)PX_ADDRS_MAX);
	px_run(c);
}

struct resolver *
px_resolver(struct px *px)
{
	struct view servers = view_of(px->servers);

	/* Without usable name servers literals still work, and every lookup
	 * says what is wrong. */
	if (px->resolver != NULL || px->resolver_err.code != ERR_NONE)
		return px->resolver;
	if (servers.n == 0)
		(void)err_set(&px->resolver_err, ERR_NOT_FOUND,
		    "the host's /etc/resolv.conf names no name server");
	else if (resolver_new(
		     &px->loop, servers, &px->resolver, &px->resolver_err) < 0)
		LOG_WARN(
		    "NO_RESOLVER", KV_STR("reason", px->resolver_err.text));
	return px->resolver;
}

/* Only inspected tunnels share: what else a tunnel carries is not known. */
static bool
may_reuse(const struct px_conn *c)
{
	return c->mode == PX_MODE_CONNECT && !c->fresh_only &&
	       policy_protocol_is_inspected(c->conn.protocol) &&
	       c->conn.tls == POLICY_TLS_AUTO;
}

enum px_next
px_resolve(struct px_conn *c)
{
	struct view host = view_of(c->dst.host);
	enum px_next next;
	struct err e;

	c->client.reading = false;
	if (!c->have_answer && c->resolving == NULL && may_reuse(c) &&
	    px_pool_take(c)) {
		c->reused = true;
		px_go(c, PX_ANSWER);
		return PX_MORE;
	}
	if (!c->have_answer && c->resolving == NULL && c->dst.literal) {
		c->have_answer = true;
		c->n_addrs = addr_parse(host, &c->addrs[0]) ? 1 : 0;
	} else if (!c->have_answer && c->resolving == NULL && through_host(c)) {
		c->have_answer = true;
	} else if (!c->have_answer && c->resolving == NULL &&
		   px_resolver(c->px) == NULL) {
		c->have_answer = true;
		c->async_err = c->px->resolver_err;
	} else if (!c->have_answer && c->resolving == NULL) {
		c->resolving =
		    resolve_start(c->px->resolver, host, on_resolved, c);
		/* Time that is there anyway. */
		if (c->conn.tls == POLICY_TLS_AUTO &&
		    px_io_tls(c->px->io, &e) < 0) {
			c->async_err = e;
			return failed(
			    c, 502, "tls", "the trust bundle is not usable");
		}
	}
	if (!c->have_answer)
		return PX_WAIT;
	if (c->async_err.code != ERR_NONE) {
		e = c->async_err;
		(void)err_set(&c->async_err, e.code,
		    "DNS resolution failed for %s:%u: %.200s", c->dst.host,
		    c->dst.port, e.text);
		return failed(c, 502, "dns", c->async_err.text);
	}
	if (c->n_addrs == 0) {
		(void)err_set(&c->async_err, ERR_NOT_FOUND,
		    "DNS resolution returned no addresses for %s:%u",
		    c->dst.host, c->dst.port);
		return failed(c, 502, "dns", c->async_err.text);
	}
	if (check(c, c->addrs, c->n_addrs, &next) < 0)
		return next;
	c->through = through_wants(c);
	px_go(c, PX_DIAL);
	return PX_MORE;
}

static void
on_dialed(void *arg, int fd, const struct addr *to, const struct err *e)
{
	struct px_conn *c = arg;

	c->dialing = NULL;
	c->have_dialed = true;
	c->dialed_fd = fd;
	if (e != NULL)
		c->async_err = *e;
	else
		c->chosen = *to;
	px_run(c);
}

/* The cause, without the address that the record has. */
static enum px_next
not_dialed(struct px_conn *c)
{
	char shown[160];

	(void)snprintf(shown, sizeof(shown),
	    "the destination does not accept the connection: %s",
	    c->async_err.sys != 0 ? strerror(c->async_err.sys)
				  : "no answer in time");
	return failed(c, 502, "dial", shown);
}

static void
dial(struct px_conn *c)
{
	if (c->dialing != NULL || c->by_proxy != NULL || c->resolving != NULL)
		return;
	if (c->through)
		through_dial(c);
	else
		c->dialing = dial_start(&c->px->loop, c->addrs, c->n_addrs,
		    c->dst.port, on_dialed, c);
}

enum px_next
px_dial(struct px_conn *c)
{
	enum px_next next;

	if (!c->have_dialed)
		dial(c);
	if (!c->have_dialed)
		return PX_WAIT;
	if (c->dialed_fd < 0 && c->through)
		return failed(
		    c, 502, "upstream-proxy", through_shown(&c->async_err));
	if (c->dialed_fd < 0)
		return not_dialed(c);
	/* The policy may have changed since the dial began. */
	if (check(c, &c->chosen, 1, &next) < 0)
		return next;
	if (px_end_open(
		&c->up, &c->px->loop, take_fd(c->dialed_fd), &c->async_err) < 0)
		return failed(c, 502, "dial", "cannot use the connection");
	px_go(c, PX_ANSWER);
	if (c->prior && c->parent == NULL)
		return px_h2_start(c);
	if (c->fresh_only || c->parent != NULL)
		px_go(c, c->tls ? PX_TLS_UPSTREAM : PX_L7);
	return PX_MORE;
}

enum px_next
px_redial(struct px_conn *c)
{
	px_end_close(&c->up, false);
	c->reused = false;
	c->fresh_only = true;
	c->have_dialed = false;
	c->hx.scanned_up = 0;
	px_go(c, PX_RESOLVE);
	return PX_MORE;
}
