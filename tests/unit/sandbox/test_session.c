#include "sandbox/session.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

struct pair {
	int owner, supervisor;
};

static struct pair
pair_open(void)
{
	int fds[2];

	CHECK_INT(socketpair(AF_UNIX,
		      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
	    ==, 0);
	return (struct pair) { fds[0], fds[1] };
}

static void
pair_close(struct pair p)
{
	(void)close(p.owner);
	(void)close(p.supervisor);
}

static unsigned
open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST(session, exec_travels_with_its_descriptors)
{
	struct pair p = pair_open();
	union session_msg m = { .exec = { .id = 7, .timeout_s = 3 } }, got;
	int in[4] = { 0, 0, 1, 2 }, fds[FD_MSG_MAX];
	unsigned n;
	struct err e;

	CHECK_INT(session_send(p.owner, &m, SESSION_EXEC, in, 4, &e), ==, 0);
	CHECK_INT(
	    session_recv(p.supervisor, SESSION_SUPERVISOR, &got, fds, &n, &e),
	    ==, 1);
	CHECK_INT(got.hdr.type, ==, SESSION_EXEC);
	CHECK_INT(got.hdr.size, ==, sizeof(struct session_exec));
	CHECK_INT(got.exec.id, ==, 7);
	CHECK_INT(got.exec.timeout_s, ==, 3);
	CHECK_INT(n, ==, 4);
	while (n > 0) {
		CHECK(fcntl(fds[n - 1], F_GETFD) & FD_CLOEXEC);
		(void)close(fds[--n]);
	}
	pair_close(p);
}

TEST(session, nothing_yet_and_peer_gone_are_told_apart)
{
	struct pair p = pair_open();
	union session_msg got;
	int fds[FD_MSG_MAX];
	unsigned n;
	struct err e;

	CHECK_INT(
	    session_recv(p.owner, SESSION_OWNER, &got, fds, &n, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	(void)close(p.supervisor);
	CHECK_INT(
	    session_recv(p.owner, SESSION_OWNER, &got, fds, &n, &e), ==, 0);
	(void)close(p.owner);
}

TEST(session, events_are_as_long_as_their_text)
{
	struct pair p = pair_open();
	union session_msg m = { 0 }, got;
	int fds[FD_MSG_MAX];
	unsigned n;
	struct err e;

	memcpy(m.events.json, "{}\n", 3);
	m.events.n = 3;
	CHECK_INT(
	    session_send(p.supervisor, &m, SESSION_EVENTS, NULL, 0, &e), ==, 0);
	CHECK_INT(
	    session_recv(p.owner, SESSION_OWNER, &got, fds, &n, &e), ==, 1);
	CHECK_INT(got.hdr.size, ==, offsetof(struct session_events, json) + 3);
	CHECK_INT(got.events.n, ==, 3);
	pair_close(p);
}

TEST(session, text_is_ended_on_arrival)
{
	struct pair p = pair_open();
	union session_msg m, got;
	int fds[FD_MSG_MAX];
	unsigned n;
	struct err e;

	memset(&m, 'x', sizeof(m));
	CHECK_INT(
	    session_send(p.supervisor, &m, SESSION_FAILED, NULL, 0, &e), ==, 0);
	CHECK_INT(
	    session_recv(p.owner, SESSION_OWNER, &got, fds, &n, &e), ==, 1);
	CHECK_INT(strlen(got.failed.text), ==, SESSION_TEXT - 1);
	pair_close(p);
}

/* Each row is wrong in one way. */
TEST(session, refuses_what_the_table_does_not_know)
{
	static const struct {
		const char *why;
		unsigned type, version;
		int size_off; /* added to the right size */
		int hdr_size_off; /* of the header's own count */
		unsigned nfds;
		unsigned tty;
	} rows[] = {
		{ "right, to show that the rest is refused for its fault",
		    SESSION_EXEC, 1, 0, 0, 4, 0 },
		{ "version", SESSION_EXEC, 2, 0, 0, 4, 0 },
		{ "type 0", 0, 1, 0, 0, 0, 0 },
		{ "type beyond", SESSION_NOTE + 1, 1, 0, 0, 0, 0 },
		{ "type in the gap", 40, 1, 0, 0, 0, 0 },
		{ "type 65535", 65535, 1, 0, 0, 0, 0 },
		{ "not the owner's to send", SESSION_STATE, 1, 0, 0, 0, 0 },
		{ "short", SESSION_EXEC, 1, -1, -1, 4, 0 },
		{ "long", SESSION_EXEC, 1, 1, 1, 4, 0 },
		{ "count in the header", SESSION_EXEC, 1, 0, 1, 4, 0 },
		{ "too few descriptors", SESSION_EXEC, 1, 0, 0, 3, 0 },
		{ "too many descriptors", SESSION_EXEC, 1, 0, 0, 5, 0 },
		{ "stdio with a terminal", SESSION_EXEC, 1, 0, 0, 4, 1 },
		{ "no boolean", SESSION_EXEC, 1, 0, 0, 4, 2 },
	};
	unsigned before = open_fds();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p = pair_open();
		size_t size = sizeof(struct session_exec);
		union session_msg m = { .exec = { .tty =
						      (uint8_t)rows[i].tty } },
				  got;
		int in[8] = { 0 }, fds[FD_MSG_MAX];
		unsigned n;
		struct err e;
		int rc;

		size = (size_t)((ssize_t)size + rows[i].size_off);
		m.hdr = (struct session_hdr) { (uint16_t)rows[i].version,
			(uint16_t)rows[i].type,
			(uint32_t)((ssize_t)sizeof(struct session_exec) +
				   rows[i].hdr_size_off) };
		CHECK_INT(
		    fd_send(p.owner, &m, size, in, rows[i].nfds, &e), ==, 0);
		rc = session_recv(
		    p.supervisor, SESSION_SUPERVISOR, &got, fds, &n, &e);
		if (rc != (i == 0 ? 1 : -1))
			fail_msg("%s: %d", rows[i].why, rc);
		if (i == 0)
			while (n > 0)
				(void)close(fds[--n]);
		CHECK_INT(n, ==, 0);
		pair_close(p);
	}
	CHECK_INT(open_fds(), ==, before);
}

TEST(session, refuses_events_that_are_no_whole_lines)
{
	union session_msg m = {
		.events = { .hdr = { 1, SESSION_EVENTS,
				offsetof(struct session_events, json) + 2 },
		    .n = 2,
		    .json = "a\n" }
	};
	size_t size = m.hdr.size;
	struct err e;

	CHECK_INT(session_check(SESSION_OWNER, &m, size, 0, &e), ==, 0);
	m.events.json[1] = 'b';
	CHECK_INT(session_check(SESSION_OWNER, &m, size, 0, &e), ==, -1);
	m.events.json[1] = '\n';
	m.events.n = 3;
	CHECK_INT(session_check(SESSION_OWNER, &m, size, 0, &e), ==, -1);
	m.events.n = UINT32_MAX;
	CHECK_INT(session_check(SESSION_OWNER, &m, size, 0, &e), ==, -1);
	m.events.n = 0;
	m.hdr.size = (uint32_t)(size -= 2);
	CHECK_INT(session_check(SESSION_OWNER, &m, size, 0, &e), ==, -1);
}

TEST(session, does_not_send_what_the_peer_would_refuse)
{
	struct pair p = pair_open();
	union session_msg m = { .exec = { .tty = 1 } };
	int in[4] = { 0 };
	struct err e;

	CHECK_INT(session_send(p.owner, &m, SESSION_EXEC, in, 4, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_INTERNAL);
	pair_close(p);
}
