/*
 * l7_http: HTTP/1.1 between client and upstream, request by request.
 *
 * One request is under way at a time; what the client pipelines behind it
 * stays in its buffer and is judged on its own (Attack: a second request
 * riding on the first).  A head is parsed, judged and written anew from what
 * was parsed; a body is decoded and framed anew, so that not one byte goes on
 * by being next to something allowed.  State per body is O(1).
 *
 *   idle -> head judged -> request body | response head -> body -> idle
 *
 * The response may begin before the request body ends (early refusal); then
 * the connection does not live on.
 */
#include "proxy/px.h"

#include "base/log.h"
#include "proxy/hx.h"

enum {
	IDLE_MS = 75000,
	HEAD_MS = 15000,
	QUIET_BODY_MS = 300000,
	DIRECT_MIN = 4096, /* from here copying costs more than a write */
	CHUNK_ROOM = 32 /* size line and line ends around one piece */
};

static bool
has_body(const struct h1_head *h)
{
	return h->framing != H1_BODY_NONE &&
	       (h->framing != H1_BODY_LENGTH || h->content_length > 0);
}

static void
body_start(struct hx_body *b, const struct h1_head *h)
{
	b->framing = h->framing;
	b->left = h->content_length;
	b->done = !has_body(h);
	h1_chunk_init(&b->chunk);
}

/* ---- the upstream connection and the pool ------------------------------ */

/* A request that does the same when the upstream gets it twice. */
static bool
repeatable(const struct h1_head *h)
{
	return !has_body(h) && !h->upgrade &&
	       (view_eq(h->method, VIEW("GET")) ||
		   view_eq(h->method, VIEW("HEAD")) ||
		   view_eq(h->method, VIEW("OPTIONS")));
}

/* Schemes that log in the connection, not the request: RFC 4559. */
static bool
binds(const struct h1_head *h, struct view name)
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

/* The client is done with it: the next one may have it. */
static void
leave_upstream(struct px_conn *c)
{
	struct hx *x = &c->hx;

	if (c->mode == PX_MODE_CONNECT && !c->unpooled && !x->head_begun &&
	    c->conn.protocol == POLICY_PROTO_REST && !x->active &&
	    (c->reused || (x->upstream_keeps && x->req.done && x->resp.done)))
		px_pool_give(c);
}

/* The upstream ended without a byte of an answer. */
static bool
may_repeat(const struct px_conn *c)
{
	return c->reused && c->hx.replay.n > 0 && c->hx.interim == 0 &&
	       !c->hx.started && px_in(&c->up).n == 0;
}

static void
put_chunk(struct px_end *to, struct view data)
{
	char line[24];
	struct buf b = { .p = line, .cap = sizeof(line), .max = sizeof(line) };

	h1_write_chunk_head(&b, data.n);
	px_put(to, buf_view(&b));
	px_put(to, data);
	px_put(to, H1_CHUNK_END);
}

/* One piece of a chunked body. */
static enum px_io_result
move_chunked(struct hx_body *b, struct px_end *from, struct px_end *to,
    bool rechunk, struct err *e)
{
	struct view in = px_in(from), data = { 0 };
	size_t room = px_out_room(to);
	ssize_t used;

	if (room < DIRECT_MIN)
		return PX_IO_AGAIN;
	in.n = MIN(in.n, room - CHUNK_ROOM);
	used = h1_chunk_feed(&b->chunk, in, &data, e);
	if (used < 0)
		return PX_IO_FAIL;
	if (data.n > 0 && rechunk)
		put_chunk(to, data);
	else
		px_put(to, data);
	px_eat(from, (size_t)used);
	b->done = b->chunk.done;
	if (b->done && rechunk)
		px_put(to, H1_CHUNK_LAST);
	return PX_IO_OK;
}

/* One piece of a body whose bytes are its data. */
static enum px_io_result
move_plain(
    struct hx_body *b, struct px_end *from, struct px_end *to, struct err *e)
{
	struct view v = px_in(from);
	enum px_io_result r = PX_IO_OK;
	size_t n = 0;

