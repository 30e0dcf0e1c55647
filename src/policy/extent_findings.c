/*
 * extent_findings: what a change of policy means for credentials.
 *
 * Each place that a credential belongs to is a set of requests; what the new
 * policy lets pass of it and the old one did not is found exactly (extent.c),
 * so that a credential at one name of a pattern is not missed because another
 * name was the example.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "policy/extent_impl.h"

struct finder {
	const struct policy *from, *to;
	uint64_t steps; /* left */
	struct extent_findings *out;
	struct err *e;
};

static const char *const words[] = {
	[EXTENT_LINK_LOCAL] = "link_local_reach",
	[EXTENT_L7_BYPASS] = "l7_bypass_credentialed",
	[EXTENT_CREDENTIAL_REACH] = "credential_reach_expansion",
	[EXTENT_CAPABILITY] = "capability_expansion",
};

const char *
extent_finding_word(enum extent_finding_kind k)
{
	return words[k];
}

/* --- keeping ---------------------------------------------------------- */

static struct view
keep(struct finder *f, struct view v)
{
	return v.p != NULL ? arena_view(&f->out->arena, v) : v;
}

static const struct view *
keep_views(struct finder *f, const struct view *v, size_t n)
{
	struct view *out = ARENA_ARRAY(&f->out->arena, n + 1, struct view);

	for (size_t i = 0; i < n; i++)
		out[i] = keep(f, v[i]);
	return out;
}

static const struct policy_param *
keep_params(struct finder *f, const struct policy_param *v, size_t n)
{
	struct policy_param *out =
	    ARENA_ARRAY(&f->out->arena, n + 1, struct policy_param);

	for (size_t i = 0; i < n; i++)
		out[i] = (struct policy_param) { keep(f, v[i].name),
			keep(f, v[i].value) };
	return out;
}

static struct extent_request
keep_request(struct finder *f, const struct extent_request *q)
{
	struct extent_request r = *q;

	r.program = keep(f, q->program);
	r.host = keep(f, q->host);
	r.method = keep(f, q->method);
	r.path = keep(f, q->path);
	r.query = keep(f, q->query);
	r.op.method = keep(f, q->op.method);
	r.op.service = keep(f, q->op.service);
	r.op.type = keep(f, q->op.type);
	r.op.name = keep(f, q->op.name);
	r.op.fields = keep_views(f, q->op.fields, q->op.n_fields);
	r.op.params = keep_params(f, q->op.params, q->op.n_params);
	return r;
}

static void
add(struct finder *f, enum extent_finding_kind kind, struct view provider,
    const struct extent_cause *cause, const struct extent_request *q)
{
	struct extent_findings *out = f->out;
	struct extent_finding *at;

	out->v = mem_realloc(out->v, out->n + 1, sizeof(*out->v));
	at = &out->v[out->n++];
	*at = (struct extent_finding) { .kind = kind,
		.provider = keep(f, provider),
		.cause = *cause,
		.request = keep_request(f, q) };
	at->cause.policy = keep(f, cause->policy);
	at->cause.access = keep(f, cause->access);
}

/* --- one place --------------------------------------------------------- */

/* Does such a cause leave what is said to the program? */
static bool
is_unjudged(enum extent_how how)
{
	switch (how) {
	case EXTENT_UNINSPECTED:
	case EXTENT_TLS_SKIP:
	case EXTENT_TCP:
	case EXTENT_SQL:
	case EXTENT_AUDIT:
		return true;
	case EXTENT_RULE:
	case EXTENT_KNOWN:
	case EXTENT_STREAM:
		return false;
	}
	return true;
}

static enum extent_finding_kind
kind_of(const struct extent_change *ch)
{
	if (is_unjudged(ch->cause.how))
		return EXTENT_L7_BYPASS;
	switch (ch->dim) {
	case EXTENT_HOST:
	case EXTENT_PORT:
	case EXTENT_PROGRAM:
		return EXTENT_CREDENTIAL_REACH;
	case EXTENT_INSPECTION:
	case EXTENT_METHOD:
	case EXTENT_PATH:
	case EXTENT_QUERY:
	case EXTENT_OPERATION:
	case EXTENT_ADDRESS:
		break;
	}
	return EXTENT_CAPABILITY;
}

static int
parse_place(struct finder *f, struct view host, uint16_t port,
    struct extent_never **out)
{
	AUTO_BUF struct buf text = BUF_INIT(P_HOST_MAX + 16);
	bool bare = view_find(host, ':') >= 0 && host.p[0] != '[';

	buf_puts(&text, bare ? "[" : "");
	buf_put(&text, host);
	buf_puts(&text, bare ? "]" : "");
	if (port != 0)
		buf_printf(&text, ":%u", port);
	return extent_never_parse(buf_view(&text), out, f->e);
}

/* What passes there that did not; `kind` for all of it, or as it comes. */
static int
find_widened(struct finder *f, struct view provider, struct view host,
    uint16_t port, bool link_local)
{
	AUTO_NEVER struct extent_never *place = NULL;
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };

	if (parse_place(f, host, port, &place) < 0 ||
	    extent_widened(f->from, f->to, place, &f->steps, &d, f->e) < 0)
		return -1;
	for (size_t i = 0; i < d.n; i++)
		if (d.v[i].dim != EXTENT_ADDRESS)
			add(f,
			    link_local ? EXTENT_LINK_LOCAL : kind_of(&d.v[i]),
			    provider, &d.v[i].cause, &d.v[i].request);
	return 0;
}

/* Whatever passes there is news, since its terms are. */
static int
find_all(struct finder *f, enum extent_finding_kind kind, struct view provider,
    struct view host, uint16_t port)
{
	AUTO_NEVER struct extent_never *place = NULL;
	AUTO_PROOF struct extent_proof proof = { 0 };

