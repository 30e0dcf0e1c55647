/*
 * advisor: the connections of http://policy.local.
 *
 *	HEAD, BODY   the request is read: 15 s for all of it
 *	ASKED        the owner was asked; its answer wakes us
 *	PAUSE        what was asked about is not decided yet: again in a second,
 *		     or when a policy comes
 *	WRITE        the answer goes out; then the connection lingers
 *
 * Attack: a page in a browser of the sandbox, which may send requests to any
 * host it can name but not without saying where it comes from: a request with
 * an Origin of another host is refused, and no answer says that one may.
 */
#include "proxy/advisor.h"

#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "proxy/hx.h"
#include "proxy/local.h"
#include "proxy/proposal.h"

enum {
	HTTP_PORT = 80,
	/* The text of a policy, of which a byte may become six. */
	ADV_OUT_MAX = POLICY_TEXT_MAX * 6 + 65536
};

/* ---- the sandbox's ------------------------------------------------------ */

static struct advisor *
advisor_of(struct px *px)
{
	if (px->advisor == NULL)
		px->advisor = NEW(struct advisor);
	return px->advisor;
}

bool
advisor_is_on(const struct px *px)
{
	return px->advisor != NULL && px->advisor->on;
}

void
advisor_set(struct px *px, bool on)
{
	struct advisor *a = advisor_of(px);

	a->on = on;
	if (on && a->denylog == NULL)
		a->denylog = denylog_new();
	px->events.denylog = on ? a->denylog : NULL;
}

void
advisor_free(struct px *px)
{
	if (px->advisor == NULL)
		return;
	px->events.denylog = NULL;
	denylog_free(px->advisor->denylog);
	free(take_ptr(px->advisor));
}

/* ---- answers ------------------------------------------------------------ */

static void
stop_waiting(struct px_conn *c)
{
	if (c->adv->waits)
		c->px->advisor->n_waiters--;
	c->adv->waits = false;
}

enum px_next
adv_answer(struct px_conn *c, unsigned status, struct view body)
{
	static const struct h1_field extra[] = {
		{ VIEW("Cache-Control"), VIEW("no-store") },
		{ VIEW("Allow"), VIEW("GET, POST") },
		{ VIEW("Retry-After"), VIEW("60") },
	};
	struct adv *a = c->adv;
	struct h1_field fields[ARRAY_LEN(extra)];
	size_t n = 0;

	fields[n++] = extra[0];
	if (status == 405)
		fields[n++] = extra[1];
	if (status == 429)
		fields[n++] = extra[2];
	if (strcmp(c->hx.method, "HEAD") == 0)
		body.n = 0;
	stop_waiting(c);
	a->out = BUF_INIT(ADV_OUT_MAX + 1024);
	h1_simple_response(
	    &a->out, status, VIEW("application/json"), fields, n, body, true);
	if (a->out.full)
		return PX_CLOSE;
	a->phase = ADV_WRITE;
	c->quiet_at = 0;
	px_deadline(c, ADV_WRITE_MS);
	return PX_MORE;
}

enum px_next
adv_refuse(
    struct px_conn *c, unsigned status, const char *error, struct view detail)
{
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct json j = JSON_INIT(&body);

	json_open(&j, '{');
	json_key(&j, "error");
	json_str(&j, error);
	json_key(&j, "detail");
	json_view(&j, detail);
	json_close(&j, '}');
	buf_putc(&body, '\n');
	return adv_answer(c, status, buf_view(&body));
}

static enum px_next
bad_request(struct px_conn *c, unsigned status, const struct err *e)
{
	return adv_refuse(c, status, "bad_request", view_of(e->text));
}

static enum px_next
write_out(struct px_conn *c)
{
	struct adv *a = c->adv;
	struct err e;

	c->client.reading = false;
	while (a->at < a->out.n) {
		size_t n = MIN(px_out_room(&c->client), a->out.n - a->at);

		px_put(&c->client,
		    view_slice(buf_view(&a->out), a->at, a->at + n));
		a->at += n;
		switch (px_flush(&c->client, &e)) {
		case PX_IO_OK:
			break;
		case PX_IO_AGAIN:
			return PX_WAIT;
		case PX_IO_EOF:
		case PX_IO_FAIL:
			return PX_CLOSE;
		}
	}
	px_go(c, PX_LINGER);
	return PX_MORE;
}

/* ---- the request --------------------------------------------------------- */

static bool
is_ours(const struct h1_head *h, struct err *e)
{
	const struct h1_field *origin = h1_find(h, VIEW("origin"));
	struct authority host;

	if (h->n_host != 1 ||
	    authority_parse(h->host, HTTP_PORT, &host, e) < 0 ||
	    strcmp(host.host, "policy.local") != 0 || host.port != HTTP_PORT) {
		(void)err_set(e, ERR_INVALID, "Host is not policy.local");
		return false;
	}
	if (origin == NULL ||
	    view_eq(origin->value, VIEW("http://policy.local")))
		return true;
	(void)err_set(
	    e, ERR_DENIED, "a page of another origin: programs send no Origin");
	return false;
}

/* `head` lies in the client's buffer. */
static enum px_next
begin(struct px_conn *c, struct view head)
{
	struct adv *a = c->adv;
	struct h1_refusal refusal = { 400 };
	struct h1_head h;
	struct err e;

	if (h1_parse_request(head, &h, &refusal, &e) < 0)
		return bad_request(c, refusal.status, &e);
	(void)snprintf(c->hx.method, sizeof(c->hx.method), "%.*s",
	    (int)h.method.n, h.method.p);
	if (!is_ours(&h, &e))
		return bad_request(c, e.code == ERR_DENIED ? 403 : 421, &e);
	if (c->mode != PX_MODE_FORWARD && hx_target(c, h.target, &e) < 0)
		return bad_request(c, hx_target_status(&e), &e);
	if (h.framing == H1_BODY_LENGTH && h.content_length > PROPOSAL_BODY_MAX)
		return adv_refuse(c, 413, "too_large",
		    VIEW("a request has at most 65536 bytes of body"));
	px_eat(&c->client, head.n);
	hx_body_start(&c->hx.req, &h);
	hx_send_continue(c, &h);
	a->phase = ADV_BODY;
	return PX_MORE;
}

