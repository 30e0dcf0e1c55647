/*
 * tap_mcp: what an MCP server says, as JSON or as an event stream, read
 * before it goes on.
 *
 *	answers		lists of tools lose those that the policy has no call
 *			of, and those that are held (inspect/toolbook.h)
 *	requests	(sampling, elicitation, roots), also those inside an
 *			answer, are judged by their method, as the client's
 *			are; what is denied is not delivered
 *	notifications	pass
 *
 * What cannot be read does not go on: JSON, of which nothing went yet, becomes
 * a 502; a stream is cut.
 */
#include "proxy/hx.h"

#include "base/mem.h"
#include "inspect/mcp_tools.h"
#include "inspect/sse.h"
#include "inspect/toolbook.h"
#include "proxy/ops.h"

#include <stdlib.h>

enum { MESSAGE_MAX = (2 << 20) - 4096, NAMES_MAX = 600, SAID_MAX = 32 };

struct tap {
	struct px_conn *c;
	bool stream;
	struct sse sse;
	struct buf text; /* of JSON that is not whole yet */
};

/* One list of tools under way. */
struct listing {
	struct px_conn *c;
	struct policy_request r;
	struct buf server;
	struct buf hidden; /* names, ", " between */
	unsigned said; /* records about single tools */
};

static bool
is_json(struct view type)
{
	return ops_media_type(type, VIEW("application/json"));
}

static int
head(struct px_conn *c, struct h1_head *h, void **state, struct err *e)
{
	const struct h1_field *type = h1_find(h, VIEW("content-type"));
	const struct h1_field *coding = h1_find(h, VIEW("content-encoding"));
	struct policy_treatment t;
	struct tap *tap;
	bool stream;

	if (!c->hx.operations || h->status < 200 || h->status > 299 ||
	    !hx_has_body(h) ||
	    !px_treat_request(c, c->snap, buf_view(&c->hx.path), &t) ||
	    t.protocol != POLICY_PROTO_MCP)
		return 0;
	stream = type != NULL &&
		 ops_media_type(type->value, VIEW("text/event-stream"));
	if (!stream && (type == NULL || !is_json(type->value)))
		return err_set(e, ERR_PROTO,
		    "MCP: an answer that is neither JSON nor an event stream");
	if (coding != NULL && !view_eq_nocase(coding->value, VIEW("identity")))
		return err_set(
		    e, ERR_PROTO, "MCP: an answer that is compressed unasked");
	tap = NEW(struct tap);
	tap->c = c;
	tap->stream = stream;
	tap->text = BUF_INIT(MESSAGE_MAX);
	sse_init(&tap->sse, MESSAGE_MAX);
	*state = tap;
	return stream ? 1 : 2;
}

static void
end(void *state)
{
	struct tap *tap = state;

	sse_fini(&tap->sse);
	buf_fini(&tap->text);
	free(tap);
}

/* ---- the record ---------------------------------------------------------- */

static void
record(struct px_conn *c, enum audit_action action, const char *stage,
    struct view operation, struct view tool, struct view reason)
{
	struct px_request_event ev = { .method = view_of(c->hx.method),
		.path = buf_view(&c->hx.path),
		.operation = operation,
		.tool = tool };

	px_event_operation(
	    c, AUDIT_L7_RESPONSE, action, stage, &ev, reason, VIEW(""));
}

/* ---- lists of tools ------------------------------------------------------ */

/* Some call of it may be allowed. */
static bool
may_be_called(struct listing *l, struct view name)
{
	struct policy_param param = { VIEW("name"), name };
	struct policy_op op = { .kind = POLICY_OP_CALL,
		.method = VIEW("tools/call"),
		.params = &param,
		.n_params = 1,
		.some_call = true };
	struct policy_reason why;
	struct policy_verdict v;

	return px_judge_op(l->c, l->c->snap, &l->r, &op, &v, &why) ||
	       v.enforcement == POLICY_AUDIT;
}

static void
hide(struct listing *l, struct view name)
{
	if (l->hidden.n > 0)
		buf_puts(&l->hidden, ", ");
	buf_put(&l->hidden, name);
}

