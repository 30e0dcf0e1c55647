/*
 * connect: the first request head, strictly parsed, and CONNECT.
 *
 * The identity is asked for only once there is a head that could be answered
 * with a yes, so that junk costs nobody else anything.
 */
#include "proxy/px.h"

#include "base/mem.h"
#include "proxy/creds.h"
#include "proxy/local.h"

enum px_next
px_refuse_head(
    struct px_conn *c, unsigned status, const char *stage, const struct err *e)
{
	c->dst = c->mode == PX_MODE_CONNECT && c->step == PX_READ_HEAD
		     ? (struct authority) { 0 }
		     : c->dst;
	return px_fail(
	    c, status, AUDIT_HTTP_REFUSED, stage, "bad_request", e->text, e);
}

static enum px_next
start_connect(struct px_conn *c, const struct h1_head *h, size_t head_n)
{
	struct err e;
	struct authority host;

	if (authority_parse(h->target, 0, &c->dst, &e) < 0) {
		(void)err_wrap(&e, "CONNECT wants host:port");
		return px_refuse_head(c, 400, "connect", &e);
	}
	/* Host is of no consequence here, but must not be something else. */
	if (h->n_host == 1 && h->host.n > 0 &&
	    (authority_parse(h->host, c->dst.port, &host, &e) < 0 ||
		strcmp(host.host, c->dst.host) != 0)) {
		(void)err_set(
		    &e, ERR_INVALID, "Host differs from the CONNECT target");
		return px_refuse_head(c, 400, "connect", &e);
	}
	if (h->framing != H1_BODY_NONE && h->content_length > 0) {
		(void)err_set(&e, ERR_INVALID, "CONNECT with a body");
		return px_refuse_head(c, 400, "connect", &e);
	}
	/* Some programs look the name up and then ask for the address. */
	px_name_synthetic(c);
	/* What follows the head are the first bytes of the tunnel. */
	px_eat(&c->client, head_n);
	px_go(c, PX_IDENTIFY);
	return PX_MORE;
}

static enum px_next
dispatch(struct px_conn *c, struct view head)
{
	struct h1_head h;
	struct h1_refusal refusal = { 400 };
	struct err e;

	if (h1_parse_request(head, &h, &refusal, &e) < 0)
		return px_refuse_head(c, refusal.status, "parse", &e);
	(void)snprintf(c->hx.method, sizeof(c->hx.method), "%.*s",
	    (int)h.method.n, h.method.p);
	if (view_eq(h.method, VIEW("CONNECT")))
		return start_connect(c, &h, head.n);
	c->mode = PX_MODE_FORWARD;
	return px_forward_start(c, &h, head.n);
}

enum px_next
px_read_head(struct px_conn *c)
{
	struct err e;
	ssize_t n;

	for (;;) {
		n = px_in(&c->client).n == 0
			? 0
			: h1_head_end(px_in(&c->client), H1_REQUEST_HEAD_MAX,
			      &c->scanned, &e);
		if (n < 0)
			return px_refuse_head(
			    c, e.code == ERR_LIMIT ? 431 : 400, "parse", &e);
		if (n > 0)
			break;
		switch (px_fill(&c->client, &e)) {
		case PX_IO_OK:
			continue;
		case PX_IO_AGAIN:
			c->client.reading = true;
			return PX_WAIT;
		case PX_IO_EOF:
		case PX_IO_FAIL:
			return PX_CLOSE;
		}
	}
	/* ctl does not take records: stop here, nothing passes unrecorded. */
	if (px_waits_events(c)) {
		c->client.reading = false;
		return PX_WAIT;
	}
	return dispatch(c, view_slice(px_in(&c->client), 0, (size_t)n));
}

