/* mw_say: what is recorded of a middleware's word, and what the client hears.
 */
#include "proxy/mw.h"

enum { REASON_MAX = 1024 };

void
mw_answer_init(struct mw_answer *a)
{
	*a = (struct mw_answer) { .body = BUF_INIT(HX_HELD_MAX),
		.bytes = BUF_INIT(MW_FIELD_BYTES) };
}

void
mw_answer_fini(struct mw_answer *a)
{
	buf_fini(&a->body);
	buf_fini(&a->bytes);
}

struct view
mw_method(const struct px_conn *c)
{
	return c->ws != NULL && c->step == PX_WS ? VIEW("WEBSOCKET_TEXT")
						 : view_of(c->hx.method);
}

/* "openshell/regex (keys): ..." */
static void
record(struct px_conn *c, const struct policy_middleware *m,
    enum audit_action action, const char *stage, struct view what)
{
	AUTO_BUF struct buf why = BUF_INIT(REASON_MAX);

	buf_put_escaped(&why, m->middleware);
	buf_puts(&why, " (");
	buf_put_escaped(&why, m->key);
	buf_puts(&why, "): ");
	buf_put(&why, what);
	px_event_request(c, AUDIT_MIDDLEWARE, action, stage, mw_method(c),
	    buf_view(&c->hx.path), buf_view(&c->hx.query), buf_view(&why),
	    VIEW(""));
}

void
mw_record_found(struct px_conn *c, const struct policy_middleware *m,
    const struct mw_answer *a, const char *done)
{
	AUTO_BUF struct buf what = BUF_INIT(REASON_MAX - 200);

	if (a->n_found == 0)
		return;
	buf_puts(&what, done);
	for (size_t i = 0; i < a->n_found && !what.full; i++)
		buf_printf(&what, "%s%s, %u time%s", i > 0 ? "; " : ": ",
		    a->found[i].what, a->found[i].count,
		    a->found[i].count == 1 ? "" : "s");
	record(c, m, AUDIT_AUDIT, "middleware", buf_view(&what));
}

void
mw_record_denied(struct px_conn *c, const struct policy_middleware *m,
    const struct mw_answer *a)
{
	AUTO_BUF struct buf what = BUF_INIT(REASON_MAX);

	buf_puts(&what, "denied");
	if (a->reason_code[0] != '\0')
		buf_printf(&what, ", reason_code %s", a->reason_code);
	record(c, m, AUDIT_DENY, "middleware_denied", buf_view(&what));
}

void
mw_record_failed(
    struct px_conn *c, const struct policy_middleware *m, const char *why)
{
	AUTO_BUF struct buf what = BUF_INIT(REASON_MAX);

	buf_printf(&what, "%s: %s",
	    m->fail_open ? "failed, and what it did not look at passed on "
			   "(fail_open)"
			 : "failed",
	    why);
	record(c, m, m->fail_open ? AUDIT_AUDIT : AUDIT_DENY,
	    "middleware_failed", buf_view(&what));
}

static struct deny
answer_of(struct px_conn *c, const struct policy_middleware *m)
{
	return (struct deny) { .status = 403,
		.policy = view_of(c->policy),
		.middleware = m->key,
		.method = view_of(c->hx.method),
		.path = buf_view(&c->hx.path),
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.binary = px_binary(c) };
}

enum px_next
mw_deny(struct px_conn *c, const struct policy_middleware *m,
    const struct mw_answer *a)
{
	struct deny d = answer_of(c, m);

	d.error = "middleware_denied";
	d.detail = VIEW("Request rejected by configured middleware");
	d.reason_code = view_of(a->reason_code);
	mw_record_denied(c, m, a);
	return px_reply(c, &d) == PX_MORE ? PX_WAIT : PX_CLOSE;
}

enum px_next
mw_fail(struct px_conn *c, const struct policy_middleware *m, unsigned status,
    const char *why)
{
	AUTO_BUF struct buf detail = BUF_INIT(REASON_MAX);
	struct deny d = answer_of(c, m);

	buf_printf(&detail,
	    "Request could not be inspected by configured middleware: %s", why);
	d.status = status;
	d.error = "middleware_failed";
	d.detail = buf_view(&detail);
	mw_record_failed(c, m, why);
	return px_reply(c, &d) == PX_MORE ? PX_WAIT : PX_CLOSE;
}
