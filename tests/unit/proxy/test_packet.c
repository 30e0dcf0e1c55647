/* nfnetlink_log messages, made here as the kernel makes them. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "proxy/packet.h"
#include "test.h"

static void
put(struct buf *b, uint16_t type, struct view packet)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
		struct nlattr prefix;
		char name[4];
		struct nlattr payload;
	} m = { .h = { .nlmsg_len = (uint32_t)(sizeof(m) + packet.n),
		    .nlmsg_type = type },
		.prefix = { 8, NFULA_PREFIX },
		.payload = { (uint16_t)(sizeof(struct nlattr) + packet.n),
		    NFULA_PAYLOAD } };

	buf_put(b, (struct view) { (const char *)&m, sizeof(m) });
	buf_put(b, packet);
	while (b->n % NLMSG_ALIGNTO != 0)
		buf_putc(b, '\0');
}

enum { PACKET = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET };

#define V4_AT(at, options, ihl, protocol) \
	ihl "\x00\x00\x1d\x00\x00" at "\x40" protocol "\x00\x00" \
	    "\x14\x00\x00\x14\x14\x00\x00\x0a" options
#define V4(options, ihl, protocol) V4_AT("\x40\x00", options, ihl, protocol)
#define UDP "\xa0\x01\x01\xbb\x00\x09\x00\x00x"
static const char udp4[] = V4("", "\x45", "\x11") UDP;
static const char udp4_options[] = V4("\x01\x01\x01\x00", "\x46", "\x11") UDP;
static const char later4[] = V4_AT("\x00\xb9", "", "\x45", "\x11") UDP;
static const char icmp4[] = V4("", "\x45", "\x01") "\x08\x00";
static const char udp6[] =
    "\x60\x00\x00\x00\x00\x09\x11\x40"
    "\x2a\x0e\x7e\x57\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
    "\x2a\x0e\x7e\x57\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08" UDP;
#define BYTES(a) ((struct view) { a, sizeof(a) - 1 })

TEST(packet, reads_addresses_and_ports)
{
	const struct view rows[] = { BYTES(udp4), BYTES(udp4_options),
		BYTES(udp6) };
	AUTO_BUF struct buf b = BUF_INIT(4096);
	char text[ADDR_TEXT_MAX];
	struct packet p;
	struct view v;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		put(&b, PACKET, rows[i]);
	v = buf_view(&b);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(packet_next(&v, &p, &e), ==, 1);
		CHECK_INT(p.protocol, ==, IPPROTO_UDP);
		CHECK_INT(p.sport, ==, 0xa001);
		CHECK_INT(p.dport, ==, 443);
		CHECK_STR(addr_format(&p.dst, text),
		    i < 2 ? "20.0.0.10" : "2a0e:7e57::8");
	}
	CHECK_INT(packet_next(&v, &p, &e), ==, 0);
}

TEST(packet, what_has_no_ports_has_none)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct packet p;
	struct view v;
	struct err e;

	put(&b, PACKET, BYTES(icmp4));
	v = buf_view(&b);
	CHECK_INT(packet_next(&v, &p, &e), ==, 1);
	CHECK_INT(p.protocol, ==, IPPROTO_ICMP);
	CHECK_INT(p.dport, ==, 0);
}

TEST(packet, a_later_fragment_has_no_ports)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct packet p;
	struct view v;
	struct err e;

	put(&b, PACKET, BYTES(later4));
	v = buf_view(&b);
	CHECK_INT(packet_next(&v, &p, &e), ==, 1);
	CHECK_INT(p.protocol, ==, IPPROTO_UDP);
	CHECK_INT(p.sport, ==, 0);
	CHECK_INT(p.dport, ==, 0);
}

TEST(packet, leaves_out_what_it_cannot_read)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct packet p;
	struct view v;
	struct err e;

	put(&b, NLMSG_ERROR, BYTES(udp4));
	put(&b, PACKET, view_slice(BYTES(udp4), 0, 22)); /* cut in the ports */
	put(&b, PACKET, VIEW("\x44xxxxxxxxxxxxxxxxxxxxxxx")); /* IHL 4 */
	put(&b, PACKET, VIEW("\x50xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
	put(&b, PACKET, VIEW(""));
	put(&b, PACKET, BYTES(udp6));
	v = buf_view(&b);
	CHECK_INT(packet_next(&v, &p, &e), ==, 1);
	CHECK_INT(p.dst.family, ==, 6);
	CHECK_INT(packet_next(&v, &p, &e), ==, 0);
	v = view_slice(buf_view(&b), 0, 20);
	CHECK_INT(packet_next(&v, &p, &e), ==, -1);
}
