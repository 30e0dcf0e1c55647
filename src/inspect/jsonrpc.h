/*
 * jsonrpc: JSON-RPC 2.0 messages, one or a batch.
 *
 * Strict where servers differ: a member that another reader may take for one
 * of the envelope's ("Method") is refused, as is a message that is half
 * request and half response.
 */
#ifndef INSPECT_JSONRPC_H
#define INSPECT_JSONRPC_H

#include "inspect/jdoc.h"

enum { JSONRPC_BATCH_MAX = 256, JSONRPC_METHOD_MAX = 256 };

enum jsonrpc_kind {
	JSONRPC_REQUEST,
	JSONRPC_NOTIFICATION, /* no id: nobody answers it */
	JSONRPC_RESPONSE
};

struct jsonrpc_message {
	enum jsonrpc_kind kind;
	struct view method; /* of requests and notifications */
	const struct jdoc_node *whole, *id, *params, *result, *error;
};

struct jsonrpc {
	struct jdoc doc;
	bool batch;
	struct jsonrpc_message *v; /* in the document's arena */
	size_t n;
};

/* Borrows `text`.  jsonrpc_fini in either case. */
int jsonrpc_parse(
    struct view text, struct jsonrpc *out, struct err *e) MUST_USE;
void jsonrpc_fini(struct jsonrpc *m);
#define AUTO_JSONRPC CLEANUP(jsonrpc_fini)

#endif
