/*
 * decide_op: the verdict over one operation inside a request.  The endpoint
 * that the path chooses says which kind of operation there can be; rules and
 * deny_rules are those of all endpoints that match (section 8.4).
 */
#include "policy/compiled.h"
#include "policy/decide.h"

/* What is asked, with the operation as registered when it names an id. */
struct question {
	const struct snapshot *s;
	const struct c_found *f;
	struct view path;
	const struct policy_op *op;
	uint8_t type; /* GRAPHQL */
	const struct policy_treatment *t;
};

/* --- one rule ------------------------------------------------------------ */

static bool
matches(const struct glob *g, struct view v)
{
	return g == NULL || glob_match(g, v);
}

static bool
any_glob(const struct glob *const *g, size_t n, struct view v)
{
	for (size_t i = 0; i < n; i++)
		if (glob_match(g[i], v))
			return true;
	return false;
}

/* Attack: a name in another case, which no deny rule is about and which many
 * decoders take for the same; so a refusal does, a permission does not. */
static bool
is_named(const struct policy_param *p, struct view name, bool deny)
{
	return deny ? view_eq_nocase(p->name, name) : view_eq(p->name, name);
}

static bool
op_has(const struct policy_op *op, struct view name, bool deny)
{
	for (size_t i = 0; i < op->n_params; i++)
		if (is_named(&op->params[i], name, deny))
			return true;
	return false;
}

/* To allow: at least one value, and every one.  To deny: one. */
static bool
param_matches(const struct c_query *q, const struct policy_op *op, bool deny)
{
	bool seen = op->some_call && !op_has(op, q->name, deny);

	if (seen)
		return !deny;
	for (size_t i = 0; i < op->n_params; i++) {
		bool yes;

		if (!is_named(&op->params[i], q->name, deny))
			continue;
		yes = any_glob(q->globs, q->n, op->params[i].value);
		if (yes == deny)
			return deny;
		seen = true;
	}
	return seen && !deny;
}

static bool
call_matches(const struct c_op *rule, const struct policy_op *op, bool deny)
{
	if (!matches(rule->first, op->method))
		return false;
	for (size_t i = 0; i < rule->nparams; i++)
		if (!param_matches(&rule->params[i], op, deny))
			return false;
	return true;
}

/* To allow: every root field is listed.  To deny: one is. */
static bool
fields_match(const struct c_op *rule, const struct policy_op *op, bool deny)
{
	if (rule->nfields == 0)
		return true;
	for (size_t i = 0; i < op->n_fields; i++)
		if (any_glob(rule->fields, rule->nfields, op->fields[i]) ==
		    deny)
			return deny;
	return !deny && op->n_fields > 0;
}

static bool
op_matches(const struct question *q, const struct c_op *rule, bool deny)
{
	const struct policy_op *op = q->op;

	if (!c_has(q->f->match, rule->at.policy) ||
	    !c_in_scope(rule->scope, q->path))
		return false;
	switch (op->kind) {
	case POLICY_OP_CALL:
		return call_matches(rule, op, deny);
	case POLICY_OP_GRAPHQL:
		return (rule->types & q->type) != 0 &&
		       matches(rule->second, op->name) &&
		       fields_match(rule, op, deny);
	case POLICY_OP_GRPC:
		return matches(rule->first, op->service) &&
		       matches(rule->second, op->method);
	case POLICY_OP_TEXT:
		break;
	}
	return false;
}

/* --- all rules ----------------------------------------------------------- */

struct op_search {
	const struct question *q;
	uint32_t key;
	bool deny;
	const struct c_op *best;
};

static void
look(struct op_search *s, struct view first, struct view second)
{
	unsigned what =
	    (unsigned)s->q->op->kind | (s->deny ? (unsigned)C_OP_DENY : 0);
	char text[C_OP_TEXT] UNINIT;
	const struct c_oplist *l;
	struct view t;
	uint32_t at;

	if (!c_op_text(text, s->key, what, first, second, &t))
		return;
	at = strmap_get(&s->q->s->opmap, t);
	if (at == STRMAP_NONE)
		return;
	l = &s->q->s->oplists[at];
	for (size_t i = 0; i < l->n; i++) {
		const struct c_op *op = l->v[i];

		if (s->best != NULL &&
		    !c_is_before(op->at, op->rule, s->best->at, s->best->rule))
			return;
		if (op_matches(s->q, op, s->deny)) {
			s->best = op;
			return;
		}
	}
}

/* Rules with these literals, with one of them, with none. */
static void
look_all(struct op_search *s, struct view first, struct view second)
{
	look(s, first, second);
	if (second.n > 0)
		look(s, first, VIEW(""));
	if (first.n == 0)
		return;
	look(s, VIEW(""), second);
	if (second.n > 0)
		look(s, VIEW(""), VIEW(""));
}

