#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/dial.h"

struct result {
	int calls, fd;
	struct addr to;
	struct err e;
};

static void
on_dial(void *arg, int fd, const struct addr *to, const struct err *e)
{
	struct result *r = arg;

	r->calls++;
	r->fd = fd;
	if (to != NULL)
		r->to = *to;
	if (e != NULL)
		r->e = *e;
}

static struct addr
addr_of(const char *text)
{
	struct addr a = { 0 };

	CHECK(addr_parse(view_of(text), &a));
	return a;
}

/* A listener on `text`, on *port or on any when it is 0. */
static int
listen_on(const char *text, uint16_t *port, int backlog)
{
	struct sockaddr_storage ss;
	struct addr a = addr_of(text);
	socklen_t len = addr_to_sockaddr(&a, *port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_INT(bind(fd, (struct sockaddr *)&ss, len), ==, 0);
	CHECK_INT(listen(fd, backlog), ==, 0);
	len = sizeof(ss);
	CHECK_INT(getsockname(fd, (struct sockaddr *)&ss, &len), ==, 0);
	CHECK(addr_from_sockaddr((struct sockaddr *)&ss, &a, port));
	return fd;
}

static void
run_dial(const struct addr *v, size_t n, uint16_t port, struct result *r)
{
	uv_loop_t loop;

	*r = (struct result) { .fd = -1 };
	CHECK_INT(uv_loop_init(&loop), ==, 0);
	CHECK(dial_start(&loop, v, n, port, on_dial, r) != NULL);
	CHECK_INT(r->calls, ==, 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(r->calls, ==, 1);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
}

TEST(dial, connects)
{
	struct addr v[] = { addr_of("127.0.0.1") };
	AUTO_CLOSE int listener = -1;
	socklen_t len = sizeof(int);
	uint16_t port = 0;
	struct result r;
	int on = 0;

	listener = listen_on("127.0.0.1", &port, 8);
	run_dial(v, 1, port, &r);
	CHECK(r.fd >= 0);
	CHECK(addr_eq(&r.to, &v[0]));
	CHECK(fcntl(r.fd, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(r.fd, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(getsockopt(r.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), ==, 0);
	CHECK(on);
	(void)close(r.fd);
}

TEST(dial, goes_on_to_the_next_after_a_refusal)
{
	struct addr v[] = { addr_of("127.0.0.9"), addr_of("127.0.0.8"),
		addr_of("127.0.0.1") };
	AUTO_CLOSE int listener = -1;
	uint16_t port = 0;
	struct result r;

	listener = listen_on("127.0.0.1", &port, 8);
	run_dial(v, 3, port, &r);
	CHECK(r.fd >= 0);
	CHECK(addr_eq(&r.to, &v[2]));
	(void)close(r.fd);
}

TEST(dial, reports_the_last_refusal)
{
	struct addr v[] = { addr_of("127.0.0.1"), addr_of("127.0.0.2") };
	uint16_t port = 0;
	struct result r;
	int fd = listen_on("127.0.0.1", &port, 8);

	(void)close(fd); /* a port that nobody listens on */
	run_dial(v, 2, port, &r);
	CHECK_INT(r.fd, ==, -1);
	CHECK_INT(r.e.code, ==, ERR_IO);
	CHECK_INT(r.e.sys, ==, ECONNREFUSED);
	CHECK_HAS(r.e.text, "127.0.0.2");
	run_dial(v, 0, port, &r);
	CHECK_INT(r.fd, ==, -1);
	CHECK_HAS(r.e.text, "no address");
}

/* A full accept queue drops SYNs: the address is silent, not refused. */
TEST(dial, a_silent_address_is_joined_by_the_next)
{
	struct addr v[] = { addr_of("127.0.0.2"), addr_of("127.0.0.3") };
	AUTO_CLOSE int silent = -1;
	AUTO_CLOSE int good = -1;
	struct sockaddr_storage ss;
	uint16_t port = 0;
	int filler[3];
	struct result r;
	socklen_t len;

	silent = listen_on("127.0.0.2", &port, 0);
	good = listen_on("127.0.0.3", &port, 8);
	len = addr_to_sockaddr(&v[0], port, &ss);
	for (size_t i = 0; i < ARRAY_LEN(filler); i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(filler[i], (struct sockaddr *)&ss, len);
	}
	run_dial(v, 2, port, &r);
	CHECK(r.fd >= 0);
	CHECK(addr_eq(&r.to, &v[1]));
	(void)close(r.fd);
	for (size_t i = 0; i < ARRAY_LEN(filler); i++)
		(void)close(filler[i]);
}

TEST(dial, cancelled_one_says_nothing)
{
	struct addr v[] = { addr_of("127.0.0.1") };
	AUTO_CLOSE int listener = -1;
	struct result r = { .fd = -1 };
	uint16_t port = 0;
	uv_loop_t loop;

	listener = listen_on("127.0.0.1", &port, 8);
	CHECK_INT(uv_loop_init(&loop), ==, 0);
	dial_cancel(dial_start(&loop, v, 1, port, on_dial, &r));
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(r.calls, ==, 0);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
}
