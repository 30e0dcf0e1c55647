/*
 * creds_sign: requests signed anew for AWS (spec 8.10).  The client signs with
 * placeholders, as it has nothing else; what it signed is thrown away.
 */
#include "proxy/creds.h"

#include "base/clock.h"
#include "codec/sha256.h"
#include "secrets/sigv4.h"

enum { MORE_FIELDS = 5 };

static struct view
client_hash(const struct h1_head *h)
{
	const struct h1_field *f = h1_find(h, VIEW("x-amz-content-sha256"));

	return f != NULL ? f->value : (struct view) { 0 };
}

static bool
is_hash(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!((v.p[i] >= '0' && v.p[i] <= '9') ||
			(v.p[i] >= 'a' && v.p[i] <= 'f')))
			return false;
	return v.n == SHA256_HEX - 1;
}

bool
creds_signs_body(const struct policy_treatment *t, const struct h1_head *h)
{
	if (!hx_has_body(h))
		return false;
	/* With the client's own hash the server checks the body by it. */
	return t->signing == POLICY_SIGN_SIGV4_BODY ||
	       (t->signing == POLICY_SIGN_SIGV4 && client_hash(h).n == 0);
}

static int
payload(struct px_conn *c, const struct policy_treatment *t,
    const struct h1_head *h, struct view *out, struct err *e)
{
	struct view told = client_hash(h);

	if (view_starts(told, VIEW("STREAMING-")))
		return err_set(e, ERR_DENIED,
		    "bodies signed chunk by chunk cannot be signed anew: turn "
		    "that off in the client");
	if (!hx_has_body(h))
		sha256_hex(VIEW(""), c->hx.body_hash);
	if (t->signing == POLICY_SIGN_SIGV4_NO_BODY ||
	    view_eq(told, VIEW("UNSIGNED-PAYLOAD")))
		*out = VIEW("UNSIGNED-PAYLOAD");
	else if (c->hx.body_hash[0] != '\0')
		*out = view_of(c->hx.body_hash);
	else if (is_hash(told))
		*out = told;
	else
		return err_set(
		    e, ERR_INVALID, "X-Amz-Content-SHA256 is not a hash");
	return 0;
}

static void
drop_client_signature(struct h1_head *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_fields; i++)
		if (!sigv4_dropped(h->fields[i].name))
			h->fields[n++] = h->fields[i];
	h->n_fields = n;
}

static struct view
keep(struct creds_edit *ed, struct view v)
{
	size_t from = ed->out.n;

	buf_put(&ed->out, v);
	return view_slice(buf_view(&ed->out), from, ed->out.n);
}

static void
add(struct h1_head *h, struct view name, struct view value)
{
	h->fields[h->n_fields++] = (struct h1_field) { name, value };
}

/* Of what goes out, and the Host that h1_write_request writes. */
static size_t
gather(const struct h1_head *h, struct view host, struct sigv4_field *v)
{
	size_t n = 0;

	v[n++] = (struct sigv4_field) { VIEW("host"), host };
	for (size_t i = 0; i < h->n_fields; i++) {
		struct view name = h->fields[i].name;

		if (sigv4_signed(name) && !h1_hop_by_hop(h, name) &&
		    !view_eq_nocase(name, VIEW("host")))
			v[n++] =
			    (struct sigv4_field) { name, h->fields[i].value };
	}
	return n;
}

int
creds_payload(struct px_conn *c, const struct policy_treatment *t,
    struct creds_edit *ed, struct err *e)
{
	struct view v;

	if (payload(c, t, &ed->head, &v, e) < 0)
		return -1;
	ed->payload = keep(ed, v);
	drop_client_signature(&ed->head);
	return 0;
}

int
creds_sign(struct px_conn *c, const struct policy_treatment *t,
    struct creds_edit *ed, struct err *e)
{
	const struct cred *id = creds_named(c, t, VIEW("AWS_ACCESS_KEY_ID"));
	const struct cred *key =
	    creds_named(c, t, VIEW("AWS_SECRET_ACCESS_KEY"));
	const struct cred *token = creds_named(c, t, VIEW("AWS_SESSION_TOKEN"));
	struct sigv4_field fields[SIGV4_FIELDS_MAX];
	struct h1_head *h = &ed->head;
	char date[SIGV4_DATE], region[SIGV4_REGION];
	AUTO_BUF struct buf auth = BUF_INIT(SIGV4_AUTH_MAX);
	AUTO_BUF struct buf host = BUF_INIT(HOST_MAX + 16);
	struct sigv4 s = { .method = h->method,
		.path = ed->path,
		.query = ed->query,
		.payload = ed->payload,
		.fields = fields,
		.service = t->signing_service,
		.region = t->signing_region,
		.date = date };

	if (id == NULL || key == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that may "
		    "sign for %s:%u",
		    c->dst.host, c->dst.port);
	if (cred_usable(id, clock_wall_ms(), e) < 0 ||
	    cred_usable(key, clock_wall_ms(), e) < 0 ||
	    (token != NULL && cred_usable(token, clock_wall_ms(), e) < 0))
		return -1;
	if (h->n_fields + MORE_FIELDS > H1_FIELDS_MAX)
		return err_set(e, ERR_LIMIT, "too many fields to be signed");
	if (s.region.n == 0) {
		sigv4_region(view_of(c->dst.host), region);
		s.region = view_of(region);
	}
	sigv4_date(clock_wall_ms() / 1000, date);
	add(h, VIEW("X-Amz-Date"), keep(ed, view_of(date)));
	add(h, VIEW("X-Amz-Content-SHA256"), s.payload);
	if (token != NULL)
		add(h, VIEW("X-Amz-Security-Token"), keep(ed, token->value));
	hx_put_authority(c, &host);
	s.n_fields = gather(h, buf_view(&host), fields);
	s.access = id->value;
	s.secret = key->value;
	if (sigv4_sign(&s, &auth, e) < 0)
		return -1;
	add(h, VIEW("Authorization"), keep(ed, buf_view(&auth)));
	creds_note_use(c, id);
	return ed->out.full
		   ? err_set(e, ERR_LIMIT, "the signed head is too long")
		   : 0;
}
