/*
 * hx_request: a request between its parsed head and the bytes that go out:
 * what it is about, whether it may, and how it is written.
 */
#include "base/mem.h"
#include "http/grpc.h"
#include "proxy/hx.h"
#include "proxy/ops.h"

#include "proxy/creds.h"

bool
hx_repeatable(const struct h1_head *h)
{
	return !hx_has_body(h) && !h->upgrade &&
	       (view_eq(h->method, VIEW("GET")) ||
		   view_eq(h->method, VIEW("HEAD")) ||
		   view_eq(h->method, VIEW("OPTIONS")));
}

bool
hx_binds(const struct h1_head *h, struct view name)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		struct view rest = h->fields[i].value, unused;

		if (!view_eq_nocase(h->fields[i].name, name))
			continue;
		while (rest.p != NULL) {
			struct view item =
			    view_trim(view_cut(rest, ',', &rest));
			struct view scheme = view_cut(item, ' ', &unused);

			if (view_eq_nocase(scheme, VIEW("negotiate")) ||
			    view_eq_nocase(scheme, VIEW("ntlm")))
				return true;
		}
	}
	return false;
}

enum px_next
hx_refuse(struct px_conn *c, unsigned status, const struct err *e)
{
	return px_fail(
	    c, status, AUDIT_HTTP_REFUSED, "parse", "bad_request", e->text, e);
}

static enum px_next
deny(struct px_conn *c, const char *shown_policy,
    const struct policy_reason *why)
{
	bool forward = c->mode == PX_MODE_FORWARD;
	AUTO_BUF struct buf hint = BUF_INIT(4096);
	struct deny d = { .status = 403,
		.error = "policy_denied",
		.layer = "l7",
		.protocol = "rest",
		.policy = view_of(shown_policy),
		.detail = view_of(why->text),
		.method = view_of(c->hx.method),
		.path = buf_view(&c->hx.path),
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.binary = px_binary(c) };
	struct policy_request r = hx_under_way(c);
	struct policy_op op;
	const struct px_owner *o =
	    c->denied_owner != NULL ? c->denied_owner : &c->owners[0];

	/* No rule helps a request that says two things. */
	if (c->hx.override == NULL && c->conn.protocol == POLICY_PROTO_GRPC &&
	    px_grpc_op(c, d.path, &op) == NULL) {
		d.protocol = "grpc";
		policy_suggest_op(
		    c->snap, &o->who, d.host, d.port, &r, &op, &hint);
	} else if (c->hx.override == NULL) {
		policy_suggest(
		    c->snap, &o->who, d.host, d.port, d.method, d.path, &hint);
	}
	d.suggestion = buf_view(&hint);
	px_event_request(c, forward ? AUDIT_FORWARD_L7 : AUDIT_L7_REQUEST,
	    AUDIT_DENY, forward ? "forward-l7-deny" : "l7", d.method, d.path,
	    buf_view(&c->hx.query), d.detail, d.suggestion);
	return px_reply(c, &d);
}

struct policy_request
hx_under_way(struct px_conn *c)
{
	struct policy_request r = { view_of(c->hx.method),
		buf_view(&c->hx.path), { 0 } };

	if (c->hx.has_query)
		r.query =
		    (struct view) { c->hx.query.p != NULL ? c->hx.query.p : "",
			    c->hx.query.n };
	return r;
}

const struct policy_treatment *
hx_treatment(struct px_conn *c)
{
	struct hx *x = &c->hx;
	uint64_t generation = snapshot_generation(c->snap);

	if (x->treated != x->requests || x->treated_generation != generation) {
		(void)px_treat_request(
		    c, c->snap, buf_view(&x->path), &x->treatment);
		x->treated = x->requests;
		x->treated_generation = generation;
	}
	return &x->treatment;
}

/* What the rules say, and that nothing in the head says otherwise. */
static bool
permitted(struct px_conn *c, const struct policy_request *r,
    struct policy_verdict *v, struct policy_reason *why)
{
	if (!px_judge_request(c, c->snap, r, v, why))
		return false;
	if (v->operations && ops_reader(v->protocol) == NULL &&
	    !px_judge_grpc(c, c->snap, r, v, why))
		return false;
	return hx_override_permitted(c, r, v, why);
}

