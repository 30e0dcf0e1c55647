#include "proxy/ws.h"

#include <stdlib.h>

#include "base/mem.h"
#include "proxy/creds.h"
#include "proxy/hx.h"
#include "proxy/mw.h"
#include "proxy/ops.h"
#include "proxy/ws_session.h"

enum { WS_IDLE_MS = 4 * 3600 * 1000, EXTENSIONS_MAX = 2048 };

/* From the handshake of the client to the end. */
struct px_ws {
	char accept[WS_ACCEPT_SIZE]; /* what the server must answer */
	struct buf offer; /* extensions, as they go on */
	struct ws_deflate client, server; /* agreed on */
	struct ws_session s;
	bool begun;
	struct assembly clock; /* of the text coming in */
	bool fills; /* placeholders in text */
	bool
	    rewrites; /* text may be written anew; nothing is compressed then */
	struct mw_talk *talk; /* with those who look at text; mw.h */
	struct buf seen; /* what they made of the message; empty: nothing */
	size_t counted; /* of px->held */
};

/* ---- the handshake ------------------------------------------------------- */

/* Whether anybody has a say in the messages of what is asked for. */
static bool
judges_messages(struct px_conn *c)
{
	struct policy_treatment t;

	return c->hx.want_websocket &&
	       px_treat_request(c, c->snap, buf_view(&c->hx.path), &t) &&
	       (mw_sees(c) || t.protocol == POLICY_PROTO_WEBSOCKET ||
		   t.protocol == POLICY_PROTO_GRAPHQL || t.rewrite_websocket);
}

static bool
inspects(struct px_conn *c)
{
	return c->hx.inspected && judges_messages(c);
}

bool
px_ws_passes_unseen(struct px_conn *c)
{
	return c->hx.active && !c->hx.held.on && c->ws == NULL &&
	       judges_messages(c);
}

static size_t
wants(struct px_conn *c, const struct h1_head *h)
{
	(void)h;
	return inspects(c) ? 1 : 0;
}

/* RFC 6455 section 4.2.1. */
static int
check_offer(const struct px_conn *c, const struct h1_head *h, struct err *e)
{
	const struct h1_field *key = h1_find(h, VIEW("sec-websocket-key"));
	const struct h1_field *version =
	    h1_find(h, VIEW("sec-websocket-version"));
	size_t n = 0;

	for (size_t i = 0; i < h->n_fields; i++)
		n += view_eq_nocase(
			 h->fields[i].name, VIEW("sec-websocket-key")) ||
		     view_eq_nocase(
			 h->fields[i].name, VIEW("sec-websocket-version"));
	if (!c->hx.want_upgrade || !view_eq(h->method, VIEW("GET")))
		return err_set(e, ERR_PROTO,
		    "a WebSocket upgrade that is not a plain GET");
	if (n != 2 || key == NULL || version == NULL ||
	    !ws_key_valid(key->value) || !view_eq(version->value, VIEW("13")))
		return err_set(e, ERR_PROTO,
		    "Sec-WebSocket-Key or Sec-WebSocket-Version is missing or "
		    "not valid");
	return 0;
}

/* Nothing may be agreed on that makes text unreadable to us. */
static void
replace_extensions(struct h1_head *h, struct view offer)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n_fields; i++) {
		if (view_eq_nocase(
			h->fields[i].name, VIEW("sec-websocket-extensions"))) {
			if (offer.n == 0)
				continue;
			h->fields[i].value = offer;
			offer = VIEW("");
		}
		h->fields[kept++] = h->fields[i];
	}
	h->n_fields = kept;
}

