/*
 * check_rules: entries of `rules` and of `deny_rules`.  Each protocol looks at
 * some keys; another one would be a condition that nobody asks about.
 */
#include "codec/glob.h"
#include "policy/check.h"

#define BIT(id) (1u << POLICY_PROTO_##id)
enum {
	REQUESTS = BIT(REST) | BIT(WEBSOCKET),
	GRAPHQL = BIT(GRAPHQL) | BIT(WEBSOCKET),
	CALLS = BIT(JSON_RPC) | BIT(MCP)
};

static const struct use {
	const char *key;
	unsigned protocols;
	/* Always was taken elsewhere, where it says nothing. */
	bool tolerated;
} uses[] = {
	{ "method", REQUESTS | CALLS, true },
	{ "path", REQUESTS, true },
	{ "command", BIT(SQL), true },
	{ "query", REQUESTS, true },
	{ "operation_type", GRAPHQL, false },
	{ "operation_name", GRAPHQL, false },
	{ "fields", GRAPHQL, false },
	{ "params", BIT(MCP), false },
	{ "tool", BIT(MCP), false },
	{ "service", BIT(GRPC), false },
	{ "rpc", BIT(GRPC), false },
};

struct subject {
	struct p_place *pl;
	const struct p_allow *a;
	enum policy_protocol p;
	bool deny;
};

static const struct use *
use_of(struct view key)
{
	size_t i = 0;

	while (!view_eq(key, view_of(uses[i].key)))
		i++; /* every row of fields.def is there; tests say so */
	return &uses[i];
}

static bool
is_said(const struct p_allow *a, const struct p_field *f)
{
	const struct p_head *h = p_said(a, f);

	if (f->kind == K_QUERY || f->kind == K_PARAMS)
		return ((const struct p_query *)p_member(a, f))->n > 0;
	return h != NULL;
}

static void
check_uses(const struct subject *s)
{
	struct p_rows rows = p_rows_of(P_allow);
	bool any = false;

	for (size_t i = 0; i < rows.n; i++) {
		const struct use *u = use_of(rows.v[i].key);
		const struct p_head *h = p_member(s->a, &rows.v[i]);

		/* The params of a tool are told of as such. */
		if (rows.v[i].kind == K_PARAMS && s->a->tool.set)
			continue;
		if (!is_said(s->a, &rows.v[i]))
			continue;
		any = true;
		if ((u->protocols & p_bit(s->p)) != 0)
			continue;
		if (u->tolerated && s->p <= POLICY_PROTO_REST)
			P_WARN(s->pl, h->at,
			    "%s has no meaning for protocol '%s'", u->key,
			    policy_protocol_word(s->p));
		else
			P_ERROR(s->pl, h->at,
			    "%s has no meaning for protocol '%s'", u->key,
			    policy_protocol_word(s->p));
	}
	if (!any && s->deny)
		P_ERROR(s->pl, s->a->m.h.at,
		    "an entry of deny_rules must say what it refuses");
}

/* --- matchers ------------------------------------------------------------- */

/* What is said under a name in another case counts: then these are one. */
static void
check_twins(const struct subject *s, const char *key, const struct p_query *q)
{
	for (size_t i = 1; i < q->n; i++)
		for (size_t k = 0; k < i; k++)
			if (view_eq_nocase(q->v[k].name.v, q->v[i].name.v))
				P_ERROR(s->pl, q->v[i].name.h.at,
				    "%s '%s' and '%s' are one: what is said "
				    "under a name in another case counts",
				    key, p_show(q->v[k].name.v).text,
				    p_show(q->v[i].name.v).text);
}

static void
check_matchers(const struct subject *s, const char *key,
    const struct p_query *q, char delim)
{
	check_twins(s, key, q);
	for (size_t i = 0; i < q->n; i++) {
		const struct p_matcher *m = &q->v[i];
		size_t before = p_place_enter(s->pl, ".%s.%s%s", key,
		    p_show(m->name.v).text, m->any ? ".any" : "");

		for (size_t k = 0; k < m->globs.n; k++) {
			const struct p_str *g = &m->globs.v[k];

			p_check_glob(s->pl, g, delim);
			if (delim == '.' && p_contains(g->v, "*") &&
			    !p_contains(g->v, ".") && !p_contains(g->v, "**"))
				P_WARN(s->pl, g->h.at,
				    "glob pattern '%s': '*' does "
				    "not match '.' in a query value",
				    p_show(g->v).text);
		}
		p_place_leave(s->pl, before);
	}
}

