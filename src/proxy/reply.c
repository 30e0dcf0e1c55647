/*
 * reply: answers of our own to the client, and the records of what was
 * decided.  Every path that refuses something ends here, so that refusing and
 * recording cannot come apart.
 */
#include "proxy/px.h"

#include "audit/event.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proxy/advisor.h"
#include "proxy/synth.h"
#include "proxy/told.h"

enum {
	SUGGESTION_MAX = 4096,
	NAMES_MAX = 512,
	/* More than a record shows: it then says that it was cut. */
	FIELDS_MAX = 2048,
	ALERT_INTERNAL_ERROR = 80,
	WAY_MAX = ADDR_TEXT_MAX + 48
};

void
px_put_ancestors(const struct px_owner *o, struct buf *out)
{
	for (size_t i = 0; i < o->who.n_ancestors; i++) {
		if (i > 0)
			buf_puts(out, " -> ");
		buf_put(out, o->who.ancestors[i]);
	}
}

static const struct px_owner *
asker(const struct px_conn *c)
{
	if (c->denied_owner != NULL)
		return c->denied_owner;
	return c->n_owners > 0 ? &c->owners[0] : NULL;
}

struct view
px_binary(const struct px_conn *c)
{
	const struct px_owner *o = asker(c);

	return o != NULL ? o->who.exe : VIEW("-");
}

/* Causes are lines of an error; records and answers show one line. */
static void
put_one_line(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\n')
			buf_puts(out, ": ");
		else
			buf_putc(out, v.p[i]);
}

/* The way it came and goes: the address that the program itself connected to,
 * and the operator's proxy. */
static struct view
way(const struct px_conn *c, char out[WAY_MAX])
{
	static const char through[] = "through the upstream proxy";
	char addr[ADDR_TEXT_MAX];

	if (c->direct)
		(void)snprintf(out, WAY_MAX, "direct, to %s%s%s",
		    c->orig.family != 0 ? addr_format(&c->orig, addr) : "-",
		    c->through ? ", " : "", c->through ? through : "");
	else
		(void)snprintf(out, WAY_MAX, "%s", through);
	return view_of(out);
}

/* What the program was told to run, once for all that it asks then. */
static bool
is_of_connection(enum audit_kind kind)
{
	return kind == AUDIT_CONNECT || kind == AUDIT_CONNECT_L7 ||
	       kind == AUDIT_FORWARD;
}

/* Who asked and where to. */
static void
put_connection(struct px_conn *c, struct audit_event *ev)
{
	const struct px_owner *o = asker(c);
	struct buf *ancestors = &c->px->ancestors;

	ev->binary = px_binary(c);
	if (o != NULL) {
		buf_reset(ancestors);
		px_put_ancestors(o, ancestors);
		ev->ancestors = buf_view(ancestors);
		ev->pid = o->pid;
		ev->sha256 = o->sha256;
		if (is_of_connection(ev->kind))
			ev->cmdline = o->who.cmdline;
	}
	if (is_of_connection(ev->kind) && c->src.family != 0) {
		ev->src_addr = view_of(addr_format(&c->src, c->px->src_text));
		ev->src_port = c->src_port;
		ev->proxy_addr = view_of(c->px->proxy_text);
	}
	ev->host = view_of(c->dst.host);
	ev->port = c->dst.port;
	ev->policy = c->policy[0] != '\0' ? view_of(c->policy) : VIEW("-");
	if (ev->action != AUDIT_DENY && ev->action != AUDIT_AUDIT)
		ev->rule = view_of(c->rule);
	ev->generation =
	    c->snap != NULL ? snapshot_generation(c->snap) : c->px->generation;
	ev->connection = c->serial;
}

/* Why a policy did not allow it, and what would: for the record alone. */
static void
explain(struct px_conn *c, struct audit_event *ev, const struct policy_op *op,
    struct buf *hint)
{
	const struct px_owner *o = asker(c);
	struct policy_nearest *near = &c->px->nearest;
	struct policy_request r = { ev->method, ev->path, { NULL, 0 } };

