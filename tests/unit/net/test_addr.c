#include "test.h"

#include "net/addr.h"

static enum addr_class
class_of(const char *text)
{
	struct addr a;

	if (!addr_parse(view_of(text), &a))
		fail_msg("%s did not parse", text);
	return addr_class(&a, NULL);
}

static bool
in_net(const char *address, const char *net)
{
	struct addr_net n;
	struct addr a;
	struct err e;

	CHECK_INT(addr_net_parse(view_of(net), &n, &e), ==, 0);
	CHECK(addr_parse(view_of(address), &a));
	return addr_in_net(&a, &n);
}

/* and the ranges we add to them. */
TEST(addr, classes)
{
	static const struct {
		enum addr_class class;
		const char *text;
	} rows[] = {
		{ ADDR_BLOCKED, "127.0.0.1" },
		{ ADDR_BLOCKED, "127.0.0.2" },
		{ ADDR_INTERNAL, "10.0.0.1" },
		{ ADDR_INTERNAL, "172.16.0.1" },
		{ ADDR_INTERNAL, "172.31.255.255" },
		{ ADDR_INTERNAL, "192.168.0.1" },
		{ ADDR_BLOCKED, "169.254.169.254" },
		{ ADDR_BLOCKED, "0.0.0.0" },
		{ ADDR_BLOCKED, "0.1.2.3" },
		{ ADDR_PUBLIC, "8.8.8.8" },
		{ ADDR_PUBLIC, "1.1.1.1" },
		{ ADDR_PUBLIC, "172.32.0.1" },
		{ ADDR_PUBLIC, "172.15.255.255" },
		{ ADDR_BLOCKED, "::1" },
		{ ADDR_BLOCKED, "::" },
		{ ADDR_BLOCKED, "fe80::1" },
		{ ADDR_BLOCKED, "febf::1" },
		{ ADDR_INTERNAL, "fec0::1" },
		{ ADDR_INTERNAL, "fdc4:f303:9324::254" },
		{ ADDR_BLOCKED, "::ffff:169.254.169.254" },
		{ ADDR_BLOCKED, "::ffff:127.0.0.1" },
		{ ADDR_INTERNAL, "::ffff:10.0.0.1" },
		{ ADDR_PUBLIC, "::ffff:8.8.8.8" },
		{ ADDR_PUBLIC, "2001:4860:4860::8888" },
		{ ADDR_BLOCKED, "224.0.0.1" },
		{ ADDR_BLOCKED, "239.255.255.255" },
		{ ADDR_BLOCKED, "240.0.0.1" },
		{ ADDR_BLOCKED, "255.255.255.255" },
		{ ADDR_BLOCKED, "ff02::1" },
		{ ADDR_BLOCKED, "::8.8.8.8" },
		{ ADDR_BLOCKED, "64:ff9b::a9fe:a9fe" },
		{ ADDR_BLOCKED, "64:ff9b::7f00:1" },
		{ ADDR_INTERNAL, "64:ff9b::10.0.0.1" },
		{ ADDR_PUBLIC, "64:ff9b::8.8.8.8" },
		{ ADDR_BLOCKED, "64:ff9b:1::a9fe:a9fe" },
		{ ADDR_BLOCKED, "64:ff9b:1:a9fe:a9:fe00::" },
		{ ADDR_INTERNAL, "64:ff9b:1:808:8:800::" },
		{ ADDR_BLOCKED, "2002:7f00:1::" },
		{ ADDR_INTERNAL, "2002:a00:1::1" },
		{ ADDR_PUBLIC, "2002:808:808::1" },
		/* Teredo: client 127.0.0.1 is inverted to 80ff:fffe */
		{ ADDR_BLOCKED, "2001:0:808:808:0:0:80ff:fffe" },
		{ ADDR_BLOCKED, "2001:0:a9fe:a9fe:0:0:f7f7:f7f7" },
		{ ADDR_PUBLIC, "2001:0:808:808:0:0:f7f7:f7f7" },
		{ ADDR_BLOCKED, "fd00:ec2::254" },
		{ ADDR_INTERNAL, "fd00:ec2::253" },
		{ ADDR_BLOCKED, "100.100.100.200" },
		{ ADDR_BLOCKED, "168.63.129.16" },
		{ ADDR_PUBLIC, "168.63.129.17" },
		{ ADDR_INTERNAL, "100.64.0.1" },
		{ ADDR_INTERNAL, "100.127.255.255" },
		{ ADDR_PUBLIC, "100.128.0.0" },
		{ ADDR_INTERNAL, "192.0.0.8" },
		{ ADDR_INTERNAL, "192.0.2.1" },
		{ ADDR_INTERNAL, "198.18.0.1" },
		{ ADDR_INTERNAL, "198.19.255.255" },
		{ ADDR_PUBLIC, "198.20.0.0" },
		{ ADDR_INTERNAL, "198.51.100.7" },
		{ ADDR_INTERNAL, "203.0.113.9" },
		{ ADDR_INTERNAL, "2001:db8::1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (class_of(rows[i].text) != rows[i].class)
			fail_msg("%s: class %d, want %d", rows[i].text,
			    class_of(rows[i].text), rows[i].class);
}

TEST(addr, class_names_the_range)
{
	const char *range;
	struct addr a;

	CHECK(addr_parse(VIEW("64:ff9b::a9fe:a9fe"), &a));
	CHECK_INT(addr_class(&a, &range), ==, ADDR_BLOCKED);
	CHECK_STR(range, "link-local");
	CHECK(addr_parse(VIEW("9.9.9.9"), &a));
	CHECK_INT(addr_class(&a, &range), ==, ADDR_PUBLIC);
	CHECK_STR(range, "public");
}

TEST(addr, refuses_what_is_not_a_canonical_literal)
{
	static const char *const bad[] = { "", "1", "127.1", "1.2.3",
		"1.2.3.4.5", "1.2.3.4.", ".1.2.3.4", "01.2.3.4", "1.2.3.256",
		"0x7f.0.0.1", "2130706433", "1.2.3.-4", " 1.2.3.4", "1.2.3.4 ",
		"fe80::1%eth0", "fe80::1%1", "[::1]", ":::", "1::2::3", "g::1",
		"::ffff:1.2.3.04", "12345::", "::1/64" };
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (addr_parse(view_of(bad[i]), &a))
			fail_msg("\"%s\" parsed", bad[i]);
	CHECK(!addr_parse((struct view) { "::1\0", 4 }, &a));
	CHECK(!addr_parse((struct view) { "1.2.3.4\0", 8 }, &a));
}

TEST(addr, formats_in_one_spelling)
{
	static const char *const rows[][2] = { { "1.2.3.4", "1.2.3.4" },
		{ "0:0:0:0:0:0:0:1", "::1" }, { "2001:DB8::A", "2001:db8::a" },
		{ "::ffff:102:304", "::ffff:1.2.3.4" } };
	char text[ADDR_TEXT_MAX];
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(addr_parse(view_of(rows[i][0]), &a));
		CHECK_STR(addr_format(&a, text), rows[i][1]);
	}
}

/* as far as they are about membership. */
TEST(addr, networks)
{
	CHECK(in_net("127.0.0.1", "127.0.0.0/8"));
	CHECK(in_net("0.0.0.0", "0.0.0.0/0"));
	CHECK(!in_net("10.0.0.1", "192.168.0.0/16"));
	CHECK(in_net("10.0.0.1", "10.0.0.0/8"));
	CHECK(in_net("10.9.9.9", "10.1.2.3/8"));
	CHECK(in_net("::ffff:10.0.0.1", "10.0.0.0/8"));
	CHECK(in_net("10.0.0.1", "::ffff:10.0.0.0/104"));
	CHECK(!in_net("::1", "0.0.0.0/0"));
	CHECK(!in_net("1.2.3.4", "::/0"));
	CHECK(in_net("192.168.1.100", "192.168.1.100"));
	CHECK(!in_net("192.168.1.101", "192.168.1.100"));
	CHECK(in_net("172.31.255.255", "172.16.0.0/12"));
	CHECK(!in_net("172.32.0.0", "172.16.0.0/12"));
	CHECK(in_net("fd00::1", "fc00::/7"));
	CHECK(!in_net("fe00::1", "fc00::/7"));
}

TEST(addr, refuses_bad_networks)
{
	static const char *const bad[] = { "not-an-ip", "10.0.0.0/33",
		"10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8", "::/129",
		"10.0.0.0/8/8", "" };
	struct addr_net n;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(addr_net_parse(view_of(bad[i]), &n, &e), ==, -1);
		CHECK_HAS(e.text, "invalid CIDR/IP");
	}
}

TEST(addr, socket_addresses_round_trip)
{
	static const char *const rows[] = { "1.2.3.4", "2001:db8::1" };
	struct sockaddr_storage ss;
	struct addr a, b;
	uint16_t port;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(addr_parse(view_of(rows[i]), &a));
		CHECK(addr_to_sockaddr(&a, 443, &ss) > 0);
		CHECK(addr_from_sockaddr((struct sockaddr *)&ss, &b, &port));
		CHECK(addr_eq(&a, &b));
		CHECK_INT(port, ==, 443);
	}
}

/* */
TEST(addr, control_plane_ports)
{
	CHECK(addr_port_blocked(6443) && addr_port_blocked(2379) &&
	      addr_port_blocked(2380) && addr_port_blocked(10250) &&
	      addr_port_blocked(10255));
	CHECK(!addr_port_blocked(443) && !addr_port_blocked(80));
}
