#include "inspect/mcp.h"

#include "codec/utf8.h"

enum { CLIENT = MCP_FROM_CLIENT, SERVER = MCP_FROM_SERVER };
enum { BOTH = CLIENT | SERVER };

/* What a member may be. */
enum want {
	W_STRING,
	W_OBJECT,
	W_LIST,
	W_NUMBER,
	W_TOKEN, /* a string or an integer */
	W_ANY
};

struct member {
	const char *name;
	enum want want;
	bool required;
};

enum { MEMBERS_MAX = 6 };

/* schema.ts of the revisions from 2025-03-26 to 2026-07-28, together */
static const struct row {
	const char *method;
	unsigned from;
	bool notification;
	struct member members[MEMBERS_MAX];
} rows[] = {
	{ "initialize", CLIENT, false,
	    { { "protocolVersion", W_STRING, true },
		{ "capabilities", W_OBJECT, true },
		{ "clientInfo", W_OBJECT, true } } },
	{ "server/discover", CLIENT, false, { { 0 } } },
	{ "subscriptions/listen", CLIENT, false,
	    { { "notifications", W_OBJECT, true } } },
	{ "ping", BOTH, false, { { 0 } } },
	{ "tools/list", CLIENT, false, { { "cursor", W_STRING, false } } },
	{ "tools/call", CLIENT, false,
	    { { "name", W_STRING, true }, { "arguments", W_OBJECT, false } } },
	{ "resources/list", CLIENT, false, { { "cursor", W_STRING, false } } },
	{ "resources/templates/list", CLIENT, false,
	    { { "cursor", W_STRING, false } } },
	{ "resources/read", CLIENT, false, { { "uri", W_STRING, true } } },
	{ "resources/subscribe", CLIENT, false, { { "uri", W_STRING, true } } },
	{ "resources/unsubscribe", CLIENT, false,
	    { { "uri", W_STRING, true } } },
	{ "prompts/list", CLIENT, false, { { "cursor", W_STRING, false } } },
	{ "prompts/get", CLIENT, false,
	    { { "name", W_STRING, true }, { "arguments", W_OBJECT, false } } },
	{ "completion/complete", CLIENT, false,
	    { { "ref", W_OBJECT, true }, { "argument", W_OBJECT, true },
		{ "context", W_OBJECT, false } } },
	{ "logging/setLevel", CLIENT, false, { { "level", W_STRING, true } } },
	{ "notifications/initialized", CLIENT, true, { { 0 } } },
	{ "notifications/roots/list_changed", CLIENT, true, { { 0 } } },
	{ "notifications/cancelled", BOTH, true,
	    { { "requestId", W_TOKEN, true }, { "reason", W_STRING, false } } },
	{ "notifications/progress", BOTH, true,
	    { { "progressToken", W_TOKEN, true },
		{ "progress", W_NUMBER, true }, { "total", W_NUMBER, false },
		{ "message", W_STRING, false } } },
	{ "sampling/createMessage", SERVER, false,
	    { { "messages", W_LIST, true }, { "maxTokens", W_NUMBER, true } } },
	{ "roots/list", SERVER, false, { { 0 } } },
	{ "elicitation/create", SERVER, false,
	    { { "message", W_STRING, true },
		{ "requestedSchema", W_OBJECT, false } } },
	{ "notifications/elicitation/complete", SERVER, true, { { 0 } } },
	{ "notifications/subscriptions/acknowledged", SERVER, true, { { 0 } } },
	{ "notifications/message", SERVER, true,
	    { { "level", W_STRING, true }, { "logger", W_STRING, false },
		{ "data", W_ANY, true } } },
	{ "notifications/resources/updated", SERVER, true,
	    { { "uri", W_STRING, true } } },
	{ "notifications/resources/list_changed", SERVER, true, { { 0 } } },
	{ "notifications/tools/list_changed", SERVER, true, { { 0 } } },
	{ "notifications/prompts/list_changed", SERVER, true, { { 0 } } },
};

static const struct row *
find_row(struct view method)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (view_eq(method, view_of(rows[i].method)))
			return &rows[i];
	return NULL;
}

static bool
fits(const struct jdoc_node *v, enum want want)
{
	switch (want) {
	case W_STRING:
		return v->type == JDOC_STRING;
	case W_OBJECT:
		return v->type == JDOC_OBJECT;
	case W_LIST:
		return v->type == JDOC_ARRAY;
	case W_NUMBER:
		return v->type == JDOC_NUMBER;
	case W_TOKEN:
		return v->type == JDOC_STRING || jdoc_is_integer(v);
	case W_ANY:
		return true;
	}
	return false;
}