static bool
keep_tool(void *arg, struct view name, const unsigned char digest[SHA256_SIZE])
{
	static const struct {
		bool keep;
		const char *stage, *reason;
	} says[] = {
		[TOOL_FIRST] = { true, NULL, NULL },
		[TOOL_SAME] = { true, NULL, NULL },
		[TOOL_ACCEPTED] = { true, "",
		    "the changed definition of the "
		    "tool counts as known: the policy was set since" },
		[TOOL_CHANGED] = { false, "tool-changed",
		    "the tool's "
		    "description or schema is not the one first seen: it is "
		    "held until the policy is set again" },
		[TOOL_NO_ROOM] = { false, "tool-changed",
		    "too many tools to "
		    "remember: this one is held" },
	};
	struct listing *l = arg;
	struct px *px = l->c->px;
	enum toolbook_answer a;

	if (px->tools == NULL)
		px->tools = toolbook_new();
	a = toolbook_see(
	    px->tools, buf_view(&l->server), name, digest, px->generation);
	if (says[a].reason != NULL && l->said++ < SAID_MAX)
		record(l->c, says[a].keep ? AUDIT_INFO : AUDIT_DENY,
		    says[a].stage, VIEW("tools/list"), name,
		    view_of(says[a].reason));
	if (!says[a].keep)
		return false;
	if (may_be_called(l, name))
		return true;
	hide(l, name);
	return false;
}

static int
filter_tools(struct px_conn *c, const struct mcp *m, bool strict,
    struct buf *out, struct err *e)
{
	struct listing l = { .c = c,
		.r = hx_under_way(c),
		.server = BUF_INIT(TARGET_PATH_MAX * 3 + 300),
		.hidden = BUF_INIT(NAMES_MAX) };
	AUTO_BUF struct buf said = BUF_INIT(NAMES_MAX + 100);
	struct mcp_listing done;
	int r;

	mcp_server_name(c, &l.server);
	r = mcp_list_tools(m, strict, keep_tool, &l, out, &done, e);
	buf_printf(&said, "%zu of %zu tools not shown", done.removed,
	    done.removed + done.kept);
	if (l.hidden.n > 0)
		buf_puts(&said, "; not in the policy: ");
	buf_put(&said, buf_view(&l.hidden));
	if (r == 0 && done.removed > 0)
		record(c, AUDIT_INFO, "", VIEW("tools/list"), VIEW(""),
		    buf_view(&said));
	buf_fini(&l.server);
	buf_fini(&l.hidden);
	return r;
}

/* ---- messages ------------------------------------------------------------ */

/* What the server asks of the client is judged by its method. */
static bool
may_ask(struct px_conn *c, struct ops *o, struct view method,
    const struct jdoc_node *params)
{
	struct policy_op op = { .kind = POLICY_OP_CALL, .method = method };
	struct policy_request r = hx_under_way(c);
	struct policy_reason why;
	struct policy_verdict v;
	bool allow, audit;
	struct err e;

	if (ops_params(o, params, &op, &e) < 0) {
		record(c, AUDIT_DENY, "l7", method, VIEW(""), view_of(e.text));
		return false;
	}
	allow = px_judge_op(c, c->snap, &r, &op, &v, &why);
	audit = v.enforcement == POLICY_AUDIT;
	if (allow)
		record(c, AUDIT_ALLOW, "", method, VIEW(""), VIEW(""));
	else
		record(c, audit ? AUDIT_AUDIT : AUDIT_DENY,
		    audit ? "l7_audit" : "l7", method, VIEW(""),
		    view_of(why.text));
	return allow || audit;
}

/*
 * Revision 2026-07-28: an answer that asks for more input holds requests of
 * the server, by names it chose.
 */
static bool
may_require(struct px_conn *c, struct ops *o, const struct jdoc_node *result)
{
	static const char *const members[] = { "method", "params", NULL };
	const struct jdoc *d = &o->mcp.rpc.doc;
	const struct jdoc_node *all = jdoc_get(d, result, "inputRequests");

	if (all == NULL)
		return true;
	JDOC_EACH(one, d, all)
	{
		const struct jdoc_node *method = jdoc_get(d, one, "method");

		if (method == NULL || method->type != JDOC_STRING ||
		    jdoc_lookalike(d, one, members) != NULL) {
			record(c, AUDIT_DENY, "l7", VIEW("inputRequests"),
			    VIEW(""), VIEW("a request that cannot be read"));
			return false;
		}
		if (!may_ask(c, o, method->str, jdoc_get(d, one, "params")))
			return false;
	}
	return true;
}