/* Every value of `name` may be a tool that some rule is found by. */
static void
look_calls(struct op_search *s)
{
	const struct policy_op *op = s->q->op;
	bool named = false;

	for (size_t i = 0; i < op->n_params; i++) {
		if (!is_named(&op->params[i], VIEW("name"), s->deny))
			continue;
		look_all(s, op->method, op->params[i].value);
		if (!s->deny) /* it must match every value, so the first */
			return;
		named = true;
	}
	if (!named)
		look_all(s, op->method, VIEW(""));
}

static const struct c_op *
search(const struct question *q, bool deny)
{
	struct op_search s = { .q = q, .deny = deny };
	const struct policy_op *op = q->op;

	for (size_t i = 0; i < q->f->n; i++) {
		if (!q->f->keys[i]->has_ops)
			continue;
		s.key = (uint32_t)(q->f->keys[i] - q->s->keys);
		switch (op->kind) {
		case POLICY_OP_CALL:
			look_calls(&s);
			break;
		case POLICY_OP_GRAPHQL:
			look_all(&s, op->type, op->name);
			break;
		case POLICY_OP_GRPC:
			look_all(&s, op->service, op->method);
			break;
		case POLICY_OP_TEXT:
			break;
		}
	}
	return s.best;
}

/* --- reasons -------------------------------------------------------------- */

static void
put_subject(const struct question *q, struct c_text *t)
{
	enum { SHOWN = 200 };
	const struct policy_op *op = q->op;

	if (op->kind == POLICY_OP_TEXT) {
		c_puts(t, "WEBSOCKET_TEXT ");
		c_put(t, view_slice(q->path, 0, 2 * SHOWN));
		return;
	}
	if (op->kind == POLICY_OP_GRPC) {
		c_put(t, view_slice(op->service, 0, 2 * SHOWN));
		c_puts(t, "/");
	}
	c_put(t, view_slice(op->method, 0, SHOWN));
	for (size_t i = 0; i < op->n_params; i++)
		if (view_eq(op->params[i].name, VIEW("name"))) {
			c_puts(t, " ");
			c_put(t, view_slice(op->params[i].value, 0, SHOWN));
			break;
		}
}

static void
explain(const struct question *q, bool blocked, struct c_text *t)
{
	if (q->op->kind == POLICY_OP_GRAPHQL) {
		c_puts(t, blocked
			      ? "GraphQL operation blocked by endpoint policy"
			      : "GraphQL operation not permitted by policy");
		return;
	}
	put_subject(q, t);
	c_puts(
	    t, blocked ? " blocked by deny rule" : " not permitted by policy");
}

/* --- the verdict ---------------------------------------------------------- */

static bool
kind_fits(const struct policy_treatment *t, enum policy_op_kind kind)
{
	switch (kind) {
	case POLICY_OP_CALL:
		return t->protocol == POLICY_PROTO_JSON_RPC ||
		       t->protocol == POLICY_PROTO_MCP;
	case POLICY_OP_GRAPHQL:
		return t->protocol == POLICY_PROTO_GRAPHQL ||
		       (t->protocol == POLICY_PROTO_WEBSOCKET &&
			   t->graphql_messages);
	case POLICY_OP_GRPC:
		return t->protocol == POLICY_PROTO_GRPC;
	case POLICY_OP_TEXT:
		return t->protocol == POLICY_PROTO_WEBSOCKET &&
		       !t->graphql_messages;
	}
	return false;
}

static bool
is_tools_call(const struct policy_op *op)
{
	return view_eq(op->method, VIEW("tools/call"));
}

/* ^[A-Za-z0-9_.-]{1,128}$ */
static bool
is_strict_name(struct view v)
{
	if (v.n == 0 || v.n > 128)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '_' || c == '.' ||
			c == '-'))
			return false;
	}
	return true;
}

/* false, with the words: the call of a tool that has no proper name. */
static bool
tool_is_named(const struct question *q, struct c_text *t)
{
	const struct policy_op *op = q->op;
	size_t names = 0;

	if (q->t->protocol != POLICY_PROTO_MCP || !is_tools_call(op))
		return true;
	for (size_t i = 0; i < op->n_params; i++) {
		if (!view_eq(op->params[i].name, VIEW("name")))
			continue;
		names++;
		if (q->t->strict_tool_names &&
		    !is_strict_name(op->params[i].value)) {
			c_puts(t, "tool name is not 1 to 128 of A-Z a-z 0-9 "
				  "_ . - (strict_tool_names)");
			return false;
		}
	}
	if (names != 1)
		c_puts(t, "tools/call needs one params.name");
	return names == 1;
}

/* Some rule that is open to the program names a tool. */
static bool
tools_are_listed(const struct question *q)
{
	for (size_t i = 0; i < q->f->n; i++) {
		const struct c_key *k = q->f->keys[i];

		for (size_t n = 0; n < k->ntools; n++)
			if (c_has(q->f->match, k->tools[n]->at.policy) &&
			    c_in_scope(k->tools[n]->scope, q->path))
				return true;
	}
	return false;
}

