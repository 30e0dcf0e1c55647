#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "sandbox/netns.h"
#include "sandbox/nft.h"

/* The messages of a batch, each whole and in bounds. */
static size_t
messages(struct view v, uint16_t *types, size_t max)
{
	size_t n = 0;

	while (v.n > 0) {
		struct nlmsghdr h;

		CHECK(v.n >= sizeof(h));
		memcpy(&h, v.p, sizeof(h));
		CHECK(h.nlmsg_len >= sizeof(h) && h.nlmsg_len <= v.n);
		CHECK_INT(h.nlmsg_len % NLMSG_ALIGNTO, ==, 0);
		CHECK(n < max);
		types[n++] = h.nlmsg_type;
		v = view_slice(v, h.nlmsg_len, v.n);
	}
	return n;
}

TEST(nft, is_one_batch)
{
	AUTO_BUF struct buf b = BUF_INIT(16384);
	struct in_addr proxy = { htonl(0x0ac80001) };
	uint16_t types[32];
	size_t n;

	CHECK_INT(nft_batch(&b, proxy, 3128, 3129), ==, 9);
	CHECK(!b.full);
	n = messages(buf_view(&b), types, ARRAY_LEN(types));
	CHECK_INT(n, ==, 11);
	CHECK_INT(types[0], ==, NFNL_MSG_BATCH_BEGIN);
	CHECK_INT(types[1], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE);
	CHECK_INT(types[2], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN);
	CHECK_INT(types[3], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
	CHECK_INT(types[10], ==, NFNL_MSG_BATCH_END);
}

TEST(nft, logs_in_a_batch_of_its_own)
{
	AUTO_BUF struct buf b = BUF_INIT(16384);
	uint16_t types[32];
	size_t n;

	CHECK_INT(nft_log_batch(&b, 3129), ==, 6);
	CHECK(!b.full);
	n = messages(buf_view(&b), types, ARRAY_LEN(types));
	CHECK_INT(n, ==, 8);
	CHECK_INT(types[1], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN);
	CHECK_INT(types[2], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
}

/* Both batches, in a namespace of our own, and what the second one gives. */
static int
log_one_datagram(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(443),
		.sin_addr = { htonl(0x14000014) } };
	struct pollfd p = { .events = POLLIN };
	struct netns ns;
	struct err e = { 0 };
	char why[256] = "", got[4096];
	int sock;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 2;
	if (netns_setup(&ns, "10.200.0.1", 3128, 3129, why, sizeof(why), &e) <
		0 ||
	    ns.packets < 0)
		return 3;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sendto(sock, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
		return 4;
	p.fd = ns.packets;
	if (poll(&p, 1, 5000) != 1 || recv(p.fd, got, sizeof(got), 0) <= 0)
		return 5;
	/* Between a program and another on loopback: nobody's business. */
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (sendto(sock, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
		return 6;
	return poll(&p, 1, 50) == 0 ? 0 : 7;
}

TEST(nft, tells_of_datagrams_to_elsewhere)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(log_one_datagram());
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
}

TEST(nft, is_all_or_nothing_without_right)
{
	struct in_addr proxy = { htonl(0x0ac80001) };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct err e = { 0 };

		/* A namespace of another's: no capability over it. */
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(2);
		_exit(nft_capture(proxy, 3128, 3129, &e) == -1 ? 0 : 1);
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK_INT(status, ==, 0);
}
