/*
 * check_endpoint: the keys of an endpoint, by themselves and with each other.
 */
#include "policy/check.h"

/*
 * The words an endpoint may use; unknown ones must not fall back to less.
 * Only a protocol may be in any case: elsewhere another spelling has always
 * meant the stricter default, which "Skip" or "AUDIT" must not come to widen.
 */
static const struct word {
	size_t offset;
	const char *what, *expected;
	const char *const *words;
	bool nocase;
} words[] = {
	{ offsetof(struct p_endpoint, tls), "tls", "skip",
	    (const char *const[]) {
		"skip", "auto", "terminate", "passthrough", NULL },
	    false },
	{ offsetof(struct p_endpoint, enforcement), "enforcement",
	    "enforce or audit",
	    (const char *const[]) { "enforce", "audit", NULL }, false },
	{ offsetof(struct p_endpoint, access), "access preset",
	    "read-only, read-write, or full",
	    (const char *const[]) { "read-only", "read-write", "full", NULL },
	    false },
	{ offsetof(struct p_endpoint, persisted_queries), "persisted_queries",
	    "deny or allow_registered",
	    (const char *const[]) { "deny", "allow_registered", NULL }, false },
	{ offsetof(struct p_endpoint, credential_signing), "credential_signing",
	    "sigv4, sigv4:body or sigv4:no_body",
	    (const char *const[]) {
		"sigv4", "sigv4:body", "sigv4:no_body", NULL },
	    false },
};

static void
check_protocol(struct p_place *pl, const struct p_str *s, bool known)
{
	AUTO_BUF struct buf known_words = BUF_INIT(256);

	if (s->v.n == 0 || known)
		return;
	for (int i = POLICY_PROTO_NONE + 1; i < POLICY_PROTOCOLS; i++)
		buf_printf(&known_words, "%s%s",
		    i == POLICY_PROTOCOLS - 1 ? " or "
		    : known_words.n > 0       ? ", "
					      : "",
		    policy_protocol_word((enum policy_protocol)i));
	P_ERROR(pl, s->h.at, "unknown protocol '%s' (expected %s)",
	    p_show(s->v).text, buf_str(&known_words));
}

static void
check_words(struct p_place *pl, const struct p_endpoint *e)
{
	check_protocol(pl, &e->protocol, p_protocol(e) != POLICY_PROTO_NONE);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const struct p_str *s =
		    (const void *)((const char *)e + words[i].offset);

		if (s->v.n > 0 &&
		    !p_is_word(s->v, words[i].words, words[i].nocase))
			P_ERROR(pl, s->h.at, "unknown %s '%s' (expected %s)",
			    words[i].what, p_show(s->v).text,
			    words[i].expected);
	}
}

/* --- keys that a protocol gives no meaning ------------------------------- */

#define BIT(id) (1u << POLICY_PROTO_##id)
enum {
	NONE = BIT(NONE),
	JUDGED = BIT(REST) | BIT(WEBSOCKET) | BIT(GRPC) | BIT(GRAPHQL) |
		 BIT(JSON_RPC) | BIT(MCP),
	/* Without a protocol, check_allows has more to say of these. */
	NOT_TCP = JUDGED | BIT(SQL) | NONE
};

/* Keys that are not here have a meaning everywhere. */
static const struct use {
	const char *key;
	unsigned protocols;
} uses[] = {
	{ "tls", NOT_TCP },
	{ "enforcement", NOT_TCP },
	{ "rules", NOT_TCP },
	{ "access", NOT_TCP },
	{ "path", JUDGED },
	{ "deny_rules", JUDGED },
	{ "allow_encoded_slash", JUDGED },
	{ "h2c", JUDGED },
	{ "persisted_queries", BIT(GRAPHQL) | BIT(WEBSOCKET) },
	{ "graphql_persisted_queries", BIT(GRAPHQL) | BIT(WEBSOCKET) },
	{ "graphql_max_body_bytes", BIT(GRAPHQL) | BIT(WEBSOCKET) },
	{ "json_rpc", BIT(JSON_RPC) },
	{ "mcp", BIT(MCP) },
	{ "websocket_credential_rewrite",
	    BIT(REST) | BIT(WEBSOCKET) | BIT(GRAPHQL) },
	{ "request_body_credential_rewrite", JUDGED & ~BIT(GRPC) },
	{ "allow_credential_placeholders", JUDGED },
	{ "credential_signing", BIT(REST) },
	{ "signing_service", BIT(REST) },
	{ "signing_region", BIT(REST) },
};

static unsigned
use_of(struct view key)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (view_eq(key, view_of(uses[i].key)))
			return uses[i].protocols;
	return UINT_MAX;
}

