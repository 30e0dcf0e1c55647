#include "test.h"

#include "codec/base64.h"
#include "secrets/rewrite.h"

#define PH "openshell:resolve:env:"

struct pair {
	const char *key, *value; /* NULL: of another place */
};

static int
resolve(void *ctx, const struct ph *p, struct view *value, struct err *e)
{
	for (const struct pair *v = ctx; v->key != NULL; v++)
		if (view_eq(p->key, view_of(v->key))) {
			if (v->value == NULL)
				return err_set(e, ERR_DENIED, "not here");
			*value = view_of(v->value);
			return 0;
		}
	return err_set(e, ERR_NOT_FOUND, "unknown");
}

static const struct pair keys[] = { { "ANTHROPIC_API_KEY", "sk-test" },
	{ "CUSTOM_TOKEN", "secret-token" }, { "BAD", "value\r\nEvil: header" },
	{ "YOUTUBE_KEY", "AIzaSy-secret" },
	{ "SPACED", "key with spaces&symbols=yes" },
	{ "DB_PASSWORD", "s3cret!" }, { "TOKEN", "abc123" },
	{ "TELEGRAM_TOKEN", "123456:ABC-DEF" }, { "UP", "../admin" },
	{ "SLASH", "foo/bar" }, { "BACKSLASH", "foo\\bar" }, { "DOTS", ".." },
	{ "DOT", "." }, { "PARAM", ";v=1" }, { "HELLO", "hello world" },
	{ "QUOTE", "a\"b\\c\n" }, { "JSONY", "a\"b\\c" }, { "A", "x" },
	{ "AB", "y" }, { "COLON", "p:q" }, { "BYTES", "\xff\xfe" },
	{ "ELSEWHERE", NULL }, { NULL, NULL } };

static struct err e;
static char got[65536];

enum what { FIELD, PATH, QUERY, SHOWN, JSON, FORM, TEXT, OPAQUE, MESSAGE };

/* The result in `got`; "" unless it is 1. */
static int
run(enum what what, const char *in)
{
	struct rw rw = { .resolve = resolve, .ctx = (void *)(uintptr_t)keys };
	AUTO_RW_OUT struct buf out = BUF_INIT(0);
	struct view v = view_of(in);
	int r = -2;

	rw_out_init(&out, 32768);
	switch (what) {
	case FIELD:
		r = rw_field(&rw, v, &out, &e);
		break;
	case PATH:
		r = rw_path(&rw, v, &out, &e);
		break;
	case QUERY:
		r = rw_query(&rw, v, &out, &e);
		break;
	case SHOWN:
		r = rw_path_shown(v, &out, &e);
		break;
	case MESSAGE:
		r = rw_message(&rw, v, &out, &e);
		break;
	case JSON:
		r = rw_body(&rw, RW_BODY_JSON, v, &out, &e);
		break;
	case FORM:
		r = rw_body(&rw, RW_BODY_FORM, v, &out, &e);
		break;
	case TEXT:
		r = rw_body(&rw, RW_BODY_TEXT, v, &out, &e);
		break;
	case OPAQUE:
		r = rw_body(&rw, RW_BODY_OPAQUE, v, &out, &e);
		break;
	}
	(void)snprintf(
	    got, sizeof(got), "%.*s", (int)out.n, out.p != NULL ? out.p : "");
	return r;
}

#define GIVES(what, in, want) \
	do { \
		CHECK_INT(run(what, in), ==, 1); \
		CHECK_STR(got, want); \
	} while (0)
#define SAME(what, in) \
	do { \
		CHECK_INT(run(what, in), ==, 0); \
		CHECK_STR(got, ""); \
	} while (0)
#define REFUSES(what, in, place) \
	do { \
		CHECK_INT(run(what, in), ==, -1); \
		CHECK_STR(got, ""); \
		CHECK_HAS(e.text, \
		    "unresolved credential placeholder in " place ": "); \
		CHECK_INT(e.code, ==, ERR_NOT_FOUND); \
	} while (0)

static const char *
b64(const char *text)
{
	static char out[1024];
	AUTO_BUF struct buf b = BUF_INIT(1000);

	base64_encode(view_of(text), &b);
	(void)snprintf(out, sizeof(out), "Basic %s", buf_str(&b));
	return out;
}

