/*
 * hold_ops: requests that carry operations (ops.h).  Each operation is asked
 * about; one that is denied denies the request, and what goes on is exactly
 * the body that was read.
 *
 * A compressed body is refused: nobody compresses requests of these protocols,
 * and what a server makes of an odd stream need not be what we do.
 */
#include "proxy/hx.h"

#include "inspect/toolbook.h"
#include "proxy/ops.h"

enum { ERRORS_MAX = 32 /* in one answer; for more, 403 says it once */ };

/* What is being decided; lives during one call of whole(). */
struct decision {
	struct px_conn *c;
	struct policy_request r;
	struct policy_treatment t;
	const struct ops_reader *reader;
	struct ops ops;
};

struct op_verdict {
	bool allow, audit;
	struct policy_verdict v; /* of the rules, or as of the path */
	struct policy_reason why;
};

void
mcp_server_name(const struct px_conn *c, struct buf *out)
{
	buf_printf(out, "%s:%u", c->dst.host, c->dst.port);
	buf_put(out, buf_view(&c->hx.path));
}

static size_t
wants(struct px_conn *c, const struct h1_head *h)
{
	struct policy_treatment t;

	(void)h;
	if (!c->hx.operations)
		return 0;
	if (!px_treat_request(c, c->snap, buf_view(&c->hx.path), &t) ||
	    t.max_body == 0)
		return 1;
	/* GraphQL over WebSocket has its operations in messages (ws.c). */
	if (t.protocol == POLICY_PROTO_GRAPHQL && c->hx.want_websocket)
		return 0;
	return t.max_body;
}

/* ---- the record and the answer ------------------------------------------ */

static void
record(struct decision *d, enum audit_action action, const struct op *op,
    struct view reason, struct view suggestion)
{
	struct px_conn *c = d->c;
	bool forward = c->mode == PX_MODE_FORWARD;
	struct px_request_event ev = { .method = d->r.method,
		.path = d->r.path,
		.query = d->r.query,
		.operation = op != NULL ? op->operation : VIEW(""),
		.tool = op != NULL ? op->tool : VIEW(""),
		.op = op != NULL && !op->free ? &op->op : NULL };
	const char *stage = "";

	if (action == AUDIT_DENY)
		stage = forward ? "forward-l7-deny" : "l7";
	else if (action == AUDIT_AUDIT)
		stage = "l7_audit";
	px_event_operation(c, forward ? AUDIT_FORWARD_L7 : AUDIT_L7_REQUEST,
	    action, stage, &ev, reason, suggestion);
}

/* Errors of JSON-RPC go to those who wait for an answer. */
static void
put_ids(struct decision *d, struct deny *deny)
{
	struct view *ids = ARENA_ARRAY(&d->ops.arena, d->ops.n, struct view);
	size_t n = 0;

	for (size_t i = 0; i < d->ops.n; i++)
		if (d->ops.v[i].id.n > 0)
			ids[n++] = d->ops.v[i].id;
	if (!d->reader->rpc_errors || n == 0 || n > ERRORS_MAX)
		return;
	deny->status = 200;
	deny->rpc_ids = ids;
	deny->n_rpc_ids = n;
	deny->rpc_batch = d->ops.batch;
}

static enum px_next
answer(struct decision *d, const struct op *op, const char *why,
    struct view suggestion)
{
	struct px_conn *c = d->c;
	struct deny deny = { .status = 403,
		.error = "policy_denied",
		.layer = "l7",
		.protocol = policy_protocol_word(d->t.protocol),
		.policy = view_of(c->policy),
		.detail = view_of(why),
		.method = d->r.method,
		.path = d->r.path,
		.operation = op != NULL ? op->operation : VIEW(""),
		.tool = op != NULL ? op->tool : VIEW(""),
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.binary = px_binary(c),
		.suggestion = suggestion };

	if (op != NULL)
		put_ids(d, &deny);
	return px_reply(c, &deny) == PX_MORE ? PX_WAIT : PX_CLOSE;
}

/* ---- the verdicts -------------------------------------------------------- */

/* No rule was asked, or none spoke. */
static struct policy_verdict
as_of_path(const struct decision *d)
{
	return (struct policy_verdict) { .enforcement = POLICY_ENFORCE,
		.policy = d->t.policy,
		.endpoint = d->t.endpoint,
		.rule = POLICY_NO_RULE };
}