/* Request after request falls to the same rule: it is written out once. */
static void
set_place(struct px_conn *c, struct px_place at)
{
	if (c->rule[0] != '\0' && c->place.endpoint == at.endpoint &&
	    c->place.rule == at.rule &&
	    c->place.by_deny_rule == at.by_deny_rule)
		return;
	c->place = at;
	if (at.rule == POLICY_NO_RULE)
		(void)snprintf(
		    c->rule, sizeof(c->rule), "endpoints[%u]", at.endpoint);
	else
		(void)snprintf(c->rule, sizeof(c->rule), "endpoints[%u].%s[%u]",
		    at.endpoint, at.by_deny_rule ? "deny_rules" : "rules",
		    at.rule);
}

static void
set_key(struct px_conn *c, const char *key)
{
	size_t n = strnlen(key, sizeof(c->policy) - 1);

	memcpy(c->policy, key, n);
	c->policy[n] = '\0';
}

void
px_set_policy(struct px_conn *c, const char *key, unsigned endpoint)
{
	set_key(c, key != NULL ? key : "");
	if (key != NULL)
		set_place(
		    c, (struct px_place) { endpoint, POLICY_NO_RULE, false });
	else
		c->rule[0] = '\0';
}

void
px_set_verdict(struct px_conn *c, const struct policy_verdict *v)
{
	if (v->policy == NULL)
		return;
	set_key(c, v->policy);
	set_place(c, (struct px_place) { v->endpoint, v->rule,
			 v->rule != POLICY_NO_RULE && v->by_deny_rule });
}

/*
 * Attack: data in the labels of a name that only a wildcard allows, which is
 * asked for outside now.  The bounds are those of the policy DNS, so that they
 * hold whether or not the program looks it up first.
 */
static int
bound_name(struct px_conn *c, struct err *e)
{
	struct view host = view_of(c->dst.host);
	struct addr v4, v6;

	if (c->dst.literal || policy_names(c->snap, host) == POLICY_NAME_EXACT)
		return 0;
	return px_name(c->px, host, true, &v4, &v6, e);
}

enum px_next
px_decide(struct px_conn *c)
{
	const struct px_local *local = px_local_find(view_of(c->dst.host));
	struct policy_reason why;
	struct err e;

	px_pin(c);
	c->judged = false;
	px_set_policy(c, NULL, 0);
	if (local != NULL)
		return local->serve(c);
	if (!px_judge_conn(c, c->snap, &c->conn, &why)) {
		if (!px_wants_peek(c))
			return px_deny_conn(c, &why);
		px_go(c, PX_PEEK);
		return PX_MORE;
	}
	px_set_policy(c, c->conn.policy, c->conn.endpoint);
	if (bound_name(c, &e) < 0)
		return px_fail(c, 403, AUDIT_CONNECT, "connect",
		    "policy_denied", e.text, &e);
	c->judged = true;
	if (creds_gate(c, &e) < 0)
		return px_fail(c, 403, AUDIT_CONNECT, "credentials",
		    "credential_endpoint_uninspected", e.text, &e);
	if (c->mode == PX_MODE_FORWARD)
		return px_forward_judge(c);
	px_go(c, PX_RESOLVE);
	return PX_MORE;
}

/* The destination is connected. */
enum px_next
px_answer(struct px_conn *c)
{
	if (c->mode == PX_MODE_FORWARD) {
		c->l7 = &l7_http;
		px_go(c, PX_L7);
		return px_forward_send(c);
	}
	if (c->parent != NULL) { /* a kept one was found for a stream */
		px_go(c, PX_L7);
		return px_end_is_tls(&c->up) == c->tls ? PX_MORE : px_redial(c);
	}
	px_event(c,
	    policy_protocol_is_inspected(c->conn.protocol) ? AUDIT_CONNECT_L7
							   : AUDIT_CONNECT,
	    AUDIT_ALLOW, "", VIEW(""), VIEW(""));
	c->event_done = true;
	if (!c->direct)
		px_put(&c->client,
		    VIEW("HTTP/1.1 200 Connection Established\r\n\r\n"));
	if (c->conn.tls == POLICY_TLS_SKIP ||
	    c->conn.protocol == POLICY_PROTO_SQL)
		px_go(c, PX_RAW);
	else
		px_go(c, PX_SNIFF);
	return PX_MORE;
}
