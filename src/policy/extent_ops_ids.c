/*
 * extent_ops_ids: queries that are registered under an id.
 *
 * An id stands for an operation that passes as such, too; what may differ is
 * whether the other side knows the id, and what it takes it for.  There are
 * finitely many: the engine itself is asked about each.
 */
#include "policy/extent_ops.h"

static bool
passes(const struct ops *o, unsigned side, const struct policy_op *op)
{
	struct policy_who who = { .exe = o->cell->program };
	struct policy_request r = { .method = o->method, .path = o->path };
	struct policy_reason why;
	struct policy_verdict v;

	policy_decide_op(o->r->side[side].s, &who, o->cell->host,
	    o->cell->ports[0], &r, op, &v, &why);
	return v.allow;
}

/* As it is registered, for whoever reads of it. */
static struct policy_op
op_of(struct arena *a, const struct p_operation *p)
{
	struct view *fields = ARENA_ARRAY(a, p->fields.n + 1, struct view);

	for (size_t i = 0; i < p->fields.n; i++)
		fields[i] = p->fields.v[i].v;
	return (struct policy_op) { .kind = POLICY_OP_GRAPHQL,
		.type = p->operation_type.v,
		.name = p->operation_name.v,
		.fields = fields,
		.n_fields = p->fields.n,
		.persisted = p->m.key.v };
}

static int
try_entry(struct ops *o, const struct x_entry *entry)
{
	const struct p_operation *v = p_persisted(entry->e);
	struct x_hit h = { .cell = o->cell,
		.how = EXTENT_RULE,
		.dim = EXTENT_OPERATION,
		.entry = entry,
		.rule = EXTENT_NONE,
		.method = o->method,
		.path = o->path,
		.carries = EXTENT_OPERATION_IN };

	if (o->query.n > 0)
		h.query = o->query;
	for (size_t i = 0; i < entry->e->graphql_persisted_queries.n; i++) {
		struct policy_op op = op_of(&o->tmp, &v[i]);

		if (o->r->stop || o->r->known(o->r, &h))
			return 0;
		if (!passes(o, X_MINE, &op) || passes(o, X_OTHER, &op))
			continue;
		h.op = &op;
		return o->r->hit(o->r, &h, o->r->e);
	}
	return 0;
}

int
ops_find_registered(struct ops *o)
{
	const struct x_entries *at = &o->cell->at;

	if (o->shut || o->r->side[X_OTHER].s == NULL)
		return 0;
	for (size_t i = 0; i < at->n; i++)
		if (at->v[i]->side == X_MINE &&
		    at->v[i]->e->graphql_persisted_queries.n > 0 &&
		    try_entry(o, at->v[i]) < 0)
			return -1;
	return 0;
}
