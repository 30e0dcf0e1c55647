#include "proxy/ops.h"

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
		&o->mcp, e) < 0)
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
	true, true, read_calls };
