/*
 * learn_ops: operations that were denied, as rules: of JSON-RPC and MCP the
 * exact method, and of tools/call the exact tool; of GraphQL the type and the
 * root fields; of a WebSocket the path of its upgrade.
 */
#include "policy/compiled.h"
#include "policy/learn_impl.h"

/* The endpoint that says how the path is treated. */
static const struct p_endpoint *
endpoint_of(const struct snapshot *s, const struct policy_treatment *t)
{
	for (unsigned i = 0; i < s->npolicies; i++)
		if (view_eq(s->policies[i].m.key.v, view_of(t->policy)))
			return &p_endpoints(&s->policies[i])[t->endpoint];
	return NULL;
}

/* A rule says it as it is, and no more: it has no sign of a pattern. */
static bool
is_exact(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (memchr("*?[]{}\\", v.p[i], 7) != NULL)
			return false;
	return v.n > 0 && v.n <= PL_NAME_MAX && !p_has_control(v);
}

static bool
is_tools_call(const struct policy_seen *seen)
{
	return view_eq(seen->operation, VIEW("tools/call"));
}

bool
learn_is_graphql(const struct p_endpoint *judge)
{
	return p_protocol(judge) == POLICY_PROTO_GRAPHQL ||
	       p_protocol(judge) == POLICY_PROTO_WEBSOCKET;
}

bool
learn_next_field(struct view *list, struct view *out)
{
	if (list->n == 0)
		return false;
	*out = view_trim(view_cut(*list, ',', list));
	return true;
}

/* A verdict over the operation, as a reason; TAKEN: no rule allows it. */
static enum learn_skip
ask(const struct snapshot *s, const struct policy_seen *seen,
    const struct policy_op *op)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct policy_request r = { seen->method, seen->path,
		{ NULL, 0 } };
	struct policy_verdict v;
	struct policy_reason why;

	policy_decide_op(s, &who, seen->host, seen->port, &r, op, &v, &why);
	if (v.by_deny_rule)
		return LEARN_REFUSED;
	if (v.malformed)
		return LEARN_BAD_REQUEST;
	return v.allow ? LEARN_ALLOWED : LEARN_TAKEN;
}

/* "mutation Name" with root fields "a, b". */
static enum learn_skip
ask_graphql(const struct snapshot *s, const struct policy_seen *seen)
{
	struct view fields[LEARN_FIELDS_MAX], rest = seen->fields, name;
	struct view type = view_cut(seen->operation, ' ', &name);
	struct policy_op op = { .kind = POLICY_OP_GRAPHQL,
		.type = type,
		.name = name,
		.fields = fields };

	if (seen->fields.n == 0)
		return LEARN_GRAPHQL;
	if (!view_eq(type, VIEW("query")) && !view_eq(type, VIEW("mutation")) &&
	    !view_eq(type, VIEW("subscription")))
		return LEARN_BAD_REQUEST;
	while (op.n_fields < ARRAY_LEN(fields) &&
	       learn_next_field(&rest, &fields[op.n_fields]))
		if (!is_exact(fields[op.n_fields++]))
			return LEARN_BAD_REQUEST;
	return rest.n > 0 ? LEARN_TOO_MANY : ask(s, seen, &op);
}

static enum learn_skip
ask_call(const struct snapshot *s, const struct policy_seen *seen, bool mcp)
{
	struct policy_param tool = { VIEW("name"), seen->tool };
	struct policy_op op = { .kind = POLICY_OP_CALL,
		.method = seen->operation,
		.params = &tool,
		.n_params = seen->tool.n > 0,
		.some_call = true };
	enum learn_skip skip;

	if (!is_exact(seen->operation) ||
	    (seen->tool.n > 0 && !is_exact(seen->tool)) ||
	    (is_tools_call(seen) && mcp && seen->tool.n == 0))
		return LEARN_BAD_REQUEST;
	skip = ask(s, seen, &op);
	if (skip != LEARN_ALLOWED)
		return skip;
	/* Some call of it passes: of this one, whatever it has? */
	op.some_call = false;
	return ask(s, seen, &op) == LEARN_ALLOWED ? LEARN_ALLOWED
						  : LEARN_ARGUMENTS;
}

