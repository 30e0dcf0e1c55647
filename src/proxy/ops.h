/*
 * ops: the operations inside HTTP requests, for protocols that are judged by
 * them: calls of JSON-RPC and MCP, GraphQL.
 *
 *	ops_<protocol>.c	finds them; rows in ops.def
 *	hold_ops.c		asks the rules about each, records it
 */
#ifndef PROXY_OPS_H
#define PROXY_OPS_H

#include "inspect/flat.h"
#include "inspect/gql_http.h"
#include "inspect/mcp.h"
#include "policy/decide.h"
#include "proxy/px.h"

struct op {
	struct policy_op op;
	bool free; /* part of the protocol, not for rules: a response */
	struct view operation; /* for the record: "tools/call", "query Q" */
	struct view tool; /* MCP */
	struct view id; /* JSON of it; empty: nobody waits for an answer */
};

struct ops {
	struct arena arena;
	struct mcp mcp; /* of JSON-RPC only its part */
	struct gql_http gql;
	bool batch;
	struct op *v;
	size_t n; /* 0: a request that carries none and may go */
};

/* What a reader sees of a request. */
struct ops_request {
	struct view method, query, body;
	const struct policy_treatment *t;
	const struct h1_head *h; /* NULL when it was read before */
};

struct ops_reader {
	enum policy_protocol protocol;
	const char *rejected; /* what a denial of malformed bytes begins with */
	bool rpc_errors; /* denials are errors of JSON-RPC, where one waits */
	/* ERR_PROTO, ERR_LIMIT: it may not go. */
	int (*read)(struct ops *o, const struct ops_request *r, struct err *e);
};

#define OPS(name) extern const struct ops_reader ops_##name;
#include "proxy/ops.def"
#undef OPS
/* NULL when nobody reads that protocol. */
const struct ops_reader *ops_reader(enum policy_protocol p);

void ops_fini(struct ops *o);
#define AUTO_OPS CLEANUP(ops_fini)

/* The parameters of a call as rules are asked about them. */
int ops_params(struct ops *o, const struct jdoc_node *params,
    struct policy_op *op, struct err *e) MUST_USE;
/* The operations of o->gql, with their texts for the record. */
void ops_of_gql(struct ops *o);
/* A media type and its charset, if any, is UTF-8. */
bool ops_media_type(struct view value, struct view want);

#endif
