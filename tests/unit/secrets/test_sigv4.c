#include "test.h"

#include "codec/sha256.h"
#include "secrets/sigv4.h"

static struct err e;

/* Of the documents of the algorithm: keys that were never any. */
#define ACCESS "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static const char *
signature(const struct sigv4 *s)
{
	static char text[SIGV4_AUTH_MAX];
	AUTO_BUF struct buf b = BUF_INIT(SIGV4_AUTH_MAX - 1);

	CHECK_INT(sigv4_sign(s, &b, &e), ==, 0);
	(void)snprintf(text, sizeof(text), "%s", buf_str(&b));
	return text;
}

static struct sigv4
vanilla(const struct sigv4_field *fields, size_t n, const char *query)
{
	static char empty[SHA256_HEX];

	sha256_hex(VIEW(""), empty);
	return (struct sigv4) { .method = VIEW("GET"),
		.path = VIEW("/"),
		.query = view_of(query),
		.fields = fields,
		.n_fields = n,
		.payload = view_of(empty),
		.service = VIEW("service"),
		.region = VIEW("us-east-1"),
		.access = VIEW(ACCESS),
		.secret = VIEW(SECRET),
		.date = "20150830T123600Z" };
}

static const struct sigv4_field host_date[] = {
	{ VIEW("X-Amz-Date"), VIEW("20150830T123600Z") },
	{ VIEW("Host"), VIEW("example.amazonaws.com") },
};

TEST(sigv4, get_vanilla)
{
	struct sigv4 s = vanilla(host_date, 2, "");

	CHECK_STR(signature(&s),
	    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"
	    "service/aws4_request, SignedHeaders=host;x-amz-date, "
	    "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d"
	    "763fbf31");
}

TEST(sigv4, get_vanilla_query_order)
{
	struct sigv4 s = vanilla(host_date, 2, "Param2=value2&Param1=value1");

	CHECK_HAS(signature(&s),
	    "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec9"
	    "4cdf2500");
}

TEST(sigv4, iam_list_users)
{
	static const struct sigv4_field fields[] = {
		{ VIEW("content-type"),
		    VIEW("application/x-www-form-urlencoded; charset=utf-8") },
		{ VIEW("host"), VIEW("iam.amazonaws.com") },
		{ VIEW("x-amz-date"), VIEW("20150830T123600Z") },
	};
	struct sigv4 s =
	    vanilla(fields, 3, "Action=ListUsers&Version=2010-05-08");

	s.service = VIEW("iam");
	CHECK_HAS(signature(&s),
	    "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924"
	    "a6f2b5d7");
}

TEST(sigv4, s3_get_object)
{
	static char empty[SHA256_HEX];
	struct sigv4_field fields[] = {
		{ VIEW("Host"), VIEW("examplebucket.s3.amazonaws.com") },
		{ VIEW("Range"), VIEW("bytes=0-9") },
		{ VIEW("x-amz-content-sha256"), { 0 } },
		{ VIEW("x-amz-date"), VIEW("20130524T000000Z") },
	};
	struct sigv4 s = vanilla(fields, 4, "");

	sha256_hex(VIEW(""), empty);
	fields[2].value = view_of(empty);
	s.path = VIEW("/test.txt");
	s.service = VIEW("s3");
	s.access = VIEW("AKIAIOSFODNN7EXAMPLE");
	s.secret = VIEW("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
	s.date = "20130524T000000Z";
	CHECK_HAS(signature(&s),
	    "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6"
	    "036bdb41");
}

TEST(sigv4, s3_list_objects)
{
	static char empty[SHA256_HEX];
	struct sigv4_field fields[] = {
		{ VIEW("Host"), VIEW("examplebucket.s3.amazonaws.com") },
		{ VIEW("x-amz-content-sha256"), { 0 } },
		{ VIEW("x-amz-date"), VIEW("20130524T000000Z") },
	};
	struct sigv4 s = vanilla(fields, 3, "max-keys=2&prefix=J");

	sha256_hex(VIEW(""), empty);
	fields[1].value = view_of(empty);
	s.service = VIEW("s3");
	s.access = VIEW("AKIAIOSFODNN7EXAMPLE");
	s.secret = VIEW("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
	s.date = "20130524T000000Z";
	CHECK_HAS(signature(&s),
	    "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711e"
	    "f69dc6f7");
}

TEST(sigv4, regions_of_hosts)
{
	static const struct {
		const char *host, *region;
	} rows[] = { { "sts.amazonaws.com", "us-east-1" },
		{ "s3.eu-central-1.amazonaws.com", "eu-central-1" },
		{ "b.s3.dualstack.ap-southeast-2.amazonaws.com",
		    "ap-southeast-2" },
		{ "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
		    "us-gov-west-1" },
		{ "us-west-2.s3.eu-west-1.amazonaws.com", "eu-west-1" },
		{ "s3.cn-north-1.amazonaws.com.cn", "cn-north-1" },
		{ "iam.amazonaws.com.cn", "cn-north-1" },
		{ "us-east-.x", "us-east-1" } };
	char out[SIGV4_REGION];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sigv4_region(view_of(rows[i].host), out);
		CHECK_STR(out, rows[i].region);
	}
}

TEST(sigv4, dates_and_fields)
{
	char date[SIGV4_DATE];

	sigv4_date(1440938160, date);
	CHECK_STR(date, "20150830T123600Z");
	CHECK(sigv4_dropped(VIEW("Authorization")));
	CHECK(sigv4_dropped(VIEW("X-Amz-Content-SHA256")));
	CHECK(!sigv4_dropped(VIEW("X-Amz-Target")));
	CHECK(!sigv4_signed(VIEW("User-Agent")));
	CHECK(!sigv4_signed(VIEW("amz-sdk-invocation-id")));
	CHECK(sigv4_signed(VIEW("content-type")));
}
