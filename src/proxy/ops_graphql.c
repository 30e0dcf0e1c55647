#include "proxy/ops.h"

/* "query Name", "mutation", "persisted ab12". */
static struct view
describe(struct arena *a, const struct gql_request *r)
{
	const char *type =
	    r->has_document ? gql_type_name(r->op.type) : "persisted";
	struct view name = r->has_document ? r->op.name : r->id;
	size_t n = strlen(type);
	char *p;

	if (name.n == 0)
		return view_of(type);
	p = arena_alloc(a, n + 1 + name.n, 1);
	memcpy(p, type, n);
	p[n] = ' ';
	memcpy(p + n + 1, name.p, name.n);
	return (struct view) { p, n + 1 + name.n };
}

void
ops_of_gql(struct ops *o)
{
	o->batch = o->gql.batch;
	o->n = o->gql.n;
	o->v = ARENA_ARRAY(&o->arena, o->n, struct op);
	for (size_t i = 0; i < o->n; i++) {
		const struct gql_request *r = &o->gql.v[i];
		struct op *op = &o->v[i];

		op->op = (struct policy_op) { .kind = POLICY_OP_GRAPHQL,
			.name = r->op.name };
		op->operation = describe(&o->arena, r);
		if (!r->has_document) {
			op->op.persisted = r->id;
			continue;
		}
		op->op.type = view_of(gql_type_name(r->op.type));
		op->op.fields = r->op.fields;
		op->op.n_fields = r->op.n_fields;
	}
}

static int
read_operations(struct ops *o, const struct ops_request *r, struct err *e)
{
	bool get = view_eq(r->method, VIEW("GET"));

	if (get && r->body.n > 0)
		return err_set(e, ERR_PROTO, "GraphQL: GET with a body");
	if ((get ? gql_http_get(r->query, &o->gql, e)
		 : gql_http_post(r->query, r->body, &o->gql, e)) < 0)
		return -1;
	ops_of_gql(o);
	return 0;
}

const struct ops_reader ops_graphql = { POLICY_PROTO_GRAPHQL,
	"GraphQL request rejected", false, read_operations };
