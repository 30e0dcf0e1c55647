/*
 * Any bytes as messages of nfnetlink_log: reading ends, never looks past them,
 * and what is read of a packet is in them; a message more behind them changes
 * nothing of what is read before it.  Any bytes as the packet of a message such
 * as the kernel makes: it is read, or left out, by the offsets of RFC 791 and
 * RFC 8200.
 */
/* Before linux/in.h, which gives way to it. */
#include <netinet/in.h>

#include <assert.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>

#include "proxy/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool
holds(struct view all, const void *p, size_t n)
{
	for (size_t i = 0; i + n <= all.n; i++)
		if (memcmp(all.p + i, p, n) == 0)
			return true;
	return false;
}

static void
check(const struct packet *p, struct view all)
{
	size_t n = p->dst.family == 4 ? 4 : 16;
	uint16_t port = htons(p->dport);

	assert(p->dst.family == 4 || p->dst.family == 6);
	assert(p->src.family == p->dst.family);
	assert(holds(all, p->dst.b, n) && holds(all, p->src.b, n));
	assert(p->dport == 0 || holds(all, &port, sizeof(port)));
	for (size_t i = n; i < sizeof(p->dst.b); i++)
		assert(p->dst.b[i] == 0);
}

/* The message with `packet`, its attributes padded as the kernel does. */
static void
put_message(struct buf *b, struct view packet)
{
	static const struct nfgenmsg g;
	const struct nlattr a = { (uint16_t)(sizeof(a) + packet.n),
		NFULA_PAYLOAD };
	const struct {
		struct nlattr a;
		char text[4];
	} prefix = { { sizeof(a) + 3, NFULA_PREFIX }, "ab" };
	const struct nlmsghdr h = { .nlmsg_type = NFNL_SUBSYS_ULOG << 8 |
						  NFULNL_MSG_PACKET,
		.nlmsg_len = (uint32_t)(sizeof(h) + sizeof(g) + sizeof(prefix) +
					sizeof(a) + NLA_ALIGN(packet.n)) };

	buf_put(b, (struct view) { (const char *)&h, sizeof(h) });
	buf_put(b, (struct view) { (const char *)&g, sizeof(g) });
	buf_put(b, (struct view) { (const char *)&prefix, sizeof(prefix) });
	buf_put(b, (struct view) { (const char *)&a, sizeof(a) });
	buf_put(b, packet);
	while (b->n % NLA_ALIGNTO != 0)
		buf_putc(b, '\0');
}

/* Where the transport header is; 0 when it is no packet. */
static size_t
header_length(const uint8_t *p, size_t n)
{
	size_t len = n == 0           ? 0
		     : p[0] >> 4 == 4 ? (p[0] & 15u) * 4u
		     : p[0] >> 4 == 6 ? 40u
				      : 0;

	return len < 20 || len > n ? 0 : len;
}

static void
check_one(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf b = BUF_INIT(PACKET_MSG_MAX);
	size_t len = header_length(p, n), size;
	struct packet got;
	struct view v;
	struct err e;
	bool later, ports;
	uint8_t proto;
	int rc;

	put_message(&b, (struct view) { (const char *)p, n });
	assert(!b.full);
	v = buf_view(&b);
	rc = packet_next(&v, &got, &e);
	assert(rc >= 0 && v.n == 0);
	if (len == 0) {
		assert(rc == 0);
		return;
	}
	size = p[0] >> 4 == 4 ? 4 : 16;
	proto = p[size == 4 ? 9 : 6];
	/* A later fragment begins with none of the ports. */
	later = size == 4 && ((p[6] & 0x1f) != 0 || p[7] != 0);
	ports = !later && (proto == IPPROTO_TCP || proto == IPPROTO_UDP);
	assert(rc == (!ports || n - len >= 4));
	if (rc == 0)
		return;
	assert(got.protocol == proto && got.dst.family == (size == 4 ? 4 : 6));
	assert(memcmp(got.src.b, p + (size == 4 ? 12 : 8), size) == 0);
	assert(memcmp(got.dst.b, p + (size == 4 ? 16 : 24), size) == 0);
	assert(got.sport == (ports ? p[len] << 8 | p[len + 1] : 0));
	assert(got.dport == (ports ? p[len + 2] << 8 | p[len + 3] : 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf whole = BUF_INIT(2 * PACKET_MSG_MAX);
	struct view in = { (const char *)p, MIN(n, (size_t)PACKET_MSG_MAX) };
	struct view a = in, b;
	struct packet one, two;
	struct err e;
	int ra, rb;

	check_one(p, MIN(n, (size_t)256));
	buf_put(&whole, in);
	buf_put(&whole, in);
	b = buf_view(&whole);
	for (;;) {
		size_t before = a.n;

		ra = packet_next(&a, &one, &e);
		if (ra != 1)
			break;
		assert(a.n < before);
		check(&one, in);
		rb = packet_next(&b, &two, &e);
		assert(rb == 1 && memcmp(&one, &two, sizeof(one)) == 0);
	}
	return 0;
}