	near->where[0] = near->miss[0] = '\0';
	if ((ev->action != AUDIT_DENY && ev->action != AUDIT_AUDIT) ||
	    !audit_is_verdict(ev) || o == NULL || c->snap == NULL ||
	    c->identity_err.code != ERR_NONE)
		return;
	if (ev->method.n > 0 && c->hx.has_query)
		r.query = buf_view(&c->hx.query);
	if (op != NULL)
		policy_nearest_op(
		    c->snap, &o->who, ev->host, ev->port, &r, op, near);
	else
		policy_nearest(c->snap, &o->who, ev->host, ev->port, &r, near);
	ev->nearest = view_of(near->where);
	ev->miss = view_of(near->miss);
	if (ev->suggestion.n > 0 || ev->action == AUDIT_DENY)
		return;
	if (op != NULL)
		policy_suggest_op(
		    c->snap, &o->who, ev->host, ev->port, &r, op, hint);
	else
		policy_suggest(c->snap, &o->who, ev->host, ev->port, ev->method,
		    ev->path, hint);
	ev->suggestion = buf_view(hint);
}

static void
record(struct px_conn *c, struct audit_event *ev, const struct policy_op *op)
{
	AUTO_BUF struct buf reason = BUF_INIT(POLICY_REASON_MAX * 2);
	AUTO_BUF struct buf hint = BUF_INIT(SUGGESTION_MAX);
	char text[WAY_MAX];

	if (!px_events_wants(&c->px->events, ev->action))
		return;
	put_one_line(&reason, ev->reason);
	ev->reason = buf_view(&reason);
	put_connection(c, ev);
	explain(c, ev, op, &hint);
	if (c->direct || c->through)
		ev->detail = way(c, text);
	px_events_add(&c->px->events, ev);
	c->event_id = c->px->nearest_id = ev->event_id;
}

void
px_event(struct px_conn *c, enum audit_kind kind, enum audit_action action,
    const char *stage, struct view reason, struct view suggestion)
{
	struct audit_event ev = { .kind = kind,
		.action = action,
		.stage = view_of(stage),
		.reason = reason,
		.suggestion = suggestion };

	record(c, &ev, NULL);
}

/* "a, b" of "a=1&b=2": values may be secrets of the user and are not kept. */
static void
put_query_names(struct view query, struct buf *out)
{
	bool first = true;

	while (query.n > 0) {
		struct view rest, value;
		struct view name =
		    view_cut(view_cut(query, '&', &rest), '=', &value);

		if (name.n > 0) {
			if (!first)
				buf_puts(out, ", ");
			buf_put(out, name);
			first = false;
		}
		query = rest;
	}
}

/* "viewer, repository": each once, as rules are about them. */
static void
put_fields(const struct policy_op *op, struct buf *out)
{
	for (size_t i = 0;
	     op != NULL && op->kind == POLICY_OP_GRAPHQL && i < op->n_fields;
	     i++) {
		bool before = false;

		for (size_t k = 0; k < i && !before; k++)
			before = view_eq(op->fields[k], op->fields[i]);
		if (before)
			continue;
		if (out->n > 0)
			buf_puts(out, ", ");
		buf_put(out, op->fields[i]);
	}
}

void
px_event_operation(struct px_conn *c, enum audit_kind kind,
    enum audit_action action, const char *stage,
    const struct px_request_event *r, struct view reason,
    struct view suggestion)
{
	AUTO_BUF struct buf names = BUF_INIT(NAMES_MAX);
	AUTO_BUF struct buf fields = BUF_INIT(FIELDS_MAX);
	struct audit_event ev = { .kind = kind,
		.action = action,
		.stage = view_of(stage),
		.scheme = c->tls && c->mode != PX_MODE_FORWARD ? VIEW("https")
							       : VIEW("http"),
		.method = r->method,
		.path = r->path,
		.operation = r->operation,
		.tool = r->tool,
		.reason = reason,
		.suggestion = suggestion };

	if (!px_events_wants(&c->px->events, action))
		return;
	put_query_names(r->query, &names);
	put_fields(r->op, &fields);
	ev.query_names = buf_view(&names);
	ev.fields = buf_view(&fields);
	record(c, &ev, r->op);
}

