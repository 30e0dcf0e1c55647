/* The address vectors X-01..X-23 of the specification, through dest_check. */
#include "proxy/dest.h"
#include "test.h"

static struct addr
addr(const char *text)
{
	struct addr a = { 0 };

	assert_true(addr_parse(view_of(text), &a));
	return a;
}

struct verdict {
	int r;
	struct err e;
};

/* `nets`: comma-separated allowed_ips, or NULL. */
static struct verdict
check(const char *host, uint16_t port, const char *nets, bool exact,
    const char *const *answers, size_t n)
{
	struct policy_net list[8];
	struct policy_conn conn = { .allow = true, .exact_host = exact };
	struct addr v[8];
	struct verdict out = { 0 };
	struct view rest = view_of(nets);
	size_t n_list = 0;

	while (rest.n > 0) {
		struct addr_net one;
		struct view item = view_cut(rest, ',', &rest);

		assert_int_equal(addr_net_parse(item, &one, &out.e), 0);
		list[n_list] = (struct policy_net) { .family = one.base.family,
			.prefix = one.bits };
		memcpy(list[n_list].addr, one.base.b, 16);
		n_list++;
	}
	if (n_list > 0) {
		conn.n_nets = 1;
		conn.nets[0].v = list;
		conn.nets[0].n = n_list;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = addr(answers[i]);
	out.r = dest_check(view_of(host), port, &conn, v, n, NULL, &out.e);
	return out;
}

static struct verdict
one(const char *host, const char *nets, const char *answer)
{
	return check(host, 443, nets, false, &answer, 1);
}

TEST(dest, default_mode_refuses_internal_addresses)
{
	static const char *const bad[] = { "127.0.0.1", "127.0.0.2", "10.0.0.1",
		"172.16.0.1", "172.31.255.255", "192.168.0.1",
		"169.254.169.254", "0.0.0.0", "::1", "::", "fe80::1",
		"fdc4:f303:9324::254", "::ffff:169.254.169.254", "100.64.0.1",
		"198.18.0.1", "224.0.0.1", "255.255.255.255", "ff02::1",
		"64:ff9b::a9fe:a9fe", "2002:a00:1::1" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct verdict v = one("h.example", NULL, bad[i]);

		if (v.r == 0)
			fail_msg("%s was accepted", bad[i]);
		CHECK_INT(v.e.code, ==, ERR_DENIED);
		CHECK_HAS(v.e.text, "internal address");
	}
}

TEST(dest, default_mode_accepts_public_addresses)
{
	static const char *const good[] = { "8.8.8.8", "1.1.1.1", "172.32.0.1",
		"::ffff:8.8.8.8", "2001:4860:4860::8888" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (one("h.example", NULL, good[i]).r != 0)
			fail_msg("%s was refused", good[i]);
}

TEST(dest, one_bad_address_refuses_the_whole_answer)
{
	static const char *const mixed[] = { "8.8.8.8", "10.0.0.1" };
	static const char *const listed[] = { "10.0.0.1", "8.8.8.8" };
	struct verdict v = check("h.example", 443, NULL, false, mixed, 2);

	CHECK_INT(v.r, ==, -1);
	CHECK_HAS(v.e.text, "10.0.0.1");
	v = check("h.example", 443, "10.0.0.0/8", false, listed, 2);
	CHECK_INT(v.r, ==, -1);
	CHECK_HAS(v.e.text, "8.8.8.8 which is not in allowed_ips");
}

TEST(dest, reasons_are_as_specified)
{
	static const char *const mixed[] = { "8.8.8.8", "127.0.0.1" };
	struct verdict v = one("h.example", NULL, "10.0.0.1");

	CHECK_STR(v.e.text,
	    "h.example resolves to internal address 10.0.0.1, connection "
	    "rejected (private)");
	/* What no list can open is told before what this list does not. */
	v = check("h.example", 443, "10.0.0.0/8", false, mixed, 2);
	CHECK_STR(v.e.text,
	    "h.example resolves to always-blocked address 127.0.0.1, "
	    "connection rejected (loopback)");
	v = one("h.example", "10.0.0.0/8", "8.8.8.8");
	CHECK_STR(v.e.text,
	    "h.example resolves to 8.8.8.8 which is not in allowed_ips, "
	    "connection rejected");
	v = check("h.example", 6443, NULL, false, mixed, 2);
	CHECK_STR(v.e.text,
	    "port 6443 is a blocked control-plane port, connection rejected");
}

TEST(dest, lists_never_open_always_blocked_addresses)
{
	struct verdict v = one("127.0.0.1", "127.0.0.0/8", "127.0.0.1");

	CHECK_INT(v.r, ==, -1);
	CHECK_HAS(v.e.text, "always-blocked");
	v = one("0.0.0.0", "0.0.0.0/0", "0.0.0.0");
	CHECK_INT(v.r, ==, -1);
	CHECK_HAS(v.e.text, "always-blocked");
	v = one("m.example", "169.254.0.0/16", "169.254.169.254");
	CHECK_HAS(v.e.text, "always-blocked");
}

TEST(dest, lists_open_private_addresses_they_name)
{
	CHECK_INT(one("10.0.0.1", "10.0.0.0/8", "10.0.0.1").r, ==, 0);
	CHECK_INT(one("h.example", "10.0.0.0/8", "::ffff:10.0.0.1").r, ==, 0);
	CHECK_INT(one("10.0.0.1", "192.168.0.0/16", "10.0.0.1").r, ==, -1);
}

TEST(dest, every_list_must_hold)
{
	struct policy_net a = { { 10, 0, 0, 0 }, 4, 8 };
	struct policy_net b = { { 10, 1, 0, 0 }, 4, 16 };
	struct policy_conn conn = { .allow = true, .n_nets = 2 };
	struct addr in = addr("10.1.2.3"), out = addr("10.2.2.3");
	struct err e;

	conn.nets[0].v = &a;
	conn.nets[0].n = 1;
	conn.nets[1].v = &b;
	conn.nets[1].n = 1;
	CHECK_INT(dest_check(VIEW("h"), 443, &conn, &in, 1, NULL, &e), ==, 0);
	CHECK_INT(dest_check(VIEW("h"), 443, &conn, &out, 1, NULL, &e), ==, -1);
}

TEST(dest, control_plane_ports_are_blocked_in_both_modes)
{
	static const uint16_t ports[] = { 2379, 2380, 6443, 10250, 10255 };
	const char *to = "8.8.8.8";

	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		struct verdict v =
		    check("h", ports[i], "0.0.0.0/0", false, &to, 1);

		CHECK_INT(v.r, ==, -1);
		CHECK_HAS(v.e.text, "blocked control-plane port");
		CHECK_INT(check("h", ports[i], NULL, false, &to, 1).r, ==, -1);
	}
}

TEST(dest, a_literal_is_its_own_list_only_when_declared)
{
	const char *to = "192.168.1.100", *lo = "::1";

	CHECK_INT(check(to, 443, NULL, true, &to, 1).r, ==, 0);
	CHECK_INT(check(to, 443, NULL, false, &to, 1).r, ==, -1);
	CHECK_INT(check(lo, 443, NULL, true, &lo, 1).r, ==, -1);
}

TEST(dest, an_exact_name_may_be_one_of_the_inside)
{
	static const char *const inside[] = { "10.0.0.1", "fd12::1" };
	static const char *const mixed[] = { "10.0.0.1", "8.8.8.8" };
	static const char *const meta[] = { "10.0.0.1", "169.254.169.254" };
	static const char *const ours[] = { "10.0.0.1", "127.0.0.1" };

	CHECK_INT(check("h.example", 443, NULL, true, inside, 2).r, ==, 0);
	CHECK_INT(check("h.example", 443, NULL, false, inside, 2).r, ==, -1);
	CHECK_INT(check("h.example", 443, NULL, true, mixed, 2).r, ==, -1);
	CHECK_INT(check("h.example", 443, NULL, true, meta, 2).r, ==, -1);
	CHECK_INT(check("h.example", 443, NULL, true, ours, 2).r, ==, -1);
	CHECK_INT(check("h.example", 6443, NULL, true, inside, 2).r, ==, -1);
	/* A list says what it may be, and that alone. */
	CHECK_INT(
	    check("h.example", 443, "8.0.0.0/8", true, inside, 2).r, ==, -1);
}

TEST(dest, the_proxy_itself_is_never_a_destination)
{
	struct dest_own own = { addr("20.0.0.1"), 3128 };
	struct dest_rules rules = { &own, 1 };
	struct policy_conn conn = { .allow = true };
	struct addr to = addr("20.0.0.1");
	struct err e;

	CHECK_INT(
	    dest_check(VIEW("h"), 3128, &conn, &to, 1, &rules, &e), ==, -1);
	CHECK_INT(
	    dest_check(VIEW("h"), 19999, &conn, &to, 1, &rules, &e), ==, 0);
}

TEST(dest, an_empty_answer_is_refused)
{
	struct verdict v = check("h.example", 443, NULL, false, NULL, 0);

	CHECK_INT(v.r, ==, -1);
	CHECK_HAS(v.e.text, "no addresses for h.example:443");
}

TEST(dest, suggests_a_list_that_would_allow_and_no_other)
{
	static const struct dest_own own = {
		{ .family = 4, .b = { 10, 0, 0, 9 } }, 3128
	};
	struct dest_rules rules = { &own, 1 };
	struct addr v[2] = { addr("10.0.5.9"), addr("203.0.112.1") };
	struct addr blocked = addr("169.254.169.254"), ours = addr("10.0.0.9");
	AUTO_BUF struct buf out = BUF_INIT(256);

	dest_suggest(443, v, 2, &rules, &out);
	CHECK_STR(buf_str(&out),
	    "add to the endpoint: allowed_ips: [\"10.0.5.9\", "
	    "\"203.0.112.1\"]");
	buf_reset(&out);
	v[1] = blocked;
	dest_suggest(443, v, 2, &rules, &out);
	dest_suggest(3128, &ours, 1, &rules, &out);
	dest_suggest(6443, v, 1, &rules, &out);
	dest_suggest(443, v, 0, &rules, &out);
	CHECK_INT(out.n, ==, 0);
}

static struct verdict
check_host(const char *name, uint16_t port, bool exact, const char *address,
    const char *trusted)
{
	struct policy_conn conn = { .allow = true, .exact_host = exact };
	struct addr to = addr(address), host = addr(trusted);
	struct dest_own own = { addr("127.0.0.1"), 8080, "the gateway" };
	struct dest_rules rules = { &own, 1, &host, 1 };
	struct verdict out = { 0 };

	out.r = dest_check(view_of(name), port, &conn, &to, 1, &rules, &out.e);
	return out;
}

TEST(dest, a_name_of_the_host_is_its_loopback_where_a_person_wrote_it)
{
	static const char name[] = "host.openshell.internal";
	struct verdict v;

	CHECK_INT(
	    check_host(name, 80, true, "127.0.0.1", "127.0.0.1").r, ==, 0);
	CHECK_INT(check_host("HOST.docker.internal", 80, true, "::1", "::1").r,
	    ==, 0);
	/* By a pattern, at another address, under another name. */
	CHECK_INT(
	    check_host(name, 80, false, "127.0.0.1", "127.0.0.1").r, ==, -1);
	CHECK_INT(
	    check_host(name, 80, true, "127.0.0.2", "127.0.0.1").r, ==, -1);
	CHECK_INT(check_host("x.openshell.internal", 80, true, "127.0.0.1",
		      "127.0.0.1")
		      .r,
	    ==, -1);
	/* Never, whoever says so. */
	CHECK_INT(
	    check_host(name, 80, true, "169.254.169.254", "169.254.169.254").r,
	    ==, -1);
	CHECK_INT(
	    check_host(name, 80, true, "fd00:ec2::254", "fd00:ec2::254").r, ==,
	    -1);
	CHECK_INT(
	    check_host(name, 6443, true, "127.0.0.1", "127.0.0.1").r, ==, -1);
	v = check_host(name, 8080, true, "127.0.0.1", "127.0.0.1");
	CHECK_INT(v.r, ==, -1);
	CHECK_HAS(v.e.text, "(the gateway)");
}
