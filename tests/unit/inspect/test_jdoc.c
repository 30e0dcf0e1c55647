#include "inspect/flat.h"
#include "inspect/jdoc.h"
#include "test.h"

static int
parse(const char *text, struct err *e)
{
	AUTO_JDOC struct jdoc d = { 0 };

	return jdoc_parse(view_of(text), &d, e);
}

TEST(jdoc, takes_what_rfc_8259_takes)
{
	static const char *const good[] = { "0", "-0", "1.5e-7", "\"\"",
		" [ ] ", "{}", "null", "[1,2,[3]]",
		"\t{\"a\" : {\"b\":[]}}\r\n", "\"\\ud83d\\ude00\"",
		"\"\\u0000\"", "\"\x7f\"", "123456789012345678901234567890",
		"{\"a\":1,\"A\":2}" };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)

		CHECK_INT(parse(good[i], &e), ==, 0);
}

TEST(jdoc, refuses_what_it_does_not)
{
	static const char *const bad[] = { "", " ", "nul", "nulll", "01", "-",
		"1.", ".5", "+1", "1e", "1e+", "NaN", "Infinity", "-Infinity",
		"0x1", "'a'", "\"", "\"\\\"", "\"a\nb\"", "\"\\x41\"",
		"\"\\u12g4\"", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}",
		"{a:1}", "{\"a\":1,}", "[1]]", "[1}", "{\"a\":1]", "1 2",
		"\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\\ud800\"",
		"\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"",
		"\xef\xbb\xbf{}", "1e999", "-1e999", "// x\n1", "[1]/**/",
		"{\"\\u0000\":1}" };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(parse(bad[i], &e), ==, -1);
}

TEST(jdoc, refuses_a_name_twice_however_it_is_spelt)
{
	struct err e;

	CHECK_INT(parse("{\"method\":1,\"x\":2,\"method\":3}", &e), ==, -1);
	CHECK_HAS(e.text, "\"method\" occurs twice");
	CHECK_INT(parse("{\"a\":1,\"\\u0061\":2}", &e), ==, -1);
	CHECK_INT(parse("[[{\"x\":{\"a\":1,\"a\":2}}]]", &e), ==, -1);
	CHECK_INT(parse("[{\"a\":1},{\"a\":2}]", &e), ==, 0);
}

