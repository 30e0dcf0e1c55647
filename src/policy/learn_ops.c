/*
 * learn_ops: calls of JSON-RPC and MCP that were denied, as rules: the exact
 * method, and of tools/call the exact tool.
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

enum learn_skip
learn_op_ask(const struct snapshot *s, const struct policy_seen *seen,
    const struct p_endpoint **e)
{
	const struct policy_who who = { .exe = seen->binary };
	const struct policy_request r = { seen->method, seen->path,
		{ NULL, 0 } };
	struct policy_param tool = { VIEW("name"), seen->tool };
	struct policy_op op = { .kind = POLICY_OP_CALL,
		.method = seen->operation,
		.params = &tool,
		.n_params = seen->tool.n > 0,
		.some_call = true };
	struct policy_treatment t;
	struct policy_verdict v;
	struct policy_reason why;

	(void)policy_treat_request(
	    s, &who, seen->host, seen->port, seen->path, &t);
	if (t.protocol == POLICY_PROTO_GRAPHQL ||
	    t.protocol == POLICY_PROTO_WEBSOCKET)
		return LEARN_GRAPHQL;
	if ((t.protocol != POLICY_PROTO_MCP &&
		t.protocol != POLICY_PROTO_JSON_RPC) ||
	    (*e = endpoint_of(s, &t)) == NULL)
		return LEARN_PROTOCOL;
	if (!is_exact(seen->operation) ||
	    (seen->tool.n > 0 && !is_exact(seen->tool)) ||
	    (is_tools_call(seen) && t.protocol == POLICY_PROTO_MCP &&
		seen->tool.n == 0))
		return LEARN_BAD_REQUEST;
	policy_decide_op(s, &who, seen->host, seen->port, &r, &op, &v, &why);
	if (v.by_deny_rule)
		return LEARN_REFUSED;
	if (v.malformed)
		return LEARN_BAD_REQUEST;
	if (!v.allow)
		return LEARN_TAKEN;
	/* Some call of it passes: of this one, whatever it has? */
	op.some_call = false;
	policy_decide_op(s, &who, seen->host, seen->port, &r, &op, &v, &why);
	return v.allow ? LEARN_ALLOWED : LEARN_ARGUMENTS;
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