/* --- requests ------------------------------------------------------------- */

static void
check_http_method(const struct subject *s)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT",
		"DELETE", "PATCH", "OPTIONS", "*", NULL };
	const struct p_str *m = &s->a->method;
	bool text = p_word_is(m, "WEBSOCKET_TEXT");

	if (m->h.bad)
		return;
	if (m->v.n == 0) {
		if (!s->deny)
			P_ERROR(s->pl, s->a->m.h.at,
			    "method is missing: the rule would never "
			    "match (use '*' for any)");
	} else if (text && s->p != POLICY_PROTO_WEBSOCKET) {
		P_ERROR(s->pl, m->h.at,
		    "WEBSOCKET_TEXT needs protocol 'websocket': messages are "
		    "not judged by '%s'",
		    policy_protocol_word(s->p));
	} else if (!text && !p_is_word(m->v, known, true))
		P_WARN(s->pl, m->h.at,
		    "Unknown HTTP method '%s'. Standard "
		    "methods: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS",
		    p_show(m->v).text);
}

static void
check_request(const struct subject *s)
{
	const struct p_str *path = &s->a->path;

	check_http_method(s);
	if (path->v.n == 0 && !path->h.bad && !s->deny)
		P_ERROR(s->pl, s->a->m.h.at,
		    "path is missing: the rule would never "
		    "match (use '**' for any)");
	p_check_path(s->pl, path, s->deny,
	    s->deny ? "nothing is refused"
		    : "the rule never matches (use '**' for any)");
	check_matchers(s, "query", &s->a->query, '.');
}

/* --- operations ----------------------------------------------------------- */

static void
check_graphql(const struct subject *s)
{
	static const char *const types[] = { "query", "mutation",
		"subscription", "*", NULL };
	const struct p_allow *a = s->a;
	const struct p_str *type = &a->operation_type;

	if (type->v.n == 0 && !type->h.bad && !s->deny)
		P_ERROR(s->pl, a->m.h.at,
		    "operation_type is missing: the rule would never match "
		    "(use '*' for any)");
	if (type->v.n > 0 && !p_is_word(type->v, types, false))
		P_ERROR(s->pl, type->h.at,
		    "unknown operation_type '%s' (expected query, mutation, "
		    "subscription or *)",
		    p_show(type->v).text);
	if (a->operation_name.v.n > 0)
		p_check_glob(s->pl, &a->operation_name, '.');
	if (a->fields.h.set && a->fields.n == 0 && !a->fields.h.bad)
		P_ERROR(s->pl, a->fields.h.at,
		    "fields list cannot be empty; remove it to mean all");
	for (size_t i = 0; i < a->fields.n; i++)
		p_check_glob(s->pl, &a->fields.v[i], '.');
}

static bool
is_pattern(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (memchr("*?[]{}\\", v.p[i], 7) != NULL)
			return true;
	return false;
}

static void
check_call(const struct subject *s)
{
	const struct p_str *m = &s->a->method;
	bool any = view_eq(m->v, VIEW("*"));
	bool mcp = s->p == POLICY_PROTO_MCP;

	if (m->v.n == 0 && !m->h.bad && !s->deny)
		P_ERROR(s->pl, s->a->m.h.at,
		    "method is missing: the rule would never match (use '*' "
		    "for any%s)",
		    mcp ? ", 'tools/call' for tools" : "");
	if (m->v.n > 0 && !any && is_pattern(m->v)) {
		if (mcp && view_starts(m->v, VIEW("tools/")))
			p_check_glob(s->pl, m, '/');
		else
			P_ERROR(s->pl, m->h.at,
			    "method '%s' must be exact or '*'%s",
			    p_show(m->v).text,
			    mcp ? "; only under tools/ may it be a pattern"
				: "");
	}
	if (s->a->tool.set && m->v.n > 0 && !view_eq(m->v, VIEW("tools/call")))
		P_ERROR(s->pl, s->a->tool.at,
		    "tool is only of method 'tools/call', not of '%s'",
		    p_show(m->v).text);
	check_matchers(s, "params", &s->a->params, '/');
}

