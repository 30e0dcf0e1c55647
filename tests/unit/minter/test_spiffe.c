#include "test.h"

#include "minter/spiffe.h"
#include "workload.pb-c.h"

TEST(spiffe, knows_the_shape_of_a_jwt)
{
	CHECK(spiffe_is_jwt(VIEW("eyJhbGciOiJFUzI1NiJ9.e30.c2ln-_")));
	CHECK(!spiffe_is_jwt(VIEW("")));
	CHECK(!spiffe_is_jwt(VIEW("a.b")));
	CHECK(!spiffe_is_jwt(VIEW("a..c")));
	CHECK(!spiffe_is_jwt(VIEW("a.b.c.d")));
	CHECK(!spiffe_is_jwt(VIEW("a.b.c\n")));
	CHECK(!spiffe_is_jwt(VIEW("a.b.c=")));
	CHECK(!spiffe_is_jwt(VIEW("a.b\0.c")));
	/* Without a signature it proves nothing. */
	CHECK(!spiffe_is_jwt(VIEW("a.b.")));
}

/* The bytes of the standard: audience is field 1, spiffe_id field 2. */
TEST(spiffe, asks_with_the_numbers_of_the_standard)
{
	char *whom[] = { (char[]) { "aud" } };
	JWTSVIDRequest ask = JWTSVIDREQUEST__INIT;
	uint8_t bytes[64];
	size_t n;

	ask.audience = whom;
	ask.n_audience = 1;
	ask.spiffe_id = (char[]) { "spiffe://a/b" };
	n = jwtsvidrequest__pack(&ask, bytes);
	CHECK(view_eq((struct view) { (char *)bytes, n },
	    VIEW("\x0a\x03"
		 "aud\x12\x0cspiffe://a/b")));
}

TEST(spiffe, reads_with_the_numbers_of_the_standard)
{
	static const struct view bytes = { "\x0a\x10\x0a\x05"
					   "s://a\x12\x03x.y\x1a\x02hi",
		18 };
	JWTSVIDResponse *r =
	    jwtsvidresponse__unpack(NULL, bytes.n, (const uint8_t *)bytes.p);

	CHECK(r != NULL);
	CHECK_INT(r->n_svids, ==, 1);
	CHECK_STR(r->svids[0]->spiffe_id, "s://a");
	CHECK_STR(r->svids[0]->svid, "x.y");
	CHECK_STR(r->svids[0]->hint, "hi");
	jwtsvidresponse__free_unpacked(r, NULL);
}

TEST(ways, a_socket_is_a_path_in_any_of_its_forms)
{
	CHECK(
	    view_eq(way_socket_path(VIEW("/run/a.sock")), VIEW("/run/a.sock")));
	CHECK(view_eq(
	    way_socket_path(VIEW("unix:///run/a.sock")), VIEW("/run/a.sock")));
	CHECK(view_eq(
	    way_socket_path(VIEW("unix:/run/a.sock")), VIEW("/run/a.sock")));
}

TEST(ways, settings_look_like_what_they_are)
{
	static const struct {
		enum way_setting_id id;
		const char *text;
		bool good;
	} rows[] = {
		{ WAY_SET_TOKEN_URL, "https://login.example.com/token", true },
		{ WAY_SET_TOKEN_URL, "https://[::1]:8443/t?x=y", true },
		{ WAY_SET_TOKEN_URL, "http://login.example.com/token", false },
		{ WAY_SET_TOKEN_URL, "https://u@login.example.com/", false },
		{ WAY_SET_TOKEN_URL, "https://a/#f", false },
		{ WAY_SET_TOKEN_URL, "https:///x", false },
		{ WAY_SET_SPIFFE_SOCKET, "unix:///run/a", true },
		{ WAY_SET_SPIFFE_SOCKET, "run/a", false },
		{ WAY_SET_SPIFFE_ID, "spiffe://example.org/a/b-1", true },
		{ WAY_SET_SPIFFE_ID, "https://example.org/", false },
		{ WAY_SET_SCOPE, "a b", true },
		{ WAY_SET_SCOPE, "a\nb", false },
		{ WAY_SET_SCOPE, "", false },
		{ WAY_SET_ROLE_ARN, "arn:aws:iam::123456789012:role/a/b",
		    true },
		{ WAY_SET_ROLE_ARN, "arn:aws-cn:iam::123456789012:role/a",
		    true },
		{ WAY_SET_ROLE_ARN, "arn:aws:iam::123456789012:user/a", false },
		{ WAY_SET_ROLE_ARN, "arn:aws:iam::12345678901:role/a", false },
		{ WAY_SET_ROLE_ARN, "arn:aws:s3::123456789012:role/a", false },
		{ WAY_SET_ROLE_ARN, "arn:aws:iam", false },
		{ WAY_SET_SESSION_NAME, "a", false },
		{ WAY_SET_SESSION_NAME, "me@here", true },
		{ WAY_SET_DURATION, "900", true },
		{ WAY_SET_DURATION, "899", false },
		{ WAY_SET_DURATION, "3601", false },
		{ WAY_SET_DURATION, "1h", false },
		{ WAY_SET_STS_REGION, "us-gov-west-1", true },
		{ WAY_SET_STS_REGION, "evil.example.com/", false },
		{ WAY_SET_STS_REGION, "", false },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(way_setting_check(
			      rows[i].id, view_of(rows[i].text), &e) == 0,
		    ==, rows[i].good);
}

TEST(ways, their_rows_belong_together)
{
	enum way_id way = WAYS;
	struct err e;

	CHECK_INT(way_find(VIEW("oauth2-client-assertion"), &way, &e), ==, 0);
	CHECK_INT(way, ==, WAY_oauth2_client_assertion);
	CHECK(way_value(way, 0) == NULL);
	CHECK_INT(way_find(VIEW("aws-sts-assume-role"), &way, &e), ==, 0);
	CHECK_STR(way_value(way, 2), "AWS_SESSION_TOKEN");
	CHECK(way_value(way, 3) == NULL);
	CHECK_INT(way_setting_find(way, VIEW("oauth2-token-url")), ==, -1);
	CHECK_INT(way_secret_find(way, VIEW("AWS_ACCESS_KEY_ID")), ==,
	    WAY_SECRET_ACCESS_KEY);
	CHECK_INT(way_find(VIEW("magic"), &way, &e), ==, -1);
	CHECK(strstr(e.text, "aws-sts-assume-role") != NULL);
	for (unsigned i = 0; i < WAY_SETTINGS; i++) {
		const char *preset = way_settings[i].preset;

		CHECK(preset[0] == '\0' ||
		      way_setting_check(
			  (enum way_setting_id)i, view_of(preset), &e) == 0);
	}
	for (unsigned i = 0; i < WAYS; i++)
		for (size_t n = 0; way_value((enum way_id)i, n) != NULL; n++)
			CHECK_INT(n, <, WAY_VALUES_MAX);
}
