#include "policy/walk.h"

#include "policy/compiled.h"

static const struct p_endpoint *
endpoint_of(const struct policy_endpoint *e)
{
	return e->inside;
}

static size_t
preset_size(const struct p_endpoint *e)
{
	const char *const *words = p_preset(p_protocol(e), e->access.v);
	size_t n = 0;

	while (words != NULL && words[n] != NULL)
		n++;
	return n;
}

bool
policy_walk_next(struct policy_walk *w, struct policy_endpoint *out)
{
	const struct p_list *all = &w->policy->top.network_policies;
	const struct p_policy *q = NULL;
	const struct p_endpoint *e;

	for (; w->policy_at < all->n; w->policy_at++, w->endpoint = 0) {
		q = &p_policies(w->policy)[w->policy_at];
		if (w->endpoint < q->endpoints.n)
			break;
	}
	if (w->policy_at == all->n)
		return false;
	e = &p_endpoints(q)[w->endpoint];
	*out = (struct policy_endpoint) { .policy = q->m.key.v,
		.policy_at = (unsigned)w->policy_at,
		.endpoint = (unsigned)w->endpoint,
		.host = e->host.v,
		.path = e->path.v,
		.tls = view_eq(e->tls.v, VIEW("skip")) ? POLICY_TLS_SKIP
						       : POLICY_TLS_AUTO,
		.t = c_treatment(e),
		.n_ports = e->ports.n,
		.n_binaries = q->binaries.n,
		.n_nets = e->allowed_ips.n,
		.n_rules = e->rules.n + preset_size(e),
		.n_deny_rules = e->deny_rules.n,
		.inside = e };
	out->t.policy = q->m.key.v.p; /* NUL-terminated in its arena */
	out->t.endpoint = out->endpoint;
	out->policy_inside = q;
	w->endpoint++;
	return true;
}

uint16_t
policy_endpoint_port(const struct policy_endpoint *e, size_t i)
{
	return (uint16_t)endpoint_of(e)->ports.v[i].v;
}

struct view
policy_endpoint_binary(const struct policy_endpoint *e, size_t i)
{
	return p_binaries(e->policy_inside)[i].path.v;
}

struct policy_net
policy_endpoint_net(const struct policy_endpoint *e, size_t i)
{
	struct policy_net n;

	if (p_net_parse(endpoint_of(e)->allowed_ips.v[i].v, &n) < 0)
		return (struct policy_net) { 0 }; /* never: it was checked */
	return n;
}

static void
fill_rule(struct policy_rule *out, const struct p_allow *a)
{
	*out = (struct policy_rule) { .method = a->method.v,
		.path = a->path.v,
		.command = a->command.v,
		.operation_type = a->operation_type.v,
		.operation_name = a->operation_name.v,
		.service = a->service.v,
		.rpc = a->rpc.v,
		.n_fields = a->fields.n,
		.n_query = a->query.n,
		.n_params = a->params.n,
		.inside = a };
}

static void
fill_preset(struct policy_rule *out, const struct p_endpoint *e, size_t i)
{
	enum policy_protocol p = p_protocol(e);
	struct view word = view_of(p_preset(p, e->access.v)[i]);

	*out = (struct policy_rule) { 0 };
	if (p == POLICY_PROTO_GRAPHQL)
		out->operation_type = word;
	else if (p == POLICY_PROTO_GRPC)
		out->service = word;
	else {
		out->method = word;
		out->path = VIEW("**");
	}
}

void
policy_endpoint_rule(const struct policy_endpoint *e, bool deny, size_t i,
    struct policy_rule *out)
{
	const struct p_endpoint *p = endpoint_of(e);

	if (deny)
		fill_rule(out, &p_deny_rules(p)[i]);
	else if (i < p->rules.n)
		fill_rule(out, &p_rules(p)[i].allow);
	else
		fill_preset(out, p, i - p->rules.n);
}

struct view
policy_rule_field(const struct policy_rule *r, size_t i)
{
	return ((const struct p_allow *)r->inside)->fields.v[i].v;
}

static struct policy_matcher
matcher(const struct p_matcher *m)
{
	return (struct policy_matcher) { m->name.v, m->globs.n, m };
}

struct policy_matcher
policy_rule_query(const struct policy_rule *r, size_t i)
{
	return matcher(&((const struct p_allow *)r->inside)->query.v[i]);
}

struct policy_matcher
policy_rule_param(const struct policy_rule *r, size_t i)
{
	return matcher(&((const struct p_allow *)r->inside)->params.v[i]);
}

struct view
policy_matcher_glob(const struct policy_matcher *m, size_t i)
{
	return ((const struct p_matcher *)m->inside)->globs.v[i].v;
}

enum policy_selector
policy_endpoint_selector(const struct policy_endpoint *e)
{
	enum p_hostkind kind;
	struct p_host name;

	if (p_host_selector(e->host, &kind, &name) < 0)
		return POLICY_SELECT_EXACT; /* never: it was checked */
	switch (kind) {
	case HOST_ANY:
		return POLICY_SELECT_HOSTLESS;
	case HOST_EXACT:
		return POLICY_SELECT_EXACT;
	case HOST_STAR:
		return POLICY_SELECT_STAR;
	case HOST_GLOBSTAR:
		return POLICY_SELECT_GLOBSTAR;
	case HOST_LABEL:
		return POLICY_SELECT_LABEL;
	}
	return POLICY_SELECT_EXACT;
}