static void
check_uses(struct p_place *pl, const struct p_endpoint *e)
{
	struct p_rows rows = p_rows_of(P_endpoint);
	enum policy_protocol p = p_protocol(e);

	if (p == POLICY_PROTO_NONE && e->protocol.v.n > 0)
		return; /* unknown, and reported */
	for (size_t i = 0; i < rows.n; i++) {
		const struct p_head *h = p_said(e, &rows.v[i]);

		if (h == NULL || (use_of(rows.v[i].key) & (1u << p)) != 0)
			continue;
		if (p == POLICY_PROTO_NONE)
			P_ERROR(pl, h->at,
			    "%s needs a protocol whose requests are judged "
			    "(add 'protocol: rest')",
			    rows.v[i].key.p);
		else
			P_ERROR(pl, h->at,
			    "%s has no meaning for protocol '%s'",
			    rows.v[i].key.p, policy_protocol_word(p));
	}
}

/* --- what is allowed ------------------------------------------------------ */

static void
check_access(struct p_place *pl, const struct p_endpoint *e)
{
	enum policy_protocol p = p_protocol(e);

	if (e->access.v.n == 0)
		return;
	if (p == POLICY_PROTO_MCP || p == POLICY_PROTO_JSON_RPC)
		P_ERROR(pl, e->access.h.at,
		    "access has no meaning for protocol '%s'; use rules",
		    policy_protocol_word(p));
	if (p == POLICY_PROTO_GRPC && !p_word_is(&e->access, "full"))
		P_ERROR(pl, e->access.h.at,
		    "gRPC methods do not say whether they read or write; use "
		    "`access: full` or rules");
}

/* A protocol needs something that it allows. */
static void
check_base(struct p_place *pl, const struct p_endpoint *e)
{
	enum policy_protocol p = p_protocol(e);
	const char *needs = "rules or access to define allowed traffic";

	if (p == POLICY_PROTO_TCP || e->protocol.v.n == 0 || e->rules.h.set)
		return;
	if (p == POLICY_PROTO_MCP) {
		if (e->mcp.allow_all_known_mcp_methods.v)
			return;
		needs = "rules, or mcp.allow_all_known_mcp_methods";
	} else if (p == POLICY_PROTO_JSON_RPC)
		needs = "rules";
	else if (e->access.v.n > 0 || e->access.h.bad)
		return;
	P_ERROR(pl, e->protocol.h.at, "protocol requires %s", needs);
}

static void
check_allows(struct p_place *pl, const struct p_endpoint *e)
{
	bool rules = e->rules.n > 0 || e->rules.h.bad;
	bool access = e->access.v.n > 0 || e->access.h.bad;

	if (rules && access)
		P_ERROR(pl, e->access.h.at,
		    "rules and access are mutually exclusive");
	check_access(pl, e);
	check_base(pl, e);
	if (e->rules.h.set && e->rules.n == 0 && !e->rules.h.bad)
		P_ERROR(pl, e->rules.h.at,
		    "rules list cannot be empty (would "
		    "deny all traffic). Use `access: full` or remove rules.");
	if (e->deny_rules.h.set && e->deny_rules.n == 0 && !e->deny_rules.h.bad)
		P_ERROR(pl, e->deny_rules.h.at,
		    "deny_rules list cannot be empty; remove it");
	/*
	 * Attack: a restriction that looks like one and is none.  Without a
	 * protocol nothing looks at requests (section 1.2: "L4 only"), so
	 * `access: read-only` or rules would silently let everything pass.
	 * `access: full` says just that and is taken; so is `access` left
	 * empty.  No row of 1.6 (c) gives the others a meaning to keep.
	 */
	if (e->protocol.v.n == 0 && !e->protocol.h.bad &&
	    (e->rules.n > 0 ||
		(e->access.v.n > 0 && !p_word_is(&e->access, "full"))))
		P_ERROR(pl, rules ? e->rules.h.at : e->access.h.at,
		    "rules and access need a protocol (add 'protocol: rest'); "
		    "without one every request would pass");
}

/* --- treatment ------------------------------------------------------------ */

static void
check_tls(struct p_place *pl, const struct p_endpoint *e)
{
	if (p_word_is(&e->tls, "terminate") ||
	    p_word_is(&e->tls, "passthrough"))
		P_WARN(pl, e->tls.h.at,
		    "'tls: %s' is deprecated; TLS "
		    "termination is now automatic. Use 'tls: skip' to disable.",
		    p_show(e->tls.v).text);
	if (p_word_is(&e->tls, "skip") && e->protocol.v.n > 0)
		P_WARN(pl, e->tls.h.at, "'tls: skip' with L7 rules%s: %s",
		    p_has_port(e, 443) ? " on port 443" : "",
		    "the tunnel is passed on as it is, no request is judged");
	if (p_word_is(&e->protocol, "sql") &&
	    p_word_is(&e->enforcement, "enforce"))
		P_ERROR(pl, e->enforcement.h.at,
		    "SQL enforcement requires full "
		    "SQL parsing, which is not available; use audit");
}

