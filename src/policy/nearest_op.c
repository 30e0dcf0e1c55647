/*
 * nearest_op: the rule that came closest to allowing an operation, of the
 * endpoints that are open to the program and about the path; and what of the
 * operation it does not take.
 */
#include "policy/nearest.h"

enum {
	RULES_SEEN_MAX = 1024, /* each has its patterns compiled anew */
	SHOWN = 160,
	MATCHES = 1 << 20 /* more than any length in common */
};

struct seek {
	struct near n;
	const struct policy_op *op;
	/* The best so far. */
	struct c_place at;
	const struct p_endpoint *e;
	const struct p_allow *rule;
	size_t place, score, seen;
	bool preset;
};

static bool
is_any(struct view v)
{
	return v.n == 0 || view_eq(v, VIEW("*")) || view_eq(v, VIEW("**"));
}

static bool
globbed(struct view pattern, char delim, struct view v)
{
	struct glob *g = NULL;
	struct err e;
	bool yes;

	if (is_any(pattern))
		return true;
	if (glob_new(pattern, delim, &g, &e) < 0)
		return false;
	yes = glob_match(g, v);
	glob_free(g);
	return yes;
}

static bool
any_globbed(const struct p_strs *globs, char delim, struct view v)
{
	for (size_t i = 0; i < globs->n; i++)
		if (globbed(globs->v[i].v, delim, v))
			return true;
	return false;
}

/* --- what of the operation a rule does not take --------------------------- */

/* The value that the matcher refuses, or NULL; *absent: there is none. */
static const struct policy_param *
refused_param(
    const struct p_matcher *m, const struct policy_op *op, bool *absent)
{
	*absent = true;
	for (size_t i = 0; i < op->n_params; i++) {
		if (!view_eq(op->params[i].name, m->name.v))
			continue;
		*absent = false;
		if (!any_globbed(&m->globs, '/', op->params[i].value))
			return &op->params[i];
	}
	return NULL;
}

static void
put_globs(struct c_text *t, const struct p_strs *globs)
{
	for (size_t i = 0; i < globs->n && !t->cut; i++) {
		c_puts(t, i > 0 ? ", " : "");
		near_put_shown(t, globs->v[i].v);
	}
}

static void
put_param(struct seek *k, const struct p_matcher *m)
{
	bool absent;
	const struct policy_param *p = refused_param(m, k->op, &absent);
	bool tool = view_eq(m->name.v, VIEW("name")) &&
		    view_eq(k->op->method, VIEW("tools/call"));
	struct c_text *t = &k->n.miss;

	c_puts(t, tool ? "its tool " : "its param ");
	if (!tool) {
		near_put_shown(t, m->name.v);
		c_puts(t, " (");
	}
	put_globs(t, &m->globs);
	c_puts(t, tool ? "" : ")");
	if (absent) {
		c_puts(t, " is not in the call");
		return;
	}
	c_puts(t, " does not match ");
	/* Records hold names of tools, but no values: they may be secret. */
	if (tool && p != NULL)
		near_put_shown(t, p->value);
	else
		c_puts(t, "its value");
}

static void
put_pattern(struct seek *k, const char *key, struct view pattern, struct view v)
{
	struct c_text *t = &k->n.miss;

	c_puts(t, "its ");
	c_puts(t, key);
	c_puts(t, " ");
	near_put_shown(t, pattern);
	c_puts(t, " does not match ");
	near_put_shown(t, v);
}

/* false: it takes all of those params. */
static bool
miss_params(struct seek *k, bool tool)
{
	const struct p_query *q = &k->rule->params;
	bool absent;

	for (size_t i = 0; i < q->n; i++) {
		const struct p_matcher *m = &q->v[i];

		if (view_eq(m->name.v, VIEW("name")) != tool ||
		    (refused_param(m, k->op, &absent) == NULL && !absent))
			continue;
		put_param(k, m);
		return true;
	}
	return false;
}

static void
miss_call(struct seek *k)
{
	const struct p_allow *a = k->rule;

	if (!globbed(a->method.v, '/', k->op->method)) {
		put_pattern(k, "method", a->method.v, k->op->method);
		return;
	}
	/* The tool first: another one's arguments are nobody's question. */
	if (!miss_params(k, true))
		(void)miss_params(k, false);
}

