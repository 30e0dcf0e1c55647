/*
 * nft: rule set in the form of linux/netfilter/nf_tables.h.
 *
 *   table inet openshell { chain capture {
 *     type nat hook output priority -100;
 *     meta l4proto != tcp accept
 *     ip daddr 127.0.0.0/8 accept          ip6 daddr ::1 accept
 *     ip daddr PROXY tcp dport PORT accept
 *     redirect to :CAPTURE
 *   } }
 *
 * It only attributes what would be refused anyway: without it the namespace
 * still has no way out.
 */
#include "sandbox/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

enum {
	BATCH_MAX = 16384,
	NAT_DST_PRIORITY = -100,
	INET = 1 /* NFPROTO_INET */
};
static const char table_name[] = "openshell", chain_name[] = "capture";

/* Attributes nest; each opener remembers where its length is to be written. */
static size_t
attr_open(struct buf *b, uint16_t type)
{
	struct nlattr a = { 0, type };
	size_t at = b->n;

	buf_put(b, (struct view) { (const char *)&a, sizeof(a) });
	return at;
}

static void
attr_close(struct buf *b, size_t at)
{
	uint16_t len = (uint16_t)(b->n - at);

	if (!b->full)
		memcpy(b->p + at, &len, sizeof(len));
	while (b->n % NLA_ALIGNTO != 0 && !b->full)
		buf_putc(b, '\0');
}

static void
attr(struct buf *b, uint16_t type, const void *p, size_t n)
{
	size_t at = attr_open(b, type);

	buf_put(b, (struct view) { p, n });
	attr_close(b, at);
}

static void
attr_u32(struct buf *b, uint16_t type, uint32_t v)
{
	uint32_t be = htonl(v);

	attr(b, type, &be, sizeof(be));
}

static size_t
nest(struct buf *b, uint16_t type)
{
	return attr_open(b, type | NLA_F_NESTED);
}

static size_t
msg_open(struct buf *b, unsigned type, unsigned flags, uint8_t family)
{
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} m = { .h = { .nlmsg_type = (uint16_t)type,
		    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
		.g = { .nfgen_family = family, .version = NFNETLINK_V0 } };
	size_t at = b->n;

	/* The batch markers name the subsystem that is to be changed. */
	if (type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END)
		m.g.res_id = htons(NFNL_SUBSYS_NFTABLES);
	else
		m.h.nlmsg_type |= NFNL_SUBSYS_NFTABLES << 8;
	buf_put(b, (struct view) { (const char *)&m, sizeof(m) });
	return at;
}

static void
msg_close(struct buf *b, size_t at)
{
	uint32_t len = (uint32_t)(b->n - at);

	if (!b->full)
		memcpy(b->p + at, &len, sizeof(len));
}

/* Opens one expression's data; close both with expr_close. */
struct expr {
	size_t elem, data;
};

static struct expr
expr_open(struct buf *b, const char *name)
{
	struct expr x = { .elem = nest(b, NFTA_LIST_ELEM) };

	attr(b, NFTA_EXPR_NAME, name, strlen(name) + 1);
	x.data = nest(b, NFTA_EXPR_DATA);
	return x;
}

static void
expr_close(struct buf *b, struct expr x)
{
	attr_close(b, x.data);
	attr_close(b, x.elem);
}

static void
value(struct buf *b, uint16_t type, const void *p, size_t n)
{
	size_t at = nest(b, type);

	attr(b, NFTA_DATA_VALUE, p, n);
	attr_close(b, at);
}

static void
meta(struct buf *b, uint32_t key)
{
	struct expr x = expr_open(b, "meta");

	attr_u32(b, NFTA_META_KEY, key);
	attr_u32(b, NFTA_META_DREG, NFT_REG_1);
	expr_close(b, x);
}

static void
payload(struct buf *b, uint32_t base, uint32_t offset, uint32_t len)
{
	struct expr x = expr_open(b, "payload");

	attr_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	attr_u32(b, NFTA_PAYLOAD_BASE, base);
	attr_u32(b, NFTA_PAYLOAD_OFFSET, offset);
	attr_u32(b, NFTA_PAYLOAD_LEN, len);
	expr_close(b, x);
}

static void
mask(struct buf *b, uint32_t bits)
{
	struct expr x = expr_open(b, "bitwise");
	uint32_t be = htonl(bits), none = 0;

	attr_u32(b, NFTA_BITWISE_SREG, NFT_REG_1);
	attr_u32(b, NFTA_BITWISE_DREG, NFT_REG_1);
	attr_u32(b, NFTA_BITWISE_LEN, sizeof(be));
	value(b, NFTA_BITWISE_MASK, &be, sizeof(be));
	value(b, NFTA_BITWISE_XOR, &none, sizeof(none));
	expr_close(b, x);
}

static void
compare(struct buf *b, uint32_t op, const void *p, size_t n)
{
	struct expr x = expr_open(b, "cmp");

	attr_u32(b, NFTA_CMP_SREG, NFT_REG_1);
	attr_u32(b, NFTA_CMP_OP, op);
	value(b, NFTA_CMP_DATA, p, n);
	expr_close(b, x);
}

static void
accept_it(struct buf *b)
{
	struct expr x = expr_open(b, "immediate");
	size_t data, verdict;

	attr_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nest(b, NFTA_IMMEDIATE_DATA);
	verdict = nest(b, NFTA_DATA_VERDICT);
	attr_u32(b, NFTA_VERDICT_CODE, NF_ACCEPT);
	attr_close(b, verdict);
	attr_close(b, data);
	expr_close(b, x);
}

