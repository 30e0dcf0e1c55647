#include "test.h"

#include "http/h1.h"

/*
 * Feeds `in` in pieces of `step`; the decoded bytes go to `out`.  Bytes
 * consumed, or -1.
 */
static ssize_t
decode(struct view in, size_t step, struct buf *out, bool *done)
{
	struct h1_chunk c;
	size_t at = 0, end = 0;
	struct view body;
	struct err e;

	h1_chunk_init(&c);
	while (!c.done) {
		ssize_t n =
		    h1_chunk_feed(&c, view_slice(in, at, end), &body, &e);

		if (n < 0)
			return -1;
		buf_put(out, body);
		at += (size_t)n;
		if (n == 0 && end == in.n)
			break;
		if (n == 0 || at == end)
			end = MIN(in.n, end + step);
	}
	*done = c.done;
	return (ssize_t)at;
}

static ssize_t
decode_all(const char *text)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	bool done;

	return decode(view_of(text), SIZE_MAX / 2, &out, &done);
}

TEST(h1_chunk, refuses_bad_size)
{
	static const char *const bad[] = { "-1\r\n", "+1\r\n", "0x5\r\n",
		" 5\r\n", "5 \r\n", "5\n", "\r\n", ";a\r\n", "5\rX", "g\r\n",
		"8000000000000000\r\n", "ffffffffffffffff\r\n",
		"00000000000000005\r\n", "5\r\nhelloX", "5\r\nhello\n",
		"5\r\nhello\rX", "5;a\nb\r\n", "5;a\x01\r\n" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (decode_all(bad[i]) != -1)
			fail_msg("\"%s\" was accepted", bad[i]);
}

TEST(h1_chunk, accepts_the_largest_size)
{
	CHECK_INT(decode_all("7fffffffffffffff\r\n"), ==, 18);
	CHECK_INT(decode_all("0000000000000005\r\nhello"), ==, 23);
}

TEST(h1_chunk, refuses_bad_trailers)
{
	static const char *const bad[] = { "0\r\n x: y\r\n\r\n",
		"0\r\nx : y\r\n\r\n", "0\r\nx\r\n\r\n", "0\r\n: y\r\n\r\n",
		"0\r\nx: y\n\r\n", "0\r\nx: a\x01\r\n\r\n", "0\r\n\n",
		"0\r\nx: y\r\n z\r\n\r\n" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (decode_all(bad[i]) != -1)
			fail_msg("\"%s\" was accepted", bad[i]);
}

/* the second request must be left for its own judgement. */
TEST(h1_chunk, never_reads_past_the_body)
{
	static const char text[] =
	    "5;x=\"y\"\r\nhello\r\n6\r\n world\r\n0\r\n"
	    "x-checksum: 1\r\n\r\nDELETE /b HTTP/1.1\r\n";
	size_t want = (size_t)(strstr(text, "DELETE") - text);

	for (size_t step = 1; step < sizeof(text); step++) {
		AUTO_BUF struct buf out = BUF_INIT(64);
		bool done = false;

		CHECK_INT(decode(view_of(text), step, &out, &done), ==, want);
		CHECK(done);
		CHECK_STR(buf_str(&out), "hello world");
	}
}

TEST(h1_chunk, is_not_done_before_the_last_byte)
{
	static const char text[] = "1\r\na\r\n0\r\n\r\n";

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		AUTO_BUF struct buf out = BUF_INIT(64);
		bool done = true;

		CHECK_INT(
		    decode((struct view) { text, n }, 64, &out, &done), ==, n);
		CHECK(!done);
	}
}

/* A23: a megabyte of extensions, a megabyte of trailers. */
TEST(h1_chunk, bounds_extensions_and_trailers)
{
	AUTO_BUF struct buf in = BUF_INIT(1 << 20);
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	bool done;

	buf_puts(&in, "1;");
	for (int i = 0; i < 256; i++)
		buf_putc(&in, 'a');
	buf_puts(&in, "\r\nx\r\n");
	CHECK_INT(decode(buf_view(&in), 4096, &out, &done), >, 0);
	buf_reset(&in);
	buf_puts(&in, "1;");
	for (int i = 0; i < 257; i++)
		buf_putc(&in, 'a');
	CHECK_INT(decode(buf_view(&in), 4096, &out, &done), ==, -1);

	buf_reset(&in);
	for (int i = 0; i < 200; i++) {
		buf_puts(&in, "1;");
		for (int j = 0; j < 200; j++)
			buf_putc(&in, 'a');
		buf_puts(&in, "\r\nx\r\n");
	}
	CHECK_INT(decode(buf_view(&in), 4096, &out, &done), ==, -1);

	buf_reset(&in);
	buf_puts(&in, "0\r\n");
	for (int i = 0; i < 900; i++)
		buf_puts(&in, "a: bcdef\r\n");
	CHECK_INT(decode(buf_view(&in), 4096, &out, &done), ==, -1);
}

TEST(h1_chunk, stays_refused)
{
	struct h1_chunk c;
	struct view body;
	struct err e;

	h1_chunk_init(&c);
	CHECK_INT(h1_chunk_feed(&c, VIEW("x"), &body, &e), ==, -1);
	CHECK_INT(h1_chunk_feed(&c, VIEW("5\r\n"), &body, &e), ==, -1);
}

/* The trailer section that is kept, and what of it may go on. */
TEST(h1_chunk, keeps_trailers_for_who_asks)
{
	AUTO_BUF struct buf kept = BUF_INIT(1000), out = BUF_INIT(1000);
	struct view in = VIEW("1\r\na\r\n0\r\nX-Sum: 7\r\nHost: b\r\n\r\n");
	static struct h1_head h;
	struct h1_chunk c;
	struct err e;

	for (size_t step = 1; step < 40; step += 3) {
		struct view body;
		size_t at = 0;

		h1_chunk_init(&c);
		buf_reset(&kept);
		buf_reset(&out);
		c.keep = &kept;
		while (!c.done) {
			ssize_t n = h1_chunk_feed(
			    &c, view_slice(in, at, at + step), &body, &e);

			CHECK_INT(n, >=, 0);
			at += (size_t)n;
		}
		CHECK_VIEW(buf_view(&kept), "X-Sum: 7\r\nHost: b\r\n\r\n");
		CHECK_INT(h1_parse_trailers(buf_view(&kept), &h, &e), ==, 0);
		h1_write_chunk_last(&h, &out);
		CHECK_VIEW(buf_view(&out), "0\r\nX-Sum: 7\r\n\r\n");
	}
}