void
px_event_request(struct px_conn *c, enum audit_kind kind,
    enum audit_action action, const char *stage, struct view method,
    struct view path, struct view query, struct view reason,
    struct view suggestion)
{
	struct px_request_event r = {
		.method = method, .path = path, .query = query
	};

	px_event_operation(c, kind, action, stage, &r, reason, suggestion);
}

void
px_event_proposal(
    struct px_conn *c, struct view names, struct view intent, struct view yaml)
{
	AUTO_BUF struct buf reason = BUF_INIT(names.n + intent.n + 8);
	struct audit_event ev = { .kind = AUDIT_PROPOSED,
		.action = AUDIT_INFO,
		.stage = VIEW("advisor"),
		.suggestion = yaml };

	buf_put(&reason, names);
	buf_puts(&reason, ": ");
	buf_put(&reason, intent);
	ev.reason = buf_view(&reason);
	record(c, &ev, NULL);
}

/*
 * Sends it and lets the client read it before the connection goes; a client
 * whose ClientHello waits is told in TLS's words, an alert.
 */
enum px_next
px_reply(struct px_conn *c, const struct deny *d)
{
	AUTO_BUF struct buf text = BUF_INIT(DENY_MAX);
	struct deny told = *d;

	/* It did not ask a proxy: an answer of one would be noise to it, unless
	 * it is known to speak HTTP. */
	if (c->direct && !c->plain_http && !c->tls && c->l7 == NULL) {
		px_close(c, true);
		return PX_CLOSE;
	}
	told.event_id = c->event_id;
	told.advisor = advisor_is_on(c->px);
	if (c->event_id == c->px->nearest_id) {
		told.nearest = view_of(c->px->nearest.where);
		told.miss = view_of(c->px->nearest.miss);
	}
	if (c->hx.grpc)
		deny_grpc(&told, &text);
	else
		deny_response(&told, &text);
	if (text.full || text.n > px_out_room(&c->client))
		return PX_CLOSE;
	if (c->tls && !px_end_is_tls(&c->client))
		px_tls_alert(&c->client, ALERT_INTERNAL_ERROR);
	else
		px_put(&c->client, buf_view(&text));
	px_go(c, PX_LINGER);
	return PX_MORE;
}

/*
 * After a final answer: flush, FIN, then read away what the client still
 * sends, for two seconds and 256 KiB at most.  Closing with unread bytes would
 * send RST, and the client could lose the answer (RFC 9112 section 9.6).
 */
enum px_next
px_linger(struct px_conn *c)
{
	struct err e;
	enum px_io_result r;

	c->up.reading = false;
	r = px_flush(&c->client, &e);
	if (r == PX_IO_FAIL)
		return PX_CLOSE;
	if (r == PX_IO_AGAIN) {
		c->client.reading = false;
		return PX_WAIT;
	}
	px_end_fin(&c->client);
	while (!c->client.eof) {
		px_eat(&c->client, px_in(&c->client).n);
		r = px_fill(&c->client, &e);
		if (r == PX_IO_AGAIN)
			break;
		if (r != PX_IO_OK || ++c->lingered > 64)
			return PX_CLOSE;
	}
	c->client.reading = true;
	return c->client.eof ? PX_CLOSE : PX_WAIT;
}

/* What every refusal of a connection says; the authority goes to `target`. */
static struct deny
deny_l4(const struct px_conn *c, const char *error, struct buf *target)
{
	bool forward = c->mode == PX_MODE_FORWARD;

	buf_printf(target, strchr(c->dst.host, ':') ? "[%s]:%u" : "%s:%u",
	    c->dst.host, c->dst.port);
	return (struct deny) { .status = 403,
		.error = error,
		.layer = "l4",
		.protocol = forward ? "http" : "connect",
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.binary = px_binary(c),
		.method = forward ? view_of(c->hx.method) : VIEW("CONNECT"),
		.path = forward ? buf_view(&c->hx.path) : buf_view(target) };
}

enum px_next
px_deny_dest(
    struct px_conn *c, const struct addr *v, size_t n, const struct err *why)
{
	AUTO_BUF struct buf target = BUF_INIT(HOST_MAX + 16);
	AUTO_BUF struct buf hint = BUF_INIT(SUGGESTION_MAX);
	struct deny d = deny_l4(c, "ssrf_denied", &target);

