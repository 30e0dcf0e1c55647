#include "test.h"

TEST(bytes, buf_refuses_more_than_its_bound_and_stays_full)
{
	AUTO_BUF struct buf b = BUF_INIT(4);

	buf_puts(&b, "abc");
	CHECK(!b.full);
	buf_puts(&b, "de");
	CHECK(b.full);
	buf_puts(&b, "x");
	CHECK_VIEW(buf_view(&b), "abc");
	buf_reset(&b);
	buf_puts(&b, "abcd");
	CHECK(!b.full);
	CHECK_STR(buf_str(&b), "abcd");
}

TEST(bytes, reader_failure_is_sticky)
{
	struct rd r = rd_of(VIEW("\x01\x02\x03"));

	CHECK_INT(rd_be16(&r), ==, 0x0102);
	CHECK_INT(rd_be16(&r), ==, 0);
	CHECK_INT(rd_u8(&r), ==, 0);
	CHECK(!rd_end(&r));
}

TEST(bytes, reader_end_needs_everything_read)
{
	struct rd r = rd_of(VIEW("\x00\x02xy!"));
	struct rd sub = rd_sub(&r, rd_be16(&r));

	CHECK_VIEW(rd_view(&sub, 2), "xy");
	CHECK(rd_end(&sub));
	CHECK(!rd_end(&r));
	CHECK_INT(rd_u8(&r), ==, '!');
	CHECK(rd_end(&r));
}

TEST(bytes, u64_refuses_signs_blanks_and_overflow)
{
	static const char *const bad[] = { "", "+5", "-1", " 1", "1 ", "0x1",
		"18446744073709551616" };
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!view_u64(view_of(bad[i]), UINT64_MAX, &n));
	CHECK(view_u64(VIEW("18446744073709551615"), UINT64_MAX, &n));
	CHECK(n == UINT64_MAX);
	CHECK(!view_u64(VIEW("65536"), 65535, &n));
}

TEST(bytes, escaping_leaves_no_control_byte)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	buf_put_escaped(&b, VIEW("a\x1b[31m\r\n\xc2\x9b\xff caf\xc3\xa9"));
	CHECK_STR(
	    buf_str(&b), "a\\x1b[31m\\x0d\\x0a\\xc2\\x9b\\xff caf\xc3\xa9");
}

TEST(bytes, cut_tells_missing_separator_from_empty_rest)
{
	struct view rest;

	CHECK_VIEW(view_cut(VIEW("k="), '=', &rest), "k");
	CHECK(rest.p != NULL && rest.n == 0);
	CHECK_VIEW(view_cut(VIEW("k"), '=', &rest), "k");
	CHECK(rest.p == NULL);
}

TEST(bytes, buf_grows_by_doubling_up_to_its_bound)
{
	AUTO_BUF struct buf b = BUF_INIT(100000);
	size_t moves = 0, cap = 0;

	for (size_t i = 0; i < 100000; i++) {
		buf_putc(&b, 'x');
		moves += b.cap != cap;
		cap = b.cap;
	}
	CHECK_INT(moves, <, 20);
	CHECK_INT(b.cap, ==, 100001);
	CHECK(!b.full);
}
