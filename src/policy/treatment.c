/*
 * treatment: what one endpoint says about requests, how specific its path is,
 * and what holds when several have their say.
 */
#include "policy/compiled.h"

/*
 * Bytes that the pattern fixes, at least: of alternatives the shortest, of a
 * class one.  Twice that, and one more for a path that is no pattern: it is
 * more specific than every pattern it matches.
 */
static size_t
fixed_bytes(struct view v, size_t *at, bool *is_pattern, bool inside)
{
	size_t n = 0, best = SIZE_MAX;

	for (; *at < v.n; ++*at) {
		char b = v.p[*at];

		if (inside && (b == ',' || b == '}')) {
			best = MIN(best, n);
			n = 0;
			if (b == '}')
				return best;
			continue;
		}
		if (b == '\\')
			++*at;
		if (b == '*' || b == '?') {
			*is_pattern = true;
		} else if (b == '[') {
			*is_pattern = true;
			n++;
			/* The first byte may be ']' itself. */
			for (*at += 2; *at < v.n && v.p[*at] != ']'; ++*at)
				;
		} else if (b == '{') {
			*is_pattern = true;
			++*at;
			n += fixed_bytes(v, at, is_pattern, true);
		} else
			n++;
	}
	return inside ? MIN(best, n) : n;
}

uint32_t
c_rank(struct view path)
{
	bool is_pattern = false;
	size_t at = 0, n;

	/* "/" + "**" says no more than that a path begins with '/'. */
	if (path.n == 0 || view_eq(path, VIEW("**")) ||
	    view_eq(path, VIEW("/**")))
		return 0;
	n = fixed_bytes(path, &at, &is_pattern, false);
	return (uint32_t)(2 * n + (is_pattern ? 1 : 2));
}

static uint32_t
max_body(const struct p_endpoint *e)
{
	uint32_t n = 0;

	switch (p_protocol(e)) {
	case POLICY_PROTO_GRAPHQL:
	case POLICY_PROTO_WEBSOCKET:
		n = e->graphql_max_body_bytes.v;
		break;
	case POLICY_PROTO_JSON_RPC:
		n = e->json_rpc.max_body_bytes.v;
		break;
	case POLICY_PROTO_MCP:
		n = e->mcp.max_body_bytes.v;
		break;
	case POLICY_PROTO_NONE:
	case POLICY_PROTO_TCP:
	case POLICY_PROTO_SQL:
	case POLICY_PROTO_REST:
	case POLICY_PROTO_GRPC:
	case POLICY_PROTOCOLS:
		break;
	}
	return n > 0 ? n : PL_BODY_DEFAULT;
}

static enum policy_signing
signing_of(struct view v)
{
	static const char *const words[] = {
		[POLICY_SIGN_NONE] = "",
		[POLICY_SIGN_SIGV4] = "sigv4",
		[POLICY_SIGN_SIGV4_BODY] = "sigv4:body",
		[POLICY_SIGN_SIGV4_NO_BODY] = "sigv4:no_body",
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (view_eq(v, view_of(words[i])))
			return (enum policy_signing)i;
	return POLICY_SIGN_NONE;
}

static bool
has_graphql_rule(const struct p_endpoint *e)
{
	for (size_t i = 0; i < e->rules.n; i++)
		if (p_rules(e)[i].allow.operation_type.v.n > 0)
			return true;
	return false;
}

struct policy_treatment
c_treatment(const struct p_endpoint *e)
{
	enum policy_protocol p = p_protocol(e);

	return (struct policy_treatment) {
		.protocol = p,
		.enforcement = view_eq(e->enforcement.v, VIEW("audit"))
				   ? POLICY_AUDIT
				   : POLICY_ENFORCE,
		.max_body = max_body(e),
		.strict_tool_names = p_is_true(&e->mcp.strict_tool_names),
		.allow_all_methods = e->mcp.allow_all_known_mcp_methods.v,
		.allow_registered =
		    view_eq(e->persisted_queries.v, VIEW("allow_registered")),
		.graphql_messages =
		    p == POLICY_PROTO_GRAPHQL ||
		    (p == POLICY_PROTO_WEBSOCKET && has_graphql_rule(e)),
		.allow_encoded_slash = e->allow_encoded_slash.v,
		.h2c = e->h2c.v,
		.rewrite_body = e->request_body_credential_rewrite.v,
		.rewrite_websocket = e->websocket_credential_rewrite.v,
		.pass_placeholders = e->allow_credential_placeholders.v,
		.uninspected_credentials = e->allow_uninspected_credentials.v,
		.signing = signing_of(e->credential_signing.v),
		.signing_service = e->signing_service.v,
		.signing_region = e->signing_region.v,
		.provider = e->credential_binding.provider.v,
	};
}

bool
c_treatment_eq(
    const struct policy_treatment *a, const struct policy_treatment *b)
{
	return a->protocol == b->protocol && a->enforcement == b->enforcement &&
	       a->max_body == b->max_body &&
	       a->strict_tool_names == b->strict_tool_names &&
	       a->allow_all_methods == b->allow_all_methods &&
	       a->allow_registered == b->allow_registered &&
	       a->graphql_messages == b->graphql_messages &&
	       a->allow_encoded_slash == b->allow_encoded_slash &&
	       a->h2c == b->h2c && a->rewrite_body == b->rewrite_body &&
	       a->rewrite_websocket == b->rewrite_websocket &&
	       a->pass_placeholders == b->pass_placeholders &&
	       a->uninspected_credentials == b->uninspected_credentials &&
	       a->signing == b->signing &&
	       view_eq(a->signing_service, b->signing_service) &&
	       view_eq(a->signing_region, b->signing_region) &&
	       view_eq(a->provider, b->provider);
}

void
policy_treatment_merge(
    struct policy_treatment *all, const struct policy_treatment *one)
{
	all->conflict |= all->signing != one->signing ||
			 !view_eq(all->signing_service, one->signing_service) ||
			 !view_eq(all->signing_region, one->signing_region) ||
			 !view_eq(all->provider, one->provider) ||
			 one->conflict;
	all->protocol = MAX(all->protocol, one->protocol);
	if (one->enforcement == POLICY_ENFORCE)
		all->enforcement = POLICY_ENFORCE;
	all->max_body = MIN(all->max_body, one->max_body);
	all->strict_tool_names |= one->strict_tool_names;
	all->allow_all_methods &= one->allow_all_methods;
	all->allow_registered &= one->allow_registered;
	all->graphql_messages |= one->graphql_messages;
	all->allow_encoded_slash &= one->allow_encoded_slash;
	all->h2c &= one->h2c;
	all->rewrite_body &= one->rewrite_body;
	all->rewrite_websocket &= one->rewrite_websocket;
	all->pass_placeholders &= one->pass_placeholders;
	all->uninspected_credentials &= one->uninspected_credentials;
}
