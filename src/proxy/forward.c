/*
 * forward: absolute-form requests to the proxy, "GET http://host/path".
 *
 * Exactly one request, its body by its framing, one response, and the end:
 * nothing that follows on the client's connection goes anywhere.
 */
#include "http/grpc.h"
#include "proxy/creds.h"
#include "proxy/hx.h"
#include "proxy/px.h"

enum px_next
px_forward_start(struct px_conn *c, const struct h1_head *h, size_t head_n)
{
	AUTO_BUF struct buf scratch = BUF_INIT(TARGET_MAX + 8);
	struct err e;
	struct view rest;
	bool https = false;

	if (h->target.n > 0 &&
	    (h->target.p[0] == '/' || h->target.p[0] == '*')) {
		(void)err_set(&e, ERR_INVALID,
		    "this is a proxy: send CONNECT host:port, or an absolute "
		    "http:// URL");
		return px_refuse_head(c, 400, "forward", &e);
	}
	if (absolute_parse(h->target, &https, &c->dst, &rest, &scratch, &e) < 0)
		return px_refuse_head(c, 400, "forward", &e);
	if (https) {
		(void)err_set(&e, ERR_INVALID, "Use CONNECT for HTTPS URLs");
		return px_refuse_head(c, 400, "forward", &e);
	}
	px_name_synthetic(c); /* as in a CONNECT */
	if (!hx_asterisk(c, h, rest) && hx_target(c, rest, &e) < 0)
		return px_refuse_head(c, hx_target_status(&e), "forward", &e);
	c->hx.override = hx_override(h);
	c->hx.grpc = grpc_is(h);
	c->forward_n = head_n;
	px_go(c, PX_IDENTIFY);
	return PX_MORE;
}

/* The connection is allowed; now the request, once. */
enum px_next
px_forward_judge(struct px_conn *c)
{
	enum px_next next = hx_judge(c);

	c->forward_generation = c->px->generation;
	if (next == PX_MORE)
		px_go(c, PX_RESOLVE);
	return next == PX_CLOSE ? PX_CLOSE : PX_MORE;
}

/* Connected: the head, read again from the client's buffer, goes out. */
enum px_next
px_forward_send(struct px_conn *c)
{
	struct view head = view_slice(px_in(&c->client), 0, c->forward_n);
	struct h1_head h;
	struct h1_refusal refusal;
	struct err e;

	/* The policy changed while the destination was being reached. */
	if (c->forward_generation != c->px->generation) {
		enum px_next next = hx_judge(c);

		if (next != PX_MORE)
			return next == PX_WAIT ? PX_MORE : PX_CLOSE;
	}
	if (h1_parse_request(head, &h, &refusal, &e) < 0)
		return px_refuse_head(c, 400, "forward", &e);
	px_event_request(c, AUDIT_FORWARD, AUDIT_ALLOW, "",
	    view_of(c->hx.method), buf_view(&c->hx.path),
	    buf_view(&c->hx.query), VIEW(""), VIEW(""));
	hx_begin(c, &h);
	if (hx_send(c, &h, head.n, view_eq(buf_view(&c->hx.path), VIEW("*")),
		&e) < 0)
		return creds_refuse(c, &e);
	return PX_MORE;
}
