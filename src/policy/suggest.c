/*
 * suggest: the smallest change that would allow what was refused, as lines to
 * paste under network_policies.  Works from the snapshot alone (Attack: an
 * advisor that resolves refused names tells them to the outside).
 */
#include "codec/ydoc.h"
#include "policy/compiled.h"
#include "policy/decide.h"
#include "policy/overlap.h"

struct proposal {
	const struct snapshot *s;
	const struct policy_who *who;
	struct view host;
	uint16_t port;
	struct view method, path;
	const struct policy_op *op; /* NULL: the request itself */
	enum policy_protocol protocol; /* that judges it */
	struct buf *out;
};

static void
line(struct buf *out, unsigned indent, const char *text)
{
	buf_printf(out, "%*s%s\n", (int)indent, "", text);
}

static void
pair(struct buf *out, unsigned indent, const char *key, struct view value)
{
	buf_printf(out, "%*s%s%s ", (int)indent, "", key,
	    strcmp(key, "-") == 0 ? "" : ":");
	ydoc_put_str(out, value);
	buf_putc(out, '\n');
}

/* A text as the glob that matches just it. */
static void
put_literal(struct proposal *p, unsigned indent, const char *key, struct view v)
{
	AUTO_BUF struct buf glob = BUF_INIT(2 * 4096);

	for (size_t i = 0; i < v.n; i++) {
		if (memchr("*?[]{}\\", v.p[i], 7) != NULL)
			buf_putc(&glob, '\\');
		buf_putc(&glob, v.p[i]);
	}
	pair(p->out, indent, key, buf_view(&glob));
}

/* The operation, as the rule that allows just it. */
static void
put_op(struct proposal *p, unsigned indent)
{
	const struct policy_op *op = p->op;

	switch (op->kind) {
	case POLICY_OP_CALL:
		pair(p->out, indent, "method", op->method);
		for (size_t i = 0; i < op->n_params; i++)
			if (p->protocol == POLICY_PROTO_MCP &&
			    view_eq(op->method, VIEW("tools/call")) &&
			    view_eq(op->params[i].name, VIEW("name")))
				put_literal(
				    p, indent, "tool", op->params[i].value);
		break;
	case POLICY_OP_GRAPHQL:
		/* Not by its name, which the client makes up. */
		pair(p->out, indent, "operation_type", op->type);
		if (op->n_fields == 0)
			break;
		line(p->out, indent, "fields:");
		for (size_t i = 0; i < op->n_fields; i++)
			put_literal(p, indent, "-", op->fields[i]);
		break;
	case POLICY_OP_GRPC:
		put_literal(p, indent, "service", op->service);
		put_literal(p, indent, "rpc", op->method);
		break;
	case POLICY_OP_TEXT:
		pair(p->out, indent, "method", VIEW("WEBSOCKET_TEXT"));
		put_literal(p, indent, "path", p->path);
		break;
	}
}

/* `other`: the rule that asks for another query, or -1. */
static void
put_rule(struct proposal *p, unsigned indent, int other)
{
	line(p->out, indent, "rules:");
	if (other >= 0)
		buf_printf(p->out,
		    "%*s# rule %d allows this with another query; this one "
		    "allows any\n",
		    (int)indent, "", other);
	line(p->out, indent, "- allow:");
	if (p->op != NULL) {
		put_op(p, indent + 4);
		return;
	}
	pair(p->out, indent + 4, "method", p->method);
	put_literal(p, indent + 4, "path", p->path);
}

static void
put_binaries(struct proposal *p)
{
	line(p->out, 4, "binaries:");
	/* Unknown, and of no account: snapshot_options.any_binary. */
	pair(p->out, 4, "- path",
	    p->who->exe.n > 0 && p->who->exe.p[0] == '/' ? p->who->exe
							 : VIEW("/**"));
}

static void
put_address(struct proposal *p)
{
	pair(p->out, 4, "- host", p->host);
	buf_printf(p->out, "      port: %u\n", p->port);
}

static bool
key_exists(const struct snapshot *s, struct view key)
{
	for (size_t i = 0; i < s->npolicies; i++)
		if (view_eq(s->policies[i].m.key.v, key))
			return true;
	return false;
}

