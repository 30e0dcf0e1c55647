/* overlap_fields: what two endpoints disagree on, in words. */
#include "policy/overlap.h"

static const char *
tls_of(const struct p_endpoint *e)
{
	return view_eq(e->tls.v, VIEW("skip")) ? "skip" : "auto";
}

static const char *
tcp_of(const struct p_endpoint *e)
{
	return p_protocol(e) == POLICY_PROTO_TCP ? "tcp" : "not tcp";
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

static void
flag(struct buf *out, const char *name, bool a, bool b)
{
	field(out, name, a ? "true" : "false", b ? "true" : "false");
}

static void
text(struct buf *out, const char *name, struct view a, struct view b)
{
	struct p_shown x = p_show(a), y = p_show(b);

	if (!view_eq(a, b))
		field(out, name, a.n > 0 ? x.text : "none",
		    b.n > 0 ? y.text : "none");
}

/* Every connection that one of them matches the other does too. */
static bool
same_selector(const struct p_endpoint *a, const struct p_endpoint *b)
{
	enum p_hostkind x, y;
	struct p_host n, m;

	if (a->host.v.n == 0 || b->host.v.n == 0)
		return a->host.v.n == b->host.v.n;
	return p_host_selector(a->host.v, &x, &n) == 0 &&
	       p_host_selector(b->host.v, &y, &m) == 0 && x == y &&
	       n.n == m.n && memcmp(n.text, m.text, n.n) == 0;
}

/*
 * It is about the name of one host: a wildcard is never trusted with internal
 * addresses, so beside one it makes no difference who wrote the host.
 */
static bool
proposed_alike(const struct p_endpoint *a, const struct p_endpoint *b)
{
	return a->advisor_proposed.v == b->advisor_proposed.v ||
	       !same_selector(a, b);
}

/* About the connection. */
void
p_conn_conflicts(
    const struct p_endpoint *a, const struct p_endpoint *b, struct buf *out)
{
	field(out, "protocol", tcp_of(a), tcp_of(b));
	field(out, "tls", tls_of(a), tls_of(b));
	if (!proposed_alike(a, b))
		flag(out, "advisor_proposed", a->advisor_proposed.v,
		    b->advisor_proposed.v);
	if (nets_equal(&a->allowed_ips, &b->allowed_ips))
		return;
	buf_puts(out, out->n > 0 ? "; allowed_ips=" : "allowed_ips=");
	put_nets(out, &a->allowed_ips);
	buf_puts(out, " vs ");
	put_nets(out, &b->allowed_ips);
}

bool
p_conn_agree(const struct p_endpoint *a, const struct p_endpoint *b)
{
	return strcmp(tcp_of(a), tcp_of(b)) == 0 &&
	       strcmp(tls_of(a), tls_of(b)) == 0 && proposed_alike(a, b) &&
	       nets_equal(&a->allowed_ips, &b->allowed_ips);
}

/* Of the endpoint itself; those that overlap may differ in them. */
static bool
is_own(struct view key)
{
	static const char *const own[] = { "host", "port", "ports", "path",
		"protocol", "access", "rules", "deny_rules",
		"graphql_persisted_queries" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (view_eq(key, view_of(own[i])))
			return true;
	return false;
}

/* What p_conn_agree compares, but for protocol. */
static bool
is_of_connection(struct view key)
{
	return view_eq(key, VIEW("tls")) || view_eq(key, VIEW("allowed_ips")) ||
	       view_eq(key, VIEW("advisor_proposed"));
}

void
p_put_shared(struct buf *out, const struct p_endpoint *e, bool requests)
{
	struct p_rows rows = p_rows_of(P_endpoint);

	for (size_t i = 0; i < rows.n; i++) {
		struct view key = rows.v[i].key;

		if (!is_own(key) && (requests || is_of_connection(key)))
			p_put_key(out, &rows.v[i], e, 6);
	}
}

static const char *
enforcement_of(const struct policy_treatment *t)
{
	return t->enforcement == POLICY_AUDIT ? "audit" : "enforce";
}

/* About requests; what treatment.c compares, in words. */
void
p_request_conflicts(
    const struct overlap_side *x, const struct overlap_side *y, struct buf *out)
{
	const struct policy_treatment *a = &x->t, *b = &y->t;
	char m[16], n[16];

	(void)snprintf(m, sizeof(m), "%u", a->max_body);
	(void)snprintf(n, sizeof(n), "%u", b->max_body);
	field(out, "protocol", policy_protocol_word(a->protocol),
	    policy_protocol_word(b->protocol));
	field(out, "enforcement", enforcement_of(a), enforcement_of(b));
	flag(out, "allow_encoded_slash", a->allow_encoded_slash,
	    b->allow_encoded_slash);
	flag(out, "h2c", a->h2c, b->h2c);
	if (a->protocol == b->protocol) {
		field(out, "max_body_bytes", m, n);
		flag(out, "strict_tool_names", a->strict_tool_names,
		    b->strict_tool_names);
		flag(out, "allow_all_known_mcp_methods", a->allow_all_methods,
		    b->allow_all_methods);
		field(out, "messages", a->graphql_messages ? "GraphQL" : "text",
		    b->graphql_messages ? "GraphQL" : "text");
		text(out, "persisted_queries", x->e->persisted_queries.v,
		    y->e->persisted_queries.v);
	}
	flag(out, "websocket_credential_rewrite", a->rewrite_websocket,
	    b->rewrite_websocket);
	flag(out, "request_body_credential_rewrite", a->rewrite_body,
	    b->rewrite_body);
	flag(out, "allow_credential_placeholders", a->pass_placeholders,
	    b->pass_placeholders);
	text(out, "credential_signing", x->e->credential_signing.v,
	    y->e->credential_signing.v);
	text(out, "signing_service", a->signing_service, b->signing_service);
	text(out, "signing_region", a->signing_region, b->signing_region);
	text(out, "credential_binding", a->provider, b->provider);
	flag(out, "allow_uninspected_credentials", a->uninspected_credentials,
	    b->uninspected_credentials);
}