static void
judge_one(struct decision *d, const struct op *op, struct op_verdict *out)
{
	AUTO_BUF struct buf server = BUF_INIT(TARGET_PATH_MAX * 3 + 300);
	struct px_conn *c = d->c;

	*out = (struct op_verdict) { .allow = true, .v = as_of_path(d) };
	if (op->free)
		return;
	out->allow =
	    px_judge_op(c, c->snap, &d->r, &op->op, &out->v, &out->why);
	out->audit = out->v.enforcement == POLICY_AUDIT;
	if (out->v.policy == NULL)
		out->v = as_of_path(d);
	if (!out->allow || op->tool.n == 0 || c->px->tools == NULL)
		return;
	mcp_server_name(c, &server);
	if (!toolbook_held(
		c->px->tools, buf_view(&server), op->tool, c->px->generation))
		return;
	out->allow = out->audit = false;
	(void)snprintf(out->why.text, sizeof(out->why.text),
	    "the tool %.*s is held: its description or schema is not the one "
	    "first seen; setting the policy again accepts the new one",
	    (int)op->tool.n, op->tool.p);
}

/* What the rules lack for it; nothing helps a tool that is held. */
static void
suggest(struct decision *d, const struct op *op, const struct op_verdict *v,
    struct buf *hint)
{
	struct px_conn *c = d->c;
	const struct px_owner *o =
	    c->denied_owner != NULL ? c->denied_owner : &c->owners[0];

	if (!v->allow)
		policy_suggest_op(c->snap, &o->who, view_of(c->dst.host),
		    c->dst.port, &d->r, &op->op, hint);
}

static void
record_one(struct decision *d, const struct op *op, const struct op_verdict *v,
    bool denied, struct view hint)
{
	px_set_verdict(d->c, &v->v);
	if (!v->allow)
		record(d, v->audit ? AUDIT_AUDIT : AUDIT_DENY, op,
		    view_of(v->why.text), hint);
	else if (denied)
		record(d, AUDIT_DENY, op,
		    VIEW("another operation of the same batch was denied"),
		    VIEW(""));
	else
		record(d, AUDIT_ALLOW, op, VIEW(""), VIEW(""));
}

/* Asks about all, records all; MORE when the request may go. */
static enum px_next
judge_all(struct decision *d)
{
	struct ops *o = &d->ops;
	struct op_verdict *v = ARENA_ARRAY(&o->arena, o->n, struct op_verdict);
	AUTO_BUF struct buf hint = BUF_INIT(4096);
	size_t denied = o->n;

	for (size_t i = 0; i < o->n; i++) {
		judge_one(d, &o->v[i], &v[i]);
		if (!v[i].allow && !v[i].audit && denied == o->n) {
			denied = i;
			suggest(d, &o->v[i], &v[i], &hint);
		}
	}
	for (size_t i = 0; i < o->n; i++)
		record_one(d, &o->v[i], &v[i], denied < o->n,
		    i == denied ? buf_view(&hint) : VIEW(""));
	if (o->n == 0) /* a stream of the server opens, a session ends */
		record(d, AUDIT_ALLOW, NULL, VIEW(""), VIEW(""));
	if (denied == o->n)
		return PX_MORE;
	px_set_verdict(d->c, &v[denied].v);
	return answer(d, &o->v[denied], v[denied].why.text, buf_view(&hint));
}

/* The bytes are not of the protocol. */
static enum px_next
reject(struct decision *d, const struct err *why)
{
	struct policy_reason text;

	(void)snprintf(text.text, sizeof(text.text), "%s: %s",
	    d->reader->rejected, why->text);
	px_set_policy(d->c, d->t.policy, d->t.endpoint);
	if (d->t.enforcement == POLICY_AUDIT) {
		record(d, AUDIT_AUDIT, NULL, view_of(text.text), VIEW(""));
		return PX_MORE;
	}
	record(d, AUDIT_DENY, NULL, view_of(text.text), VIEW(""));
	return answer(d, NULL, text.text, VIEW(""));
}

/* ---- the request --------------------------------------------------------- */

/* The one field of that name; more than one is for nobody to choose. */
static int
only_field(const struct h1_head *h, struct view name, struct view *value,
    struct err *e)
{
	size_t n = 0;

