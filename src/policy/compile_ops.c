/*
 * compile_ops: rules about operations.  A rule is found by the literals it
 * asks for (a method and a tool, a service and a method, a type and a name),
 * each empty where it has a pattern; a question therefore looks in four places
 * however many rules there are.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "policy/compile.h"

bool
c_op_text(char to[C_OP_TEXT], uint32_t key, unsigned what, struct view first,
    struct view second, struct view *out)
{
	char *p = to;

	if (first.n > PL_PATTERN_MAX || second.n > PL_PATTERN_MAX)
		return false;
	memcpy(p, &key, sizeof(key));
	p += sizeof(key);
	*p++ = (char)what;
	if (first.n > 0)
		memcpy(p, first.p, first.n);
	p += first.n;
	*p++ = '\0';
	if (second.n > 0)
		memcpy(p, second.p, second.n);
	p += second.n;
	*out = (struct view) { to, (size_t)(p - to) };
	return true;
}

/* The text a glob stands for when it stands for one only. */
static struct view
literal_of(const struct glob *g)
{
	return g != NULL && glob_is_literal(g) ? glob_prefix(g) : VIEW("");
}

static void
add_text(struct compiler *c, const struct c_key *k, unsigned what,
    struct view first, struct view second, const struct c_op *op)
{
	char text[C_OP_TEXT];
	struct view t;

	if (!c_op_text(
		text, (uint32_t)(k - c->s->keys), what, first, second, &t))
		return; /* never: patterns are bounded */
	if (c->nops == c->ops_cap) {
		c->ops_cap = c->ops_cap > 0 ? 2 * c->ops_cap : 64;
		c->ops =
		    mem_realloc(c->ops, c->ops_cap, sizeof(struct pending_op));
	}
	c->ops[c->nops++] =
	    (struct pending_op) { arena_view(&c->s->arena, t), op };
}

static const struct c_query *
tool_of(const struct c_op *op)
{
	for (size_t i = 0; i < op->nparams; i++)
		if (view_eq(op->params[i].name, VIEW("name")))
			return &op->params[i];
	return NULL;
}

/* One text for each tool that is named literally, or one for patterns. */
static void
index_call(struct compiler *c, const struct c_key *k, unsigned what,
    const struct c_op *op)
{
	const struct c_query *tool = tool_of(op);
	struct view method = literal_of(op->first);
	bool literal = tool != NULL;

	for (size_t i = 0; tool != NULL && i < tool->n; i++)
		literal &= literal_of(tool->globs[i]).n > 0;
	if (!literal) {
		add_text(c, k, what, method, VIEW(""), op);
		return;
	}
	for (size_t i = 0; i < tool->n; i++)
		add_text(c, k, what, method, literal_of(tool->globs[i]), op);
}

static struct view
type_word(uint8_t types)
{
	switch (types) {
	case GQL_QUERY:
		return VIEW("query");
	case GQL_MUTATION:
		return VIEW("mutation");
	case GQL_SUBSCRIPTION:
		return VIEW("subscription");
	default: /* several: bits, not an enum */
		return VIEW("");
	}
}

static void
index_op(struct compiler *c, struct c_key *k, enum policy_op_kind kind,
    bool deny, const struct c_op *op)
{
	unsigned what = (unsigned)kind | (deny ? C_OP_DENY : 0);

	k->has_ops = true;
	switch (kind) {
	case POLICY_OP_CALL:
		index_call(c, k, what, op);
		break;
	case POLICY_OP_GRAPHQL:
		add_text(c, k, what, type_word(op->types),
		    literal_of(op->second), op);
		break;
	case POLICY_OP_GRPC:
		add_text(c, k, what, literal_of(op->first),
		    literal_of(op->second), op);
		break;
	case POLICY_OP_TEXT: /* rules about requests */
		break;
	}
}

/* --- from rules --------------------------------------------------------- */

/* NULL for anything: empty, or "*" where that says so. */
static int
pattern(struct compiler *c, struct view v, char delim, const struct glob **out)
{
	if (v.n == 0 || view_eq(v, VIEW("*")) || view_eq(v, VIEW("**"))) {
		*out = NULL;
		return 0;
	}
	*out = c_glob(c, v, delim);
	return *out != NULL ? 0 : -1;
}