static enum px_next
read_head(struct px_conn *c)
{
	struct err e;

	if (c->mode == PX_MODE_FORWARD)
		return begin(c, view_slice(px_in(&c->client), 0, c->forward_n));
	if (px_flush(&c->client, &e) == PX_IO_FAIL) /* the 200 */
		return PX_CLOSE;
	for (;;) {
		ssize_t n = px_in(&c->client).n == 0
				? 0
				: h1_head_end(px_in(&c->client),
				      H1_REQUEST_HEAD_MAX, &c->scanned, &e);

		if (n < 0)
			return bad_request(
			    c, e.code == ERR_LIMIT ? 431 : 400, &e);
		if (n > 0)
			return begin(
			    c, view_slice(px_in(&c->client), 0, (size_t)n));
		switch (px_fill(&c->client, &e)) {
		case PX_IO_OK:
			break;
		case PX_IO_AGAIN:
			c->client.reading = true;
			return PX_WAIT;
		case PX_IO_EOF:
		case PX_IO_FAIL:
			return PX_CLOSE;
		}
	}
}

static enum px_next
read_body(struct px_conn *c)
{
	struct hx_body *b = &c->hx.req;
	struct adv *a = c->adv;
	struct view data;
	size_t used;
	struct err e;

	if (px_flush(&c->client, &e) == PX_IO_FAIL) /* 100 Continue */
		return PX_CLOSE;
	while (!b->done) {
		switch (hx_take(b, &c->client, &data, &used, &e)) {
		case PX_IO_OK:
			buf_put(&a->body, data);
			px_eat(&c->client, used);
			if (a->body.full)
				return adv_refuse(c, 413, "too_large",
				    VIEW("a request has at most 65536 bytes "
					 "of body"));
			break;
		case PX_IO_AGAIN:
			c->client.reading = true;
			return PX_WAIT;
		case PX_IO_EOF:
			return PX_CLOSE;
		case PX_IO_FAIL:
			return bad_request(c, 400, &e);
		}
	}
	if (px_waits_events(c)) {
		c->client.reading = false;
		return PX_WAIT;
	}
	return adv_route(c);
}

/* ---- the connection ------------------------------------------------------ */

enum px_next
px_advise(struct px_conn *c)
{
	switch (c->adv->phase) {
	case ADV_HEAD:
		return read_head(c);
	case ADV_BODY:
		return read_body(c);
	case ADV_ASKED:
		return adv_await(c);
	case ADV_PAUSE:
		return adv_rest(c);
	case ADV_WRITE:
		return write_out(c);
	}
	return PX_CLOSE;
}

enum px_next
px_advise_late(struct px_conn *c)
{
	const struct adv *a = c->adv;

	switch (a->phase) {
	case ADV_HEAD:
		return px_in(&c->client).n == 0
			   ? PX_CLOSE
			   : adv_refuse(c, 408, "request_timeout",
				 VIEW("the request was not complete within 15 "
				      "seconds"));
	case ADV_BODY:
		return adv_refuse(c, 408, "request_timeout",
		    VIEW("the request was not complete within 15 seconds"));
	case ADV_ASKED:
	case ADV_PAUSE:
		if (a->state != 0)
			return adv_tell(c);
		return adv_refuse(c, 503, "gateway_unavailable",
		    VIEW("no answer of the gateway came in time; what was "
			 "sent may have arrived all the same"));
	case ADV_WRITE:
		break;
	}
	return PX_CLOSE;
}

void
px_advise_end(struct px_conn *c)
{
	struct adv *a = take_ptr(c->adv);

	if (a == NULL)
		return;
	c->px->advisor->n_conns--;
	if (a->waits)
		c->px->advisor->n_waiters--;
	buf_fini(&a->body);
	buf_fini(&a->out);
	buf_fini(&a->intent);
	buf_fini(&a->yaml);
	free(a);
}

static enum px_next
refuse_conn(
    struct px_conn *c, unsigned status, const char *error, const char *text)
{
	struct err e;

	(void)err_set(&e, ERR_DENIED, "%s", text);
	return px_fail(c, status,
	    c->mode == PX_MODE_FORWARD ? AUDIT_FORWARD : AUDIT_CONNECT,
	    "advisor", error, text, &e);
}

/* Off, it is here all the same: to say that it is. */
enum px_next
px_local_policy(struct px_conn *c)
{
	struct advisor *all = advisor_of(c->px);

	if (c->dst.port != HTTP_PORT)
		return refuse_conn(c, 403, "not_here",
		    "policy.local: plain HTTP on port 80 and nothing else, "
		    "http://policy.local/v1/policy/current");
	if (all->n_conns == ADV_CONNS_MAX)
		return refuse_conn(c, 503, "too_many_connections",
		    "policy.local: too many connections of this sandbox");
	all->n_conns++;
	c->adv = NEW(struct adv);
	c->adv->body = BUF_INIT(PROPOSAL_BODY_MAX);
	c->adv->yaml = BUF_INIT(ADVICE_YAML_MAX);
	c->scanned = 0;
	if (c->mode == PX_MODE_CONNECT && !c->direct)
		px_put(&c->client,
		    VIEW("HTTP/1.1 200 Connection Established\r\n\r\n"));
	px_go(c, PX_ADVISE);
	return PX_MORE;
}