	if (b->framing == H1_BODY_LENGTH && v.n > b->left)
		v.n = (size_t)b->left;
	if (px_out_pending(to) == 0 && (v.n >= DIRECT_MIN || to->blocked)) {
		r = px_write_through(to, v, &n, e);
		if (r == PX_IO_FAIL)
			r = PX_IO_AGAIN; /* `failed` says it */
	} else {
		n = MIN(v.n, px_out_room(to));
		px_put(to, view_slice(v, 0, n));
		if (n == 0)
			return PX_IO_AGAIN;
	}
	px_eat(from, n);
	if (b->framing == H1_BODY_LENGTH) {
		b->left -= n;
		b->done = b->left == 0;
	}
	return r;
}

/*
 * As much of the body as there is and fits.  OK when it is whole; AGAIN when
 * either side must come first; EOF, FAIL as px_fill, or a broken chunk.
 */
static enum px_io_result
move_body(struct hx_body *b, struct px_end *from, struct px_end *to,
    bool rechunk, bool *progress, struct err *e)
{
	enum px_io_result r;

	while (!b->done) {
		if (to->failed)
			return PX_IO_AGAIN;
		if (px_in(from).n == 0) {
			r = px_fill(from, e);
			if (r != PX_IO_OK)
				return r;
		}
		r = b->framing == H1_BODY_CHUNKED
			? move_chunked(b, from, to, rechunk, e)
			: move_plain(b, from, to, e);
		if (r != PX_IO_OK)
			return r;
		*progress = true;
	}
	return PX_IO_OK;
}

/* ---- requests ---------------------------------------------------------- */

static enum px_next
refuse(struct px_conn *c, unsigned status, const struct err *e)
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
	const struct px_owner *o =
	    c->denied_owner != NULL ? c->denied_owner : &c->owners[0];

	policy_suggest(
	    c->snap, &o->who, d.host, d.port, d.method, d.path, &hint);
	d.suggestion = buf_view(&hint);
	px_event_request(c, forward ? AUDIT_FORWARD_L7 : AUDIT_L7_REQUEST,
	    AUDIT_DENY, forward ? "forward-l7-deny" : "l7", d.method, d.path,
	    buf_view(&c->hx.query), d.detail, d.suggestion);
	return px_reply(c, &d);
}

static struct policy_request
under_way(struct px_conn *c)
{
	struct policy_request r = { view_of(c->hx.method),
		buf_view(&c->hx.path), { 0 } };

	if (c->hx.has_query)
		r.query =
		    (struct view) { c->hx.query.p != NULL ? c->hx.query.p : "",
			    c->hx.query.n };
	return r;
}

const char *
hx_override(const struct h1_head *h)
{
	static const char *const names[] = { "X-HTTP-Method-Override",
		"X-HTTP-Method", "X-Method-Override", "X-Original-URL",
		"X-Rewrite-URL" };

	for (size_t i = 0; i < h->n_fields; i++) {
		struct view name = h->fields[i].name;

		if (name.n < 13 || (name.p[0] | 0x20) != 'x')
			continue;
		for (size_t j = 0; j < ARRAY_LEN(names); j++)
			if (view_eq_nocase(name, view_of(names[j])))
				return names[j];
	}
	return NULL;
}

/* What the rules say, and that nothing in the head says otherwise. */
static bool
permitted(struct px_conn *c, const struct policy_request *r,
    struct policy_verdict *v, struct policy_reason *why)
{
	if (!px_judge_request(c, c->snap, r, v, why))
		return false;
	if (c->hx.override == NULL)
		return true;
	(void)snprintf(why->text, sizeof(why->text),
	    "%s may make the server act on another method or path than the one "
	    "that was judged: send the real ones in the request line",
	    c->hx.override);
	return false;
}

