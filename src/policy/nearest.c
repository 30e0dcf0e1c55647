/*
 * nearest: of all that did not allow it, what came closest, and why it did
 * not.  A rule of a policy that has endpoint and program comes before a policy
 * that has only the endpoint, and that before an endpoint on another port or
 * beside the host.  For people: a verdict never depends on it.
 */
#include "policy/nearest.h"

enum { ENDPOINTS_SEEN_MAX = 4096, LABELS_MIN = 2, SHOWN = 160 };

static void
put_number(struct c_text *t, size_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%zu", n);
	c_puts(t, text);
}

void
near_put_where(struct near *n, unsigned policy, size_t endpoint)
{
	c_put(&n->where, n->s->policies[policy].m.key.v);
	near_put_index(&n->where, " endpoints", endpoint);
}

void
near_put_index(struct c_text *t, const char *list, size_t at)
{
	c_puts(t, list);
	c_puts(t, "[");
	put_number(t, at);
	c_puts(t, "]");
}

void
near_put_shown(struct c_text *t, struct view v)
{
	struct view shown = view_slice(v, 0, SHOWN);

	c_puts(t, "'");
	c_put(t, shown);
	c_puts(t, shown.n < v.n ? "...'" : "'");
}

/* --- a rule of a policy that has endpoint and program ------------------- */

static bool
method_is(const struct c_rule *r, struct view method)
{
	if (r->methods != 0)
		return (r->methods & c_method(method)) != 0;
	return view_eq_nocase(r->method, method);
}

size_t
near_common(struct view a, struct view b)
{
	size_t n = 0;

	while (n < a.n && n < b.n && a.p[n] == b.p[n])
		n++;
	return n;
}

/* The path counts most, then the method, then how far the path agrees. */
static size_t
closeness(const struct near *n, const struct c_rule *r)
{
	size_t score = near_common(glob_prefix(r->path), n->path);

	if (glob_match(r->path, n->path))
		score += 1 << 20;
	if (method_is(r, n->method))
		score += 1 << 18;
	return score;
}

static const struct c_rule *
closest_rule(const struct near *n, const struct c_found *f)
{
	const struct c_rule *best = NULL;
	size_t best_score = 0;

	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->keys[i]->allow.n; k++) {
			const struct c_rule *r = &f->keys[i]->allow.v[k];
			size_t score;

			if (!c_has(f->match, r->at.policy) ||
			    !c_in_scope(r->scope, n->path))
				continue;
			score = closeness(n, r);
			if (best != NULL && score <= best_score)
				continue;
			best = r;
			best_score = score;
		}
	return best;
}

static void
put_preset(struct near *n, const struct p_endpoint *e)
{
	const char *const *methods = p_preset(p_protocol(e), e->access.v);

	c_puts(&n->where, ".access");
	c_puts(&n->miss, "access ");
	c_put(&n->miss, e->access.v);
	c_puts(&n->miss, " allows ");
	for (size_t i = 0; methods != NULL && methods[i] != NULL; i++) {
		c_puts(&n->miss, i > 0 ? ", " : "");
		c_puts(&n->miss, methods[i]);
	}
	c_puts(&n->miss, ", and not ");
	c_put(&n->miss, view_slice(n->method, 0, SHOWN));
}

static void
put_rule(struct near *n, const struct c_rule *r)
{
	const struct p_endpoint *e =
	    &p_endpoints(&n->s->policies[r->at.policy])[r->at.endpoint];
	const struct p_allow *a;
	bool path = glob_match(r->path, n->path);
	bool method = method_is(r, n->method);

	if (path && method && r->nquery == 0)
		return; /* what refused was not a rule of requests */
	near_put_where(n, r->at.policy, r->at.endpoint);
	if (e->access.v.n > 0 || r->rule >= e->rules.n) {
		put_preset(n, e);
		return;
	}
	a = &p_rules(e)[r->rule].allow;
	near_put_index(&n->where, ".rules", r->rule);
	if (path && method) {
		c_puts(&n->miss, "its query matchers do not match the query");
		return;
	}
	if (!path) {
		c_puts(&n->miss, "its path ");
		near_put_shown(&n->miss, a->path.v);
		c_puts(&n->miss, " does not match ");
		near_put_shown(&n->miss, n->path);
	}
	if (!method) {
		c_puts(&n->miss, path ? "its method " : ", nor its method ");
		c_put(&n->miss, a->method.v);
		c_puts(&n->miss, path ? " is not " : " the method ");
		c_put(&n->miss, view_slice(n->method, 0, SHOWN));
	}
}

/* --- a policy that has the endpoint ------------------------------------- */

