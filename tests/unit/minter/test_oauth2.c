#include "test.h"

#include "minter/oauth2.h"
#include "secrets/rewrite.h"

static struct err e;

TEST(oauth2, asks_as_rfc_7523_says)
{
	AUTO_BUF struct buf form = BUF_INIT(1024);

	oauth2_form(VIEW("s6BhdRkqt3"), VIEW("read write"),
	    VIEW("eyJ.aud-_.sig"), &form);
	CHECK_STR(buf_str(&form),
	    "grant_type=client_credentials&client_id=s6BhdRkqt3&"
	    "scope=read%20write&client_assertion_type=urn%3Aietf%3Aparams%3A"
	    "oauth%3Aclient-assertion-type%3Ajwt-bearer&"
	    "client_assertion=eyJ.aud-_.sig");
	buf_reset(&form);
	oauth2_form(VIEW(""), VIEW(""), VIEW("a.b.c"), &form);
	CHECK_STR(buf_str(&form),
	    "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3A"
	    "params%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
	    "client_assertion=a.b.c");
}

static int
read_answer(struct view body, char token[64], uint64_t *lifetime)
{
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	int rc;

	rw_out_init(&out, RW_VALUE_MAX + 1);
	rc = oauth2_answer(body, &out, lifetime, &e);
	(void)snprintf(token, 64, "%.*s", (int)MIN(out.n, (size_t)63), out.p);
	return rc;
}

TEST(oauth2, takes_a_token_and_how_long_it_is_good_for)
{
	static const struct {
		struct view body;
		const char *token;
		uint64_t lifetime;
	} good[] = {
		/* RFC 6749 section 5.1 */
		{ VIEW("{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\","
		       "\"token_type\":\"Bearer\",\"expires_in\":3600,"
		       "\"example_parameter\":\"example_value\"}"),
		    "2YotnFZFEjr1zCsicMWpAA", 3600 },
		{ VIEW(" {\"token_type\":\"bearer\",\"access_token\":"
		       "\"a\\u002eb\"}"),
		    "a.b", 0 },
	};
	char token[64];
	uint64_t lifetime;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_INT(read_answer(good[i].body, token, &lifetime), ==, 0);
		CHECK_STR(token, good[i].token);
		CHECK_INT(lifetime, ==, good[i].lifetime);
	}
}

TEST(oauth2, refuses_what_is_no_answer)
{
	static const struct {
		struct view body;
	} bad[] = {
		{ VIEW("") },
		{ VIEW("access_token=a&token_type=bearer") },
		{ VIEW("[]") },
		{ VIEW("{}") },
		{ VIEW("{\"access_token\":\"a\"}") },
		{ VIEW("{\"access_token\":\"a\",\"token_type\":\"mac\"}") },
		{ VIEW("{\"access_token\":1,\"token_type\":\"Bearer\"}") },
		{ VIEW("{\"access_token\":\"\",\"token_type\":\"Bearer\"}") },
		{ VIEW(
		    "{\"access_token\":\"a b\",\"token_type\":\"Bearer\"}") },
		{ VIEW(
		    "{\"access_token\":\"a\\nb\",\"token_type\":\"Bearer\"}") },
		{ VIEW("{\"access_token\":\"\\u00e4\",\"token_type\":"
		       "\"Bearer\"}") },
		{ VIEW("{\"access_token\":\"a\",\"access_token\":\"b\","
		       "\"token_type\":\"Bearer\"}") },
		{ VIEW("{\"access_token\":\"a\",\"token_type\":\"Bearer\","
		       "\"expires_in\":0}") },
		{ VIEW("{\"access_token\":\"a\",\"token_type\":\"Bearer\","
		       "\"expires_in\":-1}") },
		{ VIEW("{\"access_token\":\"a\",\"token_type\":\"Bearer\","
		       "\"expires_in\":1.5}") },
		{ VIEW("{\"access_token\":\"a\",\"token_type\":\"Bearer\","
		       "\"expires_in\":\"3600\"}") },
		{ VIEW("{\"access_token\":\"a\",\"token_type\":\"Bearer\","
		       "\"expires_in\":99999999999}") },
		{ VIEW(
		    "{\"access_token\":\"a\",\"token_type\":\"Bearer\"} x") },
	};
	char token[64];
	uint64_t lifetime;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(read_answer(bad[i].body, token, &lifetime), ==, -1);
		CHECK_STR(token, "");
		CHECK(e.text[0] != '\0');
	}
}

TEST(oauth2, tells_the_code_of_an_error_and_nothing_else)
{
	char code[OAUTH2_CODE_MAX];

	oauth2_error(VIEW("{\"error\":\"invalid_client\",\"error_description\":"
			  "\"the assertion eyJ...\"}"),
	    code);
	CHECK_STR(code, "invalid_client");
	oauth2_error(VIEW("{\"error\":\"Not A Code\"}"), code);
	CHECK_STR(code, "");
	oauth2_error(VIEW("{\"error\":{\"code\":\"x\"}}"), code);
	CHECK_STR(code, "");
	oauth2_error(VIEW("<html>"), code);
	CHECK_STR(code, "");
}