/* The rules' answer to the request under way, recorded.  MORE: it may go. */
enum px_next
hx_judge(struct px_conn *c)
{
	bool forward = c->mode == PX_MODE_FORWARD, audit;
	struct policy_request r = under_way(c);
	struct policy_verdict v;
	struct policy_reason why;
	struct err e;

	px_pin(c);
	why.text[0] = '\0';
	c->hx.inspected = c->conn.protocol == POLICY_PROTO_REST;
	if (!c->hx.inspected) {
		/* A forwarded one is recorded as FORWARD once connected. */
		if (!forward)
			px_event_request(c, AUDIT_HTTP_REQUEST, AUDIT_ALLOW, "",
			    r.method, r.path, r.query, VIEW(""), VIEW(""));
		return PX_MORE;
	}
	if (permitted(c, &r, &v, &why)) {
		px_set_policy(c, v.policy);
		px_event_request(c,
		    forward ? AUDIT_FORWARD_L7 : AUDIT_L7_REQUEST, AUDIT_ALLOW,
		    "", r.method, r.path, r.query, VIEW(""), VIEW(""));
		return PX_MORE;
	}
	/* Not of the rule that let the request before this one through. */
	if (v.policy != NULL)
		px_set_policy(c, v.policy);
	audit = c->conn.enforcement == POLICY_AUDIT;
	if (v.bad_query) {
		(void)err_set(&e, ERR_INVALID, "%.400s", why.text);
		return refuse(c, 400, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	}
	if (!audit)
		return deny(c, c->policy, &why) == PX_MORE ? PX_WAIT : PX_CLOSE;
	px_event_request(c, forward ? AUDIT_FORWARD_L7 : AUDIT_L7_REQUEST,
	    AUDIT_AUDIT, "l7_audit", r.method, r.path, r.query,
	    view_of(why.text), VIEW(""));
	return PX_MORE;
}

/* Keeps the canonical target of the request under way. */
int
hx_target(struct px_conn *c, struct view raw, struct err *e)
{
	struct target t;
	int r = target_canonical(raw, false, &t, e);

	if (r == 0) {
		buf_reset(&c->hx.path);
		buf_put(&c->hx.path, buf_view(&t.path));
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

static int
check_request(struct px_conn *c, const struct h1_head *h, struct view *rest,
    unsigned *status, struct err *e)
{
	const struct h1_field *up = h1_find(h, VIEW("upgrade"));

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
	if (check_authority(c, h, rest, status, e) < 0)
		return -1;
	*status = 400;
	if (view_eq(*rest, VIEW("*"))) {
		if (view_eq(h->method, VIEW("OPTIONS")))
			return 0;
		return err_set(e, ERR_INVALID, "target * needs OPTIONS");
	}
	if (hx_target(c, *rest, e) == 0)
		return 0;
	*status = hx_target_status(e);
	return -1;
}

static void
put_authority(const struct px_conn *c, struct buf *out)
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

/*
 * Sends the judged head upstream and eats it.  0, or -1 with the reason.
 */
int
hx_send(struct px_conn *c, const struct h1_head *h, size_t head_n,
    bool asterisk, struct err *e)
{
	struct buf *out = &c->px->scratch;
	AUTO_BUF struct buf parts =
	    BUF_INIT(TARGET_PATH_MAX * 3 + TARGET_MAX + HOST_MAX + 64);
	struct h1_field via = { VIEW("Via"), VIEW("1.1 openshell-sandbox") };
	struct h1_write w = { .upgrade = c->hx.want_upgrade };
	size_t cut;

	if (asterisk) {
		buf_putc(&parts, '*');
	} else {
		buf_put(&parts, buf_view(&c->hx.path));
		if (c->hx.has_query)
			buf_putc(&parts, '?');
		buf_put(&parts, buf_view(&c->hx.query));
	}
	cut = parts.n;
	put_authority(c, &parts);
	w.target = view_slice(buf_view(&parts), 0, cut);
	w.host = view_slice(buf_view(&parts), cut, parts.n);
	if (c->mode == PX_MODE_FORWARD) {
		w.close = true;
		if (h1_find(h, VIEW("via")) == NULL) {
			w.extra = &via;
			w.n_extra = 1;
		}
	}
	buf_reset(out);
	if (h1_write_request(h, &w, out, e) < 0)
		return -1;
	if (out->n > px_out_room(&c->up))
		return err_set(e, ERR_LIMIT, "request head does not fit");
	px_put(&c->up, buf_view(out));
	if (c->reused && repeatable(h))
		buf_put(&c->hx.replay, buf_view(out));
	if (h->expect_continue && h->minor == 1 && !c->hx.req.done &&
	    px_in(&c->client).n == head_n) {
		px_put(&c->client, VIEW("HTTP/1.1 100 Continue\r\n\r\n"));
		c->hx.sent_continue = true;
	}
	px_eat(&c->client, head_n);
	return 0;
}

/* The head is parsed: the state of a new request. */
void
hx_begin(struct px_conn *c, const struct h1_head *h)
{
	struct hx *x = &c->hx;
	const struct h1_field *up = h1_find(h, VIEW("upgrade"));

	(void)snprintf(x->method, sizeof(x->method), "%.*s", (int)h->method.n,
	    h->method.p);
	x->active = true;
	x->override = hx_override(h);
	x->head_begun = false;
	x->client_keeps =
	    h->keep_alive && h->minor == 1 && c->mode == PX_MODE_CONNECT;
	x->client_minor0 = h->minor == 0;
	x->want_websocket = up != NULL && h->upgrade &&
			    view_eq_nocase(up->value, VIEW("websocket"));
	x->want_upgrade =
	    h->upgrade && h->framing == H1_BODY_NONE &&
	    c->mode == PX_MODE_CONNECT &&
	    (x->want_websocket || c->conn.protocol == POLICY_PROTO_NONE);
	x->sent_continue = x->started = false;
	x->interim = 0;
	x->resp_state = HX_RESP_HEAD;
	x->scanned = x->scanned_up = 0;
	x->requests++;
	c->unpooled |= h->upgrade || binds(h, VIEW("authorization"));
	body_start(&x->req, h);
}

static enum px_next
on_head(struct px_conn *c, struct view bytes, bool *progress)
{
	struct h1_head h;
	struct h1_refusal refusal = { 400 };
	struct err e;
	struct view rest;
	unsigned status;
	bool asterisk;
	enum px_next next;

	if (h1_parse_request(bytes, &h, &refusal, &e) < 0)
		return refuse(c, refusal.status, &e);
	if (c->reused && !repeatable(&h) && c->rested >= POOL_FRESH_MS)
		return px_redial(c);
	hx_begin(c, &h);
	if (check_request(c, &h, &rest, &status, &e) < 0)
		return refuse(c, status, &e);
	asterisk = view_eq(rest, VIEW("*"));
	if (asterisk) {
		buf_reset(&c->hx.path);
		buf_putc(&c->hx.path, '*');
		buf_reset(&c->hx.query);
		c->hx.has_query = false;
	}
	next = hx_judge(c);
	if (next != PX_MORE)
		return next == PX_WAIT ? PX_MORE : PX_CLOSE;
	if (hx_send(c, &h, bytes.n, asterisk, &e) < 0)
		return refuse(c, 400, &e);
	px_deadline(c, QUIET_BODY_MS);
	*progress = true;
	return PX_WAIT;
}

/* Between requests. */
static enum px_next
idle(struct px_conn *c, bool *progress)
{
	struct err e;
	enum px_io_result r = px_fill(&c->up, &e);
	ssize_t n;

	/* Bytes that nobody asked for could be taken for the next answer
	 * (Attack: response queue poisoning). */
	if (r != PX_IO_AGAIN && c->reused)
		return px_redial(c);
	if (r != PX_IO_AGAIN) {
		px_go(c, PX_LINGER);
		return PX_MORE;
	}
	if (px_out_pending(&c->client) > 0)
		return PX_WAIT; /* answers are read before more is asked */
	if (px_in(&c->client).n == 0) {
		r = px_fill(&c->client, &e);
		if (r == PX_IO_EOF || r == PX_IO_FAIL) {
			leave_upstream(c);
			return PX_CLOSE;
		}
		if (r == PX_IO_AGAIN)
			return PX_WAIT;
	}
	if (!c->hx.head_begun) {
		c->hx.head_begun = true;
		px_deadline(c, HEAD_MS);
	}
	n = h1_head_end(
	    px_in(&c->client), H1_REQUEST_HEAD_MAX, &c->hx.scanned, &e);
	if (n < 0)
		return refuse(c, e.code == ERR_LIMIT ? 431 : 400, &e);
	if (n == 0) {
		r = px_fill(&c->client, &e);
		*progress = r == PX_IO_OK;
		return r == PX_IO_EOF || r == PX_IO_FAIL ? PX_CLOSE : PX_WAIT;
	}
	if (px_events_full(&c->px->events)) {
		c->waits_events = c->px->events_waited = true;
		return PX_WAIT;
	}
	return on_head(
	    c, view_slice(px_in(&c->client), 0, (size_t)n), progress);
}

/* ---- responses --------------------------------------------------------- */

/*
 * Half an answer must not look whole.  A framed body says so itself, and TLS
 * by the missing close_notify; only a bare body in the clear needs RST, which
 * costs the client what it has not read yet.
 */
static void
cut(struct px_conn *c)
{
	struct err e;

	if (px_flush(&c->client, &e) != PX_IO_OK)
		LOG_DEBUG("CUT", KV_STR("reason", e.text));
	px_close(c, !c->tls && c->hx.resp.framing == H1_BODY_UNTIL_CLOSE);
}

/* The upstream broke off or talks nonsense. */
static enum px_next
upstream_lost(struct px_conn *c, const char *what, const struct err *e)
{
	struct err told;

	(void)err_set(&told, ERR_IO, "%s: %.300s", what, e->text);
	if (!c->hx.started)
		return px_fail(c, 502, AUDIT_UPSTREAM_FAILED, "response",
		    "upstream_failed", what, &told);
	px_event(c, AUDIT_UPSTREAM_FAILED, AUDIT_DENY, "response",
	    view_of(told.text), VIEW(""));
	cut(c);
	return PX_CLOSE;
}

static enum px_next
interim(struct px_conn *c, const struct h1_head *h, size_t n)
{
	struct err e;
	bool skip =
	    c->hx.client_minor0 || (h->status == 100 && c->hx.sent_continue);

	px_eat(&c->up, n);
	c->hx.scanned_up = 0;
	if (++c->hx.interim > PX_INTERIM_MAX) {
		(void)err_set(&e, ERR_LIMIT, "more than %d interim responses",
		    PX_INTERIM_MAX);
		return upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	}
	if (!skip)
		px_put(&c->client, buf_view(&c->px->scratch));
	return PX_WAIT;
}

/* 101: the connection leaves HTTP. */
static enum px_next
switch_protocols(struct px_conn *c, const struct h1_head *h, size_t n)
{
	const struct h1_field *up = h1_find(h, VIEW("upgrade"));
	struct err e;

	if (!c->hx.want_upgrade || up == NULL ||
	    (c->hx.inspected &&
		!view_eq_nocase(up->value, VIEW("websocket")))) {
		(void)err_set(&e, ERR_PROTO, "101 that was not asked for");
		return upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	}
	px_eat(&c->up, n);
	px_put(&c->client, buf_view(&c->px->scratch));
	if (c->hx.inspected)
		px_event_request(c, AUDIT_CONNECT_L7, AUDIT_ALLOW, "",
		    view_of(c->hx.method), buf_view(&c->hx.path),
		    buf_view(&c->hx.query), VIEW("upgrade"), VIEW(""));
	c->last_io = 0;
	px_go(c, PX_RAW);
	return PX_MORE;
}

static enum px_next
on_response(struct px_conn *c, struct view bytes, bool *progress)
{
	struct hx *x = &c->hx;
	struct h1_head h;
	struct h1_write w = { 0 };
	struct err e;

	if (h1_parse_response(bytes, view_of(x->method), &h, &e) < 0)
		return upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	c->reused = false;
	buf_fini(&x->replay);
	c->unpooled |= binds(&h, VIEW("www-authenticate"));
	x->upstream_keeps =
	    h.keep_alive && h.framing != H1_BODY_UNTIL_CLOSE && x->req.done;
	w.upgrade = h.status == 101;
	w.bare = h.framing == H1_BODY_CHUNKED && x->client_minor0;
	w.close = h.status >= 200 && (!x->client_keeps || !x->upstream_keeps);
	buf_reset(&c->px->scratch);
	if (h1_write_response(&h, &w, &c->px->scratch, &e) < 0)
		return upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	if (c->px->scratch.n > px_out_room(&c->client))
		return PX_WAIT; /* until the client takes what is there */
	*progress = true;
	if (h.status == 101)
		return switch_protocols(c, &h, bytes.n);
	if (h.status < 200)
		return interim(c, &h, bytes.n);
	px_put(&c->client, buf_view(&c->px->scratch));
	px_eat(&c->up, bytes.n);
	x->started = true;
	x->rechunk = h.framing == H1_BODY_CHUNKED && !w.bare;
	if (w.close)
		x->client_keeps = false;
	body_start(&x->resp, &h);
	x->resp_state = x->resp.done ? HX_RESP_DONE : HX_RESP_BODY;
	return PX_WAIT;
}

static enum px_next
response_head(struct px_conn *c, bool *progress)
{
	struct err e;
	ssize_t n = px_in(&c->up).n == 0
			? 0
			: h1_head_end(px_in(&c->up), H1_RESPONSE_HEAD_MAX,
			      &c->hx.scanned_up, &e);

	if (n < 0)
		return upstream_lost(
		    c, "the upstream's answer is not valid", &e);
	if (n > 0)
		return on_response(
		    c, view_slice(px_in(&c->up), 0, (size_t)n), progress);
	switch (px_fill(&c->up, &e)) {
	case PX_IO_OK:
		*progress = true;
		return PX_WAIT;
	case PX_IO_AGAIN:
		return PX_WAIT;
	case PX_IO_EOF:
		(void)err_set(&e, ERR_IO, "connection closed");
		break;
	case PX_IO_FAIL:
		break;
	}
	if (may_repeat(c))
		return px_redial(c);
	return upstream_lost(c, "the upstream closed before it answered", &e);
}

static enum px_next
response_body(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;
	struct err e;

	switch (
	    move_body(&x->resp, &c->up, &c->client, x->rechunk, progress, &e)) {
	case PX_IO_OK:
		x->resp_state = HX_RESP_DONE;
		*progress = true;
		return PX_WAIT;
	case PX_IO_AGAIN:
		return c->client.failed ? PX_CLOSE : PX_WAIT;
	case PX_IO_EOF:
		if (x->resp.framing == H1_BODY_UNTIL_CLOSE) {
			x->resp.done = true;
			x->resp_state = HX_RESP_DONE;
			*progress = true;
			return PX_WAIT;
		}
		(void)err_set(&e, ERR_IO, "connection closed");
		break;
	case PX_IO_FAIL:
		break;
	}
	return upstream_lost(c, "the upstream broke off its answer", &e);
}

static enum px_next
request_body(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;
	struct err e;

	switch (move_body(&x->req, &c->client, &c->up,
	    x->req.framing == H1_BODY_CHUNKED, progress, &e)) {
	case PX_IO_OK:
	case PX_IO_AGAIN:
		return PX_WAIT;
	case PX_IO_EOF:
		break;
	case PX_IO_FAIL:
		if (c->client.eof)
			break;
		/* A broken chunk; the upstream never sees the end of it. */
		if (!x->started)
			return refuse(c, 400, &e);
		break;
	}
	px_close(c, true);
	return PX_CLOSE;
}

/* One answer went over whole. */
static enum px_next
finish(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;

	x->active = false;
	if (!x->client_keeps || !x->upstream_keeps || !x->req.done ||
	    px_in(&c->up).n > 0) {
		leave_upstream(c);
		px_go(c, PX_LINGER);
		return PX_MORE;
	}
	px_deadline(c, IDLE_MS);
	*progress = true;
	return PX_WAIT;
}

static enum px_next
turn(struct px_conn *c, bool *progress)
{
	struct hx *x = &c->hx;
	struct err e;
	enum px_next next;

	(void)px_flush(&c->up, &e);
	if (px_flush(&c->client, &e) == PX_IO_FAIL)
		return PX_CLOSE;
	/* A head and what is there of its body go in one write. */
	if (!x->active) {
		next = idle(c, progress);
		if (next == PX_WAIT && x->active && !x->req.done)
			next = request_body(c, progress);
		return next;
	}
	if (!x->req.done) {
		next = request_body(c, progress);
		if (next != PX_WAIT)
			return next;
	} else if (px_fill(&c->client, &e) == PX_IO_FAIL) {
		return PX_CLOSE;
	}
	if (x->resp_state == HX_RESP_HEAD) {
		next = response_head(c, progress);
		if (next == PX_WAIT && x->resp_state == HX_RESP_BODY)
			next = response_body(c, progress);
	} else if (x->resp_state == HX_RESP_BODY)
		next = response_body(c, progress);
	else
		next = finish(c, progress);
	return next;
}

enum px_next
l7_http_run(struct px_conn *c)
{
	bool progress, any = false;
	enum px_next next;

	if (c->deadline == 0)
		px_deadline(c, IDLE_MS);
	if (c->hx.replay.n > 0 && !c->reused) { /* dialled again for it */
		px_put(&c->up, buf_view(&c->hx.replay));
		buf_fini(&c->hx.replay);
	}
	do {
		progress = false;
		next = turn(c, &progress);
		if (next != PX_WAIT)
			return next;
		any |= progress;
	} while (progress);
	if (any && c->hx.active)
		px_deadline(c, QUIET_BODY_MS);
	c->client.reading = !px_in_full(&c->client);
	c->up.reading = !px_in_full(&c->up);
	return PX_WAIT;
}

static enum px_next
late(struct px_conn *c)
{
	struct err e;

	if (c->hx.active && !c->hx.started) {
		(void)err_set(&e, ERR_LIMIT, "no answer within %d seconds",
		    QUIET_BODY_MS / 1000);
		return px_fail(c, 504, AUDIT_UPSTREAM_FAILED, "response",
		    "upstream_failed", e.text, &e);
	}
	if (!c->hx.active && c->hx.head_begun) {
		(void)err_set(&e, ERR_LIMIT,
		    "the request head was not complete within %d seconds",
		    HEAD_MS / 1000);
		return refuse(c, 408, &e);
	}
	if (c->hx.active)
		cut(c);
	return PX_CLOSE;
}

static int
sniff(struct view first)
{
	return first.n > 0 && first.p[0] >= 'A' && first.p[0] <= 'Z';
}

/* In the newest snapshot, which rejudge.c has pinned. */
static bool
still_allowed(struct px_conn *c)
{
	struct policy_request r = under_way(c);
	struct policy_verdict v;
	struct policy_reason why;

	if (!c->hx.active || c->conn.protocol != POLICY_PROTO_REST ||
	    c->conn.enforcement == POLICY_AUDIT)
		return true;
	return px_judge_request(c, c->snap, &r, &v, &why);
}

const struct l7_proto l7_http = { "rest", sniff, l7_http_run, late,
	still_allowed };

enum px_next
px_l7(struct px_conn *c)
{
	return c->l7->run(c);
}