	*value = (struct view) { NULL, 0 };
	for (size_t i = 0; i < h->n_fields; i++)
		if (view_eq_nocase(h->fields[i].name, name)) {
			*value = h->fields[i].value;
			n++;
		}
	return n < 2 ? 0
		     : err_set(e, ERR_PROTO, "more than one %.*s field",
			   (int)name.n, name.p);
}

static int
check_media(const struct h1_head *h, struct view body, struct err *e)
{
	struct view coding, type;

	if (only_field(h, VIEW("content-encoding"), &coding, e) < 0 ||
	    only_field(h, VIEW("content-type"), &type, e) < 0)
		return -1;
	if (coding.n > 0 && !view_eq_nocase(coding, VIEW("identity")))
		return err_set(e, ERR_PROTO,
		    "the request body is compressed, but must be inspected: "
		    "send it without Content-Encoding");
	if (body.n > 0 && !ops_media_type(type, VIEW("application/json")))
		return err_set(e, ERR_PROTO,
		    "the request body must be inspected: send it as "
		    "application/json in UTF-8");
	return 0;
}

/* Answers that are looked at must come as they are. */
static void
ask_for_identity(struct h1_head *h)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (view_eq_nocase(h->fields[i].name, VIEW("accept-encoding")))
			h->fields[i].value = VIEW("identity");
}

static enum px_next
decide(struct decision *d, struct h1_head *h, struct view body)
{
	struct px_conn *c = d->c;
	struct ops_request r = { d->r.method, d->r.query, body, &d->t, h };
	struct err e;

	if (c->hx.want_upgrade) {
		(void)err_set(&e, ERR_PROTO, "an upgrade to another protocol");
		return reject(d, &e);
	}
	if (check_media(h, body, &e) < 0)
		return hx_refuse(c, 415, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	if (d->reader->read(&d->ops, &r, &e) < 0)
		return reject(d, &e);
	return judge_all(d);
}

static enum px_next
whole(struct px_conn *c, struct h1_head *h, struct buf *body)
{
	struct decision d = { .c = c, .r = hx_under_way(c) };
	enum px_next next;
	struct err e;

	px_pin(c);
	if (!px_treat_request(c, c->snap, d.r.path, &d.t) ||
	    (d.reader = ops_reader(d.t.protocol)) == NULL) {
		(void)err_set(&e, ERR_DENIED,
		    "the policy changed while the request came in");
		return hx_refuse(c, 403, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	}
	next = decide(&d, h, buf_view(body));
	ops_fini(&d.ops);
	if (next != PX_MORE)
		return next;
	if (d.t.protocol == POLICY_PROTO_MCP)
		ask_for_identity(h);
	/* To ask again when the policy changes under the answer. */
	hx_ops_end(c);
	c->hx.ops_body = BUF_INIT(HX_HELD_MAX);
	buf_put(&c->hx.ops_body, buf_view(body));
	c->px->held += c->hx.ops_body.n;
	return PX_MORE;
}

void
hx_ops_end(struct px_conn *c)
{
	c->px->held -= c->hx.ops_body.n;
	buf_fini(&c->hx.ops_body);
}

bool
hx_ops_still_allowed(struct px_conn *c)
{
	struct decision d = { .c = c, .r = hx_under_way(c) };
	struct ops_request r;
	struct op_verdict v;
	bool allow = true;
	struct err e;

	/* Not whole yet: it will be asked about then. */
	if (!c->hx.operations || c->hx.held.on || c->ws != NULL)
		return true;
	if (!px_treat_request(c, c->snap, d.r.path, &d.t) ||
	    (d.reader = ops_reader(d.t.protocol)) == NULL)
		return false;
	r = (struct ops_request) { d.r.method, d.r.query,
		buf_view(&c->hx.ops_body), &d.t, NULL };
	if (d.reader->read(&d.ops, &r, &e) < 0)
		allow = d.t.enforcement == POLICY_AUDIT;
	for (size_t i = 0; allow && i < d.ops.n; i++) {
		judge_one(&d, &d.ops.v[i], &v);
		allow = v.allow || v.audit;
	}
	ops_fini(&d.ops);
	return allow;
}

const struct hx_holder hold_ops = { wants, whole, NULL };