static void
check_tcp(struct p_place *pl, const struct p_endpoint *e)
{
	const struct p_str *h = &e->host;
	enum p_hostkind kind;
	struct p_host name;

	if (e->ports.n == 0 && !e->ports.h.bad && !e->port.h.bad)
		P_ERROR(pl, e->m.h.at, "protocol 'tcp' needs ports");
	if (h->h.bad)
		return;
	if (h->v.n == 0)
		P_ERROR(pl, e->m.h.at, "protocol 'tcp' needs a host");
	else if (view_ends(h->v, VIEW(".")))
		P_ERROR(pl, h->h.at,
		    "protocol 'tcp' needs a host without a dot at its end");
	else if (p_host_selector(h->v, &kind, &name) < 0)
		return; /* reported */
	else if (kind == HOST_EXACT && !p_host_is_name(&name))
		P_ERROR(pl, h->h.at,
		    "protocol 'tcp' needs a name, not an address: programs "
		    "are recognised by the name they asked for");
	else if (kind != HOST_EXACT)
		P_WARN(pl, h->h.at,
		    "host wildcard '%s' lets a program send what it likes in "
		    "the names it asks for",
		    p_show(h->v).text);
}

static void
check_registry(struct p_place *pl, const struct p_endpoint *e)
{
	static const char *const types[] = { "query", "mutation",
		"subscription", NULL };
	const struct p_list *all = &e->graphql_persisted_queries;
	bool used = p_word_is(&e->persisted_queries, "allow_registered");

	if (all->n > 0 && !used)
		P_WARN(pl, all->h.at,
		    "graphql_persisted_queries is without effect (add "
		    "'persisted_queries: allow_registered')");
	if (all->n == 0 && used && !all->h.bad)
		P_WARN(pl, e->persisted_queries.h.at,
		    "no query is registered in graphql_persisted_queries");
	for (size_t i = 0; i < all->n; i++) {
		const struct p_operation *o = &p_persisted(e)[i];

		if (o->m.h.bad || o->operation_type.h.bad)
			continue;
		if (o->m.key.v.n == 0)
			P_ERROR(pl, o->m.key.h.at, "a query needs an id");
		if (!p_is_word(o->operation_type.v, types, false))
			P_ERROR(pl,
			    o->operation_type.h.set ? o->operation_type.h.at
						    : o->m.h.at,
			    "operation_type of '%s' must be query, mutation "
			    "or subscription",
			    p_show(o->m.key.v).text);
	}
}

/* --- credentials ---------------------------------------------------------- */

static void
check_signing(struct p_place *pl, const struct p_endpoint *e)
{
	bool signs = e->credential_signing.v.n > 0;

	if (signs && e->signing_service.v.n == 0 && !e->signing_service.h.bad)
		P_ERROR(pl, e->credential_signing.h.at,
		    "credential_signing needs signing_service");
	if (!signs && !e->credential_signing.h.bad &&
	    (e->signing_service.v.n > 0 || e->signing_region.v.n > 0))
		P_ERROR(pl,
		    e->signing_service.v.n > 0 ? e->signing_service.h.at
					       : e->signing_region.h.at,
		    "signing_service and signing_region need "
		    "credential_signing");
	if (signs && e->request_body_credential_rewrite.v)
		P_ERROR(pl, e->request_body_credential_rewrite.h.at,
		    "credential_signing and request_body_credential_rewrite "
		    "are mutually exclusive: a signature covers the body");
}

static void
check_binding(struct p_place *pl, const struct p_endpoint *e)
{
	const struct p_binding *b = &e->credential_binding;
	bool judged = policy_protocol_is_inspected(p_protocol(e)) &&
		      !p_word_is(&e->tls, "skip");

	if (!b->m.h.set || b->m.h.bad || b->provider.h.bad)
		return;
	if (b->provider.v.n == 0)
		P_ERROR(pl, b->m.h.at, "credential_binding needs a provider");
	if (p_has_control(b->provider.v))
		P_ERROR(
		    pl, b->provider.h.at, "provider has control characters");
	if (!judged && !e->allow_uninspected_credentials.v)
		P_ERROR(pl, b->m.h.at,
		    "credentials may only go where requests are judged (add "
		    "'protocol: rest' and no 'tls: skip'), unless "
		    "allow_uninspected_credentials says otherwise");
}

void
p_check_endpoint(struct p_place *pl, const struct p_endpoint *e)
{
	if (e->m.h.bad)
		return;
	p_check_host(pl, e);
	check_words(pl, e);
	check_uses(pl, e);
	check_allows(pl, e);
	check_tls(pl, e);
	p_check_path(pl, &e->path, true, "the endpoint never matches");
	if (p_protocol(e) == POLICY_PROTO_TCP)
		check_tcp(pl, e);
	else if (e->ports.n == 0 && !e->ports.h.bad && !e->port.h.bad)
		P_WARN(pl, e->m.h.at, "no port: the endpoint never matches");
	check_registry(pl, e);
	check_signing(pl, e);
	check_binding(pl, e);
	p_check_rules(pl, e);
	p_check_nets(pl, &e->allowed_ips);
}
