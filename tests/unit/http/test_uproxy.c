/* The upstream proxy's answer, from any number of pieces. */
#include "http/uproxy.h"

#include "test.h"

static struct err e;

/* Bytes taken of `text`, given `step` at a time; -1 refused. */
static ssize_t
feed(const char *text, size_t step, unsigned *status)
{
	struct uproxy_answer a;
	struct view in = view_of(text);
	ssize_t taken = 0;
	bool done = false;

	uproxy_answer_init(&a);
	while (in.n > 0 && !done) {
		struct view piece = view_slice(in, 0, step);
		ssize_t n = uproxy_answer_feed(&a, piece, &done, &e);

		if (n < 0) {
			taken = -1;
			break;
		}
		CHECK(done || (size_t)n == piece.n);
		taken += n;
		in = view_slice(in, (size_t)n, in.n);
	}
	*status = done ? a.status : 0;
	uproxy_answer_fini(&a);
	return taken;
}

TEST(uproxy, takes_the_head_and_nothing_behind_it)
{
	static const char head[] = "HTTP/1.1 200 Connection established\r\n"
				   "Content-Length: 3\r\n\r\n";
	static const char text[] = "HTTP/1.1 200 Connection established\r\n"
				   "Content-Length: 3\r\n\r\n220 hello\r\n\r\n";
	unsigned status;

	for (size_t step = 1; step <= sizeof(text); step++) {
		CHECK_INT(feed(text, step, &status), ==, sizeof(head) - 1);
		CHECK_INT(status, ==, 200);
	}
	CHECK_INT(feed("HTTP/1.0 407 x\r\n\r\n", 100, &status), ==, 18);
	CHECK_INT(status, ==, 407);
}

TEST(uproxy, refuses_what_is_no_final_answer)
{
	static const char *const bad[] = { "HTTP/2 200\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\n\n",
		"HTTP/1.1 101 x\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 \x01\r\n\r\n",
		"HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "SSH-2.0-x\r\n\r\n",
		("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		 "Content-Length: 2\r\n\r\n") };
	unsigned status;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		for (size_t step = 1; step <= 100; step += 99)
			if (feed(bad[i], step, &status) != -1)
				fail_msg("%s was accepted", bad[i]);
}

TEST(uproxy, bounds_the_head)
{
	static char text[UPROXY_HEAD_MAX + 2];
	unsigned status;

	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "HTTP/1.1 200 OK\r\nx: ", 20);
	CHECK_INT(feed(text, 1000, &status), ==, -1);
	memcpy(text + UPROXY_HEAD_MAX - 4, "\r\n\r\n", 5);
	CHECK_INT(feed(text, 1000, &status), ==, UPROXY_HEAD_MAX);
	CHECK_INT(status, ==, 200);
}