/* Attack: a server that decodes it sees another path than was judged. */
static bool
slash_permitted(struct px_conn *c, struct err *e)
{
	struct view path = buf_view(&c->hx.path);
	struct policy_treatment t;

	if (!target_has_slash(path) ||
	    (px_treat_request(c, c->snap, path, &t) && t.allow_encoded_slash))
		return true;
	(void)err_set(e, ERR_INVALID,
	    "request-target holds an encoded slash, which needs an endpoint "
	    "with allow_encoded_slash");
	return false;
}

enum px_next
hx_judge(struct px_conn *c)
{
	bool forward = c->mode == PX_MODE_FORWARD, audit;
	struct policy_request r = hx_under_way(c);
	struct policy_verdict v;
	struct policy_reason why UNINIT;
	struct err e UNINIT;

	px_pin(c);
	why.text[0] = '\0';
	c->hx.operations = false;
	c->hx.inspected = policy_protocol_is_inspected(c->conn.protocol);
	if (!slash_permitted(c, &e))
		return hx_refuse(c, 400, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	if (!c->hx.inspected) {
		/* A forwarded one is recorded as FORWARD once connected. */
		if (!forward)
			px_event_request(c, AUDIT_HTTP_REQUEST, AUDIT_ALLOW, "",
			    r.method, r.path, r.query, VIEW(""), VIEW(""));
		return PX_MORE;
	}
	if (permitted(c, &r, &v, &why)) {
		px_set_verdict(c, &v);
		/* Each operation is a record of its own. */
		c->hx.operations = v.operations;
		if (!v.operations)
			px_event_request(c,
			    forward ? AUDIT_FORWARD_L7 : AUDIT_L7_REQUEST,
			    AUDIT_ALLOW, "", r.method, r.path, r.query,
			    VIEW(""), VIEW(""));
		return PX_MORE;
	}
	/* Not of the rule that let the request before this one through. */
	px_set_verdict(c, &v);
	audit = v.enforcement == POLICY_AUDIT;
	if (v.bad_query) {
		(void)err_set(&e, ERR_INVALID, "%.400s", why.text);
		return hx_refuse(c, 400, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	}
	if (!audit)
		return deny(c, c->policy, &why) == PX_MORE ? PX_WAIT : PX_CLOSE;
	px_event_request(c, forward ? AUDIT_FORWARD_L7 : AUDIT_L7_REQUEST,
	    AUDIT_AUDIT, "l7_audit", r.method, r.path, r.query,
	    view_of(why.text), VIEW(""));
	return PX_MORE;
}

/*
 * Policy and records see a placeholder's place, not its name; what is no
 * placeholder stays, and is refused when it is sent.
 */
static void
put_path(struct px_conn *c, struct view path)
{
	struct err ignored;

	buf_reset(&c->hx.path);
	buf_reset(&c->hx.wire_path);
	if (ph_marked(path) && rw_path_shown(path, &c->hx.path, &ignored) > 0)
		buf_put(&c->hx.wire_path, path);
	else
		buf_put(&c->hx.path, path);
}

int
hx_target(struct px_conn *c, struct view raw, struct err *e)
{
	struct target t;
	/* Whether it may be there, hx_judge asks once it knows who asks. */
	int r = target_canonical(raw, true, &t, e);

	if (r == 0) {
		put_path(c, buf_view(&t.path));
		buf_reset(&c->hx.query);
		c->hx.has_query = t.query.p != NULL;
		buf_put(&c->hx.query, t.query);
		if (c->hx.path.full || c->hx.query.full)
			r = err_set(e, ERR_LIMIT, "request-target is too long");
	}
	target_fini(&t);
	return r;
}

unsigned
hx_target_status(const struct err *e)
{
	return e->code == ERR_LIMIT ? 414 : 400;
}

static uint16_t
default_port(const struct px_conn *c)
{
	return c->tls ? 443 : 80;
}

static bool
is_destination(const struct px_conn *c, const struct authority *a)
{
	return a->port == c->dst.port && strcmp(a->host, c->dst.host) == 0;
}

/*
 * Attack: another virtual host behind the same address.  The target's and the
 * Host field's authority must be what was judged at CONNECT.
 */
static int
check_authority(struct px_conn *c, const struct h1_head *h, struct view *rest,
    unsigned *status, struct err *e)
{
	struct authority a;
	bool https;

	*rest = h->target;
	*status = 400;
	if (h->n_host == 1) {
		/* Without a port it can only mean this tunnel's. */
		if (authority_parse(h->host, c->dst.port, &a, e) < 0)
			return err_wrap(e, "Host field");
		if (!is_destination(c, &a)) {
			*status = 421;
			return err_set(e, ERR_DENIED,
			    "Host %s:%u is not the destination of this tunnel, "
			    "%s:%u",
			    a.host, a.port, c->dst.host, c->dst.port);
		}
	}
	if (h->target.n == 0 || h->target.p[0] == '/' ||
	    view_eq(h->target, VIEW("*")))
		return 0;
	buf_reset(&c->px->scratch);
	if (absolute_parse(h->target, &https, &a, rest, &c->px->scratch, e) < 0)
		return -1;
	*status = 421;
	if (https != c->tls || !is_destination(c, &a))
		return err_set(e, ERR_DENIED,
		    "the request names another host than the tunnel");
	return 0;
}

bool
hx_asterisk(struct px_conn *c, const struct h1_head *h, struct view rest)
{
	bool bare = view_eq(h->method, VIEW("OPTIONS")) &&
		    view_eq(rest, VIEW("/")) &&
		    h->target.p[h->target.n - 1] != '/';

	if (!bare && !view_eq(rest, VIEW("*")))
		return false;
	put_path(c, VIEW("*"));
	buf_reset(&c->hx.query);
	c->hx.has_query = false;
	return true;
}

int
hx_check(struct px_conn *c, const struct h1_head *h, bool *asterisk,
    unsigned *status, struct err *e)
{
	const struct h1_field *up = h1_find(h, VIEW("upgrade"));
	struct view rest;

	*status = 405;
	if (view_eq_nocase(h->method, VIEW("CONNECT")) ||
	    view_eq(h->method, VIEW("TRACE")))
		return err_set(e, ERR_DENIED, "%.*s is not allowed here",
		    (int)h->method.n, h->method.p);
	*status = 400;
	if (h1_find(h, VIEW("http2-settings")) != NULL ||
	    (up != NULL && view_eq_nocase(up->value, VIEW("h2c"))))
		return err_set(
		    e, ERR_DENIED, "an upgrade to HTTP/2 is not supported");
	if (check_authority(c, h, &rest, status, e) < 0)
		return -1;
	*status = 400;
	*asterisk = hx_asterisk(c, h, rest);
	if (*asterisk)
		return view_eq(h->method, VIEW("OPTIONS"))
			   ? 0
			   : err_set(e, ERR_INVALID, "target * needs OPTIONS");
	if (hx_target(c, rest, e) == 0)
		return 0;
	*status = hx_target_status(e);
	return -1;
}

void
hx_put_authority(const struct px_conn *c, struct buf *out)
{
	bool v6 = strchr(c->dst.host, ':') != NULL;

	if (v6)
		buf_putc(out, '[');
	buf_puts(out, c->dst.host);
	if (v6)
		buf_putc(out, ']');
	if (c->dst.port != default_port(c))
		buf_printf(out, ":%u", c->dst.port);
}

/* The request-target as it goes out, and behind it the host; its length. */
static size_t
put_parts(struct px_conn *c, const struct creds_edit *ed, bool asterisk,
    struct buf *parts)
{
	size_t cut;

	if (asterisk) {
		buf_putc(parts, '*');
	} else {
		buf_put(parts, ed->on ? ed->path : buf_view(&c->hx.path));
		if (c->hx.has_query)
			buf_putc(parts, '?');
		buf_put(parts, ed->on ? ed->query : buf_view(&c->hx.query));
	}
	cut = parts->n;
	hx_put_authority(c, parts);
	return cut;
}

static int
write_head(struct px_conn *c, const struct h1_head *h,
    const struct creds_edit *ed, bool asterisk, struct err *e)
{
	struct buf *out = &c->px->scratch, *parts = &c->px->parts;
	struct h1_field via = { VIEW("Via"), VIEW("1.1 openshell-sandbox") };
	struct h1_write w = { .upgrade = c->hx.want_upgrade };
	size_t cut = put_parts(c, ed, asterisk, parts);

	w.target = view_slice(buf_view(parts), 0, cut);
	w.host = view_slice(buf_view(parts), cut, parts->n);
	if (c->mode == PX_MODE_FORWARD) {
		w.close = true;
		if (h1_find(h, VIEW("via")) == NULL) {
			w.extra = &via;
			w.n_extra = 1;
		}
	}
	if (h1_write_request(h, &w, out, e) < 0)
		return -1;
	if (out->n > px_out_room(&c->up))
		return err_set(e, ERR_LIMIT, "request head does not fit");
	px_put(&c->up, buf_view(out));
	if (c->reused && hx_repeatable(h))
		buf_put(&c->hx.replay, buf_view(out));
	return 0;
}

/* Room from the start, so that no copy of a secret stays where it grew. */
static void
secret_begin(struct buf *b)
{
	(void)buf_reserve(b, b->max);
}

static void
secret_end(struct buf *b)
{
	mem_wipe(b->p, b->n);
	buf_reset(b);
}

int
hx_send_head(
    struct px_conn *c, const struct h1_head *h, bool asterisk, struct err *e)
{
	struct buf *out = &c->px->scratch, *parts = &c->px->parts;
	CLEANUP(creds_edit_fini) struct creds_edit ed = { .on = false };
	int rc;

	if (creds_edit(c, h, &ed, e) < 0)
		return -1;
	buf_reset(out);
	buf_reset(parts);
	if (!ed.on)
		return write_head(c, h, &ed, asterisk, e);
	secret_begin(out);
	secret_begin(parts);
	rc = write_head(c, &ed.head, &ed, asterisk, e);
	secret_end(out);
	secret_end(parts);
	return rc;
}

void
hx_send_continue(struct px_conn *c, const struct h1_head *h)
{
	if (!h->expect_continue || h->minor == 0 || c->hx.req.done ||
	    px_in(&c->client).n > 0)
		return;
	px_put(&c->client, VIEW("HTTP/1.1 100 Continue\r\n\r\n"));
	c->hx.sent_continue = true;
}

int
hx_send(struct px_conn *c, const struct h1_head *h, size_t head_n,
    bool asterisk, struct err *e)
{
	c->hx.req.guarded = creds_guards(c, h);
	if (hx_hold_begin(c, h, head_n, asterisk))
		return 0;
	if (hx_send_head(c, h, asterisk, e) < 0)
		return -1;
	px_eat(&c->client, head_n);
	hx_send_continue(c, h);
	return 0;
}

void
hx_begin(struct px_conn *c, const struct h1_head *h)
{
	struct hx *x = &c->hx;
	size_t n;

	n = MIN(h->method.n, sizeof(x->method) - 1);
	memcpy(x->method, h->method.p, n);
	x->method[n] = '\0';
	x->active = true;
	x->override = hx_override(h);
	x->grpc = grpc_is(h);
	x->head_begun = false;
	x->client_keeps =
	    h->keep_alive && h->minor == 1 && c->mode == PX_MODE_CONNECT;
	x->client_minor0 = h->minor == 0;
	x->want_websocket = h1_is_websocket(h);
	x->want_upgrade =
	    h->upgrade && h->framing == H1_BODY_NONE &&
	    c->mode == PX_MODE_CONNECT &&
	    (x->want_websocket || c->conn.protocol == POLICY_PROTO_NONE);
	x->sent_continue = x->started = x->injected = x->unframed = false;
	x->body_hash[0] = x->used[0] = '\0';
	x->interim = 0;
	x->resp_state = HX_RESP_HEAD;
	x->scanned = x->scanned_up = 0;
	x->requests++;
	c->unpooled |= h->upgrade || hx_binds(h, VIEW("authorization"));
	hx_body_start(&x->req, h);
}