static uint8_t
types_of(struct view v)
{
	if (view_eq(v, VIEW("query")))
		return GQL_QUERY;
	if (view_eq(v, VIEW("mutation")))
		return GQL_MUTATION;
	if (view_eq(v, VIEW("subscription")))
		return GQL_SUBSCRIPTION;
	return GQL_ANY;
}

static int
fill_op(struct compiler *c, enum policy_op_kind kind, const struct p_allow *a,
    struct c_op *op)
{
	switch (kind) {
	case POLICY_OP_CALL:
		if (pattern(c, a->method.v, '/', &op->first) < 0 ||
		    c_matchers(c, &a->params, '/', &op->params, &op->nparams) <
			0)
			return -1;
		op->names_tool = tool_of(op) != NULL &&
				 (op->first == NULL ||
				     glob_match(op->first, VIEW("tools/call")));
		return 0;
	case POLICY_OP_GRAPHQL:
		op->types = types_of(a->operation_type.v);
		op->nfields = a->fields.n;
		if (pattern(c, a->operation_name.v, '.', &op->second) < 0)
			return -1;
		return c_glob_list(c, &a->fields, '.', &op->fields);
	case POLICY_OP_GRPC:
		/* A service has dots, which only "**" may stand for. */
		if (!view_eq(a->service.v, VIEW("*")) &&
		    pattern(c, a->service.v, '.', &op->first) < 0)
			return -1;
		if (view_eq(a->service.v, VIEW("*")) &&
		    (op->first = c_glob(c, a->service.v, '.')) == NULL)
			return -1;
		return pattern(c, a->rpc.v, '.', &op->second);
	case POLICY_OP_TEXT:
		break;
	}
	return 0;
}

static int
add_op(struct compiler *c, struct c_key *k, const struct pending *p,
    enum policy_op_kind kind, bool deny, size_t index, const struct p_allow *a)
{
	struct c_op *op = ARENA_NEW(&c->s->arena, struct c_op);

	op->at = p->at;
	op->rule = (uint16_t)index;
	if (c_scope_glob(c, p->e, &op->scope) < 0 ||
	    fill_op(c, kind, a, op) < 0)
		return -1;
	index_op(c, k, kind, deny, op);
	if (op->names_tool && !deny)
		k->tools[k->ntools++] = op;
	return 0;
}

static int
add_preset(struct compiler *c, struct c_key *k, const struct pending *p,
    enum policy_op_kind kind)
{
	const char *const *words = p_preset(p_protocol(p->e), p->e->access.v);
	struct p_allow a = { 0 };

	for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
		if (kind == POLICY_OP_GRPC)
			a.service.v = view_of(words[i]);
		else
			a.operation_type.v = view_of(words[i]);
		if (add_op(c, k, p, kind, false, i, &a) < 0)
			return -1;
	}
	return 0;
}

/* The operations of an endpoint; TEXT when it judges none. */
static enum policy_op_kind
kind_of(const struct p_endpoint *e)
{
	switch (p_protocol(e)) {
	case POLICY_PROTO_JSON_RPC:
	case POLICY_PROTO_MCP:
		return POLICY_OP_CALL;
	case POLICY_PROTO_GRAPHQL:
	case POLICY_PROTO_WEBSOCKET: /* some of its rules may be */
		return POLICY_OP_GRAPHQL;
	case POLICY_PROTO_GRPC:
		return POLICY_OP_GRPC;
	case POLICY_PROTO_NONE:
	case POLICY_PROTO_TCP:
	case POLICY_PROTO_SQL:
	case POLICY_PROTO_REST:
	case POLICY_PROTOCOLS:
		break;
	}
	return POLICY_OP_TEXT;
}

static bool
is_about_operations(const struct p_endpoint *e, const struct p_allow *a)
{
	return p_protocol(e) != POLICY_PROTO_WEBSOCKET ||
	       a->operation_type.v.n > 0 || a->operation_name.v.n > 0 ||
	       a->fields.n > 0;
}