TEST(jdoc, bounds_depth_and_size)
{
	char text[256];
	struct err e;
	size_t n = JDOC_DEPTH_MAX;

	memset(text, '[', n);
	memset(text + n, ']', n);
	text[2 * n] = '\0';
	CHECK_INT(parse(text, &e), ==, 0);
	memset(text, '[', n + 1);
	memset(text + n + 1, ']', n + 1);
	text[2 * n + 2] = '\0';
	CHECK_INT(parse(text, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	memset(text, '1', JDOC_NUMBER_MAX + 1);
	text[JDOC_NUMBER_MAX + 1] = '\0';
	CHECK_INT(parse(text, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
}

TEST(jdoc, keeps_places_and_decodes)
{
	const char *text = " {\"a\":[1, {\"b\" : \"x\\n\\u20ac\"}], \"c\":tru"
			   "e}";
	AUTO_JDOC struct jdoc d = { 0 };
	const struct jdoc_node *a, *b;
	struct err e;

	CHECK_INT(jdoc_parse(view_of(text), &d, &e), ==, 0);
	a = jdoc_get(&d, &d.v[0], "a");
	CHECK_VIEW(a->raw, "[1, {\"b\" : \"x\\n\\u20ac\"}]");
	CHECK_INT(a->n, ==, 2);
	CHECK_INT(a->raw.p - text, ==, 6);
	b = jdoc_after(&d, a, jdoc_first(&d, a));
	CHECK_VIEW(jdoc_get(&d, b, "b")->str, "x\n\xe2\x82\xac");
	CHECK(jdoc_after(&d, a, b) == NULL);
	CHECK_INT(jdoc_get(&d, &d.v[0], "c")->type, ==, JDOC_TRUE);
	CHECK(jdoc_get(&d, &d.v[0], "d") == NULL);
	CHECK(jdoc_get(&d, a, "a") == NULL);
	CHECK(jdoc_get(&d, NULL, "a") == NULL);
}

TEST(jdoc, knows_names_that_go_takes_for_another)
{
	static const char *const names[] = { "params", "taskId", NULL };
	static const char *const alike[] = { "{\"Params\":1}",
		"{\"param\xc5\xbf\":1}", "{\"tas\xe2\x84\xaaid\":1}",
		"{\"TASKID\":1}" };
	static const char *const other[] = { "{\"params\":1}", "{\"param\":1}",
		"{\"params2\":1}", "{\"\":1}", "{}", "[]" };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(alike); i++) {
		AUTO_JDOC struct jdoc d = { 0 };

		CHECK_INT(jdoc_parse(view_of(alike[i]), &d, &e), ==, 0);
		CHECK(jdoc_lookalike(&d, &d.v[0], names) != NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		AUTO_JDOC struct jdoc d = { 0 };

		CHECK_INT(jdoc_parse(view_of(other[i]), &d, &e), ==, 0);
		CHECK(jdoc_lookalike(&d, &d.v[0], names) == NULL);
	}
}

/* "name=value;..." of what flat gives. */
static void
flatten(const char *text, struct buf *out)
{
	AUTO_JDOC struct jdoc d = { 0 };
	struct flat f;
	struct err e;

	CHECK_INT(jdoc_parse(view_of(text), &d, &e), ==, 0);
	CHECK_INT(flat_new(&d, &d.v[0], &d.arena, &f, &e), ==, 0);
	for (size_t i = 0; i < f.n; i++) {
		buf_put(out, f.v[i].name);
		buf_putc(out, '=');
		buf_put(out, f.v[i].value);
		buf_putc(out, ';');
	}
}

TEST(flat, names_are_paths)
{
	static const struct {
		const char *json, *pairs;
	} rows[] = {
		{ "{\"a\":{\"b\":[1,2]},\"c.d\":true}",
		    "a.b=1;a.b=2;c\\.d=true;" },
		{ "[1,{\"x\":null}]", "0=1;1.x=null;" },
		{ "{\"a\":[{\"b\":1},[2]]}", "a.b=1;a=2;" },
		{ "{\"\":[1]}", "=1;" },
		{ "{\"\":{\"a\":1},\"a\":2}", ".a=1;a=2;" },
		{ "{\"a\\\\b\":\"\\u0041\"}", "a\\\\b=A;" },
		{ "{\"a\":{},\"b\":[]}", "" },
		{ "{\"n\":1.0,\"m\":1e3,\"z\":-0,\"f\":0.5}",
		    "n=1;m=1000;z=0;f=0.5;" },
		{ "{\"n\":123456789012345678901}", "n=123456789012345678901;" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1000);

		flatten(rows[i].json, &b);
		CHECK_STR(buf_str(&b), rows[i].pairs);
	}
}

TEST(flat, gives_the_values_of_names_that_case_alone_tells_apart_to_each)
{
	static const struct {
		const char *json, *pairs;
	} rows[] = {
		{ "{\"path\":1,\"q\":2,\"Path\":3}",
		    "path=1;q=2;Path=3;Path=1;path=3;" },
		{ "{\"a\":{\"x\":1},\"b\":{\"X\":1}}", "a.x=1;b.X=1;" },
		{ "{\"A\":{\"x\":[1,2]},\"a\":{\"x\":3}}",
		    "A.x=1;A.x=2;a.x=3;A.x=3;a.x=1;a.x=2;" },
		{ "{\"s\":1,\"\xc5\xbf\":2}",
		    "s=1;\xc5\xbf=2;s=2;\xc5\xbf=1;" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1000);

		flatten(rows[i].json, &b);
		CHECK_STR(buf_str(&b), rows[i].pairs);
	}
}

TEST(flat, bounds_a_name)
{
	AUTO_BUF struct buf text = BUF_INIT(4000);
	AUTO_JDOC struct jdoc d = { 0 };
	struct flat f;
	struct err e;

	buf_puts(&text, "{\"");
	for (size_t i = 0; i < FLAT_NAME_MAX; i++)
		buf_putc(&text, 'a');
	buf_puts(&text, "\":1}");
	CHECK_INT(jdoc_parse(buf_view(&text), &d, &e), ==, 0);
	CHECK_INT(flat_new(&d, &d.v[0], &d.arena, &f, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
}
