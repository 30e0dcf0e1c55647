#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#include "net/dial_name.h"

TEST(hosts, gives_every_address_of_a_name)
{
	static const struct view text = VIEW("# a comment\n"
					     "127.0.0.1\tlocalhost vm # vm2\n"
					     "::1 localhost\n"
					     "bad line vm\n"
					     "10.0.0.1 other Other.Example\r\n"
					     "10.0.0.2");
	struct addr a[4];
	char out[ADDR_TEXT_MAX];

	CHECK_INT(hosts_find(text, "LOCALHOST", a, 4), ==, 2);
	CHECK_STR(addr_format(&a[0], out), "127.0.0.1");
	CHECK_STR(addr_format(&a[1], out), "::1");
	CHECK_INT(hosts_find(text, "localhost", a, 1), ==, 1);
	CHECK_INT(hosts_find(text, "vm", a, 4), ==, 1);
	CHECK_INT(hosts_find(text, "other.example", a, 4), ==, 1);
	CHECK_INT(hosts_find(text, "vm2", a, 4), ==, 0);
	CHECK_INT(hosts_find(text, "10.0.0.1", a, 4), ==, 0);
	CHECK_INT(hosts_find(VIEW(""), "vm", a, 4), ==, 0);
}

TEST(resolv_conf, gives_the_servers_in_order)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	resolv_conf_servers(VIEW("search example\nnameserver 10.0.0.1 # first\n"
				 "#nameserver 10.9.9.9\n"
				 "nameserver\tfe80::1\n nameserver 10.0.0.2\n"
				 "nameserver nonsense\nnameserver"),
	    &b);
	CHECK_STR(buf_str(&b), "10.0.0.1,[fe80::1]:53,10.0.0.2");
}

static struct {
	unsigned calls;
	int fd;
	struct err why;
} got;

static void
on_dialled(void *arg, int fd, const struct addr *to, const struct err *e)
{
	CHECK(arg == &got && (fd >= 0) == (e == NULL) &&
	      (to != NULL) == (fd >= 0));
	got.calls++;
	got.fd = fd;
	if (e != NULL)
		got.why = *e;
}

TEST(dial_name, connects_to_a_name_that_the_hosts_file_has)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct addr a;
	uint16_t port;
	uv_loop_t loop;
	struct dial_name *d;

	CHECK(addr_parse(VIEW("127.0.0.1"), &a));
	CHECK_INT(bind(listener, (struct sockaddr *)&ss,
		      addr_to_sockaddr(&a, 0, &ss)),
	    ==, 0);
	CHECK_INT(listen(listener, 1), ==, 0);
	CHECK_INT(getsockname(listener, (struct sockaddr *)&ss, &n), ==, 0);
	CHECK(addr_from_sockaddr((struct sockaddr *)&ss, &a, &port));
	CHECK_INT(uv_loop_init(&loop), ==, 0);
	d = dial_name_start(&loop, "localhost", port, on_dialled, &got);
	CHECK(d != NULL);
	CHECK_INT(got.calls, ==, 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(got.calls, ==, 1);
	CHECK(got.fd >= 0);
	(void)close(got.fd);
	/* Nobody listens any more. */
	(void)close(listener);
	d = dial_name_start(&loop, "localhost", port, on_dialled, &got);
	CHECK(d != NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(got.calls, ==, 2);
	CHECK_INT(got.fd, ==, -1);
	/* One that is cancelled says nothing. */
	d = dial_name_start(&loop, "localhost", port, on_dialled, &got);
	dial_name_cancel(d);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(got.calls, ==, 2);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
}
