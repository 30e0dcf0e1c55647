/*
 * suggest: the smallest change that would allow what was refused, as lines to
 * paste under network_policies.  Works from the snapshot alone (Attack: an
 * advisor that resolves refused names tells them to the outside).
 */
#include "codec/ydoc.h"
#include "policy/compiled.h"
#include "policy/decide.h"

struct proposal {
	const struct snapshot *s;
	const struct policy_who *who;
	struct view host;
	uint16_t port;
	struct view method, path;
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
	buf_printf(out, "%*s%s: ", (int)indent, "", key);
	ydoc_put_str(out, value);
	buf_putc(out, '\n');
}

/* A path as the glob that matches just it. */
static void
put_literal_path(struct proposal *p, unsigned indent)
{
	AUTO_BUF struct buf glob = BUF_INIT(2 * 4096);

	for (size_t i = 0; i < p->path.n; i++) {
		if (memchr("*?[]{}\\", p->path.p[i], 7) != NULL)
			buf_putc(&glob, '\\');
		buf_putc(&glob, p->path.p[i]);
	}
	pair(p->out, indent, "path", buf_view(&glob));
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
	pair(p->out, indent + 4, "method", p->method);
	put_literal_path(p, indent + 4);
}

static void
put_binaries(struct proposal *p)
{
	line(p->out, 4, "binaries:");
	pair(p->out, 4, "- path", p->who->exe);
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

/* An endpoint of the policy that judges requests and has rules, or -1. */
static int
endpoint_with_rules(
    const struct p_policy *q, const struct c_found *f, unsigned policy)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct c_key *k = f->keys[i];

		for (size_t n = 0; n < k->nplaces; n++) {
			unsigned e = k->places[n].endpoint;

			if (k->places[n].policy == policy &&
			    p_endpoints(q)[e].rules.n > 0)
				return (int)e;
		}
	}
	return -1;
}

/* Words the new endpoint must share with the one beside it (8.2). */
static void
put_shared(struct proposal *p, const struct p_endpoint *e)
{
	line(p->out, 6, "protocol: rest");
	if (e->tls.v.n > 0)
		pair(p->out, 6, "tls", e->tls.v);
	if (e->enforcement.v.n > 0)
		pair(p->out, 6, "enforcement", e->enforcement.v);
}

static void
put_nets(struct proposal *p, const struct p_endpoint *e)
{
	if (e->allowed_ips.n == 0)
		return;
	line(p->out, 6, "allowed_ips:");
	for (size_t i = 0; i < e->allowed_ips.n; i++) {
		buf_puts(p->out, "      - ");
		ydoc_put_str(p->out, e->allowed_ips.v[i].v);
		buf_putc(p->out, '\n');
	}
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
		for (size_t n = 0; n < f->keys[i]->nrules; n++) {
			const struct c_rule *r = &f->keys[i]->rules[n];

			if (r->policy == policy && r->endpoint == endpoint &&
			    r->nquery > 0 &&
			    (r->methods != 0
				    ? (r->methods & bit) != 0
				    : view_eq_nocase(r->method, p->method)) &&
			    glob_match(r->path, p->path))
				return r->rule;
		}
	return -1;
}

static void
suggest_rule(struct proposal *p, const struct c_found *f, unsigned policy)
{
	const struct p_policy *q = &p->s->policies[policy];
	int at = endpoint_with_rules(q, f, policy);
	const struct p_endpoint *e;

	if (at >= 0) {
		e = &p_endpoints(q)[at];
		buf_printf(p->out, "  # add to the rules of endpoint %d\n", at);
		put_key(p, policy);
		line(p->out, 4, "endpoints:");
		if (e->host.v.n > 0) {
			pair(p->out, 4, "- host", e->host.v);
			buf_printf(p->out, "      port: %u\n", p->port);
		} else
			buf_printf(p->out, "    - port: %u\n", p->port);
		put_rule(p, 6, rule_with_query(p, f, policy, (unsigned)at));
		return;
	}
	/* Presets and rules exclude each other, so it takes an endpoint. */
	e = &p_endpoints(q)[c_endpoint_of(f, policy)];
	line(p->out, 2, "# add to the endpoints of this policy");
	put_key(p, policy);
	line(p->out, 4, "endpoints:");
	put_address(p);
	put_shared(p, e);
	put_rule(p, 6, -1);
	put_nets(p, e);
}

void
policy_suggest(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct view method, struct view path,
    struct buf *out)
{
	struct p_host name;
	struct c_found f;
	struct proposal p = { .s = s,
		.who = who,
		.port = port,
		.method = method,
		.path = path,
		.out = out };
	int policy;

	if (who->exe.n == 0 || port == 0 || p_host_normalise(host, &name) < 0 ||
	    !c_find(s, who, host, port, &f))
		return; /* nothing that a policy could say */
	p.host = (struct view) { name.text, name.n };
	policy = c_first(f.match, s->words);
	if (policy >= 0 && method.n > 0 && path.n > 0)
		suggest_rule(&p, &f, (unsigned)policy);
	else if (policy >= 0)
		return; /* allowed already */
	else if ((policy = c_first(f.endpoint, s->words)) >= 0)
		suggest_binary(&p, (unsigned)policy);
	else
		suggest_policy(&p);
}