enum learn_skip
learn_op_ask(const struct snapshot *s, const struct policy_seen *seen,
    const struct p_endpoint **e)
{
	const struct policy_who who = { .exe = seen->binary };
	struct policy_treatment t;

	(void)policy_treat_request(
	    s, &who, seen->host, seen->port, seen->path, &t);
	if ((t.protocol != POLICY_PROTO_MCP &&
		t.protocol != POLICY_PROTO_JSON_RPC && !t.graphql_messages) ||
	    (*e = endpoint_of(s, &t)) == NULL)
		return LEARN_PROTOCOL;
	return t.graphql_messages
		   ? ask_graphql(s, seen)
		   : ask_call(s, seen, t.protocol == POLICY_PROTO_MCP);
}

enum learn_skip
learn_socket_ask(const struct snapshot *s, const struct policy_seen *seen,
    const struct p_endpoint **e)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct policy_request r = { seen->method, seen->path,
		{ NULL, 0 } };
	const struct policy_op text = { .kind = POLICY_OP_TEXT };
	bool message = view_eq(seen->method, VIEW("WEBSOCKET_TEXT"));
	struct policy_treatment t;
	struct policy_verdict v;
	struct policy_reason why;

	(void)policy_treat_request(
	    s, &who, seen->host, seen->port, seen->path, &t);
	if (t.protocol != POLICY_PROTO_WEBSOCKET)
		return message ? LEARN_PROTOCOL : LEARN_NSKIPS;
	/* Where messages are GraphQL, an endpoint about text would differ. */
	if (t.graphql_messages || (*e = endpoint_of(s, &t)) == NULL ||
	    (!message && !view_eq(seen->method, VIEW("GET"))))
		return LEARN_PROTOCOL;
	if (message)
		return ask(s, seen, &text);
	policy_decide_request(s, &who, seen->host, seen->port, &r, &v, &why);
	if (v.by_deny_rule)
		return LEARN_REFUSED;
	return v.allow ? LEARN_ALLOWED : LEARN_TAKEN;
}

int
learn_op_order(const void *ap, const void *bp)
{
	const struct learn_op *a = ap, *b = bp;
	int c = view_cmp(a->method, b->method);

	return c != 0 ? c : view_cmp(a->tool, b->tool);
}

static void
put_pair(struct buf *out, const char *key, struct view v)
{
	buf_puts(out, key);
	ydoc_put_str(out, v);
	buf_putc(out, '\n');
}

void
learn_op_rules(const struct learn_op *v, size_t n, struct buf *out)
{
	bool noted = false;

	buf_puts(out, "      rules:\n");
	for (size_t i = 0; i < n; i++) {
		if (v[i].tool.n > 0 && !noted)
			buf_puts(out,
			    "      # generalised: any arguments; those of the "
			    "calls are in no record\n");
		noted |= v[i].tool.n > 0;
		buf_puts(out, "      - allow:\n");
		put_pair(out, "          method: ", v[i].method);
		if (v[i].tool.n > 0)
			put_pair(out, "          tool: ", v[i].tool);
	}
}

void
learn_graphql_rules(const struct learn_op *v, size_t n, struct buf *out)
{
	buf_puts(out, "      rules:\n");
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && learn_op_order(&v[i - 1], &v[i]) == 0)
			continue;
		if (i == 0 || !view_eq(v[i - 1].method, v[i].method)) {
			buf_puts(out, "      - allow:\n");
			put_pair(
			    out, "          operation_type: ", v[i].method);
			buf_puts(out, "          fields:\n");
		}
		put_pair(out, "          - ", v[i].tool);
	}
}
