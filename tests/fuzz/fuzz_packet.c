/*
 * Any bytes as messages of nfnetlink_log: reading ends, never looks past them,
 * and what is read of a packet is in them; a message more behind them changes
 * nothing of what is read before it.
 */
#include <assert.h>
#include <netinet/in.h>
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

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf whole = BUF_INIT(2 * PACKET_MSG_MAX);
	struct view in = { (const char *)p, MIN(n, (size_t)PACKET_MSG_MAX) };
	struct view a = in, b;
	struct packet one, two;
	struct err e;
	int ra, rb;

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
