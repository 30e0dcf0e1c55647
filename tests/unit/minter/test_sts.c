#include "test.h"

#include "minter/sts.h"
#include "secrets/rewrite.h"

static struct err e;

static const struct sts_role role = {
	.arn = { "arn:aws:iam::123456789012:role/reader", 37 },
	.session = { "me@here", 7 },
	.external_id = { "a/b c", 5 },
	.duration = { "900", 3 },
	.region = { "eu-west-1", 9 },
	.access = { "AKIDEXAMPLE", 11 },
	.secret = { "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40 },
};

#define FORM \
	"Action=AssumeRole&DurationSeconds=900&ExternalId=a%2Fb%20c&" \
	"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader&" \
	"RoleSessionName=me%40here&Version=2011-06-15"
#define SCOPE "Credential=AKIDEXAMPLE/20260102/eu-west-1/sts/aws4_request, "

static struct view
authorization(const struct sts_role *r, struct sts_fields *f)
{
	CHECK_INT(sts_sign(r, VIEW("/"), VIEW("sts.eu-west-1.amazonaws.com"),
		      VIEW(FORM), 1767323045, f, &e),
	    ==, 0);
	CHECK_STR(f->date, "20260102T030405Z");
	return f->v[f->n - 1].value;
}

/* Computed by another implementation (Python's hmac) from the documents. */
TEST(sts, asks_signed_as_aws_documents_it)
{
	AUTO_BUF struct buf form = BUF_INIT(1024);
	struct sts_role session = role;
	struct sts_fields f;

	sts_form(&role, &form);
	CHECK_STR(buf_str(&form), FORM);
	CHECK(view_eq(authorization(&role, &f),
	    VIEW("AWS4-HMAC-SHA256 " SCOPE
		 "SignedHeaders=content-type;host;x-amz-date, Signature="
		 "b73d1d2e0e2677e3e213942db1de8e90138c4f06d798a84d27f8ce87151aa"
		 "8cf")));
	sts_fields_fini(&f);
	session.token = VIEW("session/token==");
	CHECK(view_eq(authorization(&session, &f),
	    VIEW(
		"AWS4-HMAC-SHA256 " SCOPE
		"SignedHeaders=content-type;host;x-amz-date;"
		"x-amz-security-token, Signature=3e6fc2d49389bd5ec935c01196198b"
		"8d457f2102b6e5f7ae9b42e5554d2e6041")));
	sts_fields_fini(&f);
}

#define BEFORE \
	"<AssumeRoleResponse " \
	"xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" \
	"<AssumeRoleResult><Credentials>"
#define AFTER "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
#define ID "<AccessKeyId>ASIA</AccessKeyId>"
#define KEY "<SecretAccessKey>a+b/c</SecretAccessKey>"
#define TOKEN "<SessionToken>t==</SessionToken>"
#define ENDS "<Expiration>2026-01-02T03:04:05Z</Expiration>"

static int
read_answer(struct view body, char values[STS_VALUES][32], int64_t *ends)
{
	struct buf out[STS_VALUES];
	int rc;

	for (size_t i = 0; i < STS_VALUES; i++)
		rw_out_init(&out[i], 31);
	rc = sts_answer(body, out, ends, &e);
	for (size_t i = 0; i < STS_VALUES; i++) {
		(void)snprintf(values[i], 32, "%.*s", (int)out[i].n, out[i].p);
		rw_out_fini(&out[i]);
	}
	return rc;
}

TEST(sts, takes_the_keys_of_an_answer)
{
	static const struct {
		struct view body;
	} good[] = {
		{ VIEW(BEFORE ID KEY TOKEN ENDS AFTER) },
		{ VIEW("<?xml version=\"1.0\"?>\n" BEFORE ENDS
		       "<!-- x --> <Other a='1'/>" TOKEN KEY ID AFTER "\n") },
		{ VIEW(
		    BEFORE "<AccessKeyId>A&#83;I&#x41;</AccessKeyId>" KEY TOKEN
			   "<Expiration>2026-01-02T03:04:05.678Z"
			   "</Expiration>" AFTER) },
	};
	char v[STS_VALUES][32];
	int64_t ends = 0;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_INT(read_answer(good[i].body, v, &ends), ==, 0);
		CHECK_STR(v[STS_ID], "ASIA");
		CHECK_STR(v[STS_SECRET], "a+b/c");
		CHECK_STR(v[STS_TOKEN], "t==");
		CHECK_INT(ends, ==, 1767323045);
	}
}

TEST(sts, refuses_what_is_no_answer)
{
	static const struct {
		struct view body;
	} bad[] = {
		{ VIEW("") },
		{ VIEW("{}") },
		{ VIEW(BEFORE ID KEY TOKEN AFTER) },
		{ VIEW(BEFORE ID KEY ENDS AFTER) },
		{ VIEW(BEFORE ID ID KEY TOKEN ENDS AFTER) },
		{ VIEW(BEFORE ID KEY TOKEN ENDS) },
		{ VIEW(BEFORE ID KEY TOKEN ENDS AFTER "<x/>") },
		{ VIEW(BEFORE "<AccessKeyId><b>A</b></AccessKeyId>" KEY TOKEN
			ENDS AFTER) },
		{ VIEW(BEFORE "<AccessKeyId/>" KEY TOKEN ENDS AFTER) },
		{ VIEW(BEFORE
		    "<AccessKeyId>A B</AccessKeyId>" KEY TOKEN ENDS AFTER) },
		{ VIEW(BEFORE "<AccessKeyId>A&#10;B</AccessKeyId>" KEY TOKEN
			ENDS AFTER) },
		{ VIEW(BEFORE ID KEY TOKEN
		    "<Expiration>tomorrow</Expiration>" AFTER) },
		{ VIEW(BEFORE ID KEY TOKEN
		    "<Expiration>2026-13-02T03:04:05Z</Expiration>" AFTER) },
		{ VIEW(BEFORE ID KEY TOKEN "<Expiration>2026-01-02T03:04:05+01:"
					   "00</Expiration>" AFTER) },
		{ VIEW("<!DOCTYPE x [<!ENTITY a 'ASIA'>]>" BEFORE
		       "<AccessKeyId>&a;</AccessKeyId>" KEY TOKEN ENDS AFTER) },
		{ VIEW(BEFORE
		    "<AccessKeyId>&a;</AccessKeyId>" KEY TOKEN ENDS AFTER) },
		/* The right names at another place. */
		{ VIEW(
		    "<A><AssumeRoleResponse><AssumeRoleResult><Credentials>" ID
			KEY TOKEN ENDS AFTER "</A>") },
		/* Longer than its place. */
		{ VIEW(BEFORE ID KEY "<SessionToken>"
				     "0123456789012345678901234567890123456789"
				     "</SessionToken>" ENDS AFTER) },
	};
	char v[STS_VALUES][32];
	int64_t ends;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(read_answer(bad[i].body, v, &ends), ==, -1);
		CHECK(e.text[0] != '\0');
	}
}

TEST(sts, tells_the_code_of_an_error_and_nothing_else)
{
	char code[STS_CODE_MAX];

	sts_error(VIEW("<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type>"
		       "<Code>AccessDenied</Code><Message>AKID...</Message>"
		       "</Error></ErrorResponse>"),
	    code);
	CHECK_STR(code, "AccessDenied");
	sts_error(VIEW("<ErrorResponse><Error><Code>A B</Code></Error>"
		       "</ErrorResponse>"),
	    code);
	CHECK_STR(code, "");
	sts_error(VIEW("oops"), code);
	CHECK_STR(code, "");
}
