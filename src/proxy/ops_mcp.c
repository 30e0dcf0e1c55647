#include "proxy/ops.h"

/* The member of the params that Mcp-Name repeats. */
static const struct {
	const char *method, *member;
} named[] = {
	{ "tools/call", "name" },
	{ "prompts/get", "name" },
	{ "resources/read", "uri" },
};

static const struct jdoc_node *
name_of(const struct jsonrpc *m)
{
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (view_eq(m->v[0].method, view_of(named[i].method)))
			return jdoc_get(
			    &m->doc, m->v[0].params, named[i].member);
	return NULL;
}

/*
 * Revision 2026-07-28 repeats method and name in fields.  Attack: a field that
 * says another thing than the body, to whatever acts on the field.
 */
static int
check_field(const struct jsonrpc *m, const struct h1_field *f, struct err *e)
{
	const struct jdoc_node *name;

	if (view_eq_nocase(f->name, VIEW("mcp-method"))) {
		if (!m->batch && view_eq(f->value, m->v[0].method))
			return 0;
	} else if (view_eq_nocase(f->name, VIEW("mcp-name"))) {
		name = m->batch ? NULL : name_of(m);
		if (name != NULL && view_eq(f->value, name->str))
			return 0;
		/* What no field can hold comes in base64; no tool has such a
		 * name. */
		if (name != NULL && view_starts(f->value, VIEW("=?base64?")) &&
		    !view_eq(m->v[0].method, VIEW("tools/call")))
			return 0;
	} else {
		return 0;
	}
	return err_set(e, ERR_PROTO,
	    "the field %.*s says another thing than the body", (int)f->name.n,
	    f->name.p);
}

static int
check_fields(const struct jsonrpc *m, const struct h1_head *h, struct err *e)
{
	for (size_t i = 0; h != NULL && i < h->n_fields; i++)
		if (check_field(m, &h->fields[i], e) < 0)
			return -1;
	return 0;
}

/*
 * Streamable HTTP, revision 2025-06-18, transports: GET opens the stream on
 * which the server speaks, DELETE ends the session; neither has a body.
 */
static int
read_calls(struct ops *o, const struct ops_request *r, struct err *e)
{
	const struct jsonrpc *m = &o->mcp.rpc;

	if (!view_eq(r->method, VIEW("POST"))) {
		if (r->body.n > 0)
			return err_set(e, ERR_PROTO, "MCP: %.*s with a body",
			    (int)r->method.n, r->method.p);
		return 0;
	}
	if (mcp_parse(r->body, MCP_FROM_CLIENT, r->t->strict_tool_names,
		&o->mcp, e) < 0 ||
	    check_fields(m, r->h, e) < 0)
		return -1;
	o->batch = m->batch;
	o->n = m->n;
	o->v = ARENA_ARRAY(&o->arena, m->n, struct op);
	for (size_t i = 0; i < m->n; i++) {
		struct op *op = &o->v[i];

		op->op.kind = POLICY_OP_CALL;
		if (m->v[i].kind == JSONRPC_RESPONSE) {
			op->free = true;
			op->operation = VIEW("response");
			continue;
		}
		op->op.method = op->operation = m->v[i].method;
		op->tool = o->mcp.v[i].tool;
		if (m->v[i].id != NULL)
			op->id = m->v[i].id->raw;
		if (ops_params(o, m->v[i].params, &op->op, e) < 0)
			return -1;
	}
	return 0;
}

const struct ops_reader ops_mcp = { POLICY_PROTO_MCP, "MCP request rejected",
	true, read_calls };
