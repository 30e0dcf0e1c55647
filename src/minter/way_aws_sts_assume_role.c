/*
 * Keys of a role for a while: AssumeRole of AWS STS, signed with the
 * long-lived keys that the gateway holds.
 */
#include "base/clock.h"
#include "minter/https.h"
#include "minter/sts.h"

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

static struct sts_role
role_of(const struct minter_job *j)
{
	return (struct sts_role) {
		.arn = minter_setting(j, WAY_SET_ROLE_ARN),
		.session = minter_setting(j, WAY_SET_SESSION_NAME),
		.external_id = minter_setting(j, WAY_SET_EXTERNAL_ID),
		.duration = minter_setting(j, WAY_SET_DURATION),
		.region = minter_setting(j, WAY_SET_STS_REGION),
		.access = view_of(j->ask->secrets[WAY_SECRET_ACCESS_KEY]),
		.secret = view_of(j->ask->secrets[WAY_SECRET_SECRET_KEY]),
		.token = view_of(j->ask->secrets[WAY_SECRET_TOKEN]),
	};
}

int
minter_aws_sts_assume_role(
    const struct minter_job *j, struct minter_answer *out, struct err *e)
{
	AUTO_BUF struct buf url = BUF_INIT(WAY_TEXT_MAX),
			    form = BUF_INIT(BODY_MAX);
	AUTO_HTTPS_URL struct https_url at = { 0 };
	AUTO_HTTPS_ANSWER struct https_answer answer = { 0 };
	const struct sts_role role = role_of(j);
	struct sts_fields fields = { 0 };
	struct https_post post = { .url = &at,
		.ca_file = j->ask->settings[WAY_SET_STS_CA],
		.fields = fields.v };
	int rc;

	put_url(j, &url);
	if (https_url_parse(buf_view(&url), &at, e) < 0)
		return err_wrap(e, "aws-sts-url");
	sts_form(&role, &form);
	post.body = buf_view(&form);
	rc = sts_sign(&role, at.target, buf_view(&at.host), post.body,
	    clock_wall_ms() / 1000, &fields, e);
	post.n_fields = fields.n;
	if (rc == 0)
		rc = https_post(j, &post, &answer, e);
	sts_fields_fini(&fields);
	return rc < 0 ? -1 : take(&answer, &at, out, e);
}
