/*
 * tunnel: what the client speaks after the 200, and TLS on both sides.
 *
 * Order matters: the upstream's certificate is verified before the client's
 * handshake is answered, so that a bad upstream is never shown to the client
 * as a good one.  On an inspected endpoint nothing that was not understood
 * goes on; without rules, what is no HTTP is relayed as bytes.
 */
#include "proxy/h2.h"

#include "tls/sniff.h"

enum {
	QUIET_MS = 250, /* then the server may speak first */
	DECIDE_MS = 5000, /* for the first bytes, once some are there */
	SILENT_MS = 75000,
	ALERT_BAD_CERTIFICATE = 42,
	ALERT_DECODE_ERROR = 50,
	ALERT_INTERNAL = 80,
	ALERT_UNRECOGNIZED_NAME = 112
};

static bool
inspected(const struct px_conn *c)
{
	return policy_protocol_is_inspected(c->conn.protocol);
}

/* Ends a tunnel whose contents are not acceptable. */
static enum px_next
refuse(struct px_conn *c, enum audit_kind kind, const char *stage,
    const char *reason)
{
	px_event(c, kind, AUDIT_DENY, stage, view_of(reason), VIEW(""));
	/* There is nothing for it to read. */
	if (c->direct && px_out_pending(&c->client) == 0) {
		px_close(c, true);
		return PX_CLOSE;
	}
	px_go(c, PX_LINGER);
	return PX_MORE;
}

static enum px_next
refuse_tls(struct px_conn *c, uint8_t alert, const char *reason)
{
	px_tls_alert(&c->client, alert);
	return refuse(c, AUDIT_TLS_REFUSED, "tls", reason);
}

static enum px_next
not_http(struct px_conn *c)
{
	return refuse(c, AUDIT_CONNECT_L7, "l7",
	    "non-HTTP traffic on an L7-inspected endpoint");
}

/* Without TLS nobody agreed on it. */
static enum px_next
http2(struct px_conn *c)
{
	struct err e;

	(void)err_set(&e, ERR_PROTO,
	    "HTTP/2 with prior knowledge on an L7-inspected endpoint; use "
	    "HTTP/1.1, or declare h2c at the endpoint");
	return px_fail(
	    c, 400, AUDIT_CONNECT_L7, "l7", "bad_request", e.text, &e);
}

static enum px_next
start_l7(struct px_conn *c)
{
	c->l7 = &l7_http;
	px_go(c, PX_L7);
	return PX_MORE;
}

static enum px_next
start_raw(struct px_conn *c)
{
	px_go(c, PX_RAW);
	return PX_MORE;
}

/*
 * Waits for enough of the first bytes.  MORE: they are there; WAIT: not yet;
 * CLOSE: they will not come.  *late: time is up, take what there is.
 */
static enum px_next
first_bytes(struct px_conn *c, bool *late)
{
	struct err e;
	uint64_t now = uv_now(&c->px->loop);
	enum px_io_result r;

	if (px_flush(&c->client, &e) == PX_IO_FAIL)
		return PX_CLOSE;
	if (c->quiet_at == 0)
		c->quiet_at = now + (inspected(c) ? SILENT_MS : QUIET_MS);
	do
		r = px_fill(&c->client, &e);
	while (r == PX_IO_OK);
	if (r == PX_IO_FAIL || (r == PX_IO_EOF && px_in(&c->client).n == 0))
		return PX_CLOSE;
	if (px_in(&c->client).n > 0 && !c->spoke) {
		c->spoke = true;
		c->quiet_at = now + DECIDE_MS;
	}
	*late = r == PX_IO_EOF || now >= c->quiet_at;
	c->client.reading = true;
	return px_in(&c->client).n > 0 || *late ? PX_MORE : PX_WAIT;
}

/* What a client would speak inside; nothing said is HTTP/1.1, or no HTTP. */
static unsigned
alpn_of(const struct client_hello *hello)
{
	unsigned bits = 0;

	if (client_hello_offers(hello, VIEW("h2")))
		bits |= STREAM_ALPN_H2;
	if (bits == 0 || client_hello_offers(hello, VIEW("http/1.1")) ||
	    client_hello_offers(hello, VIEW("http/1.0")))
		bits |= STREAM_ALPN_H1;
	return bits;
}

/* SNI that names another host: Attack: domain fronting. */
static enum px_next
read_hello(struct px_conn *c, bool late)
{
	struct client_hello hello;
	struct err e;
	int r = client_hello_parse(px_in(&c->client), &hello, &e);
	struct authority sni;

	if (r == 0 && !late && !px_in_full(&c->client))
		return PX_WAIT;
	if (r <= 0)
		return refuse_tls(c, ALERT_DECODE_ERROR,
		    r < 0 ? e.text : "ClientHello was not complete in time");
	if (hello.has_sni &&
	    (authority_parse(view_of(hello.sni), c->dst.port, &sni, &e) < 0 ||
		strcmp(sni.host, c->dst.host) != 0)) {
		char why[HELLO_SNI_MAX + 64];

		(void)snprintf(why, sizeof(why),
		    "server name '%s' differs from the %s host", hello.sni,
		    c->direct ? "looked-up" : "CONNECT");
		return refuse_tls(c, ALERT_UNRECOGNIZED_NAME, why);
	}
	c->tls = true;
	c->client_alpn = c->up_alpn = alpn_of(&hello);
	/* What is kept speaks HTTP/1.1. */
	if (c->reused &&
	    (!stream_is_tls(c->up.s) || !(c->client_alpn & STREAM_ALPN_H1)))
		return px_redial(c);
	px_go(c, PX_TLS_UPSTREAM);
	return PX_MORE;
}

