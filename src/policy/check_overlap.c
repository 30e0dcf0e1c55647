/*
 * check_overlap: two endpoints that can match the same connection must agree
 * on how to treat it, or the outcome would depend on their names (Attack: an
 * added policy "aaa" that switches inspection off).
 *
 * Endpoints with the same port and selector stand under one key.  Within a key
 * every endpoint is compared with the first (and, where requests are judged,
 * with the first that judges them); between keys only those first ones are.
 * That finds a fault whenever there is one, in time proportional to the number
 * of endpoints, though it does not list every pair.
 */
#include <stdlib.h>

#include "codec/strmap.h"
#include "policy/model.h"

struct endpoint {
	const struct p_policy *policy;
	const struct p_endpoint *e;
	size_t index;
	enum p_hostkind kind;
	struct p_host name;
};

struct key {
	const struct endpoint *first, *first_l7;
	uint32_t port;
};

struct check {
	struct arena arena;
	struct strmap map; /* key text to place in keys */
	struct key *keys;
	size_t n;
	struct policy_findings *f;
};

static struct view
key_text(char *to, enum p_hostkind kind, uint32_t port, struct view name)
{
	to[0] = (char)kind;
	to[1] = (char)(port >> 8);
	to[2] = (char)port;
	if (name.n > 0)
		memcpy(to + 3, name.p, name.n);
	return (struct view) { to, name.n + 3 };
}

static const char *
tls_of(const struct p_endpoint *e)
{
	return view_eq(e->tls.v, VIEW("skip")) ? "skip" : "auto";
}

static const char *
enforcement_of(const struct p_endpoint *e)
{
	return view_eq(e->enforcement.v, VIEW("audit")) ? "audit" : "enforce";
}

static const char *
protocol_of(const struct p_endpoint *e)
{
	return policy_protocol_word(p_protocol(e));
}

static bool
lists_net(const struct p_strs *s, const struct policy_net *n)
{
	struct policy_net m;

	for (size_t i = 0; i < s->n; i++)
		if (p_net_parse(s->v[i].v, &m) == 0 &&
		    memcmp(&m, n, sizeof(m)) == 0)
			return true;
	return false;
}

static bool
nets_within(const struct p_strs *a, const struct p_strs *b)
{
	struct policy_net n;

	for (size_t i = 0; i < a->n; i++)
		if (p_net_parse(a->v[i].v, &n) == 0 && !lists_net(b, &n))
			return false;
	return true;
}

static bool
nets_equal(const struct p_strs *a, const struct p_strs *b)
{
	return nets_within(a, b) && nets_within(b, a);
}

static void
put_nets(struct buf *out, const struct p_strs *s)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < s->n; i++) {
		buf_puts(out, i > 0 ? ", " : "");
		buf_put(out, s->v[i].v);
	}
	buf_putc(out, ']');
}

static void
field(struct buf *out, const char *name, const char *a, const char *b)
{
	if (strcmp(a, b) == 0)
		return;
	buf_printf(out, "%s%s=%s vs %s", out->n > 0 ? "; " : "", name, a, b);
}

/* What the two disagree on, or nothing. */
static void
conflicts(
    const struct p_endpoint *a, const struct p_endpoint *b, struct buf *out)
{
	field(out, "tls", tls_of(a), tls_of(b));
	if (!nets_equal(&a->allowed_ips, &b->allowed_ips)) {
		buf_puts(out, out->n > 0 ? "; allowed_ips=" : "allowed_ips=");
		put_nets(out, &a->allowed_ips);
		buf_puts(out, " vs ");
		put_nets(out, &b->allowed_ips);
	}
	if (a->protocol.v.n == 0 || b->protocol.v.n == 0)
		return;
	field(out, "protocol", protocol_of(a), protocol_of(b));
	field(out, "enforcement", enforcement_of(a), enforcement_of(b));
}

static bool
has_port(const struct p_endpoint *e, uint32_t port)
{
	for (size_t i = 0; i < e->ports.n; i++)
		if (e->ports.v[i].v == port)
			return true;
	return false;
}

static void
put_selector(struct buf *out, const struct p_endpoint *e)
{
	buf_puts(out, e->host.v.n > 0 ? p_show(e->host.v).text : "any host");
	for (size_t i = 0; i < e->ports.n && i < 16; i++)
		buf_printf(out, "%c%u", i > 0 ? ',' : ':', e->ports.v[i].v);
}

