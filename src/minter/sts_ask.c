#include "base/macros.h"
#include "codec/sha256.h"
#include "minter/form.h"
#include "minter/sts.h"

void
sts_form(const struct sts_role *r, struct buf *form)
{
	form_put(form, "Action", VIEW("AssumeRole"));
	form_put(form, "DurationSeconds", r->duration);
	form_put(form, "ExternalId", r->external_id);
	form_put(form, "RoleArn", r->arn);
	form_put(form, "RoleSessionName", r->session);
	form_put(form, "Version", VIEW("2011-06-15"));
}

static void
add(struct sts_fields *f, struct view name, struct view value)
{
	f->v[f->n++] = (struct h1_field) { name, value };
}

int
sts_sign(const struct sts_role *r, struct view target, struct view host,
    struct view body, int64_t unix_seconds, struct sts_fields *out,
    struct err *e)
{
	struct sigv4_field fields[ARRAY_LEN(out->v) + 1];
	char hash[SHA256_HEX];
	struct view query;
	struct sigv4 s = { .method = VIEW("POST"),
		.path = view_cut(target, '?', &query),
		.query = query,
		.fields = fields,
		.service = VIEW("sts"),
		.region = r->region,
		.access = r->access,
		.secret = r->secret,
		.date = out->date };

	*out = (struct sts_fields) { .auth = BUF_INIT(SIGV4_AUTH_MAX) };
	sigv4_date(unix_seconds, out->date);
	add(out, VIEW("Content-Type"),
	    VIEW("application/x-www-form-urlencoded; charset=utf-8"));
	add(out, VIEW("X-Amz-Date"), view_of(out->date));
	if (r->token.n > 0)
		add(out, VIEW("X-Amz-Security-Token"), r->token);
	for (size_t i = 0; i < out->n; i++)
		fields[s.n_fields++] =
		    (struct sigv4_field) { out->v[i].name, out->v[i].value };
	fields[s.n_fields++] = (struct sigv4_field) { VIEW("host"), host };
	sha256_hex(body, hash);
	s.payload = view_of(hash);
	if (sigv4_sign(&s, &out->auth, e) < 0)
		return -1;
	add(out, VIEW("Authorization"), buf_view(&out->auth));
	return 0;
}

void
sts_fields_fini(struct sts_fields *f)
{
	buf_fini(&f->auth);
}
