/*
 * nft: rule set in the form of linux/netfilter/nf_tables.h.
 *
 *   table inet openshell {
 *     chain capture {
 *       type nat hook output priority -100;
 *       udp dport 53 redirect to :CAPTURE    tcp dport 53 redirect to :CAPTURE
 *       meta l4proto != tcp accept
 *       ip daddr 127.0.0.0/8 accept          ip6 daddr ::1 accept
 *       ip daddr PROXY tcp dport PORT accept
 *       redirect to :CAPTURE
 *     }
 *     chain refused {
 *       type filter hook output priority 0;
 *       meta l4proto != udp accept
 *       ip daddr 127.0.0.0/8 accept          ip6 daddr ::1 accept
 *       udp sport CAPTURE accept             (answers of the DNS listener)
 *       limit rate 50/second burst 200 log group 1 snaplen 128
 *     }
 *   }
 *
 * It opens nothing: without it the namespace still has no way out.  What the
 * second chain logs goes on to an address where nobody listens, and comes back
 * as port unreachable at once.
 */
#include "sandbox/nft.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

enum {
	BATCH_MAX = 16384,
	NAT_DST_PRIORITY = -100,
	INET = 1, /* NFPROTO_INET */
	DNS_PORT = 53,
	LOG_GROUP = 1,
	LOG_SNAPLEN = 128, /* address and port lie well within */
	LOG_RATE = 50, /* a second; Attack: floods of datagrams */
	LOG_BURST = 200
};
static const char table_name[] = "openshell", capture_name[] = "capture",
		  refused_name[] = "refused";

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

static void
attr_u64(struct buf *b, uint16_t type, uint64_t v)
{
	uint64_t be = htobe64(v);

	attr(b, type, &be, sizeof(be));
}

static void
attr_u16(struct buf *b, uint16_t type, uint16_t v)
{
	uint16_t be = htons(v);

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
not_protocol(struct buf *b, uint8_t protocol)
{
	meta(b, NFT_META_L4PROTO);
	compare(b, NFT_CMP_NEQ, &protocol, sizeof(protocol));
	accept_it(b);
}

static void
not_tcp(struct buf *b, uint16_t capture UNUSED)
{
	not_protocol(b, IPPROTO_TCP);
}

static void
not_udp(struct buf *b, uint16_t capture UNUSED)
{
	not_protocol(b, IPPROTO_UDP);
}

/* TCP and UDP have their ports in the same places. */
enum { SOURCE_PORT = 0, DESTINATION_PORT = 2 };

static void
port_is(struct buf *b, uint8_t protocol, uint32_t which, uint16_t port)
{
	uint16_t be = htons(port);

	meta(b, NFT_META_L4PROTO);
	compare(b, NFT_CMP_EQ, &protocol, sizeof(protocol));
	payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, which, sizeof(be));
	compare(b, NFT_CMP_EQ, &be, sizeof(be));
}

