#include "inspect/sse.h"
#include "test.h"

/* Everything `text` gives, written anew; -1 when it is refused. */
static int
rewrite(struct view text, size_t step, struct buf *out)
{
	struct sse s;
	struct sse_event ev;
	struct err e;
	bool ready;
	int r = 0;

	sse_init(&s, 64);
	for (size_t at = 0; at < text.n && r == 0;) {
		ssize_t n =
		    sse_feed(&s, view_slice(text, at, MIN(at + step, text.n)),
			&ready, &ev, &e);

		if (n < 0)
			r = -1;
		else
			at += (size_t)n;
		if (r == 0 && ready)
			sse_write(out, &ev);
	}
	sse_fini(&s);
	return r;
}

TEST(sse, gives_events_whatever_the_line_ends_and_splits)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		/* WHATWG HTML 9.2.6, the examples */
		{ "data: YHOO\ndata: +2\ndata: 10\n\n",
		    "data: YHOO\ndata: +2\ndata: 10\n\n" },
		{ ": test stream\n\ndata: first event\nid: 1\n\n"
		  "data:second event\nid\n\ndata:  third event\n\n",
		    ":\nid: 1\ndata: first event\n\nid: \ndata: second "
		    "event\n\ndata:  third event\n\n" },
		{ "data\n\ndata\ndata\n\ndata:",
		    "data: \n\ndata: \ndata: \n\n" },
		{ "data:test\n\ndata: test\n\n",
		    "data: test\n\ndata: test\n\n" },
		{ "event: message\r\ndata: {}\r\n\r\ndata: x\r\n\r\n",
		    "event: message\ndata: {}\n\ndata: x\n\n" },
		{ "data: a\rdata: b\r\r", "data: a\ndata: b\n\n" },
		{ "\xef\xbb\xbf"
		  "data: a\n\n",
		    "data: a\n\n" },
		{ "unknown: x\nData: y\n\n", "" },
		{ "retry: 10\n\nretry: -1\n\n", "retry: 10\n\n" },
		{ "id: a\n\n", "id: a\n\n" },
		{ "data: cut off", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 40; step += 3) {
			AUTO_BUF struct buf out = BUF_INIT(1000);

			CHECK_INT(
			    rewrite(view_of(rows[i].in), step, &out), ==, 0);
			CHECK_STR(buf_str(&out), rows[i].out);
		}
}

TEST(sse, refuses_what_is_too_long_or_not_utf_8)
{
	static const char *const bad[] = { "data: \xff\n\n",
		"data: "
		"34567890123456789012345678901234567890123456789012345678901234"
		"5678"
		"90",
		"data: 3456789012345678901234567890\n"
		"data: 3456789012345678901234567890\n"
		"data: 3456789012345678901234567890\n\n" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_BUF struct buf out = BUF_INIT(1000);

		CHECK_INT(rewrite(view_of(bad[i]), 1000, &out), ==, -1);
		CHECK_INT(rewrite(view_of(bad[i]), 1, &out), ==, -1);
	}
}
