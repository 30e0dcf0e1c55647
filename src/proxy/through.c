#include "proxy/through.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/uproxy.h"
#include "proxy/px.h"

enum { NAME_KEPT_MS = 30000 };

static const char proxy_word[] = "the upstream proxy";

/* ---- what the operator says ---------------------------------------------- */

int
through_read(struct px *px, int fd, struct err *e)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t at = 0;

	if (size < 0 || size > EGRESS_TEXT_MAX)
		return err_set(e, ERR_LIMIT, "the way out: too much text");
	if (size == 0)
		return 0;
	/* It may hold a login. */
	if (locked_new((size_t)size, &px->egress_text, e) < 0)
		return -1;
	while (at < (size_t)size) {
		ssize_t n = pread(
		    fd, px->egress_text.p + at, (size_t)size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "read the way out");
		at += (size_t)n;
	}
	return 0;
}

static void
close_place(
    struct px *px, const struct addr *a, uint16_t port, const char *what)
{
	size_t *n = &px->dest.n_own;

	for (size_t i = 0; i < *n; i++)
		if (addr_eq(&px->own[i].addr, a) && px->own[i].port == port)
			return;
	/* There is room for all that can be; PX_OWN_MAX. */
	if (*n < ARRAY_LEN(px->own))
		px->own[(*n)++] = (struct dest_own) { *a, port, what };
}

static void
tell_any_binary(struct px *px)
{
	struct audit_event ev = { .kind = AUDIT_PROTECTIONS_MISSING,
		.action = AUDIT_INFO,
		.reason = VIEW("not in force: binaries (--ignore-binaries): "
			       "what a policy allows one program it allows "
			       "all") };

	px_events_add(&px->events, &ev);
}

int
through_open(struct px *px, struct err *e)
{
	struct egress *g;
	struct addr a;

	if (px->egress_text.n == 0)
		return 0;
	g = px->egress = NEW(struct egress);
	if (egress_parse((struct view) { px->egress_text.p, px->egress_text.n },
		g, e) < 0)
		return -1;
	px->any_binary = g->any_binary;
	if (px->any_binary)
		tell_any_binary(px);
	px->dest.hosts = g->hosts;
	px->dest.n_hosts = g->n_hosts;
	for (size_t i = 0; i < g->n_closed; i++)
		close_place(
		    px, &g->closed[i].addr, g->closed[i].port, "the gateway");
	/* That of a name is closed once it is known, and the name always. */
	if (g->has_proxy && addr_parse(view_of(g->proxy.host), &a))
		close_place(px, &a, g->proxy.port, proxy_word);
	return 0;
}

void
through_close(struct px *px)
{
	free(px->egress);
	locked_free(&px->egress_text);
}

bool
through_host(struct px_conn *c)
{
	const struct dest_rules *d = &c->px->dest;

	if (!egress_is_alias(view_of(c->dst.host)))
		return false;
	c->n_addrs = MIN(d->n_hosts, (size_t)PX_ADDRS_MAX);
	if (c->n_addrs > 0)
		memcpy(c->addrs, d->hosts, c->n_addrs * sizeof(*d->hosts));
	return true;
}

/* ---- the proxy ----------------------------------------------------------- */

bool
through_is_proxy(const struct px_conn *c)
{
	const struct egress *g = c->px->egress;

	return g != NULL && g->has_proxy && c->dst.port == g->proxy.port &&
	       strcmp(c->dst.host, g->proxy.host) == 0;
}

bool
through_wants(const struct px_conn *c)
{
	const struct egress *g = c->px->egress;

	return g != NULL && g->has_proxy &&
	       !egress_is_exempt(
		   g, view_of(c->dst.host), c->dst.port, c->addrs, c->n_addrs);
}

static void
done(void *arg, int fd, const struct addr *to, const struct err *e)
{
	struct px_conn *c = arg;

	(void)to;
	c->by_proxy = NULL;
	c->have_dialed = true;
	c->dialed_fd = fd;
	if (e != NULL)
		c->async_err = *e;
	else
		c->chosen = c->addrs[0];
	px_run(c);
}

/*
 * The address that was checked is what is asked for, so that the proxy looks
 * nothing up; by name only where the operator wants it.
 */
static void
ask(struct px_conn *c)
{
	const struct px_through *t = &c->px->through;
	const struct egress *g = c->px->egress;
	AUTO_BUF struct buf target = BUF_INIT(HOST_MAX + 16);
	char text[ADDR_TEXT_MAX];
	const struct addr *a = &c->addrs[0];

	if (g->by_hostname && !c->dst.literal)
		buf_printf(&target, "%s:%u", c->dst.host, c->dst.port);
	else
		buf_printf(&target, a->family == 6 ? "[%s]:%u" : "%s:%u",
		    addr_format(a, text), c->dst.port);
	c->by_proxy = uproxy_dial_start(&c->px->loop, t->addrs, t->n,
	    g->proxy.port, buf_view(&target), g->login, done, c);
}

/*
 * What an earlier answer named: the room is for one answer, and one that moves
 * would use it up, so that later addresses of it stayed open.
 */
static void
open_proxy(struct px *px)
{
	size_t n = 0;

	for (size_t i = 0; i < px->dest.n_own; i++)
		if (px->own[i].what != proxy_word)
			px->own[n++] = px->own[i];
	px->dest.n_own = n;
}

static void
keep_addresses(struct px *px, const struct addr *v, size_t n)
{
	struct px_through *t = &px->through;

	t->n = MIN(n, ARRAY_LEN(t->addrs));
	memcpy(t->addrs, v, t->n * sizeof(*v));
	t->until = uv_now(&px->loop) + NAME_KEPT_MS;
	open_proxy(px);
	for (size_t i = 0; i < t->n; i++)
		close_place(
		    px, &t->addrs[i], px->egress->proxy.port, proxy_word);
}

static void
on_resolved(void *arg, const struct addr *v, size_t n, const struct err *e)
{
	struct px_conn *c = arg;
	struct err why;

	c->resolving = NULL;
	if (e == NULL && n > 0) {
		keep_addresses(c->px, v, n);
		ask(c);
		return;
	}
	(void)err_set(&why, ERR_NOT_FOUND,
	    "the upstream proxy: DNS resolution failed for %s: %.200s",
	    c->px->egress->proxy.host, e != NULL ? e->text : "no addresses");
	done(c, -1, NULL, &why);
}

void
through_dial(struct px_conn *c)
{
	struct px *px = c->px;
	struct px_through *t = &px->through;
	struct view host = view_of(px->egress->proxy.host);
	struct addr a;

	if (addr_parse(host, &a))
		keep_addresses(px, &a, 1);
	else if (egress_is_alias(host) && px->dest.n_hosts > 0)
		keep_addresses(px, px->dest.hosts, px->dest.n_hosts);
	if (t->n > 0 && uv_now(&px->loop) < t->until) {
		ask(c);
	} else if (px_resolver(px) != NULL) {
		c->resolving =
		    resolve_start(px->resolver, host, on_resolved, c);
	} else {
		c->have_dialed = true;
		c->async_err = px->resolver_err;
	}
}

const char *
through_shown(const struct err *e)
{
	return e->code == ERR_DENIED
		   ? "the upstream proxy of this machine refused it"
		   : "the upstream proxy of this machine gave no answer";
}
