#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
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

	CHECK_INT(nft_batch(&b, proxy, 3128, 3129), ==, 7);
	CHECK(!b.full);
	n = messages(buf_view(&b), types, ARRAY_LEN(types));
	CHECK_INT(n, ==, 9);
	CHECK_INT(types[0], ==, NFNL_MSG_BATCH_BEGIN);
	CHECK_INT(types[1], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE);
	CHECK_INT(types[2], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN);
	CHECK_INT(types[3], ==, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
	CHECK_INT(types[8], ==, NFNL_MSG_BATCH_END);
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