static void
judge_one(
    const struct question *q, struct policy_verdict *out, struct c_text *t)
{
	const struct c_op *rule = search(q, true);

	if (rule != NULL) {
		out->by_deny_rule = true;
		c_place_of(q->s, rule->at, rule->rule, out);
		explain(q, true, t);
		return;
	}
	rule = search(q, false);
	if (rule != NULL) {
		out->allow = true;
		c_place_of(q->s, rule->at, rule->rule, out);
	} else if (q->t->protocol == POLICY_PROTO_MCP &&
		   q->t->allow_all_methods &&
		   !(is_tools_call(q->op) && tools_are_listed(q)))
		out->allow = true;
	else
		explain(q, false, t);
}

static uint8_t
type_bit(struct view v)
{
	if (view_eq(v, VIEW("query")))
		return GQL_QUERY;
	if (view_eq(v, VIEW("mutation")))
		return GQL_MUTATION;
	return view_eq(v, VIEW("subscription")) ? GQL_SUBSCRIPTION : 0;
}

/* Every registration of the id must be allowed; there must be one. */
static void
judge_persisted(
    const struct question *q, struct policy_verdict *out, struct c_text *t)
{
	bool any = false;

	for (size_t i = 0; i < q->f->n; i++) {
		char text[C_OP_TEXT] UNINIT;
		uint32_t at = STRMAP_NONE;
		struct view key;

		if (c_op_text(text, (uint32_t)(q->f->keys[i] - q->s->keys),
			C_OP_ID, q->op->persisted, VIEW(""), &key))
			at = strmap_get(&q->s->idmap, key);
		if (at == STRMAP_NONE)
			continue;
		for (const struct c_persisted *p = q->s->persisted[at];
		     p != NULL; p = p->next) {
			struct policy_op op = { .kind = POLICY_OP_GRAPHQL,
				.type = p->operation->operation_type.v,
				.name = p->operation->operation_name.v,
				.fields = p->fields,
				.n_fields = p->operation->fields.n };
			struct question registered = *q;

			if (!c_has(q->f->match, p->at.policy) ||
			    !c_in_scope(p->scope, q->path))
				continue;
			registered.op = &op;
			registered.type = type_bit(op.type);
			any = true;
			out->allow = false;
			judge_one(&registered, out, t);
			if (!out->allow)
				return;
		}
	}
	if (any)
		return;
	out->malformed = true;
	c_puts(t, "GraphQL persisted query is not registered");
}

static __attribute__((noinline)) void
judge_text(const struct question *q, struct view raw,
    struct policy_verdict *out, struct c_text *t)
{
	struct c_ask a = { .f = q->f,
		.method = VIEW("WEBSOCKET_TEXT"),
		.path = q->path,
		.bit = METHOD_TEXT };
	struct query storage UNINIT;
	const struct c_rule *rule;

	if (!c_query_of(q->f, raw, &storage, &a.query, t)) {
		out->bad_query = true;
		return;
	}
	rule = c_ask_deny(&a);
	out->by_deny_rule = rule != NULL;
	if (rule == NULL) {
		rule = c_ask_allow(&a);
		out->allow = rule != NULL;
	}
	if (rule != NULL)
		c_place_of(q->s, rule->at, rule->rule, out);
	if (!out->allow)
		explain(q, out->by_deny_rule, t);
}

static void
judge_op(struct question *q, struct view query, struct policy_verdict *out,
    struct c_text *t)
{
	const struct policy_op *op = q->op;

	if (!kind_fits(q->t, op->kind)) {
		out->malformed = true;
		c_puts(t, "operation of another protocol than the endpoint's");
		return;
	}
	if (op->kind == POLICY_OP_TEXT)
		judge_text(q, query, out, t);
	else if (op->kind == POLICY_OP_GRAPHQL && op->persisted.n > 0)
		judge_persisted(q, out, t);
	else if (!tool_is_named(q, t))
		out->malformed = true;
	else {
		q->type = type_bit(op->type);
		judge_one(q, out, t);
	}
}

void
policy_decide_op(const struct snapshot *s, const struct policy_who *who,
    struct view host, uint16_t port, const struct policy_request *r,
    const struct policy_op *op, struct policy_verdict *out,
    struct policy_reason *why)
{
	struct c_text t = { .p = why->text, .max = sizeof(why->text) };
	struct policy_treatment tr;
	struct c_found f UNINIT;
	struct question q = {
		.s = s, .f = &f, .path = r->path, .op = op, .t = &tr
	};

	*out = (struct policy_verdict) { .rule = POLICY_NO_RULE };
	if (who->exe.n == 0 || !c_find(s, who, host, port, &f) ||
	    !c_treat(s, &f, r->path, &tr)) {
		c_puts(&t, "request denied by policy");
	} else {
		out->protocol = tr.protocol;
		out->enforcement = tr.enforcement;
		out->policy = tr.policy;
		out->endpoint = tr.endpoint;
		judge_op(&q, r->query, out, &t);
	}
	c_end(&t);
}