/* allow_api_github_com_443, with a number behind it when that is taken. */
static void
put_new_key(struct proposal *p)
{
	AUTO_BUF struct buf key = BUF_INIT(512);
	size_t stem;

	buf_puts(&key, "allow_");
	for (size_t i = 0; i < p->host.n; i++) {
		char c = p->host.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		buf_putc(&key,
		    (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_');
	}
	buf_printf(&key, "_%u", p->port);
	stem = key.n;
	for (unsigned i = 2; key_exists(p->s, buf_view(&key)); i++) {
		key.n = stem;
		buf_printf(&key, "_%u", i);
	}
	buf_puts(p->out, "  ");
	ydoc_put_str(p->out, buf_view(&key));
	buf_puts(p->out, ":\n");
}

static bool
is_read(struct view method)
{
	uint16_t bit = c_method(method);

	return method.n == 0 ||
	       (bit & (METHOD_GET | METHOD_HEAD | METHOD_OPTIONS)) != 0;
}

static void
suggest_policy(struct proposal *p)
{
	put_new_key(p);
	line(p->out, 4, "endpoints:");
	put_address(p);
	line(p->out, 6, "protocol: rest");
	if (is_read(p->method) || p->path.n == 0)
		line(p->out, 6, "access: read-only");
	else
		put_rule(p, 6, -1);
	put_binaries(p);
}

static void
put_key(struct proposal *p, unsigned policy)
{
	buf_puts(p->out, "  ");
	ydoc_put_str(p->out, p->s->policies[policy].m.key.v);
	buf_puts(p->out, ":\n");
}

static void
suggest_binary(struct proposal *p, unsigned policy)
{
	line(p->out, 2, "# add to the binaries of this policy");
	put_key(p, policy);
	put_binaries(p);
}

static bool
judges(const struct proposal *p, const struct p_endpoint *e)
{
	enum policy_protocol proto = p_protocol(e);

	if (p->op != NULL)
		return proto == p->protocol;
	return policy_protocol_judged(proto) == POLICY_BY_REQUEST;
}

/* Its `path` takes the request's in. */
static bool
is_about(const struct proposal *p, const struct p_endpoint *e)
{
	struct glob *g = NULL;
	struct err err;
	bool yes;

	if (c_rank(e->path.v) == 0)
		return true;
	if (glob_new(e->path.v, '/', &g, &err) < 0)
		return false;
	yes = glob_match(g, p->path);
	glob_free(g);
	return yes;
}

/* An endpoint of the policy that judges this and has rules, or -1. */
static int
endpoint_with_rules(const struct proposal *p, const struct p_policy *q,
    const struct c_found *f, unsigned policy)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct c_key *k = f->keys[i];

		for (size_t n = 0; n < k->nplaces; n++) {
			unsigned at = k->places[n].endpoint;
			const struct p_endpoint *e = &p_endpoints(q)[at];

			if (k->places[n].policy == policy && e->rules.n > 0 &&
			    judges(p, e) && is_about(p, e))
				return (int)at;
		}
	}
	return -1;
}

/*
 * A rule that only asked for another query, or -1.  A person must know that
 * the proposed one, which has none, sets that condition aside.
 */
static int
rule_with_query(const struct proposal *p, const struct c_found *f,
    unsigned policy, unsigned endpoint)
{
	uint16_t bit = c_method(p->method);

	for (size_t i = 0; i < f->n; i++)
		for (size_t n = 0; n < f->keys[i]->allow.n; n++) {
			const struct c_rule *r = &f->keys[i]->allow.v[n];

			if (r->at.policy == policy &&
			    r->at.endpoint == endpoint && r->nquery > 0 &&
			    (r->methods != 0
				    ? (r->methods & bit) != 0
				    : view_eq_nocase(r->method, p->method)) &&
			    glob_match(r->path, p->path))
				return r->rule;
		}
	return -1;
}

static void
put_endpoint(struct proposal *p, const struct p_endpoint *e)
{
	line(p->out, 4, "endpoints:");
	if (e->host.v.n > 0) {
		pair(p->out, 4, "- host", e->host.v);
		buf_printf(p->out, "      port: %u\n", p->port);
	} else
		buf_printf(p->out, "    - port: %u\n", p->port);
	if (e->path.v.n > 0)
		pair(p->out, 6, "path", e->path.v);
}

