#include "sandbox/outq.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

TEST(outq, keeps_order_and_descriptors_for_a_slow_reader)
{
	struct outq q;
	struct err e;
	int s[2], got[FD_MSG_MAX], null;
	unsigned nfds, sent = 0, seen = 0;
	char big[4096] = "";

	CHECK_INT(socketpair(AF_UNIX,
		      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s),
	    ==, 0);
	outq_init(&q);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* More than the socket takes. */
	for (; sent < 500; sent++) {
		memcpy(big, &sent, sizeof(sent));
		CHECK_INT(outq_push(&q, big, sizeof(big), &null, sent % 2, &e),
		    ==, 0);
	}
	(void)close(null); /* the queue has its own */
	CHECK_INT(q.n, ==, 500);
	CHECK_INT(q.bytes, ==, 500 * sizeof(big));
	while (seen < sent) {
		unsigned number;
		ssize_t n;

		CHECK_INT(outq_flush(&q, s[0], &e), ==, 0);
		n = fd_recv(s[1], big, sizeof(big), got, &nfds, &e);
		CHECK_INT(n, ==, sizeof(big));
		memcpy(&number, big, sizeof(number));
		CHECK_INT(number, ==, seen);
		CHECK_INT(nfds, ==, seen % 2);
		if (nfds > 0)
			(void)close(got[0]);
		seen++;
	}
	CHECK_INT(q.n, ==, 0);
	CHECK_INT(q.bytes, ==, 0);
	(void)close(s[1]);
	CHECK_INT(outq_push(&q, big, 1, NULL, 0, &e), ==, 0);
	CHECK_INT(outq_flush(&q, s[0], &e), ==, -1);
	outq_fini(&q);
	(void)close(s[0]);
}
