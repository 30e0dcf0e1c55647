#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "inspect/gunzip.h"
#include "test.h"

/* window: 15 zlib, 31 gzip (zlib.h). */
static void
pack(struct view in, int window, struct buf *out)
{
	static char text[65536];
	z_stream z = { 0 };

	assert_int_equal(
	    deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY),
	    Z_OK);
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (unsigned)in.n;
	z.next_out = (Bytef *)text;
	z.avail_out = sizeof(text);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_put(out, (struct view) { text, sizeof(text) - z.avail_out });
	(void)deflateEnd(&z);
}

/* 1: whole; 0: something is missing; -1. */
static int
unpack(struct view in, size_t step, struct buf *out)
{
	struct gunzip *z = gunzip_new();
	struct err e;
	int r = 0;

	for (size_t i = 0; i < in.n && r == 0; i += step)
		r = gunzip_feed(
		    z, view_slice(in, i, MIN(i + step, in.n)), out, &e);
	if (r == 0)
		r = gunzip_whole(z) ? 1 : 0;
	gunzip_free(z);
	return r;
}

TEST(gunzip, reads_what_was_packed_in_any_pieces)
{
	static const int windows[] = { 15, 31 };
	static const size_t steps[] = { 1, 7, SIZE_MAX / 2 };

	for (size_t i = 0; i < ARRAY_LEN(windows) * ARRAY_LEN(steps); i++) {
		AUTO_BUF struct buf in = BUF_INIT(4096), out = BUF_INIT(4096);

		pack(VIEW("what was packed"), windows[i % 2], &in);
		CHECK_INT(unpack(buf_view(&in), steps[i / 2], &out), ==, 1);
		CHECK_STR(buf_str(&out), "what was packed");
	}
}

/* A body in chunks ends with one that has no bytes. */
TEST(gunzip, an_empty_last_piece_takes_nothing_back)
{
	static const size_t sizes[] = { 1, 16383, 16384, 16385, 49152 };
	static char plain[49152];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO_BUF struct buf in = BUF_INIT(4096),
				    out = BUF_INIT(sizeof(plain));
		struct gunzip *z = gunzip_new();
		struct err e;

		pack((struct view) { plain, sizes[i] }, 31, &in);
		CHECK_INT(gunzip_feed(z, buf_view(&in), &out, &e), ==, 0);
		CHECK_INT(gunzip_feed(z, VIEW(""), &out, &e), ==, 0);
		CHECK(gunzip_whole(z));
		CHECK_INT(out.n, ==, sizes[i]);
		gunzip_free(z);
	}
}

TEST(gunzip, reads_one_member_after_another)
{
	AUTO_BUF struct buf in = BUF_INIT(4096), out = BUF_INIT(4096);

	pack(VIEW("one, "), 31, &in);
	pack(VIEW("two"), 31, &in);
	CHECK_INT(unpack(buf_view(&in), 1, &out), ==, 1);
	CHECK_STR(buf_str(&out), "one, two");
}

TEST(gunzip, refuses_what_is_cut_altered_or_followed_by_something)
{
	AUTO_BUF struct buf in = BUF_INIT(4096), out = BUF_INIT(4096);

	CHECK_INT(unpack(VIEW(""), 1, &out), ==, 0);
	CHECK_INT(unpack(VIEW("plain text"), 1, &out), ==, -1);
	pack(VIEW("packed"), 31, &in);
	CHECK_INT(
	    unpack(view_slice(buf_view(&in), 0, in.n - 1), 3, &out), ==, 0);
	buf_puts(&in, "more");
	CHECK_INT(unpack(buf_view(&in), 3, &out), ==, -1);
	in.p[in.n - 5] ^= 1; /* the length, at its end */
	CHECK_INT(
	    unpack(view_slice(buf_view(&in), 0, in.n - 4), 3, &out), ==, -1);
}

TEST(gunzip, gives_no_more_than_there_is_room_for)
{
	static char zeros[1 << 20];
	AUTO_BUF struct buf in = BUF_INIT(65536), out = BUF_INIT(4096);

	pack((struct view) { zeros, sizeof(zeros) }, 31, &in);
	CHECK_INT(unpack(buf_view(&in), in.n, &out), ==, -1);
}

TEST(gunzip, knows_the_names)
{
	CHECK_INT(gunzip_reads(VIEW("gzip")), ==, true);
	CHECK_INT(gunzip_reads(VIEW("X-GZIP")), ==, true);
	CHECK_INT(gunzip_reads(VIEW("deflate")), ==, true);
	CHECK_INT(gunzip_reads(VIEW("br")), ==, false);
	CHECK_INT(gunzip_reads(VIEW("gzip, gzip")), ==, false);
	CHECK_INT(gunzip_reads(VIEW("")), ==, false);
}
