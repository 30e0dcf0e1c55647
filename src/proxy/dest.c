#include "proxy/dest.h"

#include "http/egress.h"

static bool
in_policy_net(const struct addr *a, const struct policy_net *net)
{
	struct addr_net n = { .bits = net->prefix };

	n.base.family = net->family;
	memcpy(n.base.b, net->addr, net->family == 4 ? 4 : 16);
	return addr_in_net(a, &n);
}

/* Every non-empty list must hold the address (spec 2.6, intersection). */
static bool
in_all_lists(const struct addr *a, const struct policy_conn *conn)
{
	for (size_t i = 0; i < conn->n_nets; i++) {
		bool found = false;

		for (size_t j = 0; j < conn->nets[i].n && !found; j++)
			found = in_policy_net(a, &conn->nets[i].v[j]);
		if (!found)
			return false;
	}
	return true;
}

/* What of ours has that address; NULL: nothing. */
static const struct dest_own *
find_own(const struct addr *a, uint16_t port, const struct dest_rules *rules)
{
	for (size_t i = 0; rules != NULL && i < rules->n_own; i++)
		if (addr_eq(a, &rules->own[i].addr) &&
		    (rules->own[i].port == 0 || rules->own[i].port == port))
			return &rules->own[i];
	return NULL;
}

/* The host itself, meant by a person: loopback is its address. */
static bool
is_host(struct view host, const struct addr *a, const struct policy_conn *conn,
    const struct dest_rules *rules)
{
	if (rules == NULL || !conn->exact_host || !egress_is_alias(host))
		return false;
	for (size_t i = 0; i < rules->n_hosts; i++)
		if (addr_eq(a, &rules->hosts[i]))
			return addr_is_loopback(a);
	return false;
}

/* Every address is an internal one: such is the answer of a network that the
 * name belongs to.  One with public ones besides is nobody's (Attack: A17). */
static bool
all_internal(const struct addr *v, size_t n)
{
	const char *range;

	for (size_t i = 0; i < n; i++)
		if (addr_class(&v[i], &range) == ADDR_PUBLIC)
			return false;
	return true;
}

/* What nothing opens; `trusted`: only that, else all that is internal. */
static int
check_class(struct view host, const struct addr *given, uint16_t port,
    const struct policy_conn *conn, bool trusted,
    const struct dest_rules *rules, struct err *e)
{
	struct addr a = addr_unmap(*given);
	char text[ADDR_TEXT_MAX];
	const char *range = NULL;
	enum addr_class class = is_host(host, given, conn, rules)
				    ? ADDR_PUBLIC
				    : addr_class(given, &range);
	const struct dest_own *own = find_own(&a, port, rules);

	(void)addr_format(given, text);
	if (!trusted && class != ADDR_PUBLIC)
		return err_set(e, ERR_DENIED,
		    "%.*s resolves to internal address %s, connection "
		    "rejected (%s)",
		    (int)host.n, host.p, text, range);
	if (class == ADDR_BLOCKED)
		return err_set(e, ERR_DENIED,
		    "%.*s resolves to always-blocked address %s, connection "
		    "rejected (%s)",
		    (int)host.n, host.p, text, range);
	if (own != NULL)
		return err_set(e, ERR_DENIED,
		    "%.*s resolves to always-blocked address %s, connection "
		    "rejected (%s)",
		    (int)host.n, host.p, text, own->what);
	return 0;
}

static int
check_lists(struct view host, const struct addr *given,
    const struct policy_conn *conn, struct err *e)
{
	struct addr a = addr_unmap(*given);
	char text[ADDR_TEXT_MAX];

	if (!in_all_lists(&a, conn))
		return err_set(e, ERR_DENIED,
		    "%.*s resolves to %s which is not in allowed_ips, "
		    "connection rejected",
		    (int)host.n, host.p, addr_format(given, text));
	return 0;
}

int
dest_check(struct view host, uint16_t port, const struct policy_conn *conn,
    const struct addr *v, size_t n, const struct dest_rules *rules,
    struct err *e)
{
	bool trusted =
	    conn->n_nets > 0 || (conn->exact_host && all_internal(v, n));

	if (n == 0)
		return err_set(e, ERR_DENIED,
		    "DNS resolution returned no addresses for %.*s:%u",
		    (int)host.n, host.p, port);
	if (addr_port_blocked(port))
		return err_set(e, ERR_DENIED,
		    "port %u is a blocked control-plane port, connection "
		    "rejected",
		    port);
	for (size_t i = 0; i < n; i++)
		if (check_class(host, &v[i], port, conn, trusted, rules, e) < 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (check_lists(host, &v[i], conn, e) < 0)
			return -1;
	return 0;
}

void
dest_suggest(uint16_t port, const struct addr *v, size_t n,
    const struct dest_rules *rules, struct buf *out)
{
	char text[ADDR_TEXT_MAX];
	const char *range;

	if (n == 0 || addr_port_blocked(port))
		return;
	for (size_t i = 0; i < n; i++) {
		struct addr a = addr_unmap(v[i]);

		if (addr_class(&v[i], &range) == ADDR_BLOCKED ||
		    find_own(&a, port, rules) != NULL)
			return;
	}
	/* With a list, all that the name resolves to must be in it. */
	buf_puts(out, "add to the endpoint: allowed_ips: [");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s\"%s\"", i > 0 ? ", " : "",
		    addr_format(&v[i], text));
	buf_putc(out, ']');
}