static void
to_loopback4(struct buf *b, uint16_t capture UNUSED)
{
	uint32_t net = htonl(INADDR_LOOPBACK & 0xff000000U);

	family_is(b, NFPROTO_IPV4);
	payload(b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
	mask(b, 0xff000000U);
	compare(b, NFT_CMP_EQ, &net, sizeof(net));
	accept_it(b);
}

static void
to_loopback6(struct buf *b, uint16_t capture UNUSED)
{
	family_is(b, NFPROTO_IPV6);
	payload(b, NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
	compare(b, NFT_CMP_EQ, &in6addr_loopback, sizeof(in6addr_loopback));
	accept_it(b);
}

static void
to_proxy(struct buf *b, struct in_addr proxy, uint16_t port)
{
	family_is(b, NFPROTO_IPV4);
	payload(b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
	compare(b, NFT_CMP_EQ, &proxy, sizeof(proxy));
	port_is(b, IPPROTO_TCP, DESTINATION_PORT, port);
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
dns_udp(struct buf *b, uint16_t capture)
{
	port_is(b, IPPROTO_UDP, DESTINATION_PORT, DNS_PORT);
	redirect(b, capture);
}

static void
dns_tcp(struct buf *b, uint16_t capture)
{
	port_is(b, IPPROTO_TCP, DESTINATION_PORT, DNS_PORT);
	redirect(b, capture);
}

static void
from_dns(struct buf *b, uint16_t capture)
{
	port_is(b, IPPROTO_UDP, SOURCE_PORT, capture);
	accept_it(b);
}

static void
log_some(struct buf *b, uint16_t capture UNUSED)
{
	struct expr x = expr_open(b, "limit");

	attr_u64(b, NFTA_LIMIT_RATE, LOG_RATE);
	attr_u64(b, NFTA_LIMIT_UNIT, 1);
	attr_u32(b, NFTA_LIMIT_BURST, LOG_BURST);
	attr_u32(b, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	attr_u32(b, NFTA_LIMIT_FLAGS, 0);
	expr_close(b, x);
	x = expr_open(b, "log");
	attr_u16(b, NFTA_LOG_GROUP, LOG_GROUP);
	attr_u32(b, NFTA_LOG_SNAPLEN, LOG_SNAPLEN);
	attr_u16(b, NFTA_LOG_QTHRESHOLD, 1);
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
put_chain(struct buf *b, const char *name, const char *type, int priority)
{
	size_t hook,
	    m = msg_open(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK, INET);

	attr(b, NFTA_CHAIN_TABLE, table_name, sizeof(table_name));
	attr(b, NFTA_CHAIN_NAME, name, strlen(name) + 1);
	hook = nest(b, NFTA_CHAIN_HOOK);
	attr_u32(b, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	attr_u32(b, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	attr_close(b, hook);
	attr(b, NFTA_CHAIN_TYPE, type, strlen(type) + 1);
	msg_close(b, m);
}

/* Opens a rule; its expressions follow. */
struct rule_at {
	size_t msg, list;
};

static struct rule_at
rule_open(struct buf *b, const char *chain)
{
	struct rule_at r = { .msg = msg_open(b, NFT_MSG_NEWRULE,
				 NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK,
				 INET) };

	attr(b, NFTA_RULE_TABLE, table_name, sizeof(table_name));
	attr(b, NFTA_RULE_CHAIN, chain, strlen(chain) + 1);
	r.list = nest(b, NFTA_RULE_EXPRESSIONS);
	return r;
}

static void
rule_close(struct buf *b, struct rule_at r)
{
	attr_close(b, r.list);
	msg_close(b, r.msg);
}

typedef void rule_fn(struct buf *b, uint16_t capture);

static void
put_rules(struct buf *b, const char *chain, rule_fn *const *rules, size_t n,
    uint16_t capture)
{
	for (size_t i = 0; i < n; i++) {
		struct rule_at r = rule_open(b, chain);

		rules[i](b, capture);
		rule_close(b, r);
	}
}

unsigned
nft_batch(struct buf *b, struct in_addr proxy, uint16_t proxy_port,
    uint16_t capture_port)
{
	static rule_fn *const first[] = { dns_udp, dns_tcp, not_tcp,
		to_loopback4, to_loopback6 };
	static rule_fn *const last[] = { redirect };
	struct rule_at r;

	msg_close(b, msg_open(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC));
	put_table(b);
	put_chain(b, capture_name, "nat", NAT_DST_PRIORITY);
	put_rules(b, capture_name, first, ARRAY_LEN(first), capture_port);
	r = rule_open(b, capture_name);
	to_proxy(b, proxy, proxy_port);
	rule_close(b, r);
	put_rules(b, capture_name, last, ARRAY_LEN(last), capture_port);
	msg_close(b, msg_open(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC));
	return 2 + (unsigned)(ARRAY_LEN(first) + ARRAY_LEN(last)) + 1;
}

unsigned
nft_log_batch(struct buf *b, uint16_t capture_port)
{
	static rule_fn *const rules[] = { not_udp, to_loopback4, to_loopback6,
		from_dns, log_some };

	msg_close(b, msg_open(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC));
	put_chain(b, refused_name, "filter", 0);
	put_rules(b, refused_name, rules, ARRAY_LEN(rules), capture_port);
	msg_close(b, msg_open(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC));
	return 1 + (unsigned)ARRAY_LEN(rules);
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

static int
nft_open(int *out, struct err *e)
{
	*out = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	return *out < 0 ? err_sys(e, "nf_tables: socket") : 0;
}

static int
transact(int sock, const struct buf *b, unsigned want, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (b->full)
		return err_set(e, ERR_INTERNAL, "nf_tables: batch too long");
	if (sendto(sock, b->p, b->n, 0, (const struct sockaddr *)&kernel,
		sizeof(kernel)) != (ssize_t)b->n)
		return err_sys(e, "nf_tables: send");
	return acks(sock, want, e);
}

int
nft_capture(struct in_addr proxy, uint16_t proxy_port, uint16_t capture_port,
    struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(BATCH_MAX);
	AUTO_CLOSE int sock = -1;
	unsigned want = nft_batch(&b, proxy, proxy_port, capture_port);

	if (nft_open(&sock, e) < 0)
		return -1;
	return transact(sock, &b, want, e);
}

/* linux/netfilter/nfnetlink_log.h: asks for the packets of our group. */
static unsigned
listen_batch(struct buf *b)
{
	struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	struct nfulnl_msg_config_mode mode = { .copy_range = htonl(LOG_SNAPLEN),
		.copy_mode = NFULNL_COPY_PACKET };
	struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} m = { .h = { .nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.g = { .version = NFNETLINK_V0, .res_id = htons(LOG_GROUP) } };

	buf_put(b, (struct view) { (const char *)&m, sizeof(m) });
	attr(b, NFULA_CFG_CMD, &bind, sizeof(bind));
	attr(b, NFULA_CFG_MODE, &mode, sizeof(mode));
	attr_u32(b, NFULA_CFG_QTHRESH, 1); /* each at once */
	msg_close(b, 0);
	return 1;
}

int
nft_log(uint16_t capture_port, int *out, struct err *e)
{
	AUTO_BUF struct buf rules = BUF_INIT(BATCH_MAX);
	AUTO_BUF struct buf listen = BUF_INIT(BATCH_MAX);
	AUTO_CLOSE int sock = -1, log = -1;

	if (nft_open(&log, e) < 0 || nft_open(&sock, e) < 0)
		return -1;
	if (transact(log, &listen, listen_batch(&listen), e) < 0)
		return err_wrap(e, "nfnetlink_log");
	if (transact(sock, &rules, nft_log_batch(&rules, capture_port), e) <
		0 ||
	    fd_set_nonblock(log, true, e) < 0)
		return -1;
	*out = take_fd(log);
	return 0;
}
