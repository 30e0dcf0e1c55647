/*
 * An access token for what the gateway is: its SPIFFE identity, as a JWT that
 * the agent of this machine signs, is the client assertion of a client
 * credentials grant (RFC 7523 section 2.2).
 */
#include "minter/https.h"
#include "minter/oauth2.h"
#include "minter/spiffe.h"

enum { BODY_MAX = 32768 };

static struct view
audience_of(const struct minter_job *j)
{
	struct view given = minter_setting(j, WAY_SET_AUDIENCE);

	return given.n > 0 ? given : minter_setting(j, WAY_SET_TOKEN_URL);
}

static int
put_form(const struct minter_job *j, struct buf *form, struct err *e)
{
	AUTO_RW_OUT struct buf svid = BUF_INIT(0);

	rw_out_init(&svid, SPIFFE_SVID_MAX + 1);
	if (spiffe_jwt(j, minter_setting(j, WAY_SET_SPIFFE_SOCKET),
		minter_setting(j, WAY_SET_SPIFFE_ID), audience_of(j), &svid,
		e) < 0)
		return -1;
	oauth2_form(minter_setting(j, WAY_SET_CLIENT_ID),
	    minter_setting(j, WAY_SET_SCOPE), buf_view(&svid), form);
	return form->full ? err_set(e, ERR_LIMIT, "the request is too long")
			  : 0;
}

static int
refused(const struct https_answer *a, const struct https_url *u, struct err *e)
{
	char code[OAUTH2_CODE_MAX];

	oauth2_error(buf_view(&a->body), code);
	return err_set(e, a->status >= 500 ? ERR_AGAIN : ERR_DENIED,
	    "%.200s answered %u%s%s", u->at.host, a->status,
	    code[0] != '\0' ? ": " : "", code);
}

static int
take(const struct https_answer *a, const struct https_url *u,
    struct minter_answer *out, struct err *e)
{
	AUTO_RW_OUT struct buf token = BUF_INIT(0);
	uint64_t lifetime = 0;

	if (a->status != 200)
		return refused(a, u, e);
	rw_out_init(&token, RW_VALUE_MAX + 1);
	if (oauth2_answer(buf_view(&a->body), &token, &lifetime, e) < 0)
		return err_wrap(e, "%.200s", u->at.host);
	memcpy(out->values[0], token.p, token.n);
	out->lifetime_s = lifetime == 0 ? MINTER_LIFETIME_S
					: (uint32_t)MIN(lifetime,
					      (uint64_t)MINTER_LIFETIME_MAX_S);
	return 0;
}

int
minter_oauth2_client_assertion(
    const struct minter_job *j, struct minter_answer *out, struct err *e)
{
	static const struct h1_field fields[] = {
		{ VIEW("Content-Type"),
		    VIEW("application/x-www-form-urlencoded") },
		{ VIEW("Accept"), VIEW("application/json") },
	};
	AUTO_RW_OUT struct buf form = BUF_INIT(0);
	AUTO_HTTPS_URL struct https_url url = { 0 };
	AUTO_HTTPS_ANSWER struct https_answer answer = { 0 };
	struct https_post post = { .url = &url,
		.ca_file = j->ask->settings[WAY_SET_OAUTH2_CA],
		.fields = fields,
		.n_fields = ARRAY_LEN(fields) };

	if (https_url_parse(minter_setting(j, WAY_SET_TOKEN_URL), &url, e) < 0)
		return err_wrap(e, "oauth2-token-url");
	rw_out_init(&form, BODY_MAX);
	if (put_form(j, &form, e) < 0)
		return -1;
	post.body = buf_view(&form);
	return https_post(j, &post, &answer, e) < 0
		   ? -1
		   : take(&answer, &url, out, e);
}
