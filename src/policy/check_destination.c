/*
 * check_destination: hosts that select nothing or too much, and networks that
 * no list may open.
 */
#include "policy/check.h"
#include "policy/propose.h"

static size_t
labels(struct view v)
{
	size_t n = 1;

	for (size_t i = 0; i < v.n; i++)
		n += v.p[i] == '.';
	return n;
}

/*
 * "*.", "**.", or a '*' inside the first of several labels.  Of the rest the
 * last kind is never meant: "*com" takes in any name.
 */
static bool
has_first_label_wildcard(struct view v)
{
	struct view rest, label = view_cut(v, '.', &rest);

	return view_eq(label, VIEW("*")) || view_eq(label, VIEW("**")) ||
	       (rest.p != NULL && !p_contains(rest, "*") &&
		   p_contains(label, "*"));
}

/* Ranges that no list can open, of spec'd always-blocked addresses. */
static const char *const blocked[] = {
	"0.0.0.0/8",
	"127.0.0.0/8",
	"169.254.0.0/16",
	"224.0.0.0/4",
	"240.0.0.0/4",
	"::/96",
	"fe80::/10",
	"ff00::/8",
};

/* Single addresses: lists around them are fine, lists of them are not. */
static const char *const blocked_hosts[] = {
	"100.100.100.200",
	"168.63.129.16",
	"fd00:ec2::254",
};

static bool
covers(const struct policy_net *outer, const struct policy_net *inner)
{
	struct policy_net n = *inner;

	if (outer->family != inner->family || outer->prefix > inner->prefix)
		return false;
	n.prefix = outer->prefix;
	p_net_mask(&n);
	return memcmp(n.addr, outer->addr, sizeof(n.addr)) == 0;
}

/* Where IPv6 addresses carry an IPv4 one. */
static const struct {
	const char *net;
	unsigned at;
	uint8_t flip; /* Teredo inverts it, RFC 4380 section 4 */
} embedded[] = {
	{ "64:ff9b::/96", 12, 0 },
	{ "2002::/16", 2, 0 },
	{ "2001::/32", 12, 0xff },
};

/* The IPv4 network inside; false when there is none or all of them are. */
static bool
unembed(const struct policy_net *n, struct policy_net *out)
{
	struct policy_net range;

	for (size_t i = 0; i < ARRAY_LEN(embedded); i++) {
		unsigned at = embedded[i].at;

		if (p_net_parse(view_of(embedded[i].net), &range) < 0 ||
		    !covers(&range, n) || n->prefix <= 8 * at)
			continue;
		*out = (struct policy_net) {
			.family = 4,
			.prefix = (uint8_t)MIN(32u, n->prefix - 8 * at),
		};
		for (unsigned k = 0; k < 4; k++)
			out->addr[k] = n->addr[at + k] ^ embedded[i].flip;
		p_net_mask(out);
		return true;
	}
	return false;
}

static bool
is_blocked(const struct policy_net *n)
{
	struct policy_net b, inner;

	if (unembed(n, &inner))
		return is_blocked(&inner);

	for (size_t i = 0; i < ARRAY_LEN(blocked); i++)
		if (p_net_parse(view_of(blocked[i]), &b) == 0 &&
		    (covers(&b, n) || covers(n, &b)))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(blocked_hosts); i++)
		if (p_net_parse(view_of(blocked_hosts[i]), &b) == 0 &&
		    covers(&b, n))
			return true;
	return false;
}

/* A literal that the proxy refuses whatever the policy says (3.6). */
static bool
is_never_reached(enum p_hostkind kind, const struct p_host *name)
{
	struct view host = { name->text, name->n };
	struct policy_net n;

	return kind == HOST_EXACT && p_host_is_address(host) &&
	       p_net_parse(host, &n) == 0 && is_blocked(&n);
}

bool
policy_host_never_reached(struct view host)
{
	enum p_hostkind kind;
	struct p_host name;

	return p_host_selector(host, &kind, &name) == 0 &&
	       is_never_reached(kind, &name);
}

bool
policy_host_is_address(struct view host)
{
	enum p_hostkind kind;
	struct p_host name;

	return p_host_selector(host, &kind, &name) == 0 && kind == HOST_EXACT &&
	       p_host_is_address((struct view) { name.text, name.n });
}

bool
policy_host_internal(struct view host)
{
	static const char *const internal[] = { "10.0.0.0/8", "172.16.0.0/12",
		"192.168.0.0/16", "100.64.0.0/10", "fc00::/7" };
	struct policy_net range, n;

	if (p_net_parse(host, &n) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(internal); i++)
		if (p_net_parse(view_of(internal[i]), &range) == 0 &&
		    covers(&range, &n))
			return true;
	return is_blocked(&n);
}

void
p_check_host(struct p_place *pl, const struct p_endpoint *e)
{
	const struct p_str *h = &e->host;
	struct p_shown shown = p_show(h->v);
	enum p_hostkind kind;
	struct p_host name;

	if (h->h.bad)
		return;
	if (h->v.n == 0) {
		if (e->allowed_ips.n == 0 && !e->allowed_ips.h.bad)
			P_ERROR(pl, h->h.set ? h->h.at : e->m.h.at,
			    "an endpoint without host needs allowed_ips");
		return;
	}
	if (view_eq(h->v, VIEW("*")) || view_eq(h->v, VIEW("**"))) {
		P_ERROR(pl, h->h.at,
		    "host wildcard '%s' matches all hosts; use "
		    "specific patterns like '*.example.com'",
		    shown.text);
		return;
	}
	if (p_contains(h->v, "*") && !has_first_label_wildcard(h->v)) {
		P_ERROR(pl, h->h.at,
		    "host wildcard must start with '*.' or "
		    "'**.' (e.g., '*.example.com'), got '%s'",
		    shown.text);
		return;
	}
	if (p_host_selector(h->v, &kind, &name) < 0) {
		if (kind == HOST_LABEL)
			P_ERROR(pl, h->h.at,
			    "host wildcard '%s' needs letters, digits and "
			    "hyphens around its '*', and a name of two labels "
			    "or more behind it",
			    shown.text);
		else if (kind == HOST_EXACT)
			P_ERROR(pl, h->h.at,
			    "host '%s' is not a valid name or "
			    "address",
			    shown.text);
		else
			P_ERROR(pl, h->h.at,
			    "host wildcard '%s' must be "
			    "followed by a plain name",
			    shown.text);
	} else if (is_never_reached(kind, &name))
		P_WARN(pl, h->h.at,
		    "host '%s' is an address that is never reached, whatever "
		    "a policy says (this machine is host.openshell.internal)",
		    shown.text);
	else if (kind != HOST_EXACT && labels(h->v) <= 2)
		P_WARN(pl, h->h.at,
		    "host wildcard '%s' is very broad (covers "
		    "all subdomains of a TLD)",
		    shown.text);
}

void
p_check_nets(struct p_place *pl, const struct p_strs *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct p_str *s = &list->v[i];
		struct p_shown shown = p_show(s->v);
		struct policy_net n;

		if (p_net_parse(s->v, &n) < 0)
			P_ERROR(pl, s->h.at,
			    "invalid CIDR/IP in allowed_ips: %s", shown.text);
		else if (is_blocked(&n))
			P_ERROR(pl, s->h.at,
			    "allowed_ips entry '%s' overlaps "
			    "addresses that are always blocked",
			    shown.text);
		else if (n.prefix < 16)
			P_WARN(pl, s->h.at,
			    "allowed_ips entry '%s' is very broad", shown.text);
	}
}
