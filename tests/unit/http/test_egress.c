/* What the operator says of the way out, and what it means. */
#include "http/egress.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "test.h"

static struct egress said;
static struct err e;

static int
parse(const char *text)
{
	return egress_parse(view_of(text), &said, &e);
}

/* Does a connection to `host`, which has that address, go out directly? */
static bool
is_exempt(const char *list, const char *host, uint16_t port, const char *a)
{
	AUTO_FREE char *text =
	    mem_printf("proxy http://p.test:1\nno-proxy %s\n", list);
	struct addr v;

	assert_true(addr_parse(view_of(a), &v));
	CHECK_INT(parse(text), ==, 0);
	return egress_is_exempt(&said, view_of(host), port, &v, 1);
}

TEST(egress, reads_each_line)
{
	CHECK_INT(parse("host 127.0.0.1\nhost ::1\nclosed 127.0.0.1 8080\n"
			"proxy http://Proxy.Test:3128/\n"
			"no-proxy a.test,10.0.0.0/8 [::1]:443\nby-hostname\n"
			"login YTpi\n"),
	    ==, 0);
	CHECK_INT(said.n_hosts, ==, 2);
	CHECK_INT(said.n_closed, ==, 1);
	CHECK_INT(said.closed[0].port, ==, 8080);
	CHECK(said.has_proxy && said.by_hostname);
	CHECK_STR(said.proxy.host, "proxy.test");
	CHECK_INT(said.proxy.port, ==, 3128);
	CHECK_INT(said.n_exempt, ==, 3);
	CHECK(view_eq(said.login, VIEW("YTpi")));
	CHECK(!said.any_binary);
	CHECK_INT(parse("any-binary\n"), ==, 0);
	CHECK(said.any_binary && !said.has_proxy);
	CHECK_INT(parse(""), ==, 0);
	CHECK(!said.has_proxy && !said.any_binary);
}

TEST(egress, refuses_what_is_not_in_the_language)
{
	static const char *const bad[] = { "unknown\n", "host\n",
		"host localhost\n", "closed 127.0.0.1\n",
		"closed 127.0.0.1 65536\n", "proxy p.test:1\n",
		"proxy http://p.test\n", "proxy http://p.test:1/x\n",
		"proxy http://u:p@p.test:1\n", "proxy https://p.test:1\n",
		"proxy http://p.test:1\nproxy http://p.test:1\n",
		"no-proxy *\n", "by-hostname\n", "login YTpi\n",
		"any-binary no\n", "proxy http://p.test:1\nlogin a b\n",
		"proxy http://p.test:1\nlogin\n",
		"proxy http://p.test:1\nby-hostname yes\n",
		"proxy http://p.test:1\nauth-file /x\n",
		"proxy http://p.test:1\nno-proxy [::1\n",
		"proxy http://p.test:1\nno-proxy [::1]443\n",
		"proxy http://p.test:1\nno-proxy a.test:\n",
		"proxy http://p.test:1\nno-proxy a_b!.test\n",
		"host 127.0.0.1\n\nhost ::1\n" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i]) == 0)
			fail_msg("%s was accepted", bad[i]);
}

TEST(egress, exempts_names_and_what_is_below_them)
{
	static const char *const spelled[] = { "a.test", ".a.test", "*.a.test",
		"A.TEST", "a.test." };

	for (size_t i = 0; i < ARRAY_LEN(spelled); i++) {
		CHECK(is_exempt(spelled[i], "a.test", 443, "20.0.0.1"));
		CHECK(is_exempt(spelled[i], "x.y.a.test", 80, "20.0.0.1"));
		CHECK(!is_exempt(spelled[i], "ba.test", 443, "20.0.0.1"));
		CHECK(!is_exempt(spelled[i], "test", 443, "20.0.0.1"));
	}
	CHECK(is_exempt("a.test:443", "a.test", 443, "20.0.0.1"));
	CHECK(!is_exempt("a.test:443", "a.test", 80, "20.0.0.1"));
	CHECK(is_exempt("*", "b.test", 1, "20.0.0.1"));
}

