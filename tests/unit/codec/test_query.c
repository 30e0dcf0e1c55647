#include "test.h"

#include "codec/query.h"

static struct query q;
static struct err e;

TEST(query, D_70_repeated_names_keep_their_order)
{
	CHECK_INT(query_decode(VIEW("tag=a&tag=b"), &q, &e), ==, 0);
	CHECK_INT(q.n, ==, 2);
	CHECK_VIEW(q.pairs[0].name, "tag");
	CHECK_VIEW(q.pairs[0].value, "a");
	CHECK_VIEW(q.pairs[1].value, "b");
}

TEST(query, D_71_decodes_escapes_and_plus)
{
	CHECK_INT(
	    query_decode(VIEW("slug=my%2Fskill&name=Foo+Bar"), &q, &e), ==, 0);
	CHECK_VIEW(q.pairs[0].value, "my/skill");
	CHECK_VIEW(q.pairs[1].value, "Foo Bar");
}

TEST(query, D_73_missing_values_are_empty)
{
	CHECK_INT(query_decode(VIEW("tag="), &q, &e), ==, 0);
	CHECK_VIEW(q.pairs[0].value, "");
	CHECK_INT(query_decode(VIEW("verbose"), &q, &e), ==, 0);
	CHECK_VIEW(q.pairs[0].name, "verbose");
	CHECK_VIEW(q.pairs[0].value, "");
}

TEST(query, D_74_decodes_utf8)
{
	CHECK_INT(query_decode(VIEW("q=caf%C3%A9"), &q, &e), ==, 0);
	CHECK_VIEW(q.pairs[0].value, "caf\xc3\xa9");
}

TEST(query, D_76_refuses_bad_escapes)
{
	static const char *const bad[] = { "slug=bad%2", "a=%", "a=%zz", "%1=x",
		"a=%2g" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(query_decode(view_of(bad[i]), &q, &e), ==, -1);
		CHECK_HAS(e.text, "percent-encoding");
	}
	CHECK_INT(query_decode(VIEW("a=%ff"), &q, &e), ==, -1);
	CHECK_HAS(e.text, "UTF-8");
}

TEST(query, skips_empty_pieces_and_splits_at_the_first_equals)
{
	CHECK_INT(query_decode(VIEW("&&a=b=c&"), &q, &e), ==, 0);
	CHECK_INT(q.n, ==, 1);
	CHECK_VIEW(q.pairs[0].value, "b=c");
	CHECK_INT(query_decode(VIEW(""), &q, &e), ==, 0);
	CHECK_INT(q.n, ==, 0);
}

TEST(query, bounds_length_and_count)
{
	AUTO_BUF struct buf b = BUF_INIT(QUERY_MAX + 1);

	for (int i = 0; i < QUERY_PAIRS_MAX; i++)
		buf_puts(&b, "a&");
	CHECK_INT(query_decode(buf_view(&b), &q, &e), ==, 0);
	CHECK_INT(q.n, ==, QUERY_PAIRS_MAX);
	buf_puts(&b, "a");
	CHECK_INT(query_decode(buf_view(&b), &q, &e), ==, -1);
	buf_reset(&b);
	while (b.n < QUERY_MAX)
		buf_putc(&b, 'a');
	CHECK_INT(query_decode(buf_view(&b), &q, &e), ==, 0);
	buf_putc(&b, 'a');
	CHECK_INT(query_decode(buf_view(&b), &q, &e), ==, -1);
}

TEST(query, tells_what_is_taken_for_the_method)
{
	struct view m;
	size_t at = 0;

	CHECK_INT(
	    query_decode(VIEW("a=1&_method=PUT&method=X&%5FMethod=DELETE&"
			      ".method=PATCH&+method=b&_method=&xmethod=C&"
			      "_methods=D"),
		&q, &e),
	    ==, 0);
	CHECK(query_method(&q, &at, &m));
	CHECK_VIEW(m, "PUT");
	CHECK(query_method(&q, &at, &m));
	CHECK_VIEW(m, "DELETE");
	CHECK(query_method(&q, &at, &m));
	CHECK_VIEW(m, "PATCH");
	CHECK(query_method(&q, &at, &m));
	CHECK_VIEW(m, "b");
	CHECK(!query_method(&q, &at, &m));
	CHECK(!query_method(&q, &at, &m));
}