/* The root field that none of the patterns takes. */
static bool
refused_field(
    const struct p_allow *a, const struct policy_op *op, struct view *field)
{
	for (size_t i = 0; a->fields.n > 0 && i < op->n_fields; i++)
		if (!any_globbed(&a->fields, '.', op->fields[i])) {
			*field = op->fields[i];
			return true;
		}
	return false;
}

static bool
has_type(const struct p_allow *a, struct view type)
{
	return view_eq(a->operation_type.v, VIEW("*")) ||
	       view_eq(a->operation_type.v, type);
}

static void
miss_graphql(struct seek *k)
{
	const struct p_allow *a = k->rule;
	struct c_text *t = &k->n.miss;
	struct view field;

	if (!has_type(a, k->op->type)) {
		put_pattern(
		    k, "operation_type", a->operation_type.v, k->op->type);
	} else if (!globbed(a->operation_name.v, '.', k->op->name)) {
		put_pattern(
		    k, "operation_name", a->operation_name.v, k->op->name);
	} else if (refused_field(a, k->op, &field)) {
		c_puts(t, "its fields ");
		put_globs(t, &a->fields);
		c_puts(t, " do not match ");
		near_put_shown(t, field);
	}
}

static void
miss_grpc(struct seek *k)
{
	const struct p_allow *a = k->rule;

	if (!globbed(a->service.v, '.', k->op->service))
		put_pattern(k, "service", a->service.v, k->op->service);
	else if (!globbed(a->rpc.v, '.', k->op->method))
		put_pattern(k, "rpc", a->rpc.v, k->op->method);
}

/* --- how close ------------------------------------------------------------ */

static size_t
closeness(struct view pattern, char delim, struct view v)
{
	size_t n = near_common(pattern, v);

	return globbed(pattern, delim, v) ? MATCHES : n;
}

/* The first part counts most; the second only when the first matches. */
static size_t
two_parts(size_t first, size_t second)
{
	return first < MATCHES ? first : 2 * (size_t)MATCHES + second;
}

static size_t
tool_closeness(const struct p_allow *a, const struct policy_op *op)
{
	size_t best = MATCHES;

	for (size_t i = 0; i < a->params.n; i++) {
		const struct p_matcher *m = &a->params.v[i];
		bool absent;

		if (refused_param(m, op, &absent) == NULL && !absent)
			continue;
		/* A rule of the tool with another argument is closer than one
		 * of another tool. */
		best = MIN(best, (size_t)MATCHES / 2);
		if (!view_eq(m->name.v, VIEW("name")))
			continue;
		best = 0;
		for (size_t k = 0; k < op->n_params; k++)
			for (size_t g = 0; g < m->globs.n; g++)
				if (view_eq(op->params[k].name, m->name.v))
					best = MAX(
					    best, near_common(m->globs.v[g].v,
						      op->params[k].value));
		return best;
	}
	return best;
}

static size_t
score_of(const struct policy_op *op, const struct p_allow *a)
{
	switch (op->kind) {
	case POLICY_OP_CALL:
		return two_parts(closeness(a->method.v, '/', op->method),
		    tool_closeness(a, op));
	case POLICY_OP_GRAPHQL: {
		struct view field;

		if (!has_type(a, op->type))
			return 0;
		return 1 +
		       two_parts(closeness(a->operation_name.v, '.', op->name),
			   !refused_field(a, op, &field));
	}
	case POLICY_OP_GRPC:
		return two_parts(closeness(a->service.v, '.', op->service),
		    closeness(a->rpc.v, '.', op->method));
	case POLICY_OP_TEXT:
		break;
	}
	return 0;
}

static bool
is_of_kind(const struct p_endpoint *e, const struct policy_op *op)
{
	switch (op->kind) {
	case POLICY_OP_CALL:
		return p_protocol(e) == POLICY_PROTO_MCP ||
		       p_protocol(e) == POLICY_PROTO_JSON_RPC;
	case POLICY_OP_GRAPHQL:
		return p_protocol(e) == POLICY_PROTO_GRAPHQL ||
		       p_protocol(e) == POLICY_PROTO_WEBSOCKET;
	case POLICY_OP_GRPC:
		return p_protocol(e) == POLICY_PROTO_GRPC;
	case POLICY_OP_TEXT:
		break;
	}
	return false;
}

static void
consider(struct seek *k, struct c_place at, const struct p_endpoint *e,
    const struct p_allow *a, size_t place, bool preset)
{
	size_t score;

	if (k->seen++ >= RULES_SEEN_MAX)
		return;
	score = a != NULL ? score_of(k->op, a) : 0;
	if (k->e != NULL && score <= k->score)
		return;
	k->at = at;
	k->e = e;
	k->rule = a;
	k->place = place;
	k->score = score;
	k->preset = preset;
}