TEST(egress, exempts_networks_by_every_address)
{
	struct addr v[2];

	CHECK(is_exempt("20.0.0.0/8", "a.test", 443, "20.9.9.9"));
	CHECK(is_exempt("20.0.0.1:443", "a.test", 443, "20.0.0.1"));
	CHECK(!is_exempt("20.0.0.1:443", "a.test", 80, "20.0.0.1"));
	CHECK(is_exempt("fd00::/8", "a.test", 443, "fd12::1"));
	CHECK(is_exempt("[fd00::/8]:443", "a.test", 443, "fd12::1"));
	CHECK(is_exempt("fd12::1", "a.test", 443, "fd12::1"));
	CHECK(!is_exempt("fd12::1", "a.test", 443, "fd12::2"));
	CHECK_INT(parse("proxy http://p.test:1\nno-proxy 20.0.0.0/8\n"), ==, 0);
	assert_true(addr_parse(VIEW("20.0.0.1"), &v[0]));
	assert_true(addr_parse(VIEW("21.0.0.1"), &v[1]));
	CHECK(!egress_is_exempt(&said, VIEW("a.test"), 443, v, 2));
}

TEST(egress, loopback_is_told_by_addresses_and_no_name)
{
	CHECK(is_exempt("x.test", "a.test", 443, "127.0.0.1"));
	CHECK(is_exempt("x.test", "a.test", 443, "::1"));
	CHECK(!is_exempt("x.test", "localhost", 443, "20.0.0.1"));
}

TEST(egress, the_login_is_in_the_completed_text_alone)
{
	char path[] = "/tmp/egress-XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);
	struct egress_options o = { .proxy = "http://p.test:1",
		.auth_file = path,
		.auth_insecure = true };
	AUTO_BUF struct buf text = BUF_INIT(EGRESS_TEXT_MAX);
	AUTO_BUF struct buf whole = BUF_INIT(EGRESS_TEXT_MAX);

	CHECK_INT(fd_write_all(fd, "user:pa ss:word\r\n", 17, &e), ==, 0);
	CHECK_INT(egress_write(&o, &text, &e), ==, 0);
	CHECK(view_eq(egress_auth_file(buf_view(&text)), view_of(path)));
	CHECK(strstr(buf_str(&text), "word") == NULL);
	CHECK_INT(egress_complete(buf_view(&text), &whole, &e), ==, 0);
	CHECK_INT(egress_parse(buf_view(&whole), &said, &e), ==, 0);
	CHECK(view_eq(said.login, VIEW("dXNlcjpwYSBzczp3b3Jk")));
	/* Nothing is taken for a login that is none. */
	CHECK_INT(ftruncate(fd, 4), ==, 0);
	buf_reset(&text);
	CHECK_INT(egress_write(&o, &text, &e), ==, -1);
	o.auth_insecure = false;
	CHECK_INT(egress_write(&o, &text, &e), ==, -1);
	CHECK_HAS(e.text, "--upstream-proxy-auth-allow-insecure");
	(void)unlink(path);
}

TEST(egress, no_option_brings_a_line_of_its_own)
{
	const struct egress_options bad[] = {
		{ .proxy = "http://p.test:1\nhost 10.0.0.1" },
		{ .proxy = "http://p.test:1",
		    .no_proxy = "a.test\nhost 10.0.0.1" },
		{ .no_proxy = "a.test" },
		{ .by_hostname = true },
		{ .auth_insecure = true },
		{ .auth_file = "/x", .auth_insecure = true },
	};
	AUTO_BUF struct buf text = BUF_INIT(EGRESS_TEXT_MAX);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(egress_write(&bad[i], &text, &e), ==, -1);
	CHECK_INT(text.n, ==, 0);
}