static enum px_next
whole(struct px_conn *c, struct h1_head *h, struct buf *body)
{
	const struct h1_field *key;
	struct px_ws *ws;
	struct err e;

	(void)body;
	if (check_offer(c, h, &e) < 0)
		return hx_refuse(c, 400, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	px_ws_end(c);
	c->ws = ws = NEW(struct px_ws);
	ws->offer = BUF_INIT(EXTENSIONS_MAX);
	ws->fills = creds_terms(c)->rewrite_websocket;
	ws->rewrites = ws->fills || mw_sees(c);
	key = h1_find(h, VIEW("sec-websocket-key"));
	ws_accept(key->value, ws->accept);
	for (size_t i = 0; i < h->n_fields && !ws->rewrites; i++)
		if (view_eq_nocase(
			h->fields[i].name, VIEW("sec-websocket-extensions")))
			ws_extensions_offer(h->fields[i].value, &ws->offer);
	replace_extensions(h, buf_view(&ws->offer));
	return PX_MORE;
}

const struct hx_holder hold_ws = { wants, whole, NULL };

/* The answer: RFC 6455 section 4.1, "the client MUST validate". */
static int
head(struct px_conn *c, struct h1_head *h, void **state, struct err *e)
{
	const struct h1_field *accept =
	    h1_find(h, VIEW("sec-websocket-accept"));
	struct view extensions = VIEW("");
	struct px_ws *ws = c->ws;
	size_t n = 0;

	(void)state;
	if (ws == NULL || h->status != 101)
		return 0;
	if (accept == NULL || !view_eq(accept->value, view_of(ws->accept)))
		return err_set(e, ERR_PROTO,
		    "WebSocket: Sec-WebSocket-Accept is not the answer to the "
		    "key");
	for (size_t i = 0; i < h->n_fields; i++)
		if (view_eq_nocase(
			h->fields[i].name, VIEW("sec-websocket-extensions"))) {
			extensions = h->fields[i].value;
			n++;
		}
	if (n > 1 || (extensions.n > 0 && ws->offer.n == 0))
		return err_set(e, ERR_PROTO,
		    "WebSocket: the server agreed to what was not offered");
	return ws_extensions_agreed(extensions, &ws->client, &ws->server, e);
}

const struct hx_tap tap_ws = { head, NULL, NULL, NULL };

/* ---- messages ------------------------------------------------------------ */

static void
record(struct px_conn *c, enum audit_action action, const char *stage,
    const struct policy_op *op, struct view operation, const char *why)
{
	struct px_request_event ev = { .method = VIEW("WEBSOCKET_TEXT"),
		.path = buf_view(&c->hx.path),
		.query = buf_view(&c->hx.query),
		.operation = operation,
		.op = op };

	px_event_operation(
	    c, AUDIT_L7_REQUEST, action, stage, &ev, view_of(why), VIEW(""));
}

/* One operation, or a message as such; recorded.  false: it is denied. */
static bool
judge_op(struct px_conn *c, const struct policy_op *op, struct view operation,
    struct buf *reason)
{
	struct policy_request r = hx_under_way(c);
	struct policy_reason why = { "" };
	struct policy_verdict v;
	bool allow = px_judge_op(c, c->snap, &r, op, &v, &why);

	px_set_verdict(c, &v);
	if (allow) {
		record(c, AUDIT_ALLOW, "", op, operation, "");
		return true;
	}
	if (v.enforcement == POLICY_AUDIT) {
		record(c, AUDIT_AUDIT, "l7_audit", op, operation, why.text);
		return true;
	}
	record(c, AUDIT_DENY, "l7", op, operation, why.text);
	buf_puts(reason, why.text);
	return false;
}

/* GraphQL over WebSocket: what starts an operation is one. */
static bool
judge_graphql(
    struct px_conn *c, struct view text, bool audit, struct buf *reason)
{
	AUTO_OPS struct ops o = { 0 };
	struct policy_reason why;
	struct err e;

	if (gql_ws_message(text, &o.gql, &e) < 0) {
		(void)snprintf(why.text, sizeof(why.text), "%s: %s",
		    ops_graphql.rejected, e.text);
		record(c, audit ? AUDIT_AUDIT : AUDIT_DENY,
		    audit ? "l7_audit" : "l7", NULL, VIEW(""), why.text);
		buf_puts(reason, why.text);
		return audit;
	}
	ops_of_gql(&o);
	for (size_t i = 0; i < o.n; i++)
		if (!judge_op(c, &o.v[i].op, o.v[i].operation, reason))
			return false;
	return true;
}

/* ---- credentials ----------------------------------------------------------
 */

static void
record_credential(struct px_conn *c, enum audit_action action,
    const char *stage, const char *why)
{
	px_event_request(c, AUDIT_CREDENTIAL, action, stage,
	    VIEW("WEBSOCKET_TEXT"), buf_view(&c->hx.path),
	    buf_view(&c->hx.query), view_of(why), VIEW(""));
}

/* Placeholders of an allowed message.  false: it is not sent. */
static bool
fill(struct px_conn *c, struct view text, struct buf *anew, struct buf *reason)
{
	enum { GROWTH = 64 << 10 };
	struct rw rw = { .resolve = creds_resolve, .ctx = c };
	char why[sizeof(c->hx.used) + 16];
	struct err e;

	if (!ph_marked(text) && view_find(text, '\\') < 0)
		return true;
	c->hx.used[0] = '\0';
	rw_out_init(anew, text.n + GROWTH);
	if (rw_message(&rw, text, anew, &e) < 0) {
		rw_out_wipe(anew);
		record_credential(c, AUDIT_DENY, "credentials", e.text);
		buf_puts(reason, e.text);
		return false;
	}
	if (rw.used == 0)
		return true;
	(void)snprintf(why, sizeof(why), "filled in: %s", c->hx.used);
	record_credential(c, AUDIT_ALLOW, "credentials", why);
	return true;
}

/* In a message that nobody fills in. */
static void
refuse_placeholder(struct px_conn *c, struct buf *reason)
{
	static const char why[] =
	    "the message holds a credential placeholder, and messages are not "
	    "filled in here";

	px_event_request(c, AUDIT_CREDENTIAL, AUDIT_DENY, "placeholder",
	    VIEW("WEBSOCKET_TEXT"), buf_view(&c->hx.path),
	    buf_view(&c->hx.query), view_of(why), VIEW(CREDS_PLACEHOLDER_FIX));
	buf_puts(reason, why);
}

/* A server that shows what it was sent: the value goes no further. */
static bool
mask(void *arg, struct view text, struct buf *anew)
{
	struct px_conn *c = arg;
	AUTO_BUF struct buf why = BUF_INIT(160);
	size_t n, safe;

	if (c->px->reflect == NULL || text.n == 0 ||
	    !reflect_has(c->px->reflect, text))
		return false;
	rw_out_init(anew, text.n);
	buf_put(anew, text);
	n = reflect_mask(c->px->reflect, anew->p, anew->n, true, &safe);
	buf_printf(&why,
	    "a message of the server showed a credential: masked, %zu time%s",
	    n, n == 1 ? "" : "s");
	record_credential(c, AUDIT_DENY, "reflection", buf_str(&why));
	return true;
}

/* ---- the verdict ----------------------------------------------------------
 */

/* What is in the message is judged, where the protocol says so. */
static bool
judge_text(struct px_conn *c, const struct policy_treatment *t,
    struct view text, struct buf *reason)
{
	const struct policy_op op = { .kind = POLICY_OP_TEXT };

	if (t->protocol == POLICY_PROTO_REST)
		return true;
	if (t->graphql_messages || t->protocol == POLICY_PROTO_GRAPHQL)
		return judge_graphql(
		    c, text, t->enforcement == POLICY_AUDIT, reason);
	return judge_op(c, &op, VIEW(""), reason);
}

/* The client hears which of the two it was, and no more. */
static const char *
refused_by(enum mw_said said)
{
	return said == MW_DENIES
		   ? "rejected by configured middleware"
		   : "could not be inspected by configured middleware";
}

/*
 * Those who look at what is allowed.  What they make of it is in `ws->seen`,
 * and is judged again each time that it becomes another.
 */
static enum ws_verdict
look(struct px_conn *c, const struct policy_treatment *t, struct view text,
    struct buf *reason)
{
	struct px_ws *ws = c->ws;
	enum mw_said said;

	do {
		struct view now = ws->seen.n > 0 ? buf_view(&ws->seen) : text;
		AUTO_BUF struct buf next = BUF_INIT(0);

		said = mw_text(c, &ws->talk, now, &next);
		if (said != MW_REPLACES)
			continue;
		buf_fini(&ws->seen);
		ws->seen = next;
		next = BUF_INIT(0);
		if (!ws->rewrites) {
			/* It may be compressed: later ones refer to it. */
			buf_puts(reason,
			    "a middleware looks at messages now: open the "
			    "WebSocket again");
			return WS_DENY;
		}
		if (!judge_text(c, t, buf_view(&ws->seen), reason))
			return WS_DENY;
	} while (said == MW_REPLACES);
	if (said == MW_WAITS)
		return WS_LATER;
	if (said == MW_PASSES)
		return WS_ALLOW;
	buf_puts(reason, refused_by(said));
	return WS_DENY;
}

/* The last look: nothing of a credential is in it before. */
static enum ws_verdict
release(struct px_conn *c, const struct policy_treatment *t, struct view text,
    struct buf *anew, struct buf *reason)
{
	/* Whoever upgraded before the policy said so has to do it again. */
	if (c->ws->fills && t->rewrite_websocket) {
		if (!fill(c, text, anew, reason))
			return WS_DENY;
	} else if (creds_guards(c, NULL) && ph_marked(text)) {
		refuse_placeholder(c, reason);
		return WS_DENY;
	}
	if (anew->n == 0 && c->ws->seen.n > 0) {
		rw_out_init(anew, text.n);
		buf_put(anew, text);
	}
	return WS_ALLOW;
}

static enum ws_verdict
judge(void *arg, struct view text, struct buf *anew, struct buf *reason)
{
	struct px_conn *c = arg;
	struct px_ws *ws = c->ws;
	struct policy_treatment t;
	enum ws_verdict v = WS_ALLOW;

	if (px_waits_events(c))
		return WS_LATER;
	px_pin(c);
	if (!px_treat_request(c, c->snap, buf_view(&c->hx.path), &t)) {
		buf_puts(reason, "no longer permitted by policy");
		return WS_DENY;
	}
	if (!mw_talk_under_way(ws->talk)) {
		buf_fini(&ws->seen);
		if (!judge_text(c, &t, text, reason))
			return WS_DENY;
	}
	if (ws->talk != NULL || policy_has_middlewares(c->snap))
		v = look(c, &t, text, reason);
	if (v != WS_ALLOW)
		return v;
	if (ws->seen.n > 0)
		text = buf_view(&ws->seen);
	return release(c, &t, text, anew, reason);
}

/* ---- the step ------------------------------------------------------------ */

void
px_ws_begin(struct px_conn *c)
{
	struct px_ws *ws = c->ws;

	ws_session_init(&ws->s, &ws->client, &ws->server, judge,
	    ws->fills ? mask : NULL, c);
	ws->begun = true;
	c->last_io = 0;
	px_go(c, PX_WS);
}

void
px_ws_end(struct px_conn *c)
{
	struct px_ws *ws = c->ws;

	if (ws == NULL)
		return;
	c->px->held -= ws->counted;
	if (ws->begun)
		ws_session_fini(&ws->s);
	buf_fini(&ws->offer);
	mw_talk_end(ws->talk);
	buf_fini(&ws->seen);
	free(ws);
	c->ws = NULL;
}

/* As much of `from` as there is room for. */
static bool
drain(struct px_end *to, struct buf *from)
{
	size_t n = MIN(from->n, px_out_room(to));

	if (n == 0)
		return false;
	px_put(to, view_slice(buf_view(from), 0, n));
	if (n == from->n)
		buf_fini(from);
	else
		buf_drop(from, n);
	return true;
}

/* One side's bytes through the session.  -1: that side is gone. */
static int
pump(struct px_conn *c, struct px_end *from,
    size_t (*take)(struct ws_session *, struct view), bool *progress,
    struct err *e)
{
	size_t used;

	if (px_in(from).n == 0 && !from->eof) {
		enum px_io_result r = px_fill(from, e);

		if (r == PX_IO_FAIL)
			return -1;
		*progress |= r == PX_IO_OK;
	}
	used = take(&c->ws->s, px_in(from));
	px_eat(from, used);
	*progress |= used > 0;
	if (used > 0)
		c->last_io = uv_now(&c->px->loop);
	return 0;
}

/* All messages that are put together, of the whole sandbox, are bounded. */
static void
count_held(struct px_conn *c)
{
	struct px_ws *ws = c->ws;
	size_t now = ws_rx_held(ws->s.from_client) +
		     ws_rx_held(ws->s.from_server) + ws->s.message.n +
		     ws->seen.n;

	c->px->held = c->px->held - ws->counted + now;
	ws->counted = now;
	if (now > 0 && c->px->held > HX_HELD_ALL)
		ws_session_end(&ws->s, WS_CLOSE_BUSY,
		    VIEW("too many messages are being inspected"));
}

static void
set_deadline(struct px_conn *c, bool progress)
{
	struct px_ws *ws = c->ws;
	uint64_t now = uv_now(&c->px->loop);

	if (c->last_io == 0)
		c->last_io = now;
	if (!ws_session_assembling(&ws->s)) {
		ws->clock = (struct assembly) { 0 };
		c->deadline = c->last_io + WS_IDLE_MS;
		return;
	}
	c->deadline = assembly_deadline(&ws->clock, now, progress);
}

/* The session is over: what is left goes out, then both ends close. */
static enum px_next
finish(struct px_conn *c)
{
	struct ws_session *s = &c->ws->s;
	struct err e;

	(void)drain(&c->up, &s->to_server);
	(void)drain(&c->client, &s->to_client);
	(void)px_flush(&c->up, &e);
	px_end_fin(&c->up);
	px_ws_end(c);
	px_go(c, PX_LINGER);
	return PX_MORE;
}

static int
turn(struct px_conn *c, bool *progress)
{
	struct ws_session *s = &c->ws->s;
	struct err e;

	if (px_flush(&c->up, &e) == PX_IO_FAIL ||
	    px_flush(&c->client, &e) == PX_IO_FAIL)
		return -1;
	s->text_only = policy_has_middlewares(c->snap) && c->hx.inspected &&
		       mw_sees_closed(c);
	ws_session_go_on(s);
	if (pump(c, &c->client, ws_session_client, progress, &e) < 0)
		return -1;
	if (pump(c, &c->up, ws_session_server, progress, &e) < 0) {
		px_event(c, AUDIT_UPSTREAM_FAILED, AUDIT_DENY, "websocket",
		    view_of(e.text), VIEW(""));
		return -1;
	}
	count_held(c);
	*progress |= drain(&c->up, &s->to_server);
	*progress |= drain(&c->client, &s->to_client);
	return 0;
}

enum px_next
px_ws(struct px_conn *c)
{
	struct ws_session *s = &c->ws->s;
	bool progress, any = false;

	do {
		progress = false;
		if (turn(c, &progress) < 0) {
			px_close(c, true);
			return PX_WAIT;
		}
		any |= progress;
	} while (progress && !s->over);
	if (s->over) {
		/* A message that is denied has its record. */
		if (s->code != WS_CLOSE_DENIED)
			record(c, AUDIT_DENY, "websocket", NULL, VIEW(""),
			    s->reason);
		return finish(c);
	}
	/* One side ended without a close, or behind one. */
	if ((c->client.eof && px_in(&c->client).n == 0 &&
		s->to_server.n == 0) ||
	    (c->up.eof && px_in(&c->up).n == 0 && s->to_client.n == 0))
		return finish(c);
	set_deadline(c, any);
	c->client.reading = !c->client.eof && !px_in_full(&c->client);
	c->up.reading = !c->up.eof && !px_in_full(&c->up);
	return PX_WAIT;
}

enum px_next
px_ws_late(struct px_conn *c)
{
	struct ws_session *s = &c->ws->s;

	if (!ws_session_assembling(s))
		return PX_CLOSE;
	ws_session_end(
	    s, WS_CLOSE_TOO_BIG, VIEW("a message was not whole in time"));
	return PX_MORE;
}

void
px_ws_withdraw(struct px_conn *c)
{
	ws_session_end(&c->ws->s, WS_CLOSE_RESTART,
	    VIEW("the policy no longer permits this connection"));
	if (finish(c) == PX_MORE)
		px_run(c);
}
