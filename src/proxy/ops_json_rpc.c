#include "proxy/ops.h"

static int
read_calls(struct ops *o, const struct ops_request *r, struct err *e)
{
	struct jsonrpc *m = &o->mcp.rpc;

	if (jsonrpc_parse(r->body, m, e) < 0)
		return -1;
	o->batch = m->batch;
	o->n = m->n;
	o->v = ARENA_ARRAY(&o->arena, m->n, struct op);
	for (size_t i = 0; i < m->n; i++) {
		struct op *op = &o->v[i];

		if (m->v[i].kind == JSONRPC_RESPONSE)
			return err_set(e, ERR_PROTO,
			    "JSON-RPC response frames are not permitted from "
			    "client to server");
		op->op.kind = POLICY_OP_CALL;
		op->op.method = op->operation = m->v[i].method;
		if (m->v[i].id != NULL)
			op->id = m->v[i].id->raw;
		if (ops_params(o, m->v[i].params, &op->op, e) < 0)
			return -1;
	}
	return 0;
}

const struct ops_reader ops_json_rpc = { POLICY_PROTO_JSON_RPC,
	"JSON-RPC request rejected", false, read_calls };