static void
family_is(struct buf *b, uint8_t family)
{
	meta(b, NFT_META_NFPROTO);
	compare(b, NFT_CMP_EQ, &family, sizeof(family));
}

static void
not_tcp(struct buf *b)
{
	uint8_t tcp = IPPROTO_TCP;

	meta(b, NFT_META_L4PROTO);
	compare(b, NFT_CMP_NEQ, &tcp, sizeof(tcp));
	accept_it(b);
}

static void
to_loopback4(struct buf *b)
{
	uint32_t net = htonl(INADDR_LOOPBACK & 0xff000000U);

	family_is(b, NFPROTO_IPV4);
	payload(b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
	mask(b, 0xff000000U);
	compare(b, NFT_CMP_EQ, &net, sizeof(net));
	accept_it(b);
}

static void
to_loopback6(struct buf *b)
{
	family_is(b, NFPROTO_IPV6);
	payload(b, NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
	compare(b, NFT_CMP_EQ, &in6addr_loopback, sizeof(in6addr_loopback));
	accept_it(b);
}

static void
to_proxy(struct buf *b, struct in_addr proxy, uint16_t port)
{
	uint16_t be = htons(port);

	family_is(b, NFPROTO_IPV4);
	payload(b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
	compare(b, NFT_CMP_EQ, &proxy, sizeof(proxy));
	payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	compare(b, NFT_CMP_EQ, &be, sizeof(be));
	accept_it(b);
}

static void
redirect(struct buf *b, uint16_t port)
{
	struct expr x = expr_open(b, "immediate");
	uint16_t be = htons(port);

	attr_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	value(b, NFTA_IMMEDIATE_DATA, &be, sizeof(be));
	expr_close(b, x);
	x = expr_open(b, "redir");
	attr_u32(b, NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1);
	attr_u32(b, NFTA_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	expr_close(b, x);
}

static void
put_table(struct buf *b)
{
	size_t m =
	    msg_open(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, INET);

	attr(b, NFTA_TABLE_NAME, table_name, sizeof(table_name));
	msg_close(b, m);
}

static void
put_chain(struct buf *b)
{
	size_t hook,
	    m = msg_open(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK, INET);

	attr(b, NFTA_CHAIN_TABLE, table_name, sizeof(table_name));
	attr(b, NFTA_CHAIN_NAME, chain_name, sizeof(chain_name));
	hook = nest(b, NFTA_CHAIN_HOOK);
	attr_u32(b, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	attr_u32(b, NFTA_HOOK_PRIORITY, (uint32_t)NAT_DST_PRIORITY);
	attr_close(b, hook);
	attr(b, NFTA_CHAIN_TYPE, "nat", sizeof("nat"));
	msg_close(b, m);
}

/* Opens a rule; its expressions follow. */
struct rule_at {
	size_t msg, list;
};

static struct rule_at
rule_open(struct buf *b)
{
	struct rule_at r = { .msg = msg_open(b, NFT_MSG_NEWRULE,
				 NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK,
				 INET) };

	attr(b, NFTA_RULE_TABLE, table_name, sizeof(table_name));
	attr(b, NFTA_RULE_CHAIN, chain_name, sizeof(chain_name));
	r.list = nest(b, NFTA_RULE_EXPRESSIONS);
	return r;
}

static void
rule_close(struct buf *b, struct rule_at r)
{
	attr_close(b, r.list);
	msg_close(b, r.msg);
}

unsigned
nft_batch(struct buf *b, struct in_addr proxy, uint16_t proxy_port,
    uint16_t capture_port)
{
	static void (*const plain[])(
	    struct buf *) = { not_tcp, to_loopback4, to_loopback6 };
	struct rule_at r;

	msg_close(b, msg_open(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC));
	put_table(b);
	put_chain(b);
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		r = rule_open(b);
		plain[i](b);
		rule_close(b, r);
	}
	r = rule_open(b);
	to_proxy(b, proxy, proxy_port);
	rule_close(b, r);
	r = rule_open(b);
	redirect(b, capture_port);
	rule_close(b, r);
	msg_close(b, msg_open(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC));
	return 2 + (unsigned)ARRAY_LEN(plain) + 2;
}

/* The kernel answers each message in a datagram of its own. */
static int
acks(int sock, unsigned want, struct err *e)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr err;
		char rest[4096]; /* what it answers to, and a reason */
	} in;

	while (want > 0) {
		ssize_t got = recv(sock, &in, sizeof(in), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < (ssize_t)NLMSG_LENGTH(sizeof(in.err)))
			return err_sys(e, "nf_tables: receive");
		if (in.h.nlmsg_type != NLMSG_ERROR)
			continue;
		errno = -in.err.error;
		if (errno != 0)
			return err_sys(e, "nf_tables");
		want--;
	}
	return 0;
}

int
nft_capture(struct in_addr proxy, uint16_t proxy_port, uint16_t capture_port,
    struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(BATCH_MAX);
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	AUTO_CLOSE int sock =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	unsigned want = nft_batch(&b, proxy, proxy_port, capture_port);

	if (sock < 0)
		return err_sys(e, "nf_tables: socket");
	if (b.full)
		return err_set(e, ERR_INTERNAL, "nf_tables: batch too long");
	if (sendto(sock, b.p, b.n, 0, (const struct sockaddr *)&kernel,
		sizeof(kernel)) != (ssize_t)b.n)
		return err_sys(e, "nf_tables: send");
	return acks(sock, want, e);
}