TEST(rewrite, S_02_and_S_03_a_whole_value_or_one_behind_a_scheme)
{
	GIVES(FIELD, PH "CUSTOM_TOKEN", "secret-token");
	GIVES(FIELD, " \t" PH "CUSTOM_TOKEN ", "secret-token");
	GIVES(FIELD, "Bearer " PH "ANTHROPIC_API_KEY", "Bearer sk-test");
	GIVES(FIELD, "token \t " PH "TOKEN", "token abc123");
	GIVES(FIELD, "Bearer sk-OPENSHELL-RESOLVE-ENV-TOKEN", "Bearer abc123");
	GIVES(FIELD, "ghp-OPENSHELL-RESOLVE-ENV-TOKEN", "abc123");
}

TEST(rewrite, S_05_and_S_06_what_has_no_placeholder_stays)
{
	SAME(FIELD, "");
	SAME(FIELD, "text/html; q=0.8");
	SAME(FIELD, "Bearer sk-test");
	SAME(PATH, "/a/b%20c");
	SAME(QUERY, "a=b&c=%20d+e");
	SAME(SHOWN, "/a/b%20c");
	SAME(JSON, "{\"a\": \"b\\n\", \"c\": [1, 2]}");
	SAME(FORM, "a=b&c=d%20");
	SAME(TEXT, "hello");
	SAME(OPAQUE, "hello");
}

TEST(rewrite, S_07_a_value_of_two_lines_is_none)
{
	REFUSES(FIELD, PH "BAD", "header");
	REFUSES(QUERY, "a=" PH "BAD", "query_param");
	REFUSES(PATH, "/" PH "BAD", "path");
	REFUSES(JSON, "\"" PH "QUOTE\"", "body");
}

