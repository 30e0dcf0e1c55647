/*
 * creds_hold: bodies that must be whole before they go: those in which the
 * policy lets placeholders be filled in, and those whose hash is signed.
 */
#include "proxy/creds.h"

#include "base/mem.h"
#include "codec/sha256.h"

enum { SIGNED_MAX = 10 << 20 };

static enum rw_body
kind_of(const struct h1_head *h)
{
	const struct h1_field *type = h1_find(h, VIEW("content-type"));
	const struct h1_field *coding = h1_find(h, VIEW("content-encoding"));

	/* What is compressed cannot be looked into. */
	if (type == NULL || (coding != NULL && !view_eq_nocase(coding->value,
						   VIEW("identity"))))
		return RW_BODY_OPAQUE;
	return rw_body_kind(type->value);
}

static size_t
wants(struct px_conn *c, const struct h1_head *h)
{
	const struct policy_treatment *t = creds_terms(c);

	if (creds_signs_body(t, h))
		return SIGNED_MAX;
	return t->rewrite_body && hx_has_body(h) && kind_of(h) != RW_BODY_OPAQUE
		   ? RW_BODY_MAX
		   : 0;
}

bool
creds_guards(struct px_conn *c, const struct h1_head *h)
{
	const struct policy_treatment *t = creds_terms(c);

	if (c->px->creds == NULL || t->pass_placeholders ||
	    !policy_protocol_is_inspected(c->conn.protocol))
		return false;
	/* What is not text, or packed, is not filled in either. */
	return h == NULL ||
	       (hx_has_body(h) &&
		   !(t->rewrite_body && kind_of(h) != RW_BODY_OPAQUE));
}

enum px_next
creds_refuse_body(struct px_conn *c)
{
	struct deny d = { .status = 403,
		.error = "credential_placeholder",
		.detail = VIEW(HX_PLACEHOLDER "; " CREDS_PLACEHOLDER_FIX),
		.method = view_of(c->hx.method),
		.path = buf_view(&c->hx.path),
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.binary = px_binary(c) };

	px_event_request(c, AUDIT_CREDENTIAL, AUDIT_DENY, "placeholder",
	    d.method, d.path, buf_view(&c->hx.query), VIEW(HX_PLACEHOLDER),
	    VIEW(CREDS_PLACEHOLDER_FIX));
	if (!c->hx.started)
		return px_reply(c, &d);
	hx_cut(c);
	return PX_CLOSE;
}

static int
rewrite(
    struct px_conn *c, const struct h1_head *h, struct buf *body, struct err *e)
{
	struct rw rw = { .resolve = creds_resolve, .ctx = c };
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	int r;

	rw_out_init(&out, (size_t)RW_BODY_MAX * 2);
	r = rw_body(&rw, kind_of(h), buf_view(body), &out, e);
	if (r <= 0)
		return r;
	rw_out_wipe(body);
	buf_put(body, buf_view(&out));
	c->hx.injected = true;
	return 0;
}

static enum px_next
whole(struct px_conn *c, struct h1_head *h, struct buf *body)
{
	const struct policy_treatment *t = creds_terms(c);
	struct err e;

	if (t->rewrite_body && rewrite(c, h, body, &e) < 0)
		return creds_refuse(c, &e) == PX_MORE ? PX_WAIT : PX_CLOSE;
	if (creds_signs_body(t, h))
		sha256_hex(buf_view(body), c->hx.body_hash);
	return PX_MORE;
}

const struct hx_holder hold_creds = { wants, whole, NULL };
