#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

TEST(fd, message_carries_descriptors)
{
	int pair[2], fds[FD_MSG_MAX], pipefd[2];
	unsigned nfds = 0;
	struct err e = { 0 };
	char text[16], c = 0;

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
	CHECK_INT(pipe(pipefd), ==, 0);
	CHECK_INT(fd_send(pair[0], "hello", 5, &pipefd[1], 1, &e), ==, 0);
	CHECK_INT(fd_recv(pair[1], text, sizeof(text), fds, &nfds, &e), ==, 5);
	CHECK_INT(nfds, ==, 1);
	CHECK_INT(write(fds[0], "x", 1), ==, 1);
	CHECK_INT(read(pipefd[0], &c, 1), ==, 1);
	CHECK_INT(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	(void)close(fds[0]);
	(void)close(pipefd[0]);
	(void)close(pipefd[1]);
	(void)close(pair[0]);
	CHECK_INT(fd_recv(pair[1], text, sizeof(text), fds, &nfds, &e), ==, 0);
	(void)close(pair[1]);
}

TEST(fd, message_cut_short_is_an_error_and_leaks_nothing)
{
	int pair[2], fds[FD_MSG_MAX], before, after;
	unsigned nfds = 0;
	struct err e = { 0 };
	char text[2];

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
	before = dup(0);
	(void)close(before);
	CHECK_INT(fd_send(pair[0], "hello", 5, &pair[0], 1, &e), ==, 0);
	CHECK_INT(fd_recv(pair[1], text, sizeof(text), fds, &nfds, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_PROTO);
	CHECK_INT(nfds, ==, 0);
	after = dup(0);
	(void)close(after);
	CHECK_INT(before, ==, after);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

TEST(fd, file_read_refuses_a_directory_and_a_large_file)
{
	char path[] = "/tmp/openshell-test-XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);
	char *text = NULL;
	size_t n = 0;
	struct err e = { 0 };

	CHECK_INT(fd, >=, 0);
	CHECK_INT(write(fd, "12345", 5), ==, 5);
	CHECK_INT(file_read_path(path, true, 5, &text, &n, &e), ==, 0);
	CHECK_STR(text, "12345");
	free(text);
	CHECK_INT(file_read_path(path, true, 4, &text, &n, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_INT(file_read_path("/tmp", true, 4, &text, &n, &e), ==, -1);
	CHECK_HAS(e.text, "directory");
	(void)unlink(path);
}

TEST(fd, copy_begins_at_the_first_byte_and_refuses_what_is_too_much)
{
	char path[] = "/tmp/openshell-test-XXXXXX";
	AUTO_CLOSE int from = mkstemp(path);
	AUTO_CLOSE int to = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_CLOSE int dir = open("/tmp", O_RDONLY | O_CLOEXEC);
	char got[8] = "";
	size_t n = 2;
	struct err e = { 0 };

	CHECK_INT(to, >=, 0);
	CHECK_INT(write(from, "12345", 5), ==, 5);
	CHECK_INT(fd_copy(to, from, 5, &n, &e), ==, 0);
	CHECK_INT(n, ==, 7);
	CHECK_INT(pread(to, got, sizeof(got), 0), ==, 5);
	CHECK_STR(got, "12345");
	CHECK_INT(fd_copy(to, from, 4, &n, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_INT(n, ==, 7);
	CHECK_INT(fd_copy(to, dir, 4, &n, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_INVALID);
	(void)unlink(path);
}

TEST(fd, last_words_of_a_peer_that_did_not_listen_are_heard)
{
	int pair[2], fds[FD_MSG_MAX];
	unsigned nfds = 0;
	struct err e = { 0 };
	char text[16];

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
	CHECK_INT(fd_send(pair[0], "unread", 6, NULL, 0, &e), ==, 0);
	CHECK_INT(fd_send(pair[1], "why", 3, NULL, 0, &e), ==, 0);
	(void)close(pair[1]);
	CHECK_INT(fd_recv(pair[0], text, sizeof(text), fds, &nfds, &e), ==, 3);
	CHECK_INT(fd_recv(pair[0], text, sizeof(text), fds, &nfds, &e), ==, 0);
	(void)close(pair[0]);
}