enum px_next
px_sniff(struct px_conn *c)
{
	bool late = false;
	enum px_next next = first_bytes(c, &late);
	enum sniff_kind kind;

	if (next != PX_MORE)
		return next;
	if (px_in(&c->client).n == 0) /* silent */
		return inspected(c) ? PX_CLOSE : start_raw(c);
	kind = sniff_classify(px_in(&c->client));
	/* Whatever its method: rules are what it is judged by. */
	if (kind == SNIFF_BINARY && inspected(c))
		kind = sniff_request_line(px_in(&c->client));
	if (kind == SNIFF_TLS)
		return read_hello(c, late);
	if (kind == SNIFF_HTTP) {
		if (!c->reused || !stream_is_tls(c->up.s))
			return start_l7(c);
		c->l7 = &l7_http;
		return px_redial(c);
	}
	if (kind == SNIFF_MORE && !late)
		return PX_WAIT;
	if (kind == SNIFF_H2 && c->conn.h2c) {
		c->prior = true;
		return c->reused ? px_redial(c) : px_h2_start(c);
	}
	if (!inspected(c))
		return start_raw(c);
	return kind == SNIFF_H2 ? http2(c) : not_http(c);
}

/* Legs that speak the same, when they can. */
static unsigned
alpn_for_client(const struct px_conn *c)
{
	unsigned both = c->client_alpn & (stream_alpn(c->up.s) == STREAM_ALPN_H2
						 ? STREAM_ALPN_H2
						 : STREAM_ALPN_H1);

	return both != 0 ? both : c->client_alpn;
}

/* The upstream's TLS stands: the client's turn, unless it waits inside. */
static enum px_next
upstream_is_up(struct px_conn *c)
{
	struct err e;

	c->up.reading = false;
	if (px_end_is_tls(&c->client))
		return start_l7(c);
	if (px_tls_accept(&c->client, c->dst.host, alpn_for_client(c), &e) < 0)
		return refuse_tls(c, ALERT_INTERNAL, e.text);
	px_go(c, PX_TLS_CLIENT);
	return PX_MORE;
}

enum px_next
px_tls_upstream(struct px_conn *c)
{
	struct err e;
	enum px_io_result r;

	c->client.reading = false;
	if (!stream_is_tls(c->up.s) && px_tls_connect(&c->up, c->dst.host,
					   c->dst.port, c->up_alpn, &e) < 0)
		return px_fail(c, 502, AUDIT_UPSTREAM_FAILED, "tls",
		    "upstream_failed", e.text, &e);
	r = px_tls_handshake(&c->up, &e);
	if (r == PX_IO_AGAIN)
		return PX_WAIT;
	if (r == PX_IO_FAIL && stream_alpn_refused(c->up.s) &&
	    c->up_alpn == c->client_alpn && c->up_alpn != STREAM_ALPN_ANY) {
		/* The legs cannot speak the same: once more with the other. */
		c->up_alpn = STREAM_ALPN_ANY ^ c->client_alpn;
		return px_redial(c);
	}
	if (r == PX_IO_FAIL) {
		(void)err_wrap(
		    &e, "upstream TLS of %s:%u", c->dst.host, c->dst.port);
		if (px_end_is_tls(&c->client)) /* dialled again for it */
			return px_fail(c, 502, AUDIT_UPSTREAM_FAILED, "tls",
			    "upstream_failed", e.text, &e);
		return refuse_tls(c, ALERT_BAD_CERTIFICATE, e.text);
	}
	return upstream_is_up(c);
}

enum px_next
px_tls_client(struct px_conn *c)
{
	struct err e;

	switch (px_tls_handshake(&c->client, &e)) {
	case PX_IO_AGAIN:
		return PX_WAIT;
	case PX_IO_OK:
		break;
	case PX_IO_EOF:
	case PX_IO_FAIL:
		/* Its own alert is out; the record says what happened. */
		(void)err_wrap(&e, "TLS with the client");
		px_event(c, AUDIT_TLS_REFUSED, AUDIT_DENY, "tls",
		    view_of(e.text), VIEW(""));
		return PX_CLOSE;
	}
	c->spoke = false;
	if (stream_alpn(c->client.s) == STREAM_ALPN_H2)
		return px_h2_start(c);
	if (stream_alpn(c->up.s) == STREAM_ALPN_H2) {
		if (h2_upstream_start(c, &e) < 0)
			return PX_CLOSE;
		(void)h2_upstream_open(c->h2_up, &c->up);
	}
	if (inspected(c))
		return start_l7(c);
	px_go(c, PX_SNIFF_INNER);
	return PX_MORE;
}

/* Without rules: HTTP is relayed request by request, the rest as bytes. */
enum px_next
px_sniff_inner(struct px_conn *c)
{
	bool late = false;
	enum px_next next = first_bytes(c, &late);
	enum sniff_kind kind;

	if (next != PX_MORE)
		return next;
	kind = sniff_classify(px_in(&c->client));
	if (kind == SNIFF_MORE && !late && px_in(&c->client).n > 0)
		return PX_WAIT;
	return kind == SNIFF_HTTP ? start_l7(c) : start_raw(c);
}
