/*
 * decide_request: how a request is treated, by its path, and whether it may
 * go on.  An allow of any matching endpoint is enough; one matching entry of
 * deny_rules, of whichever of them, outweighs all (section 8.4).
 */
#include "policy/compiled.h"
#include "policy/decide.h"

bool
c_is_before(
    struct c_place a, unsigned rule_a, struct c_place b, unsigned rule_b)
{
	if (a.policy != b.policy)
		return a.policy < b.policy;
	if (a.endpoint != b.endpoint)
		return a.endpoint < b.endpoint;
	return rule_a < rule_b;
}

bool
c_in_scope(const struct glob *scope, struct view path)
{
	return scope == NULL || glob_match(scope, path);
}

/* The end of the chain of groups that can be of this path, or C_NONE. */
static uint32_t
c_chain(const struct c_groups *g, struct view path)
{
	size_t lo = 0, hi = g->n;

	/* The last group not after the path. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (view_cmp(g->v[mid].prefix, path) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? (uint32_t)lo - 1 : C_NONE;
}

/* --- treatment ---------------------------------------------------------- */

struct treat {
	const struct snapshot *s;
	const struct c_found *f;
	struct view path;
	struct policy_treatment *out;
	const struct c_scope *best;
	unsigned policy;
};

/* The first policy of the scope that is open to the program, or -1. */
static int
open_policy(const struct treat *t, const struct c_scope *scope)
{
	for (size_t w = 0; w < t->s->words; w++) {
		uint64_t both = scope->policies[w] & t->f->match[w];

		if (both != 0)
			return (int)(w * 64) + __builtin_ctzll(both);
	}
	return -1;
}

static void
take(struct treat *t, const struct c_scope *scope, unsigned policy)
{
	if (t->best == NULL || scope->rank > t->best->rank)
		*t->out = scope->t;
	else {
		policy_treatment_merge(t->out, &scope->t);
		if (policy >= t->policy)
			return;
	}
	t->best = scope;
	t->policy = policy;
}

/* The most specific first: those behind the best cannot be better. */
static void
treat_group(struct treat *t, const struct c_key *k, const struct c_group *g)
{
	for (size_t i = g->first; i < g->first + g->n; i++) {
		const struct c_scope *scope = &k->scopes.v[i];
		int policy;

		if (t->best != NULL && scope->rank < t->best->rank)
			return;
		policy = open_policy(t, scope);
		if (policy >= 0 && (scope->path == NULL ||
				       glob_match_rest(scope->path, t->path)))
			take(t, scope, (unsigned)policy);
	}
}

bool
c_treat(const struct snapshot *s, const struct c_found *f, struct view path,
    struct policy_treatment *out)
{
	struct treat t = { .s = s, .f = f, .path = path, .out = out };
	size_t at;

	*out = (struct policy_treatment) { .strict_tool_names = true };
	for (size_t i = 0; i < f->n; i++) {
		const struct c_key *k = f->keys[i];
		const struct c_groups *g = &k->scopes.groups;

		for (uint32_t n = c_chain(g, path); n != C_NONE;
		     n = g->v[n].parent)
			if (view_starts(path, g->v[n].prefix))
				treat_group(&t, k, &g->v[n]);
	}
	if (t.best == NULL)
		return false;
	out->policy = c_name(s, t.policy);
	at = c_place_find(t.best->places, t.best->nplaces, t.policy);
	out->endpoint = t.best->places[at].endpoint;
	return true;
}

bool
policy_treat_request(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, struct view path,
    struct policy_treatment *out)
{
	struct c_found f UNINIT;

	*out = (struct policy_treatment) { .strict_tool_names = true };
	return who->exe.n > 0 && c_find(s, who, host, port, &f) &&
	       c_treat(s, &f, path, out);
}

/* --- rules -------------------------------------------------------------- */

static bool
value_matches(const struct c_query *q, struct view value)
{
	if (value.n > 0 && memchr(value.p, '\0', value.n) != NULL)
		return false;
	for (size_t i = 0; i < q->n; i++)
		if (glob_match(q->globs[i], value))
			return true;
	return false;
}

/*
 * To allow: at least one value, and every one of them.  To deny, one is
 * enough; one that no glob can be asked about (NUL) is one.  Attack: a name in
 * another case, which many servers take for the same: what is said under it
 * counts, but does not stand for the name itself where that must be there.
 */
static bool
param_matches(const struct c_query *q, const struct query *in, bool deny)
{
	bool seen = false;

	for (size_t i = 0; i < in->n; i++) {
		struct view value = in->pairs[i].value;
		bool yes;

		if (!view_eq_nocase(in->pairs[i].name, q->name))
			continue;
		yes = value_matches(q, value);
		if (deny && (yes || (value.n > 0 && memchr(value.p, '\0',
							value.n) != NULL)))
			return true;
		if (!deny && !yes)
			return false;
		seen |= view_eq(in->pairs[i].name, q->name);
	}
	return seen && !deny;
}

static bool
query_matches(const struct c_rule *r, const struct query *in, bool deny)
{
	if (r->nquery > 0 && in == NULL)
		return false;
	for (size_t i = 0; i < r->nquery; i++)
		if (!param_matches(&r->query[i], in, deny))
			return false;
	return true;
}

static bool
method_matches(const struct c_rule *r, const struct c_ask *a)
{
	if (r->methods != 0)
		return (r->methods & a->bit) != 0;
	return view_eq_nocase(r->method, a->method);
}

struct search {
	const struct c_ask *a;
	const struct c_rules *rules;
	bool deny;
	const struct c_rule *best;
};

/* Rules of a group are in order, so the first that matches is its best. */
static void
ask_group(struct search *q, const struct c_group *g)
{
	const struct c_ask *a = q->a;
	const struct glob *last = NULL;
	bool matched = false;

	for (size_t i = g->first; i < g->first + g->n; i++) {
		const struct c_rule *r = &q->rules->v[i];

		if (q->best != NULL &&
		    !c_is_before(r->at, r->rule, q->best->at, q->best->rule))
			return;
		if (!c_has(a->f->match, r->at.policy) || !method_matches(r, a))
			continue;
		if (r->path != last) {
			matched = glob_match_rest(r->path, a->path);
			last = r->path;
		}
		if (matched && c_in_scope(r->scope, a->path) &&
		    query_matches(r, a->query, q->deny)) {
			q->best = r;
			return;
		}
	}
}

static void
ask_rules(struct search *q, const struct c_rules *rules)
{
	const struct c_groups *g = &rules->groups;
	struct view path = q->a->path;

	q->rules = rules;
	for (uint32_t at = c_chain(g, path); at != C_NONE; at = g->v[at].parent)
		if (view_starts(path, g->v[at].prefix))
			ask_group(q, &g->v[at]);
}

const struct c_rule *
c_ask_allow(const struct c_ask *a)
{
	struct search q = { .a = a };

	for (size_t i = 0; i < a->f->n; i++)
		ask_rules(&q, &a->f->keys[i]->allow);
	return q.best;
}

const struct c_rule *
c_ask_deny(const struct c_ask *a)
{
	struct search q = { .a = a, .deny = true };

	for (size_t i = 0; i < a->f->n; i++)
		if (a->f->keys[i]->deny.n > 0)
			ask_rules(&q, &a->f->keys[i]->deny);
	return q.best;
}

/* --- the verdict --------------------------------------------------------- */

bool
c_query_of(const struct c_found *f, struct view raw, struct query *out,
    const struct query **q, struct c_text *why)
{
	bool looks = false;
	struct err e;

	*q = NULL;
	if (raw.n == 0)
		return true;
	for (size_t i = 0; i < f->n; i++)
		looks |=
		    f->keys[i]->allow.has_query || f->keys[i]->deny.has_query;
	if (looks && view_find(raw, ';') >= 0) {
		/* Attack: servers that split on ';' see other parameters. */
		c_puts(
		    why, "query contains ';', which servers read differently");
		return false;
	}
	if (query_decode(raw, out, &e) < 0) {
		c_puts(why, e.text);
		return false;
	}
	*q = out;
	return true;
}

static void
explain(const struct policy_request *r, const char *what, struct c_text *t)
{
	enum { SHOWN = 160 };
	struct view path = view_slice(r->path, 0, 800);

	if (r->method.n == 0 || r->path.n == 0) {
		c_puts(t, "request denied by policy");
		return;
	}
	c_put(t, view_slice(r->method, 0, SHOWN));
	c_puts(t, " ");
	c_put(t, path);
	c_puts(t, path.n < r->path.n ? "... " : " ");
	c_puts(t, what);
}

void
c_place_of(const struct snapshot *s, struct c_place at, unsigned rule,
    struct policy_verdict *out)
{
	out->policy = c_name(s, at.policy);
	out->endpoint = at.endpoint;
	out->rule = rule;
}

/* The requests that carry the operations of a protocol. */
static bool
carries(enum policy_protocol p, uint16_t bit)
{
	static const uint16_t methods[POLICY_PROTOCOLS] = {
		[POLICY_PROTO_GRPC] = METHOD_POST,
		/* GET: a query in the target, or a WebSocket. */
		[POLICY_PROTO_GRAPHQL] = METHOD_POST | METHOD_GET,
		[POLICY_PROTO_JSON_RPC] = METHOD_POST,
		/* GET: the receive stream; DELETE: the end of a session. */
		[POLICY_PROTO_MCP] = METHOD_POST | METHOD_GET | METHOD_DELETE,
	};

	return (methods[p] & bit) != 0;
}

/* Nothing forbids it; does something allow it? */
static void
judge_allow(const struct snapshot *s, const struct c_ask *a,
    const struct policy_treatment *tr, const struct policy_request *r,
    struct policy_verdict *out, struct c_text *t)
{
	const struct c_rule *rule;

	switch (policy_protocol_judged(tr->protocol)) {
	case POLICY_BY_CONNECTION: /* nothing is about this path */
		explain(r, "not permitted by policy", t);
		return;
	case POLICY_BY_OPERATION:
		out->allow = out->operations = carries(tr->protocol, a->bit);
		if (!out->allow)
			explain(r, "carries no operations of its protocol", t);
		return;
	case POLICY_BY_REQUEST:
		break;
	}
	rule = c_ask_allow(a);
	if (rule == NULL) {
		explain(r, "not permitted by policy", t);
		return;
	}
	out->allow = true;
	c_place_of(s, rule->at, rule->rule, out);
}

/* The verdict in *out; the words in *t when denied. */
static void
judge_request(const struct snapshot *s, const struct c_found *f,
    const struct policy_request *r, const struct query *query,
    struct policy_verdict *out, struct c_text *t)
{
	struct c_ask a = { .f = f,
		.method = r->method,
		.path = r->path,
		.bit = c_method(r->method),
		.query = query };
	int first = c_first(f->match, s->words);
	const struct c_rule *deny;
	struct policy_treatment tr;

	if (first < 0 || r->method.n == 0 || r->path.n == 0) {
		explain(r, "not permitted by policy", t);
		return;
	}
	if (c_treat(s, f, r->path, &tr)) {
		out->protocol = tr.protocol;
		out->enforcement = tr.enforcement;
		out->policy = tr.policy;
		out->endpoint = tr.endpoint;
	} else {
		out->policy = c_name(s, (unsigned)first);
		out->endpoint = c_endpoint_of(f, (unsigned)first);
	}
	deny = c_ask_deny(&a);
	if (deny != NULL) {
		out->by_deny_rule = true;
		c_place_of(s, deny->at, deny->rule, out);
		explain(r, "blocked by deny rule", t);
		return;
	}
	judge_allow(s, &a, &tr, r, out, t);
}

static __attribute__((noinline)) void
judge_with_query(const struct snapshot *s, const struct c_found *f,
    const struct policy_request *r, struct policy_verdict *out,
    struct c_text *t)
{
	struct query storage UNINIT;
	const struct query *q;

	if (c_query_of(f, r->query, &storage, &q, t))
		judge_request(s, f, r, q, out, t);
	else
		out->bad_query = true;
}

void
policy_decide_request(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    struct policy_verdict *out, struct policy_reason *why)
{
	struct c_text t = { .p = why->text, .max = sizeof(why->text) };
	struct c_found f UNINIT;

	*out = (struct policy_verdict) { .rule = POLICY_NO_RULE };
	if (who->exe.n == 0 || !c_find(s, who, host, port, &f))
		c_puts(&t, "request denied by policy");
	else if (r->query.n > 0)
		judge_with_query(s, &f, r, out, &t);
	else
		judge_request(s, &f, r, NULL, out, &t);
	c_end(&t);
}
