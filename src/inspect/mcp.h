/*
 * mcp: messages of the Model Context Protocol, revisions 2025-03-26 to
 * 2026-07-28, over JSON-RPC 2.0.
 *
 * Methods this knows have a row: who may send it, whether as a request or a
 * notification, and the members its params must have, of what type.  A method
 * it does not know is left to the policy, by name.
 */
#ifndef INSPECT_MCP_H
#define INSPECT_MCP_H

#include "inspect/jsonrpc.h"

enum mcp_from { MCP_FROM_CLIENT = 1, MCP_FROM_SERVER = 2 };

enum { MCP_TOOL_MAX = 128 };

struct mcp_call {
	const struct jsonrpc_message *m;
	bool known; /* a row says what it looks like */
	/* What it acts on: the name of the tool of tools/call, p == NULL for
	 * other methods. */
	struct view tool;
};

struct mcp {
	struct jsonrpc rpc;
	struct mcp_call *v; /* one a message, in their order */
};

/*
 * Borrows `text`.  strict_names: names of tools must be letters, digits, and
 * _ . - only, so that nothing can look like another; otherwise any printable
 * UTF-8.  mcp_fini in either case.
 */
int mcp_parse(struct view text, enum mcp_from from, bool strict_names,
    struct mcp *out, struct err *e) MUST_USE;
void mcp_fini(struct mcp *m);
#define AUTO_MCP CLEANUP(mcp_fini)

bool mcp_tool_name(struct view name, bool strict);

#endif
