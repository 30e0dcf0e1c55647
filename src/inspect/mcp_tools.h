/*
 * mcp_tools: what a server answers to tools/list, edited in place.
 *
 * A list of tools is known by its shape, not by the request it answers, which
 * may have gone another way (a resumed stream): every response whose result
 * has a member `tools` that is a list.
 */
#ifndef INSPECT_MCP_TOOLS_H
#define INSPECT_MCP_TOOLS_H

#include "codec/sha256.h"
#include "inspect/mcp.h"

/*
 * Whether this tool stays in the list.  The digest covers all of its
 * definition but `name` and `_meta`, however it is spelt: member order,
 * escapes and blanks do not count.
 */
typedef bool mcp_tool_fn(
    void *arg, struct view name, const unsigned char digest[SHA256_SIZE]);

struct mcp_listing {
	bool any; /* there was a list */
	size_t kept, removed;
};

/*
 * Appends the text of `m` to `out` with only those tools that `keep` wants.
 * Removed without asking: what has no valid name, and a name listed before in
 * the same message.  Everything else stays byte for byte.  ERR_PROTO when a
 * reader could see another list than we do; ERR_LIMIT when out is full.
 */
int mcp_list_tools(const struct mcp *m, bool strict_names, mcp_tool_fn *keep,
    void *arg, struct buf *out, struct mcp_listing *done,
    struct err *e) MUST_USE;

#endif