static void
look_at(struct seek *k, struct c_place at)
{
	const struct p_endpoint *e =
	    &p_endpoints(&k->n.s->policies[at.policy])[at.endpoint];

	if (!is_of_kind(e, k->op) ||
	    (c_rank(e->path.v) != 0 && !globbed(e->path.v, '/', k->n.path)))
		return;
	if (e->access.v.n > 0)
		consider(k, at, e, NULL, 0, true);
	for (size_t i = 0; i < e->rules.n; i++) {
		const struct p_allow *a = &p_rules(e)[i].allow;

		/* Of a WebSocket, those about operations. */
		if (p_protocol(e) != POLICY_PROTO_WEBSOCKET ||
		    a->operation_type.v.n > 0)
			consider(k, at, e, a, i, false);
	}
}

/* --- words ---------------------------------------------------------------- */

static void
put_preset(struct seek *k)
{
	const char *const *words = p_preset(p_protocol(k->e), k->e->access.v);
	struct c_text *t = &k->n.miss;

	c_puts(&k->n.where, ".access");
	c_puts(t, "access ");
	c_put(t, k->e->access.v);
	c_puts(t, " allows ");
	for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
		c_puts(t, i > 0 ? ", " : "");
		c_puts(t, words[i]);
	}
	c_puts(t, ", and not ");
	c_put(t, view_slice(k->op->type, 0, SHOWN));
}

static void
put_best(struct seek *k)
{
	near_put_where(&k->n, k->at.policy, k->at.endpoint);
	if (k->preset) {
		put_preset(k);
		return;
	}
	near_put_index(&k->n.where, ".rules", k->place);
	switch (k->op->kind) {
	case POLICY_OP_CALL:
		miss_call(k);
		break;
	case POLICY_OP_GRAPHQL:
		miss_graphql(k);
		break;
	case POLICY_OP_GRPC:
		miss_grpc(k);
		break;
	case POLICY_OP_TEXT:
		break;
	}
}

/* No rule helps: the endpoint, and what is wrong with the operation. */
static void
put_malformed(struct seek *k, const struct policy_verdict *v,
    const struct policy_reason *why)
{
	if (v->policy == NULL)
		return;
	c_puts(&k->n.where, v->policy);
	near_put_index(&k->n.where, " endpoints", v->endpoint);
	c_puts(&k->n.miss, why->text);
}

static void
put_inside(struct seek *k, const struct policy_request *r)
{
	struct policy_verdict v;
	struct policy_reason why;
	struct c_found f;

	policy_decide_op(
	    k->n.s, k->n.who, k->n.host, k->n.port, r, k->op, &v, &why);
	if (v.allow)
		return;
	if (v.by_deny_rule) {
		near_put_refusing(&k->n, &v);
		return;
	}
	if (v.malformed || k->op->persisted.n > 0) {
		put_malformed(k, &v, &why);
		return;
	}
	if (!c_find(k->n.s, k->n.who, k->n.host, k->n.port, &f))
		return;
	for (size_t i = 0; i < f.n; i++)
		for (size_t p = 0; p < f.keys[i]->nplaces; p++)
			if (c_has(f.match, f.keys[i]->places[p].policy))
				look_at(k, f.keys[i]->places[p]);
	if (k->e != NULL)
		put_best(k);
}

void
policy_nearest_op(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    const struct policy_op *op, struct policy_nearest *out)
{
	struct seek k = {
		.n = { .s = s,
		    .who = who,
		    .host = host,
		    .port = port,
		    .path = r->path,
		    .where = { .p = out->where, .max = sizeof(out->where) },
		    .miss = { .p = out->miss, .max = sizeof(out->miss) } },
		.op = op
	};
	struct policy_request text = { VIEW("WEBSOCKET_TEXT"), r->path,
		r->query };

	if (op->kind == POLICY_OP_TEXT) {
		policy_nearest(s, who, host, port, &text, out);
		return;
	}
	out->where[0] = out->miss[0] = '\0';
	if (who->exe.n == 0)
		return;
	put_inside(&k, r);
	if (k.n.where.n == 0 && k.n.miss.n == 0)
		return;
	c_end(&k.n.where);
	c_end(&k.n.miss);
}
