/*
 * Keys of a role for a while: AssumeRole of AWS STS, signed with the
 * long-lived keys that the gateway holds.
 */
#include "base/clock.h"
#include "codec/sha256.h"
#include "minter/https.h"
#include "minter/sts_answer.h"
#include "secrets/sigv4.h"

enum { BODY_MAX = 8192 };

static void
put_url(const struct minter_job *j, struct buf *url)
{
	struct view given = minter_setting(j, WAY_SET_STS_URL);
	struct view region = minter_setting(j, WAY_SET_STS_REGION);

	if (given.n > 0) {
		buf_put(url, given);
		return;
	}
	buf_puts(url, "https://sts.");
	buf_put(url, region);
	buf_puts(url, view_starts(region, VIEW("cn-")) ? ".amazonaws.com.cn/"
						       : ".amazonaws.com/");
}

static void
put_form(const struct minter_job *j, struct buf *form)
{
	struct view external = minter_setting(j, WAY_SET_EXTERNAL_ID);

	https_form_put(form, "Action", VIEW("AssumeRole"));
	https_form_put(
	    form, "DurationSeconds", minter_setting(j, WAY_SET_DURATION));
	if (external.n > 0)
		https_form_put(form, "ExternalId", external);
	https_form_put(form, "RoleArn", minter_setting(j, WAY_SET_ROLE_ARN));
	https_form_put(
	    form, "RoleSessionName", minter_setting(j, WAY_SET_SESSION_NAME));
	https_form_put(form, "Version", VIEW("2011-06-15"));
}

/* The fields of the request; `auth` and `date` hold what they point to. */
static int
sign(const struct minter_job *j, const struct https_post *p,
    struct h1_field fields[], size_t *n, const char *date, struct buf *auth,
    struct err *e)
{
	struct sigv4_field signed_fields[6];
	char hash[SHA256_HEX];
	struct view token = view_of(j->ask->secrets[WAY_SECRET_TOKEN]), query;
	struct sigv4 s = { .method = VIEW("POST"),
		.path = view_cut(p->url->target, '?', &query),
		.query = query,
		.fields = signed_fields,
		.service = VIEW("sts"),
		.region = minter_setting(j, WAY_SET_STS_REGION),
		.access = view_of(j->ask->secrets[WAY_SECRET_ACCESS_KEY]),
		.secret = view_of(j->ask->secrets[WAY_SECRET_SECRET_KEY]),
		.date = date };

	fields[(*n)++] = (struct h1_field) { VIEW("Content-Type"),
		VIEW("application/x-www-form-urlencoded; charset=utf-8") };
	fields[(*n)++] =
	    (struct h1_field) { VIEW("X-Amz-Date"), view_of(date) };
	if (token.n > 0)
		fields[(*n)++] =
		    (struct h1_field) { VIEW("X-Amz-Security-Token"), token };
	for (size_t i = 0; i < *n; i++)
		signed_fields[s.n_fields++] =
		    (struct sigv4_field) { fields[i].name, fields[i].value };
	signed_fields[s.n_fields++] =
	    (struct sigv4_field) { VIEW("host"), buf_view(&p->url->host) };
	sha256_hex(p->body, hash);
	s.payload = view_of(hash);
	if (sigv4_sign(&s, auth, e) < 0)
		return -1;
	fields[(*n)++] =
	    (struct h1_field) { VIEW("Authorization"), buf_view(auth) };
	return 0;
}

static int
take(const struct https_answer *a, const struct https_url *u,
    struct minter_answer *out, struct err *e)
{
	struct buf values[STS_VALUES] = { 0 };
	int64_t ends = 0, now = clock_wall_ms() / 1000;
	char code[STS_CODE_MAX];
	int rc;

	if (a->status != 200) {
		sts_error(buf_view(&a->body), code);
		return err_set(e, a->status >= 500 ? ERR_AGAIN : ERR_DENIED,
		    "%.200s answered %u%s%s", u->at.host, a->status,
		    code[0] != '\0' ? ": " : "", code);
	}
	for (size_t i = 0; i < STS_VALUES; i++)
		rw_out_init(&values[i], RW_VALUE_MAX + 1);
	rc = sts_answer(buf_view(&a->body), values, &ends, e);
	if (rc == 0 && ends <= now)
		rc = err_set(e, ERR_PROTO,
		    "the answer's keys have ended already: check the clock");
	for (size_t i = 0; i < STS_VALUES; i++) {
		if (rc == 0)
			memcpy(out->values[i], values[i].p, values[i].n);
		rw_out_fini(&values[i]);
	}
	if (rc < 0)
		return err_wrap(e, "%.200s", u->at.host);
	out->lifetime_s =
	    (uint32_t)MIN(ends - now, (int64_t)MINTER_LIFETIME_MAX_S);
	return 0;
}

int
minter_aws_sts_assume_role(
    const struct minter_job *j, struct minter_answer *out, struct err *e)
{
	AUTO_BUF struct buf url = BUF_INIT(WAY_TEXT_MAX),
			    form = BUF_INIT(BODY_MAX);
	AUTO_BUF struct buf auth = BUF_INIT(SIGV4_AUTH_MAX);
	AUTO_HTTPS_URL struct https_url at = { 0 };
	AUTO_HTTPS_ANSWER struct https_answer answer = { 0 };
	struct h1_field fields[6];
	char date[SIGV4_DATE];
	struct https_post post = { .url = &at,
		.ca_file = j->ask->settings[WAY_SET_STS_CA],
		.fields = fields };

	put_url(j, &url);
	if (https_url_parse(buf_view(&url), &at, e) < 0)
		return err_wrap(e, "aws-sts-url");
	put_form(j, &form);
	post.body = buf_view(&form);
	sigv4_date(clock_wall_ms() / 1000, date);
	if (sign(j, &post, fields, &post.n_fields, date, &auth, e) < 0)
		return -1;
	return https_post(j, &post, &answer, e) < 0
		   ? -1
		   : take(&answer, &at, out, e);
}
