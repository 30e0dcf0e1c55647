#include "codec/sha256.h"
#include "inspect/gql_http.h"
#include "test.h"

/* "type name: field field" of the operation that runs, or "!why". */
static const char *
reach(const char *text, const char *name)
{
	static char shown[1000];
	struct buf b = {
		.p = shown, .cap = sizeof(shown), .max = sizeof(shown) - 1
	};
	struct arena a = { 0 };
	size_t tokens = GQL_TOKENS_MAX;
	struct gql_operation op;
	struct err e;

	if (gql_operation(view_of(text), view_of(name), &a, &tokens, &op, &e) <
	    0) {
		buf_printf(&b, "!%s", e.text);
	} else {
		buf_printf(&b, "%s ", gql_type_name(op.type));
		buf_put(&b, op.name);
		buf_putc(&b, ':');
		for (size_t i = 0; i < op.n_fields; i++) {
			buf_putc(&b, ' ');
			buf_put(&b, op.fields[i]);
		}
	}
	arena_fini(&a);
	return buf_str(&b);
}

TEST(gql, finds_the_operation_and_its_root_fields)
{
	static const struct {
		const char *text, *name, *want;
	} rows[] = {
		{ "{a}", "", "query : a" },
		{ "query Q { a b { c } }", "", "query Q: a b" },
		{ "query Q { a b { c } }", "Q", "query Q: a b" },
		{ "mutation M($x: [Int!]! = [1, 2] @d, $y: S = {k: \"v\"}) @e("
		  "f: $x) { deleteRepo(id: $x, o: {a: [ENUM null true]}) { ok "
		  "} "
		  "}",
		    "", "mutation M: deleteRepo" },
		{ "subscription S { news(n: -1.5e3) }", "",
		    "subscription S: news" },
		/* A40: alias, fragment, operation that is not named first. */
		{ "query Q { viewer: deleteAll }", "", "query Q: deleteAll" },
		{ "query Q { ...F } fragment F on Query { x ...G } "
		  "fragment G on Query { y ...F }",
		    "", "query Q: x y" },
		{ "query Q { ... on Query { x } ... @include(if: true) { ... "
		  "{y} "
		  "} }",
		    "", "query Q: x y" },
		{ "query Q { x } mutation M { kill }", "M",
		    "mutation M: kill" },
		{ "fragment F on Q { on: type } query fragment { ...F, query }",
		    "", "query fragment: query type" },
		{ "\xef\xbb\xbf# c { } \xc3\xa9\n{ a(s: \"\"\" \\\"\"\" } "
		  "\"\"\", t: \"\\u{1F600}\\\"}\") }",
		    "", "query : a" },
		{ "{a a b: a}", "", "query : a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(reach(rows[i].text, rows[i].name), rows[i].want);
}

TEST(gql, refuses_what_is_no_executable_document)
{
	static const struct {
		const char *text, *name;
	} bad[] = { { "", "" }, { "# only", "" }, { "{}", "" }, { "{a", "" },
		{ "{a}}", "" }, { "{a}{b}", "" }, { "{a} query B {b}", "B" },
		{ "query A {a} query A {b}", "A" }, { "query A {a}", "B" },
		{ "query A {a} query B {b}", "" }, { "{...F}", "" },
		{ "{...F} fragment F on Q {a} fragment F on Q {b}", "" },
		{ "fragment F on Q {a}", "" }, { "type A { a: Int }", "" },
		{ "extend type A { a: Int }", "" }, { "{a(}", "" },
		{ "{a()}", "" }, { "{a(x)}", "" }, { "{a(x:)}", "" },
		{ "{a: b: c}", "" }, { "{a @}", "" }, { "query ($x) {a}", "" },
		{ "query ($x: Int = $y) {a}", "" }, { "{a(x: 01)}", "" },
		{ "{a(x: 1a)}", "" }, { "{a(x: 1.)}", "" },
		{ "{a(x: .5)}", "" }, { "{a(x: \"\n\")}", "" },
		{ "{a(x: \"\\q\")}", "" }, { "{a(x: \"\\u12\")}", "" },
		{ "{a(x: \"\"\"x)}", "" }, { "{a?}", "" }, { "{a\x01}", "" },
		{ "{a(x: \"\xff\")}", "" }, { "{..a}", "" },
		{ "{...F} fragment F on Q {...F}", "" },
		{ "fragment on on Q {a} {b}", "" }, { "{a} query", "" },
		{ "\"d\" query A {a}", "" } };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(reach(bad[i].text, bad[i].name)[0], ==, '!');
}

TEST(gql, bounds_depth_and_tokens)
{
	AUTO_BUF struct buf b = BUF_INIT(200000);

	for (int i = 0; i < GQL_DEPTH_MAX; i++)
		buf_puts(&b, "{a");
	for (int i = 0; i < GQL_DEPTH_MAX; i++)
		buf_putc(&b, '}');
	CHECK_STR(reach(buf_str(&b), ""), "query : a");
	buf_reset(&b);
	for (int i = 0; i <= GQL_DEPTH_MAX; i++)
		buf_puts(&b, "{a");
	CHECK_HAS(reach(buf_str(&b), ""), "nested more than");
	buf_reset(&b);
	buf_puts(&b, "{a(x:");
	for (int i = 0; i < 200; i++)
		buf_putc(&b, '[');
	CHECK_HAS(reach(buf_str(&b), ""), "nested more than");
	buf_reset(&b);
	buf_putc(&b, '{');
	for (int i = 0; i < GQL_TOKENS_MAX - 2; i++)
		buf_puts(&b, "a ");
	buf_putc(&b, '}');
	CHECK_STR(reach(buf_str(&b), ""), "query : a");
	b.p[b.n - 1] = 'a';
	buf_puts(&b, " }");
	CHECK_HAS(reach(buf_str(&b), ""), "too many tokens");
}

static int
post(const char *query, const char *body, struct gql_http *out, struct err *e)
{
	return gql_http_post(view_of(query), view_of(body), out, e);
}

TEST(gql_http, takes_posts_batches_and_persisted_ids)
{
	AUTO_GQL_HTTP struct gql_http one = { 0 }, batch = { 0 }, hash = { 0 },
				      id = { 0 };
	struct err e;

	CHECK_INT(post("x=1",
		      "{\"query\":\"query A {a} query B {b}\","
		      "\"operationName\":\"B\",\"variables\":null}",
		      &one, &e),
	    ==, 0);
	CHECK_INT(one.n, ==, 1);
	CHECK_VIEW(one.v[0].op.name, "B");
	CHECK_INT(post("", "[{\"query\":\"{a}\"},{\"query\":\"mutation {b}\"}]",
		      &batch, &e),
	    ==, 0);
	CHECK_INT(batch.n, ==, 2);
	CHECK_INT(batch.v[1].op.type, ==, GQL_MUTATION);
	CHECK_INT(post("",
		      "{\"extensions\":{\"persistedQuery\":{\"version\":1,"
		      "\"sha256Hash\":\"abc\"}},\"operationName\":\"N\"}",
		      &hash, &e),
	    ==, 0);
	CHECK(!hash.v[0].has_document);
	CHECK_VIEW(hash.v[0].id, "abc");
	CHECK_VIEW(hash.v[0].op.name, "N");
	CHECK_INT(
	    post("", "{\"documentId\":\"d1\",\"query\":null}", &id, &e), ==, 0);
	CHECK_VIEW(id.v[0].id, "d1");
}

TEST(gql_http, refuses_posts_that_servers_read_differently)
{
	static const char *const bad[][2] = { { "", "" }, { "", "[]" },
		{ "", "1" }, { "", "{}" }, { "", "{\"query\":1}" },
		{ "", "{\"query\":\"{a}\",\"Query\":\"mutation{b}\"}" },
		{ "", "{\"query\":\"{a}\",\"query\":\"mutation{b}\"}" },
		{ "", "{\"query\":\"{a}\",\"variables\":[]}" },
		{ "", "{\"query\":\"{a}\",\"id\":\"other\"}" },
		{ "", "{\"id\":\"a\",\"documentId\":\"b\"}" },
		{ "", "{\"id\":\"\"}" },
		{ "", "{\"query\":\"{a}\",\"extensions\":{\"persistedQuery\":{"
		      "\"sha256Hash\":\"00\"}}}" },
		{ "", "{\"query\":\"{a}\",\"extensions\":{\"PersistedQuery\":{"
		      "\"sha256Hash\":\"00\"}}}" },
		{ "query=mutation{b}", "{\"query\":\"{a}\"}" },
		{ "Query=mutation{b}", "{\"query\":\"{a}\"}" },
		{ "query[]=mutation{b}", "{\"query\":\"{a}\"}" },
		{ "x;query=mutation{b}", "{\"query\":\"{a}\"}" },
		{ "", "[{\"query\":\"{a}\"},[]]" } };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_GQL_HTTP struct gql_http g = { 0 };

		CHECK_INT(post(bad[i][0], bad[i][1], &g, &e), ==, -1);
	}
}

TEST(gql_http, lets_a_document_go_with_its_own_hash)
{
	AUTO_GQL_HTTP struct gql_http g = { 0 };
	char hex[SHA256_HEX], body[300];
	struct err e;

	sha256_hex(VIEW("{a}"), hex);
	(void)snprintf(body, sizeof(body),
	    "{\"query\":\"{a}\",\"extensions\":{\"persistedQuery\":{"
	    "\"version\":1,\"sha256Hash\":\"%s\"}}}",
	    hex);
	CHECK_INT(post("", body, &g, &e), ==, 0);
	CHECK(g.v[0].has_document);
}

TEST(gql_http, takes_gets)
{
	static const struct {
		const char *query;
		int r;
	} rows[] = {
		{ "query=%7Ba%7D", 0 },
		{ "query=query+A%7Ba%7D&operationName=A&variables=%7B%7D&x=1",
		    0 },
		{ "extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A"
		  "%22ab%22%7D%7D",
		    0 },
		{ "id=x", 0 },
		{ "", -1 },
		{ "query=%7Ba%7D&query=mutation%7Bb%7D", -1 },
		{ "query=%7Ba%7D&QUERY=mutation%7Bb%7D", -1 },
		{ "query=%7Ba%7D&query%5B0%5D=mutation%7Bb%7D", -1 },
		{ "query=%7Ba%7D;query=mutation%7Bb%7D", -1 },
		{ "query=%7Ba%7D&id=x", -1 },
		{ "query=%7Ba", -1 },
		{ "query=%zz", -1 },
		{ "extensions=1&query=%7Ba%7D", -1 },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_GQL_HTTP struct gql_http g = { 0 };

		CHECK_INT(gql_http_get(view_of(rows[i].query), &g, &e), ==,
		    rows[i].r);
	}
}

TEST(gql_http, reads_websocket_messages)
{
	static const struct {
		const char *text;
		int r;
		size_t n;
	} rows[] = {
		{ "{\"type\":\"connection_init\",\"payload\":{\"a\":1}}", 0,
		    0 },
		{ "{\"type\":\"ping\"}", 0, 0 },
		{ "{\"type\":\"complete\",\"id\":\"1\"}", 0, 0 },
		{ "{\"type\":\"stop\",\"id\":\"1\"}", 0, 0 },
		{ "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":"
		  "\"subscription {a}\"}}",
		    0, 1 },
		{ "{\"type\":\"start\",\"id\":\"1\",\"payload\":{\"query\":"
		  "\"mutation {a}\"}}",
		    0, 1 },
		{ "{\"type\":\"start\",\"id\":\"1\"}", -1, 0 },
		{ "{\"type\":\"other\"}", -1, 0 },
		{ "{\"type\":\"ping\",\"Type\":\"start\"}", -1, 0 },
		{ "{}", -1, 0 },
		{ "[]", -1, 0 },
		{ "x", -1, 0 },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_GQL_HTTP struct gql_http g = { 0 };

		CHECK_INT(gql_ws_message(view_of(rows[i].text), &g, &e), ==,
		    rows[i].r);
		if (rows[i].r == 0)
			CHECK_INT(g.n, ==, rows[i].n);
	}
}