static void
check_grpc(const struct subject *s)
{
	const struct p_allow *a = s->a;

	if (a->service.v.n == 0 && !a->service.h.bad && !s->deny)
		P_ERROR(s->pl, a->m.h.at,
		    "service is missing: the rule would never match (use '**' "
		    "for any)");
	if (p_contains(a->service.v, "/") || p_contains(a->rpc.v, "/"))
		P_ERROR(s->pl,
		    p_contains(a->rpc.v, "/") ? a->rpc.h.at : a->service.h.at,
		    "service is 'package.Service' and rpc the name of a "
		    "method, both without '/'");
	if (a->service.v.n > 0)
		p_check_glob(s->pl, &a->service, '.');
	if (a->rpc.v.n > 0)
		p_check_glob(s->pl, &a->rpc, '.');
}

/* Of a WebSocket, either the upgrade and text, or GraphQL in the messages. */
static void
check_websocket(const struct subject *s)
{
	const struct p_allow *a = s->a;
	bool graphql = a->operation_type.v.n > 0 || a->operation_name.v.n > 0 ||
		       a->fields.n > 0;
	bool request = a->method.v.n > 0 || a->path.v.n > 0 || a->query.n > 0;

	if (graphql && request)
		P_ERROR(s->pl, a->m.h.at,
		    "a rule is either about requests and text messages or "
		    "about GraphQL operations; make it two");
	else if (graphql)
		check_graphql(s);
	else
		check_request(s);
}

static void
check_rule(const struct subject *s)
{
	if (s->a->m.h.bad || !s->a->m.h.set)
		return;
	check_uses(s);
	switch (s->p) {
	case POLICY_PROTO_REST:
		check_request(s);
		break;
	case POLICY_PROTO_WEBSOCKET:
		check_websocket(s);
		break;
	case POLICY_PROTO_GRPC:
		check_grpc(s);
		break;
	case POLICY_PROTO_GRAPHQL:
		check_graphql(s);
		break;
	case POLICY_PROTO_JSON_RPC:
	case POLICY_PROTO_MCP:
		check_call(s);
		break;
	case POLICY_PROTO_NONE:
	case POLICY_PROTO_TCP:
	case POLICY_PROTO_SQL:
	case POLICY_PROTOCOLS:
		break;
	}
}

/* Whether messages are text or GraphQL is one thing for a WebSocket. */
static void
check_mixed(struct p_place *pl, const struct p_endpoint *e)
{
	bool text = false, graphql = false;

	if (p_protocol(e) != POLICY_PROTO_WEBSOCKET)
		return;
	for (size_t i = 0; i < e->rules.n; i++) {
		const struct p_allow *a = &p_rules(e)[i].allow;

		text |= p_word_is(&a->method, "WEBSOCKET_TEXT");
		graphql |= a->operation_type.v.n > 0;
	}
	for (size_t i = 0; i < e->deny_rules.n; i++)
		if (!graphql && (p_deny_rules(e)[i].operation_type.v.n > 0 ||
				    p_deny_rules(e)[i].operation_name.v.n > 0 ||
				    p_deny_rules(e)[i].fields.n > 0))
			P_ERROR(pl, p_deny_rules(e)[i].m.h.at,
			    "messages are judged as text, since no rule allows "
			    "a GraphQL operation; this refuses nothing");
	if (text && graphql)
		P_ERROR(pl, e->rules.h.at,
		    "messages are either text (WEBSOCKET_TEXT) or GraphQL "
		    "operations, not both");
}

void
p_check_rules(struct p_place *pl, const struct p_endpoint *e)
{
	struct subject s = { .pl = pl, .p = p_protocol(e) };
	size_t before;

	if (s.p == POLICY_PROTO_NONE || s.p == POLICY_PROTO_TCP)
		return; /* check_endpoint says what there is to say */
	for (size_t i = 0; i < e->rules.n; i++) {
		s.a = &p_rules(e)[i].allow;
		before = p_place_enter(pl, ".rules[%zu].allow", i);
		check_rule(&s);
		p_place_leave(pl, before);
	}
	s.deny = true;
	for (size_t i = 0; i < e->deny_rules.n; i++) {
		s.a = &p_deny_rules(e)[i];
		before = p_place_enter(pl, ".deny_rules[%zu]", i);
		check_rule(&s);
		p_place_leave(pl, before);
	}
	check_mixed(pl, e);
}