TEST(rewrite, a_placeholder_beside_other_text_in_a_field_is_refused)
{
	static const char *const bad[] = { "a=" PH "TOKEN", PH "TOKEN; x",
		PH "TOKEN x", "x y " PH "TOKEN", PH "TOKEN " PH "TOKEN",
		"Bearer " PH "TOKEN.x", "Bearer x" PH "TOKEN",
		"sk-OPENSHELL-RESOLVE-ENV-TOKEN x", "Basic " PH "TOKEN x", PH,
		"Bearer " PH, PH "v5_NONE" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		REFUSES(FIELD, bad[i], "header");
}

TEST(rewrite, S_09_and_S_10_a_query_value_is_encoded)
{
	GIVES(QUERY, "part=snippet&key=" PH "YOUTUBE_KEY",
	    "part=snippet&key=AIzaSy-secret");
	GIVES(QUERY, "token=" PH "SPACED",
	    "token=key%20with%20spaces%26symbols%3Dyes");
	GIVES(QUERY, "a=1&&t=openshell%3Aresolve%3aenv:TOKEN&b",
	    "a=1&&t=abc123&b");
	REFUSES(QUERY, "a=x" PH "TOKEN", "query_param");
	REFUSES(QUERY, "a=" PH "TOKEN+", "query_param");
	REFUSES(QUERY, PH "TOKEN=a", "query_param");
	REFUSES(QUERY, "openshell%3Aresolve:env:TOKEN", "query_param");
	REFUSES(QUERY, "a=1&b=" PH "TOKEN&c=" PH "NONE", "query_param");
}

TEST(rewrite, S_12_and_S_13_basic)
{
	char want[1024];

	(void)snprintf(want, sizeof(want), "%s", b64("admin:s3cret!"));
	GIVES(FIELD, b64("admin:" PH "DB_PASSWORD"), want);
	(void)snprintf(want, sizeof(want), "%s", b64("abc123:"));
	GIVES(FIELD, b64(PH "TOKEN:"), want);
	(void)snprintf(want, sizeof(want), "%s", b64("abc123:x-oauth-basic"));
	GIVES(FIELD, b64("g-OPENSHELL-RESOLVE-ENV-TOKEN:x-oauth-basic"), want);
	(void)snprintf(want, sizeof(want), "%s", b64("u-abc123:a.s3cret!.b"));
	GIVES(FIELD, b64("u-" PH "TOKEN:a." PH "DB_PASSWORD.b"), want);
	SAME(FIELD, b64("user:password"));
	SAME(FIELD, "Basic not/base64!");
	REFUSES(FIELD, b64("admin:" PH "UNKNOWN"), "header");
	REFUSES(FIELD, b64("admin:" PH), "header");
	REFUSES(FIELD, b64("a x-OPENSHELL-RESOLVE-ENV-TOKEN:"), "header");
	REFUSES(FIELD, b64("u:" PH "BAD"), "header");
}

TEST(rewrite, a_colon_in_a_value_stays_on_its_side_of_basic)
{
	char want[1024];

	REFUSES(FIELD, b64(PH "COLON:x"), "header");
	REFUSES(FIELD, b64(PH "COLON"), "header");
	REFUSES(FIELD, b64(PH "TOKEN." PH "COLON:x"), "header");
	(void)snprintf(want, sizeof(want), "%s", b64("abc123:p:q"));
	GIVES(FIELD, b64(PH "TOKEN:" PH "COLON"), want);
}

TEST(rewrite, S_26_keys_that_begin_alike_stay_apart)
{
	char want[1024];

	(void)snprintf(want, sizeof(want), "%s", b64("u:y"));
	GIVES(FIELD, b64("u:" PH "AB"), want);
	(void)snprintf(want, sizeof(want), "%s", b64("x:y"));
	GIVES(FIELD, b64(PH "A:" PH "AB"), want);
}

TEST(rewrite, S_14_S_15_and_S_19_paths)
{
	GIVES(PATH, "/api/" PH "TOKEN/data", "/api/abc123/data");
	GIVES(SHOWN, "/api/" PH "TOKEN/data", "/api/[CREDENTIAL]/data");
	GIVES(PATH, "/bot" PH "TELEGRAM_TOKEN/sendMessage",
	    "/bot123456:ABC-DEF/sendMessage");
	GIVES(SHOWN, "/bot" PH "TELEGRAM_TOKEN/sendMessage",
	    "/bot[CREDENTIAL]/sendMessage");
	GIVES(PATH, "/api/" PH "HELLO/data", "/api/hello%20world/data");
	GIVES(PATH, "/a-OPENSHELL-RESOLVE-ENV-TOKEN/", "/abc123/");
	GIVES(SHOWN, "/a-OPENSHELL-RESOLVE-ENV-TOKEN/", "/[CREDENTIAL]/");
	GIVES(PATH, "/openshell%3Aresolve%3Aenv%3ATOKEN", "/abc123");
	REFUSES(PATH, "/x." PH "DOT", "path");
}

TEST(rewrite, S_17_a_value_that_is_a_path_is_refused_in_one)
{
	static const char *const bad[] = { "/" PH "UP", "/" PH "SLASH",
		"/" PH "BACKSLASH", "/" PH "DOTS", "/" PH "DOT", "/." PH "DOT",
		"/%20" PH "UNKNOWN" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		REFUSES(PATH, bad[i], "path");
}

/* Where ".." ends at a semicolon, "..;v=1" climbs. */
TEST(rewrite, a_value_that_begins_parameters_is_refused_in_a_path)
{
	REFUSES(PATH, "/a/.." PH "PARAM/b", "path");
	REFUSES(PATH, "/a/" PH "PARAM/b", "path");
	GIVES(QUERY, "k=" PH "PARAM", "k=%3Bv%3D1");
}

TEST(rewrite, S_20_and_S_22_unknown_ones_are_refused)
{
	REFUSES(FIELD, PH "UNKNOWN_KEY", "header");
	REFUSES(PATH, "/api/openshell%3Aresolve%3Aenv%3AUNKNOWN/data", "path");
	REFUSES(PATH, "/api/" PH "/data", "path");
	REFUSES(SHOWN, "/api/" PH "9/data", "path");
	REFUSES(PATH, "/api/" PH "TOKENx/data", "path");
}

TEST(rewrite, what_is_bound_elsewhere_says_so)
{
	CHECK_INT(run(FIELD, "Bearer " PH "ELSEWHERE"), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_STR(e.text, "not here");
	CHECK_STR(got, "");
	CHECK_INT(run(PATH, "/" PH "TOKEN/" PH "ELSEWHERE"), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_STR(got, "");
}

TEST(rewrite, json_strings_are_read_and_written_as_json)
{
	GIVES(JSON, "{\"k\": \"" PH "TOKEN\", \"n\": 1}",
	    "{\"k\": \"abc123\", \"n\": 1}");
	GIVES(JSON, "[\"a " PH "TOKEN b\"]", "[\"a abc123 b\"]");
	GIVES(JSON, "[\"openshell\\u003aresolve:env:TOKEN\"]", "[\"abc123\"]");
	GIVES(JSON, "[\"" PH "JSONY\"]", "[\"a\\\"b\\\\c\"]");
	GIVES(JSON, "[\"\\ud83d\\ude00 " PH "TOKEN\"]",
	    "[\"\xf0\x9f\x98\x80 abc123\"]");
	/* A quote behind a backslash ends nothing. */
	GIVES(JSON, "[\"\\\"" PH "TOKEN\"]", "[\"\\\"abc123\"]");
}

TEST(rewrite, json_that_could_be_read_in_two_ways_is_refused)
{
	static const char *const bad[] = { "{\"" PH "TOKEN\": 1}",
		"{\"" PH "TOKEN\" : 1}", "\"" PH "TOKEN", PH "TOKEN",
		"\"\\q" PH "TOKEN\"", "\"\\ud800" PH "TOKEN\"",
		"\"\\u00" PH "TOKEN\"", "\"\xff" PH "TOKEN\"",
		"\"" PH "BYTES\"", "\"a\" " PH "TOKEN",
		"\"" PH "TOKEN\" \"" PH "NONE\"" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		REFUSES(JSON, bad[i], "body");
}

TEST(rewrite, forms_text_and_what_is_neither)
{
	GIVES(FORM, "grant=x&secret=" PH "SPACED",
	    "grant=x&secret=key%20with%20spaces%26symbols%3Dyes");
	REFUSES(FORM, PH "TOKEN=1", "body");
	GIVES(TEXT, "a " PH "TOKEN\n", "a abc123\n");
	REFUSES(TEXT, "a " PH "NONE\n", "body");
	REFUSES(OPAQUE, "a " PH "TOKEN\n", "body");
	REFUSES(OPAQUE, "a-OPENSHELL-RESOLVE-ENV-TOKEN", "body");
	GIVES(MESSAGE, " {\"t\":\"" PH "TOKEN\"}", " {\"t\":\"abc123\"}");
	GIVES(MESSAGE, "auth " PH "TOKEN", "auth abc123");
	REFUSES(MESSAGE, "auth " PH "NONE", "websocket");
}

TEST(rewrite, content_types)
{
	CHECK_INT(rw_body_kind(VIEW("application/json; charset=utf-8")), ==,
	    RW_BODY_JSON);
	CHECK_INT(
	    rw_body_kind(VIEW("application/vnd.api+JSON")), ==, RW_BODY_JSON);
	CHECK_INT(rw_body_kind(VIEW("Application/X-WWW-Form-Urlencoded")), ==,
	    RW_BODY_FORM);
	CHECK_INT(rw_body_kind(VIEW("text/plain")), ==, RW_BODY_TEXT);
	CHECK_INT(rw_body_kind(VIEW("text")), ==, RW_BODY_OPAQUE);
	CHECK_INT(rw_body_kind(VIEW("")), ==, RW_BODY_OPAQUE);
	CHECK_INT(
	    rw_body_kind(VIEW("multipart/form-data")), ==, RW_BODY_OPAQUE);
}

TEST(rewrite, what_grows_beyond_its_bound_is_refused_whole)
{
	struct rw rw = { .resolve = resolve, .ctx = (void *)(uintptr_t)keys };
	AUTO_RW_OUT struct buf out = BUF_INIT(0);

	rw_out_init(&out, 8);
	CHECK_INT(rw_field(&rw, VIEW("Bearer " PH "TOKEN"), &out, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_INT(out.n, ==, 0);
	CHECK(memchr(out.p, 'a', 8) == NULL);
}
