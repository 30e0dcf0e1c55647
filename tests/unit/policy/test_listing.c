/* Whether some call of a tool may be allowed: what lists of tools show. */
#include "fixture.h"

static const char policy_text[] =
    "version: 1\n"
    "network_policies:\n"
    "  tools:\n"
    "    endpoints:\n"
    "    - host: mcp.example.com\n"
    "      port: 443\n"
    "      protocol: mcp\n"
    "      rules:\n"
    "      - allow: {method: tools/call, tool: read_*}\n"
    "      - allow:\n"
    "          method: tools/call\n"
    "          tool: write\n"
    "          params: {arguments: {path: '/tmp/**'}}\n"
    "      deny_rules:\n"
    "      - {method: tools/call, tool: read_secret}\n"
    "      - method: tools/call\n"
    "        params: {arguments: {path: '/etc/**'}}\n"
    "    binaries: [{path: /bin/agent}]\n";

static bool
may(const char *tool, const char *path, bool some_call)
{
	struct snapshot *s = must_compile("listing", policy_text);
	struct policy_who who = who_is("/bin/agent");
	struct policy_request r = { VIEW("POST"), VIEW("/mcp"), { 0 } };
	struct policy_param params[] = { { VIEW("name"), view_of(tool) },
		{ VIEW("arguments.path"), view_of(path) } };
	struct policy_op op = { .kind = POLICY_OP_CALL,
		.method = VIEW("tools/call"),
		.params = params,
		.n_params = path != NULL ? 2 : 1,
		.some_call = some_call };
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_op(
	    s, &who, VIEW("mcp.example.com"), 443, &r, &op, &v, &why);
	snapshot_unref(s);
	return v.allow;
}

TEST(listing, shows_tools_that_some_argument_allows)
{
	static const struct {
		const char *tool, *path;
		bool call, listed;
	} rows[] = {
		{ "read_note", NULL, true, true },
		{ "read_secret", NULL, false, false },
		{ "write", NULL, false, true },
		{ "write", "/tmp/x", true, true },
		{ "write", "/etc/x", false, false },
		{ "read_note", "/etc/x", false, false },
		{ "delete", NULL, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(
		    may(rows[i].tool, rows[i].path, false), ==, rows[i].call);
		CHECK_INT(
		    may(rows[i].tool, rows[i].path, true), ==, rows[i].listed);
	}
}
