/*
 * creds_edit: a head between the verdict and the bytes that go out.
 *
 * What has no placeholder is sent as it was parsed, at the cost of looking.
 * What has one is written anew into memory that is wiped when it is sent; a
 * single one that cannot be filled in refuses the request whole.
 */
#include "proxy/creds.h"

#include "base/mem.h"

enum { EDIT_MAX = 49152, PLACEHOLDER_MIN = 22 };

/* Methods that send back what they were sent, or nobody has judged what they
 * do with it (Attack: TRACE, and its kin under other names). */
static bool
method_is_plain(struct view method)
{
	static const char *const plain[] = { "GET", "HEAD", "POST", "PUT",
		"PATCH", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (view_eq(method, view_of(plain[i])))
			return true;
	return false;
}

static bool
may_hold(struct view value)
{
	return value.n >= PLACEHOLDER_MIN &&
	       (ph_marked(value) ||
		   view_eq_nocase(view_slice(value, 0, 6), VIEW("basic ")));
}

static bool
name_marked(const struct h1_head *h)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (h->fields[i].name.n >= PLACEHOLDER_MIN &&
		    ph_marked(h->fields[i].name))
			return true;
	return false;
}

/* Anything that must be written anew, or refused. */
static bool
marked(struct px_conn *c, const struct h1_head *h)
{
	if (c->hx.wire_path.n > 0 || rw_marked(buf_view(&c->hx.path)) ||
	    rw_marked(buf_view(&c->hx.query)) || name_marked(h))
		return true;
	for (size_t i = 0; i < h->n_fields; i++)
		if (may_hold(h->fields[i].value))
			return true;
	return false;
}

/* A part that was written anew, or `same`. */
static struct view
part(const struct creds_edit *ed, int r, size_t from, struct view same)
{
	return r > 0 ? view_slice(buf_view(&ed->out), from, ed->out.n) : same;
}

static int
edit_target(
    struct px_conn *c, struct rw *rw, struct creds_edit *ed, struct err *e)
{
	struct view path = c->hx.wire_path.n > 0 ? buf_view(&c->hx.wire_path)
						 : buf_view(&c->hx.path);
	size_t from = ed->out.n;
	int r = rw_path(rw, path, &ed->out, e);

	if (r < 0)
		return -1;
	ed->path = part(ed, r, from, path);
	from = ed->out.n;
	r = rw_query(rw, buf_view(&c->hx.query), &ed->out, e);
	if (r < 0)
		return -1;
	ed->query = part(ed, r, from, buf_view(&c->hx.query));
	return 0;
}

static int
edit_fields(struct rw *rw, struct creds_edit *ed, struct err *e)
{
	struct h1_head *h = &ed->head;

	if (name_marked(h))
		return err_set(e, ERR_NOT_FOUND,
		    "unresolved credential placeholder in header: one stands "
		    "in the name of a field");
	for (size_t i = 0; i < h->n_fields; i++) {
		struct h1_field *f = &h->fields[i];
		size_t from = ed->out.n;
		int r = may_hold(f->value) ? rw_field(rw, f->value, &ed->out, e)
					   : 0;

		if (r < 0)
			return -1;
		f->value = part(ed, r, from, f->value);
	}
	return 0;
}

/* What the answer holds is looked at, and best as it is. */
static bool
asks_packed(const struct h1_head *h)
{
	return h1_find(h, VIEW("accept-encoding")) != NULL;
}

static void
ask_plain(struct h1_head *h)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (view_eq_nocase(h->fields[i].name, VIEW("accept-encoding")))
			h->fields[i].value = VIEW("identity");
}

static void
record_use(struct px_conn *c)
{
	AUTO_BUF struct buf why = BUF_INIT(256);

	buf_printf(&why, "filled in: %s", c->hx.used);
	px_event_request(c, AUDIT_CREDENTIAL, AUDIT_ALLOW, "credentials",
	    view_of(c->hx.method), buf_view(&c->hx.path),
	    buf_view(&c->hx.query), buf_view(&why), VIEW(""));
}

static int
edit(struct px_conn *c, const struct policy_treatment *t, struct creds_edit *ed,
    struct err *e)
{
	struct rw rw = { .resolve = creds_resolve, .ctx = c };

	/* What the client signed is thrown away, names in it too. */
	if (t->signing != POLICY_SIGN_NONE && creds_payload(c, t, ed, e) < 0)
		return -1;
	if (edit_target(c, &rw, ed, e) < 0 || edit_fields(&rw, ed, e) < 0)
		return -1;
	if (t->signing != POLICY_SIGN_NONE && creds_sign(c, t, ed, e) < 0)
		return -1;
	if (rw.used == 0 && t->signing == POLICY_SIGN_NONE)
		return 0;
	ask_plain(&ed->head);
	c->hx.injected = true;
	record_use(c);
	return 0;
}

int
creds_edit(struct px_conn *c, const struct h1_head *h, struct creds_edit *ed,
    struct err *e)
{
	const struct policy_treatment *t = creds_terms(c);
	bool here = creds_here(c);

	*ed = (struct creds_edit) { .on = false };
	if (here && !method_is_plain(h->method))
		return err_set(e, ERR_DENIED,
		    "%.*s is not used where credentials go: what it does with "
		    "them is not known",
		    (int)MIN(h->method.n, (size_t)H1_METHOD_MAX), h->method.p);
	if (t->signing == POLICY_SIGN_NONE && !marked(c, h)) {
		ed->on = here && asks_packed(h);
		if (!ed->on)
			return 0;
		ed->head = *h;
		ed->path = buf_view(&c->hx.path);
		ed->query = buf_view(&c->hx.query);
		ask_plain(&ed->head);
		return 0;
	}
	ed->on = true;
	ed->head = *h;
	rw_out_init(&ed->out, EDIT_MAX);
	if (edit(c, t, ed, e) == 0)
		return 0;
	creds_edit_fini(ed);
	return -1;
}

void
creds_edit_fini(struct creds_edit *ed)
{
	rw_out_fini(&ed->out);
	ed->on = false;
}

/* 403 for what may not go there, 500 for what is not there (spec 4.3). */
enum px_next
creds_refuse(struct px_conn *c, const struct err *e)
{
	bool denied = e->code == ERR_DENIED;
	struct deny d = { .status = denied ? 403 : 500,
		.error = denied ? "credential_endpoint_mismatch"
				: "credential_unresolved",
		.detail = view_of(e->text),
		.method = view_of(c->hx.method),
		.path = buf_view(&c->hx.path),
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.binary = px_binary(c) };

	if (!denied && e->code != ERR_NOT_FOUND)
		return hx_refuse(c, 400, e);
	px_event_request(c, AUDIT_CREDENTIAL, AUDIT_DENY, "credentials",
	    d.method, d.path, buf_view(&c->hx.query), d.detail, VIEW(""));
	return px_reply(c, &d);
}