	if (parse_place(f, host, port, &place) < 0 ||
	    extent_prove(f->to, place, NULL, 0, &proof, f->e) < 0)
		return -1;
	if (!proof.holds)
		add(f, kind, provider, &proof.cause, &proof.request);
	return 0;
}

/* --- endpoints ---------------------------------------------------------- */

typedef int each_fn(struct finder *f, const struct p_endpoint *e);

static int
each_endpoint(struct finder *f, const struct policy *p, each_fn *fn)
{
	for (size_t i = 0; i < p->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(p)[i];

		for (size_t k = 0; k < q->endpoints.n; k++)
			if (fn(f, &p_endpoints(q)[k]) < 0)
				return -1;
	}
	return 0;
}

static bool
has_port(const struct p_endpoint *e, uint32_t port)
{
	for (size_t i = 0; i < e->ports.n; i++)
		if (e->ports.v[i].v == port)
			return true;
	return false;
}

/* The same host, path and port in the old policy, on the same terms. */
static bool
had_terms(const struct finder *f, const struct p_endpoint *e, uint32_t port)
{
	for (size_t i = 0; i < f->from->top.network_policies.n; i++) {
		const struct p_policy *q = &p_policies(f->from)[i];

		for (size_t k = 0; k < q->endpoints.n; k++) {
			const struct p_endpoint *o = &p_endpoints(q)[k];

			if (view_eq(o->host.v, e->host.v) &&
			    view_eq(o->path.v, e->path.v) &&
			    has_port(o, port) &&
			    view_eq(o->credential_binding.provider.v,
				e->credential_binding.provider.v) &&
			    o->allow_uninspected_credentials.v ==
				e->allow_uninspected_credentials.v)
				return true;
		}
	}
	return false;
}

static struct view
host_of(const struct p_endpoint *e)
{
	return e->host.v.n > 0 ? e->host.v : VIEW("*");
}

/* An endpoint to which the policy itself gives a credential. */
static int
find_binding(struct finder *f, const struct p_endpoint *e)
{
	struct view provider = e->credential_binding.provider.v;
	bool bare = e->allow_uninspected_credentials.v;
	int rc = 0;

	for (size_t i = 0; i < e->ports.n && rc == 0; i++) {
		uint16_t port = (uint16_t)e->ports.v[i].v;

		if (provider.n == 0 && !bare)
			return 0;
		if (had_terms(f, e, port))
			rc = provider.n > 0 ? find_widened(f, provider,
						  host_of(e), port, false)
					    : 0;
		else
			rc = find_all(f,
			    bare ? EXTENT_L7_BYPASS : EXTENT_CREDENTIAL_REACH,
			    provider.n > 0 ? provider : VIEW("any"), host_of(e),
			    port);
	}
	return rc;
}

/* --- link-local --------------------------------------------------------- */

static bool
is_in(const char *net, struct view address)
{
	struct policy_net n, a;

	if (p_net_parse(view_of(net), &n) < 0 || p_net_parse(address, &a) < 0 ||
	    a.family != n.family || a.prefix < n.prefix)
		return false;
	a.prefix = n.prefix;
	p_net_mask(&a);
	return memcmp(a.addr, n.addr, sizeof(n.addr)) == 0;
}

static bool
is_link_local(struct view host)
{
	static const char *const nets[] = { "169.254.0.0/16", "fe80::/10",
		"fd00:ec2::254", "100.100.100.200", "168.63.129.16" };

	for (size_t i = 0; i < ARRAY_LEN(nets); i++)
		if (is_in(nets[i], host))
			return true;
	return false;
}

static int
find_address(struct finder *f, const struct p_endpoint *e)
{
	struct p_host h;
	struct view host;

	if (p_host_normalise(e->host.v, &h) < 0)
		return 0;
	host = (struct view) { h.text, h.n };
	if (!p_host_is_address(host) || !is_link_local(host))
		return 0;
	return find_widened(f, VIEW(""), host, 0, true);
}

/* Names under which clouds hand out the keys of a machine. */
static int
find_metadata(struct finder *f)
{
	static const struct view names[] = { VIEW("metadata.google.internal"),
		VIEW("metadata.goog"), VIEW("instance-data.ec2.internal"),
		VIEW("metadata.azure.internal") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (find_widened(f, VIEW(""), names[i], 0, true) < 0)
			return -1;
	return 0;
}

/* --- all ---------------------------------------------------------------- */

static int
order(const void *ap, const void *bp)
{
	const struct extent_finding *a = ap, *b = bp;
	int c = extent_cause_order(&a->cause, &b->cause);

	if (a->kind != b->kind)
		return (int)a->kind - (int)b->kind;
	if (c != 0)
		return c;
	c = view_cmp(a->provider, b->provider);
	return c != 0 ? c : view_cmp(a->request.host, b->request.host);
}

int
extent_find(const struct policy *from, const struct policy *to,
    const struct extent_place *places, size_t n, uint64_t steps,
    struct extent_findings *out, struct err *e)
{
	struct finder f = { from, to, steps, out, e };

	*out = (struct extent_findings) { .v = NULL };
	for (size_t i = 0; i < n; i++)
		if (find_widened(&f, places[i].provider, places[i].host,
			places[i].port, false) < 0)
			return -1;
	if (each_endpoint(&f, to, find_binding) < 0 ||
	    each_endpoint(&f, to, find_address) < 0 || find_metadata(&f) < 0)
		return -1;
	if (out->n > 0)
		qsort(out->v, out->n, sizeof(*out->v), order);
	return 0;
}

void
extent_findings_fini(struct extent_findings *f)
{
	free(f->v);
	arena_fini(&f->arena);
}
