/*
 * toolbook: the tools of MCP servers as they were when first seen.
 *
 * Attack ("rug pull"): a server lists a harmless tool, is trusted, and later
 * gives the same name another description or schema, which the model obeys.
 * A tool whose definition is not the one first seen is held: not listed, not
 * called.  It is released when the server shows the first definition again,
 * or when the policy is set anew (a later generation): the owner had the
 * flag before them, and what is shown then counts as first seen.
 *
 * Lives as long as the sandbox.  Bounded: what finds no room is held too.
 */
#ifndef INSPECT_TOOLBOOK_H
#define INSPECT_TOOLBOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "codec/sha256.h"

enum { TOOLBOOK_MAX = 8192 };

struct toolbook;

struct toolbook *toolbook_new(void) MUST_USE;
void toolbook_free(struct toolbook *b);

enum toolbook_answer {
	TOOL_FIRST, /* not seen before: this is what it is from now on */
	TOOL_SAME,
	TOOL_ACCEPTED, /* it was held, and a later policy released it */
	TOOL_CHANGED, /* held */
	TOOL_NO_ROOM /* TOOLBOOK_MAX are known: held */
};

/*
 * `server` shows a tool with a definition of that digest, under the policy of
 * that generation.  server: host, port and path, however written.
 */
enum toolbook_answer toolbook_see(struct toolbook *b, struct view server,
    struct view tool, const unsigned char digest[SHA256_SIZE],
    uint64_t generation);

/* It may not be called under the policy of that generation. */
bool toolbook_held(const struct toolbook *b, struct view server,
    struct view tool, uint64_t generation);

#endif