/* `port` is the one under which they met; each pair is told at its first. */
static void
compare(struct check *c, const struct endpoint *a, const struct endpoint *b,
    uint32_t port)
{
	AUTO_BUF struct buf what = BUF_INIT(8192);
	AUTO_BUF struct buf ports = BUF_INIT(256);
	AUTO_BUF struct buf sela = BUF_INIT(1024), selb = BUF_INIT(1024);
	const struct endpoint *swap = a;

	if (a == b)
		return;
	if (a > b) { /* both in one array, in order of policy and index */
		a = b;
		b = swap;
	}
	conflicts(a->e, b->e, &what);
	if (what.n == 0)
		return;
	for (size_t i = 0; i < a->e->ports.n; i++) {
		uint32_t p = a->e->ports.v[i].v;

		if (!has_port(b->e, p))
			continue;
		if (ports.n == 0 && p != port)
			return;
		buf_printf(&ports, "%s%u", ports.n > 0 ? ", " : "", p);
	}
	put_selector(&sela, a->e);
	put_selector(&selb, b->e);
	p_error(c->f, b->e->m.h.at, "network",
	    "network policies '%s' endpoint[%zu] (%s) and '%s' endpoint[%zu] "
	    "(%s) overlap on port(s) %s with conflicting metadata: %s",
	    p_show(a->policy->m.key.v).text, a->index, buf_str(&sela),
	    p_show(b->policy->m.key.v).text, b->index, buf_str(&selb),
	    buf_str(&ports), buf_str(&what));
}

static void
add(struct check *c, const struct endpoint *e, uint32_t port)
{
	char text[P_HOST_MAX + 4];
	struct view t = key_text(
	    text, e->kind, port, (struct view) { e->name.text, e->name.n });
	uint32_t at = strmap_get(&c->map, t);
	struct key *k;

	if (at == STRMAP_NONE)
		at = strmap_add(
		    &c->map, arena_view(&c->arena, t), (uint32_t)c->n++);
	k = &c->keys[at];
	k->port = port;
	if (k->first == NULL)
		k->first = e;
	else
		compare(c, k->first, e, port);
	if (e->e->protocol.v.n == 0)
		return;
	if (k->first_l7 == NULL)
		k->first_l7 = e;
	else if (k->first_l7 != k->first)
		compare(c, k->first_l7, e, port);
}

static void
compare_keys(struct check *c, const struct key *k, enum p_hostkind kind,
    struct view name)
{
	char text[P_HOST_MAX + 4];
	uint32_t at = strmap_get(&c->map, key_text(text, kind, k->port, name));
	const struct key *o;

	if (at == STRMAP_NONE)
		return;
	o = &c->keys[at];
	if (o == k)
		return;
	compare(c, k->first, o->first, k->port);
	if (k->first_l7 != NULL && o->first_l7 != NULL &&
	    (k->first_l7 != k->first || o->first_l7 != o->first))
		compare(c, k->first_l7, o->first_l7, k->port);
}

/* Every wider selector that overlaps this one. */
static void
compare_wider(struct check *c, const struct key *k)
{
	const struct endpoint *e = k->first;
	struct view name = { e->name.text, e->name.n }, rest;

	if (e->kind == HOST_ANY)
		return;
	compare_keys(c, k, HOST_ANY, VIEW(""));
	if (e->kind != HOST_EXACT)
		compare_keys(c, k, HOST_GLOBSTAR, name);
	(void)view_cut(name, '.', &rest);
	if (e->kind == HOST_EXACT && rest.p != NULL)
		compare_keys(c, k, HOST_STAR, rest);
	while (rest.p != NULL) {
		compare_keys(c, k, HOST_GLOBSTAR, rest);
		(void)view_cut(rest, '.', &rest);
	}
}

void
p_check_overlap(const struct policy *p, struct policy_findings *f)
{
	struct check c = { .f = f };
	size_t n = 0, ports = 0;
	struct endpoint *all;

	c.map = STRMAP_INIT(&c.arena);
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		n += q->endpoints.n;
		for (size_t k = 0; k < q->endpoints.n; k++)
			ports += p_endpoints(q)[k].ports.n;
	}
	all = ARENA_ARRAY(&c.arena, n + 1, struct endpoint);
	c.keys = ARENA_ARRAY(&c.arena, ports + 1, struct key);
	n = 0;
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			struct endpoint *e = &all[n++];

			*e = (struct endpoint) {
				.policy = q, .e = &p_endpoints(q)[k], .index = k
			};
			if (e->e->m.faulty || p_host_selector(e->e->host.v,
						  &e->kind, &e->name) < 0)
				continue;
			for (size_t m = 0; m < e->e->ports.n; m++)
				add(&c, e, e->e->ports.v[m].v);
		}
	}
	for (size_t i = 0; i < c.n; i++)
		compare_wider(&c, &c.keys[i]);
	arena_fini(&c.arena);
}