static void
put_programs(struct near *n, const struct c_found *f, unsigned policy)
{
	const struct p_policy *q = &n->s->policies[policy];

	near_put_where(n, policy, c_endpoint_of(f, policy));
	c_puts(&n->miss, "its binaries ");
	for (size_t i = 0; i < q->binaries.n && !n->miss.cut; i++) {
		c_puts(&n->miss, i > 0 ? ", " : "");
		c_put(&n->miss, p_binaries(q)[i].path.v);
	}
	c_puts(&n->miss, " do not name ");
	c_put(&n->miss, n->who->exe);
}

/* --- an endpoint beside it ---------------------------------------------- */

/* Labels that two names have in common, from the end. */
static size_t
shared_labels(struct view a, struct view b)
{
	size_t n = 0, labels = 0;

	while (n < a.n && n < b.n && a.p[a.n - 1 - n] == b.p[b.n - 1 - n])
		if (a.p[a.n - 1 - n++] == '.')
			labels++;
	if ((n == a.n || a.p[a.n - 1 - n] == '.') &&
	    (n == b.n || b.p[b.n - 1 - n] == '.') && n > 0)
		labels++;
	return labels;
}

struct beside {
	unsigned policy;
	size_t endpoint, score;
	bool port; /* that is what differs */
};

static void
look_beside(
    const struct near *n, unsigned policy, size_t endpoint, struct beside *best)
{
	const struct p_endpoint *e =
	    &p_endpoints(&n->s->policies[policy])[endpoint];
	enum p_hostkind kind;
	struct p_host name;
	struct view v;
	size_t score;

	if (p_host_selector(e->host.v, &kind, &name) < 0 || kind == HOST_ANY)
		return;
	v = (struct view) { name.text, name.n };
	if (kind == HOST_EXACT && view_eq(v, n->host) &&
	    !p_has_port(e, n->port))
		score = SIZE_MAX;
	else {
		score = shared_labels(v, n->host);
		if (score < LABELS_MIN || !p_has_port(e, n->port))
			return;
	}
	if (score <= best->score)
		return;
	*best = (struct beside) { policy, endpoint, score, score == SIZE_MAX };
}

static void
put_beside(struct near *n)
{
	struct beside best = { 0 };
	const struct p_endpoint *e;
	size_t seen = 0;

	for (unsigned i = 0; i < n->s->npolicies; i++)
		for (size_t k = 0; k < n->s->policies[i].endpoints.n; k++) {
			if (seen++ == ENDPOINTS_SEEN_MAX)
				break;
			look_beside(n, i, k, &best);
		}
	if (best.score == 0) {
		c_puts(&n->miss, "no policy names ");
		c_put(&n->miss, n->host);
		return;
	}
	e = &p_endpoints(&n->s->policies[best.policy])[best.endpoint];
	near_put_where(n, best.policy, best.endpoint);
	if (best.port) {
		c_puts(&n->miss, "its port is not ");
		put_number(&n->miss, n->port);
		return;
	}
	c_puts(&n->miss, "its host ");
	c_put(&n->miss, e->host.v);
	c_puts(&n->miss, " is not ");
	c_put(&n->miss, n->host);
}

/* An entry of deny_rules, which no rule outweighs. */
void
near_put_refusing(struct near *n, const struct policy_verdict *v)
{
	c_puts(&n->where, v->policy);
	near_put_index(&n->where, " endpoints", v->endpoint);
	near_put_index(&n->where, ".deny_rules", v->rule);
	c_puts(&n->miss, "it refuses this, whatever allows it");
}

static void
put_inside(struct near *n, const struct c_found *f)
{
	const struct policy_request r = { n->method, n->path, n->query };
	const struct c_rule *rule;
	struct policy_verdict v;
	struct policy_reason why;

	if (n->method.n == 0)
		return;
	policy_decide_request(n->s, n->who, n->host, n->port, &r, &v, &why);
	if (v.by_deny_rule)
		near_put_refusing(n, &v);
	else if (!v.allow && !v.bad_query &&
		 (rule = closest_rule(n, f)) != NULL)
		put_rule(n, rule);
}

void
policy_nearest(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    struct policy_nearest *out)
{
	struct near n = { .s = s,
		.who = who,
		.port = port,
		.method = r->method,
		.path = r->path,
		.query = r->query,
		.where = { .p = out->where, .max = sizeof(out->where) },
		.miss = { .p = out->miss, .max = sizeof(out->miss) } };
	struct p_host name;
	struct c_found f;
	int policy;

	out->where[0] = out->miss[0] = '\0';
	if (who->exe.n == 0 || p_host_normalise(host, &name) < 0 ||
	    !c_find(s, who, host, port, &f))
		return;
	n.host = (struct view) { name.text, name.n };
	if (c_first(f.match, s->words) >= 0)
		put_inside(&n, &f);
	else if ((policy = c_first(f.endpoint, s->words)) >= 0)
		put_programs(&n, &f, (unsigned)policy);
	else
		put_beside(&n);
	c_end(&n.where);
	c_end(&n.miss);
}