static int
add_rules(struct compiler *c, struct c_key *k, const struct pending *p)
{
	enum policy_op_kind kind = kind_of(p->e);

	if (kind == POLICY_OP_TEXT)
		return 0;
	if (p_protocol(p->e) != POLICY_PROTO_WEBSOCKET &&
	    add_preset(c, k, p, kind) < 0)
		return -1;
	for (size_t i = 0; i < p->e->rules.n; i++) {
		const struct p_allow *a = &p_rules(p->e)[i].allow;

		if (is_about_operations(p->e, a) &&
		    add_op(c, k, p, kind, false, i, a) < 0)
			return -1;
	}
	for (size_t i = 0; i < p->e->deny_rules.n; i++) {
		const struct p_allow *a = &p_deny_rules(p->e)[i];

		if (is_about_operations(p->e, a) &&
		    add_op(c, k, p, kind, true, i, a) < 0)
			return -1;
	}
	return 0;
}

/* --- registered queries --------------------------------------------------- */

static int
add_persisted(struct compiler *c, const struct c_key *k,
    const struct pending *p, const struct p_operation *o)
{
	struct snapshot *s = c->s;
	struct c_persisted *new = ARENA_NEW(&s->arena, struct c_persisted);
	struct view *fields = ARENA_ARRAY(&s->arena, o->fields.n, struct view);
	char text[C_OP_TEXT];
	uint32_t at;
	struct view t;

	*new = (struct c_persisted) {
		.at = p->at, .operation = o, .fields = fields
	};
	for (size_t i = 0; i < o->fields.n; i++)
		fields[i] = o->fields.v[i].v;
	if (c_scope_glob(c, p->e, &new->scope) < 0)
		return -1;
	if (!c_op_text(text, (uint32_t)(k - s->keys), C_OP_ID, o->m.key.v,
		VIEW(""), &t))
		return 0; /* never: keys are bounded */
	at = strmap_get(&s->idmap, t);
	if (at == STRMAP_NONE)
		at = strmap_add(&s->idmap, arena_view(&s->arena, t),
		    (uint32_t)s->npersisted++);
	new->next = s->persisted[at];
	s->persisted[at] = new;
	return 0;
}

static int
add_registry(struct compiler *c, const struct c_key *k, const struct pending *p)
{
	const struct p_list *all = &p->e->graphql_persisted_queries;

	if (!view_eq(p->e->persisted_queries.v, VIEW("allow_registered")))
		return 0;
	for (size_t i = 0; i < all->n; i++)
		if (add_persisted(c, k, p, &p_persisted(p->e)[i]) < 0)
			return -1;
	return 0;
}

/* --- all ---------------------------------------------------------------- */

int
c_compile_ops(
    struct compiler *c, struct c_key *k, const struct pending *v, size_t n)
{
	size_t rules = 0;

	for (size_t i = 0; i < n; i++)
		if (kind_of(v[i].e) == POLICY_OP_CALL)
			rules += v[i].e->rules.n;
	k->tools = ARENA_ARRAY(&c->s->arena, rules, const struct c_op *);
	for (size_t i = 0; i < n; i++)
		if (add_rules(c, k, &v[i]) < 0 || add_registry(c, k, &v[i]) < 0)
			return -1;
	return 0;
}

/* By text, then by place. */
static int
op_order(const void *ap, const void *bp)
{
	const struct pending_op *a = ap, *b = bp;
	int c = view_cmp(a->text, b->text);

	if (c != 0)
		return c;
	return c_is_before(a->op->at, a->op->rule, b->op->at, b->op->rule) ? -1
	       : a->op == b->op                                            ? 0
									   : 1;
}

void
c_index_ops(struct compiler *c)
{
	struct snapshot *s = c->s;
	const struct c_op **all =
	    ARENA_ARRAY(&s->arena, c->nops, const struct c_op *);

	if (c->nops > 0)
		qsort(c->ops, c->nops, sizeof(*c->ops), op_order);
	s->oplists = ARENA_ARRAY(&s->arena, c->nops, struct c_oplist);
	for (size_t i = 0; i < c->nops; i++) {
		struct c_oplist *l = s->oplists + s->noplists;

		all[i] = c->ops[i].op;
		if (i > 0 && view_eq(c->ops[i].text, c->ops[i - 1].text)) {
			l[-1].n++;
			continue;
		}
		*l = (struct c_oplist) { &all[i], 1 };
		(void)strmap_add(
		    &s->opmap, c->ops[i].text, (uint32_t)s->noplists++);
	}
}