bool
mcp_tool_name(struct view name, bool strict)
{
	uint32_t cp;
	size_t n;

	if (name.n == 0 || name.n > MCP_TOOL_MAX)
		return false;
	for (; name.n > 0; name = view_slice(name, n, name.n)) {
		n = utf8_decode(name, &cp);
		if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			return false;
		if (strict &&
		    !((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') ||
			(cp >= '0' && cp <= '9') || cp == '_' || cp == '.' ||
			cp == '-'))
			return false;
	}
	return true;
}

static int
check_member(const struct jdoc *d, const struct row *row,
    const struct jdoc_node *params, const struct member *want, struct err *e)
{
	const struct jdoc_node *v = jdoc_get(d, params, want->name);

	if (v == NULL && want->required)
		return err_set(e, ERR_PROTO, "MCP: %s lacks params.%s",
		    row->method, want->name);
	if (v != NULL && !fits(v, want->want))
		return err_set(e, ERR_PROTO,
		    "MCP: params.%s of %s is of another type", want->name,
		    row->method);
	return 0;
}

static int
check_params(const struct jdoc *d, const struct row *row,
    const struct jdoc_node *params, struct err *e)
{
	static const struct member meta = { "_meta", W_OBJECT, false };
	const char *names[MEMBERS_MAX + 2];
	size_t n = 0;

	if (params != NULL && params->type != JDOC_OBJECT)
		return err_set(e, ERR_PROTO,
		    "MCP: params of %s is not an object", row->method);
	for (; n < MEMBERS_MAX && row->members[n].name != NULL; n++) {
		names[n] = row->members[n].name;
		if (check_member(d, row, params, &row->members[n], e) < 0)
			return -1;
	}
	names[n] = meta.name;
	names[n + 1] = NULL;
	/* Attack: `Name` beside `name`, to a server that ignores case. */
	if (jdoc_lookalike(d, params, names) != NULL)
		return err_set(e, ERR_PROTO,
		    "MCP: a member of the params of %s differs from a known "
		    "one only by case",
		    row->method);
	return check_member(d, row, params, &meta, e);
}

static int
read_tool(const struct jdoc *d, const struct jsonrpc_message *m, bool strict,
    struct view *tool, struct err *e)
{
	*tool = jdoc_get(d, m->params, "name")->str;
	if (mcp_tool_name(*tool, strict))
		return 0;
	return err_set(e, ERR_PROTO,
	    strict ? "MCP: a tool's name is not 1 to %d letters, digits, _ . -"
		   : "MCP: a tool's name is not 1 to %d printable bytes",
	    MCP_TOOL_MAX);
}

static int
read_call(const struct jsonrpc *rpc, struct mcp_call *c, enum mcp_from from,
    bool strict, struct err *e)
{
	const struct jsonrpc_message *m = c->m;
	const struct row *row;

	/* 2025-06-18, basic: an id is a string or an integer, never null;
	 * only an error that answers nothing readable has none. */
	if (m->id != NULL && m->id->type == JDOC_NULL && m->error == NULL)
		return err_set(e, ERR_PROTO, "MCP: id is null");
	if (m->kind == JSONRPC_RESPONSE)
		return m->result == NULL || m->result->type == JDOC_OBJECT
			   ? 0
			   : err_set(e, ERR_PROTO,
				 "MCP: a result is not an object");
	row = find_row(m->method);
	c->known = row != NULL;
	if (row == NULL)
		return 0;
	if (!(row->from & from))
		return err_set(e, ERR_PROTO,
		    "MCP: %s is not for the %s to send", row->method,
		    from == MCP_FROM_CLIENT ? "client" : "server");
	if (row->notification != (m->kind == JSONRPC_NOTIFICATION))
		return err_set(e, ERR_PROTO,
		    row->notification ? "MCP: %s is a notification, with an id"
				      : "MCP: %s is a request, without an id",
		    row->method);
	if (rpc->batch && view_eq(m->method, VIEW("initialize")))
		return err_set(e, ERR_PROTO, "MCP: initialize in a batch");
	if (check_params(&rpc->doc, row, m->params, e) < 0)
		return -1;
	if (view_eq(m->method, VIEW("tools/call")))
		return read_tool(&rpc->doc, m, strict, &c->tool, e);
	return 0;
}

int
mcp_parse(struct view text, enum mcp_from from, bool strict_names,
    struct mcp *out, struct err *e)
{
	*out = (struct mcp) { 0 };
	if (jsonrpc_parse(text, &out->rpc, e) < 0)
		return -1;
	out->v = ARENA_ARRAY(&out->rpc.doc.arena, out->rpc.n, struct mcp_call);
	for (size_t i = 0; i < out->rpc.n; i++) {
		out->v[i].m = &out->rpc.v[i];
		if (read_call(&out->rpc, &out->v[i], from, strict_names, e) < 0)
			return -1;
	}
	return 0;
}

void
mcp_fini(struct mcp *m)
{
	jsonrpc_fini(&m->rpc);
	*m = (struct mcp) { 0 };
}
