/*
 * creds_edit: a head between the verdict and the bytes that go out.
 *
 * What has no placeholder is sent as it was parsed, at the cost of looking.
 * What has one is written anew into memory that is wiped when it is sent; a
 * single one that cannot be filled in refuses the request whole.
 */
#include "proxy/creds.h"

#include "base/clock.h"
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

/* What the client says itself, also with a placeholder, stays its own. */
static const struct cred *
missing_bearer(struct px_conn *c, const struct policy_treatment *t,
    const struct h1_head *h)
{
	return t->signing == POLICY_SIGN_NONE &&
		       h1_find(h, VIEW("authorization")) == NULL
		   ? creds_bearer(c, t)
		   : NULL;
}

/* Without it the server would refuse, and nobody would say why. */
static int
add_bearer(struct px_conn *c, const struct cred *k, struct creds_edit *ed,
    struct err *e)
{
	struct h1_head *h = &ed->head;
	size_t from = ed->out.n;

	if (cred_usable(k, clock_wall_ms(), e) < 0)
		return -1;
	buf_puts(&ed->out, "Bearer ");
	buf_put(&ed->out, k->value);
	if (h->n_fields == H1_FIELDS_MAX || ed->out.full)
		return err_set(e, ERR_LIMIT,
		    "the head is too long for a credential to be added");
	h->fields[h->n_fields++] = (struct h1_field) { VIEW("Authorization"),
		view_slice(buf_view(&ed->out), from, ed->out.n) };
	creds_note_use(c, k);
	return 0;
}

static int
edit(struct px_conn *c, const struct policy_treatment *t,
    const struct cred *bearer, struct creds_edit *ed, struct err *e)
{
	struct rw rw = { .resolve = creds_resolve, .ctx = c };

	/* What the client signed is thrown away, names in it too. */
	if (t->signing != POLICY_SIGN_NONE && creds_payload(c, t, ed, e) < 0)
		return -1;
	if (edit_target(c, &rw, ed, e) < 0 || edit_fields(&rw, ed, e) < 0)
		return -1;
	if (t->signing != POLICY_SIGN_NONE && creds_sign(c, t, ed, e) < 0)
		return -1;
	if (bearer != NULL && add_bearer(c, bearer, ed, e) < 0)
		return -1;
	if (rw.used == 0 && t->signing == POLICY_SIGN_NONE && bearer == NULL)
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
	const struct cred *bearer = here ? missing_bearer(c, t, h) : NULL;

	*ed = (struct creds_edit) { .on = false };
	if (here && !method_is_plain(h->method))
		return err_set(e, ERR_DENIED,
		    "%.*s is not used where credentials go: what it does with "
		    "them is not known",
		    (int)MIN(h->method.n, (size_t)H1_METHOD_MAX), h->method.p);
	if (t->signing == POLICY_SIGN_NONE && bearer == NULL && !marked(c, h)) {
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
	if (edit(c, t, bearer, ed, e) == 0)
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

/* What may not go there, is not there (spec 4.3), is not there at present. */
static const struct refusal {
	enum err_code code;
	unsigned status;
	const char *error;
} refusals[] = {
	{ ERR_DENIED, 403, "credential_endpoint_mismatch" },
	{ ERR_NOT_FOUND, 500, "credential_unresolved" },
	{ ERR_AGAIN, 503, "credential_unavailable" },
};

static const struct refusal *
refusal_of(enum err_code code)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].code == code)
			return &refusals[i];
	return NULL;
}

enum px_next
creds_refuse(struct px_conn *c, const struct err *e)
{
	const struct refusal *r = refusal_of(e->code);
	struct deny d = { .detail = view_of(e->text),
		.method = view_of(c->hx.method),
		.path = buf_view(&c->hx.path),
		.host = view_of(c->dst.host),
		.port = c->dst.port,
		.binary = px_binary(c) };

	if (r == NULL)
		return hx_refuse(c, 400, e);
	d.status = r->status;
	d.error = r->error;
	px_event_request(c, AUDIT_CREDENTIAL, AUDIT_DENY, "credentials",
	    d.method, d.path, buf_view(&c->hx.query), d.detail, VIEW(""));
	return px_reply(c, &d);
}