/* All that the message asks for; a ping is nobody's business. */
static bool
may_pass(struct px_conn *c, struct ops *o)
{
	for (size_t i = 0; i < o->mcp.rpc.n; i++) {
		const struct jsonrpc_message *m = &o->mcp.rpc.v[i];

		if (m->kind == JSONRPC_REQUEST &&
		    !view_eq(m->method, VIEW("ping")) &&
		    !may_ask(c, o, m->method, m->params))
			return false;
		if (m->kind == JSONRPC_RESPONSE &&
		    !may_require(c, o, m->result))
			return false;
	}
	return true;
}

/* Who waits for the answer learns that there is none. */
static int
put_error(const struct jsonrpc *m, struct buf *out, struct err *e)
{
	if (m->batch)
		return err_set(e, ERR_DENIED,
		    "MCP: what the server asks of the client was denied");
	if (m->v[0].kind != JSONRPC_RESPONSE)
		return 0;
	buf_puts(out, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_put(out, m->v[0].id->raw);
	buf_printf(out,
	    ",\"error\":{\"code\":%d,\"message\":\"denied by the "
	    "sandbox's policy: what the server asks of the client\"}}",
	    DENY_RPC_CODE);
	return 0;
}

/* Appends what of the message goes on, perhaps nothing. */
static int
pass_message(
    struct px_conn *c, struct view text, struct buf *out, struct err *e)
{
	AUTO_OPS struct ops o = { 0 };
	struct policy_treatment t;

	px_pin(c);
	if (!px_treat_request(c, c->snap, buf_view(&c->hx.path), &t))
		return err_set(e, ERR_DENIED, "no longer permitted");
	if (mcp_parse(text, MCP_FROM_SERVER, t.strict_tool_names, &o.mcp, e) <
	    0)
		return -1;
	if (!may_pass(c, &o))
		return put_error(&o.mcp.rpc, out, e);
	return filter_tools(c, &o.mcp, t.strict_tool_names, out, e);
}

/*
 * An event.  "endpoint" is of the transport before 2025-03-26: an address,
 * and what is sent there is judged as everything is.
 */
static int
pass_event(
    struct tap *tap, const struct sse_event *ev, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(MESSAGE_MAX);
	struct sse_event changed = *ev;

	if (ev->data.n == 0 || view_eq(ev->type, VIEW("endpoint"))) {
		sse_write(out, ev);
		return 0;
	}
	if (pass_message(tap->c, ev->data, &text, e) < 0)
		return -1;
	changed.data = buf_view(&text);
	changed.has_data = text.n > 0;
	if (changed.has_data || changed.has_id || changed.has_retry)
		sse_write(out, &changed);
	return 0;
}

static int
body(void *state, struct view in, bool last, struct buf *out, struct err *e)
{
	struct tap *tap = state;

	while (tap->stream && in.n > 0) {
		struct sse_event ev;
		bool ready;
		ssize_t n = sse_feed(&tap->sse, in, &ready, &ev, e);

		if (n < 0)
			return -1;
		in = view_slice(in, (size_t)n, in.n);
		if (ready && pass_event(tap, &ev, out, e) < 0)
			return -1;
	}
	if (tap->stream)
		return 0;
	buf_put(&tap->text, in);
	if (tap->text.full)
		return err_set(e, ERR_LIMIT,
		    "MCP: an answer of more than %d bytes", MESSAGE_MAX);
	if (!last || tap->text.n == 0)
		return 0;
	if (pass_message(tap->c, buf_view(&tap->text), out, e) < 0)
		return -1;
	return out->n > 0 ? 0
			  : err_set(e, ERR_DENIED,
				"MCP: a request of the server was denied");
}

const struct hx_tap tap_mcp = { head, body, NULL, end };
