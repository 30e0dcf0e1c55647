/*
 * A message of a server: the list of tools that goes on holds, to our parser
 * and whatever the message, no tool that was not wanted; wanting all that has
 * a name of its own changes nothing or leaves a list that needs no change.
 * A message of a client: a tool's name is strict, and what was taken as a
 * message alone is taken in a batch.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "inspect/mcp_tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool
keep_short(void *arg, struct view name, const unsigned char digest[SHA256_SIZE])
{
	size_t *asked = arg;

	(void)digest;
	(*asked)++;
	return name.n % 2 == 0;
}

static bool
keep_all(void *arg, struct view name, const unsigned char digest[SHA256_SIZE])
{
	(void)arg;
	(void)name;
	(void)digest;
	return true;
}

static bool
must_be_short(
    void *arg, struct view name, const unsigned char digest[SHA256_SIZE])
{
	(void)arg;
	(void)digest;
	assert(name.n % 2 == 0);
	return true;
}

/* The edited text again: all of it is wanted now. */
static void
edit_again(struct view text, mcp_tool_fn *fn, size_t kept)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 22);
	struct mcp_listing done;
	struct mcp m;
	struct err e;

	assert(mcp_parse(text, MCP_FROM_SERVER, true, &m, &e) == 0);
	assert(mcp_list_tools(&m, true, fn, NULL, &out, &done, &e) == 0);
	assert(done.removed == 0 && done.kept == kept);
	assert(view_eq(buf_view(&out), m.rpc.doc.v[0].raw));
	mcp_fini(&m);
}

static void
from_server(struct view in)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 22), all = BUF_INIT(1 << 22);
	struct mcp_listing done;
	size_t asked = 0;
	struct mcp m;
	struct err e;

	if (mcp_parse(in, MCP_FROM_SERVER, true, &m, &e) == 0 &&
	    mcp_list_tools(&m, true, keep_short, &asked, &out, &done, &e) ==
		0) {
		assert(done.kept <= asked);
		edit_again(buf_view(&out), must_be_short, done.kept);
		assert(mcp_list_tools(
			   &m, true, keep_all, NULL, &all, &done, &e) == 0);
		edit_again(buf_view(&all), keep_all, done.kept);
	}
	mcp_fini(&m);
}

static void
from_client(struct view in)
{
	AUTO_BUF struct buf batch = BUF_INIT(1 << 22);
	struct mcp m, again;
	struct err e;

	if (mcp_parse(in, MCP_FROM_CLIENT, true, &m, &e) == 0) {
		for (size_t i = 0; i < m.rpc.n; i++)
			assert(m.v[i].tool.p == NULL ||
			       mcp_tool_name(m.v[i].tool, true));
		buf_putc(&batch, '[');
		buf_put(&batch, m.rpc.v[0].whole->raw);
		buf_putc(&batch, ']');
		if (!view_eq(m.rpc.v[0].method, VIEW("initialize")) &&
		    m.rpc.doc.v[0].type == JDOC_OBJECT) {
			int r = mcp_parse(buf_view(&batch), MCP_FROM_CLIENT,
			    true, &again, &e);

			/* One level deeper. */
			assert(r == 0 || e.code == ERR_LIMIT);
			if (r == 0) {
				assert(again.rpc.n == 1);
				assert(view_eq(again.v[0].tool, m.v[0].tool));
				assert(view_eq(
				    again.rpc.v[0].method, m.rpc.v[0].method));
			}
			mcp_fini(&again);
		}
	}
	mcp_fini(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in = { (const char *)p, n };

	from_server(in);
	from_client(in);
	return 0;
}