	d.policy = view_of(c->policy);
	/* Attack: mapping the inside; addresses go to the record only. */
	d.detail = addr_port_blocked(c->dst.port)
		       ? view_of(why->text)
		       : VIEW("the destination's address is not one that this "
			      "policy lets the sandbox reach");
	dest_suggest(c->dst.port, v, n, &c->px->dest, &hint);
	if (c->mode == PX_MODE_FORWARD)
		px_event_request(c, AUDIT_FORWARD, AUDIT_DENY, "ssrf", d.method,
		    d.path, buf_view(&c->hx.query), view_of(why->text),
		    buf_view(&hint));
	else
		px_event(c, AUDIT_CONNECT, AUDIT_DENY, "ssrf",
		    view_of(why->text), buf_view(&hint));
	return px_reply(c, &d);
}

/*
 * What is recorded of a refused direct connection, or false: the same was a
 * moment ago.  Its client may not even know that it is refused, and try again
 * as fast as it can.
 */
static bool
tell_direct(struct px_conn *c, const struct policy_reason *why,
    char out[POLICY_REASON_MAX + 160])
{
	struct view parts[] = { VIEW("direct"), px_binary(c),
		view_of(c->dst.host),
		{ (const char *)&c->dst.port, sizeof(c->dst.port) } };
	uint64_t held;
	size_t n;

	if (!told_tell(told_of(&c->px->told), told_key(parts, ARRAY_LEN(parts)),
		false, uv_now(&c->px->loop), &held))
		return false;
	n = (size_t)snprintf(out, POLICY_REASON_MAX + 160, "%s", why->text);
	if (c->dst.literal && synth_is(&c->orig))
		n += (size_t)snprintf(out + n, 100,
		    "; the address stands for no name any more: look the name "
		    "up again");
	if (held > 0)
		(void)snprintf(out + n, 50, "; %llu like it before",
		    (unsigned long long)held);
	return true;
}

/* The verdict over the connection was no. */
enum px_next
px_deny_conn(struct px_conn *c, const struct policy_reason *why)
{
	AUTO_BUF struct buf hint = BUF_INIT(SUGGESTION_MAX);
	AUTO_BUF struct buf target = BUF_INIT(HOST_MAX + 16);
	struct deny d = deny_l4(c, "policy_denied", &target);
	const struct px_owner *o = asker(c);
	bool forward = c->mode == PX_MODE_FORWARD;
	char told[POLICY_REASON_MAX + 160];

	if (c->direct && !tell_direct(c, why, told))
		return px_reply(c, &d);
	d.detail = view_of(c->direct ? told : why->text);
	/* No rule helps a program that was changed. */
	if (o != NULL && c->identity_err.code == ERR_NONE)
		policy_suggest(c->snap, &o->who, d.host, d.port,
		    forward ? d.method : VIEW(""), forward ? d.path : VIEW(""),
		    &hint);
	d.suggestion = buf_view(&hint);
	if (forward)
		px_event_request(c, AUDIT_FORWARD, AUDIT_DENY, "forward",
		    d.method, d.path, buf_view(&c->hx.query), d.detail,
		    d.suggestion);
	else
		px_event(c, AUDIT_CONNECT, AUDIT_DENY, "connect", d.detail,
		    d.suggestion);
	return px_reply(c, &d);
}

/*
 * Refuses for a reason other than policy: `shown` goes to the sandbox,
 * `recorded` (which may name internal addresses) only into the record.
 */
enum px_next
px_fail(struct px_conn *c, unsigned status, enum audit_kind kind,
    const char *stage, const char *error, const char *shown,
    const struct err *recorded)
{
	AUTO_BUF struct buf detail = BUF_INIT(POLICY_REASON_MAX * 2);
	struct deny d = { .status = status,
		.error = error,
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.method = view_of(c->hx.method) };

	put_one_line(&detail, view_of(shown));
	d.detail = buf_view(&detail);
	px_event(c, kind, AUDIT_DENY, stage, view_of(recorded->text), VIEW(""));
	return px_reply(c, &d);
}