static void
suggest_rule(struct proposal *p, const struct c_found *f,
    const struct policy_verdict *v, unsigned policy)
{
	bool whole = v->protocol != POLICY_PROTO_NONE;
	const struct p_policy *q = &p->s->policies[policy];
	int at = endpoint_with_rules(p, q, f, policy);
	const struct p_endpoint *e;

	if (at >= 0) {
		buf_printf(p->out, "  # add to the rules of endpoint %d\n", at);
		put_key(p, policy);
		put_endpoint(p, &p_endpoints(q)[at]);
		put_rule(p, 6,
		    p->op != NULL
			? -1
			: rule_with_query(p, f, policy, (unsigned)at));
		return;
	}
	/* Presets and rules exclude each other, so it takes an endpoint. */
	e = &p_endpoints(q)[whole ? v->endpoint : c_endpoint_of(f, policy)];
	line(p->out, 2, "# add to the endpoints of this policy");
	put_key(p, policy);
	line(p->out, 4, "endpoints:");
	put_address(p);
	pair(p->out, 6, "protocol", view_of(policy_protocol_word(p->protocol)));
	if (whole && e->path.v.n > 0)
		pair(p->out, 6, "path", e->path.v);
	p_put_shared(p->out, e, whole);
	put_rule(p, 6, -1);
}

/* What no rule that is added can allow. */
static void
suggest_removal(struct proposal *p, const struct policy_verdict *v)
{
	buf_printf(p->out,
	    "  # entry %u of deny_rules of endpoint %u refuses this, whatever "
	    "allows it;\n  # only without that entry can it pass\n",
	    v->rule, v->endpoint);
	buf_puts(p->out, "  # policy: ");
	ydoc_put_str(p->out, view_of(v->policy));
	buf_putc(p->out, '\n');
}

static void
suggest_inside(struct proposal *p, const struct c_found *f,
    const struct policy_verdict *v, unsigned policy)
{
	p->protocol = v->protocol;
	/* The one whose path it is, of those that match. */
	for (unsigned i = 0; i < p->s->npolicies; i++)
		if (v->policy == c_name(p->s, i))
			policy = i;
	if (v->by_deny_rule)
		suggest_removal(p, v);
	else if (v->allow || v->bad_query || v->malformed)
		return; /* not the policy's doing */
	else if (p->op == NULL && v->protocol == POLICY_PROTO_NONE) {
		/* No endpoint is about this path. */
		p->protocol = POLICY_PROTO_REST;
		suggest_rule(p, f, v, policy);
	} else if (p->op != NULL ||
		   policy_protocol_judged(v->protocol) == POLICY_BY_REQUEST)
		suggest_rule(p, f, v, policy);
}

/* false: nothing that a policy could say. */
static bool
prepare(struct proposal *p, struct p_host *name, struct view host,
    struct c_found *f)
{
	if (p->who->exe.n == 0 || p->port == 0 ||
	    p_host_normalise(host, name) < 0 ||
	    !c_find(p->s, p->who, host, p->port, f))
		return false;
	p->host = (struct view) { name->text, name->n };
	return true;
}

static void
suggest_outside(struct proposal *p, const struct c_found *f)
{
	int policy = c_first(f->endpoint, p->s->words);

	if (policy >= 0)
		suggest_binary(p, (unsigned)policy);
	else
		suggest_policy(p);
}

void
policy_suggest(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct view method, struct view path,
    struct buf *out)
{
	struct policy_request r = { .method = method, .path = path };
	struct policy_verdict v;
	struct policy_reason why;
	struct p_host name;
	struct c_found f;
	struct proposal p = { .s = s,
		.who = who,
		.port = port,
		.method = method,
		.path = path,
		.out = out };
	int policy;

	if (!prepare(&p, &name, host, &f))
		return;
	policy = c_first(f.match, s->words);
	if (policy < 0)
		suggest_outside(&p, &f);
	else if (method.n > 0 && path.n > 0) {
		policy_decide_request(s, who, host, port, &r, &v, &why);
		suggest_inside(&p, &f, &v, (unsigned)policy);
	}
}

/* What the policy has registered is not the client's to have changed. */
void
policy_suggest_op(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    const struct policy_op *op, struct buf *out)
{
	struct policy_verdict v;
	struct policy_reason why;
	struct p_host name;
	struct c_found f;
	struct proposal p = { .s = s,
		.who = who,
		.port = port,
		.path = r->path,
		.op = op,
		.out = out };
	int policy;

	if (!prepare(&p, &name, host, &f))
		return;
	policy = c_first(f.match, s->words);
	if (policy < 0) {
		suggest_outside(&p, &f);
		return;
	}
	policy_decide_op(s, who, host, port, r, op, &v, &why);
	if (op->persisted.n == 0 || v.by_deny_rule)
		suggest_inside(&p, &f, &v, (unsigned)policy);
}
