/*
 * The rule set for any addresses and ports, read back as the kernel reads it:
 * every length is that of what it holds, each message is one that is expected
 * and acknowledged as often as is said; and any packet that runs through the
 * rules, with an evaluator of our own, has the fate that nft.c describes.  The
 * last byte may leave the batch too little room: then it is known to be
 * incomplete.
 */
/* Before linux/in.h, which gives way to it. */
#include <netinet/in.h>

#include <assert.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sandbox/nft.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { ROOM = 16384, DNS = 53, REG = 16 };

struct input {
	uint32_t proxy;
	uint16_t proxy_port, capture;
	uint8_t v6, proto;
	uint16_t sport, dport;
	uint8_t daddr[16];
	uint16_t room;
};

/* A packet as the expressions see it, and what became of it. */
struct run {
	uint8_t family, proto, net[40], transport[8];
	size_t net_len;
	uint8_t reg[REG];
	size_t reg_len;
	bool accepted, logged, redirected;
	uint16_t to;
};

struct msg {
	struct nlmsghdr h;
	struct nfgenmsg g;
	struct view attrs;
};

static struct msg
next_msg(struct view *rest)
{
	struct msg m;
	const size_t head = sizeof(m.h) + sizeof(m.g);

	assert(rest->n >= head);
	memcpy(&m.h, rest->p, sizeof(m.h));
	memcpy(&m.g, rest->p + sizeof(m.h), sizeof(m.g));
	assert(m.h.nlmsg_len >= head && m.h.nlmsg_len <= rest->n);
	assert(m.h.nlmsg_len % NLMSG_ALIGNTO == 0);
	assert(m.h.nlmsg_flags & NLM_F_REQUEST);
	m.attrs = view_slice(*rest, head, m.h.nlmsg_len);
	*rest = view_slice(*rest, m.h.nlmsg_len, rest->n);
	return m;
}

static struct view
next_attr(struct view *rest, unsigned *type)
{
	struct nlattr a;
	struct view data;
	size_t end;

	assert(rest->n >= sizeof(a));
	memcpy(&a, rest->p, sizeof(a));
	assert(a.nla_len >= sizeof(a) && a.nla_len <= rest->n);
	data = view_slice(*rest, sizeof(a), a.nla_len);
	end = NLA_ALIGN(a.nla_len);
	assert(end <= rest->n);
	for (size_t i = a.nla_len; i < end; i++)
		assert(rest->p[i] == 0);
	*rest = view_slice(*rest, end, rest->n);
	*type = a.nla_type;
	return data;
}

/* The one attribute of that type, which is there. */
static struct view
get(struct view attrs, unsigned type)
{
	struct view found = { NULL, 0 };
	unsigned is;

	while (attrs.n > 0) {
		struct view data = next_attr(&attrs, &is);

		if ((is & (unsigned)NLA_TYPE_MASK) != (type & ~NLA_F_NESTED))
			continue;
		assert(is == type && found.p == NULL);
		found = data;
	}
	assert(found.p != NULL);
	return found;
}

static struct view
get_nest(struct view attrs, unsigned type)
{
	return get(attrs, type | NLA_F_NESTED);
}

static uint32_t
get_u32(struct view attrs, unsigned type)
{
	struct view v = get(attrs, type);
	uint32_t be;

	assert(v.n == sizeof(be));
	memcpy(&be, v.p, sizeof(be));
	return ntohl(be);
}

static bool
is_text(struct view v, const char *text)
{
	return v.n == strlen(text) + 1 && memcmp(v.p, text, v.n) == 0;
}

static void
load(struct run *r, const void *p, size_t n)
{
	assert(n <= REG);
	memset(r->reg, 0, sizeof(r->reg));
	memcpy(r->reg, p, n);
	r->reg_len = n;
}

/* Each: whether the rule goes on. */

static bool
run_meta(struct run *r, struct view d)
{
	uint32_t key = get_u32(d, NFTA_META_KEY);

	assert(get_u32(d, NFTA_META_DREG) == NFT_REG_1);
	assert(key == NFT_META_NFPROTO || key == NFT_META_L4PROTO);
	load(r, key == NFT_META_NFPROTO ? &r->family : &r->proto, 1);
	return true;
}

static bool
run_payload(struct run *r, struct view d)
{
	uint32_t base = get_u32(d, NFTA_PAYLOAD_BASE);
	uint32_t at = get_u32(d, NFTA_PAYLOAD_OFFSET);
	uint32_t len = get_u32(d, NFTA_PAYLOAD_LEN);
	bool net = base == NFT_PAYLOAD_NETWORK_HEADER;
	size_t have = net ? r->net_len : sizeof(r->transport);

	assert(get_u32(d, NFTA_PAYLOAD_DREG) == NFT_REG_1);
	assert(net || base == NFT_PAYLOAD_TRANSPORT_HEADER);
	assert(at <= have && len <= have - at);
	/* Only of a protocol that has ports there. */
	assert(net || r->proto == IPPROTO_TCP || r->proto == IPPROTO_UDP);
	load(r, (net ? r->net : r->transport) + at, len);
	return true;
}

static bool
run_bitwise(struct run *r, struct view d)
{
	struct view mask = get(get_nest(d, NFTA_BITWISE_MASK), NFTA_DATA_VALUE);
	struct view with = get(get_nest(d, NFTA_BITWISE_XOR), NFTA_DATA_VALUE);

	assert(get_u32(d, NFTA_BITWISE_SREG) == NFT_REG_1);
	assert(get_u32(d, NFTA_BITWISE_DREG) == NFT_REG_1);
	assert(get_u32(d, NFTA_BITWISE_LEN) == r->reg_len);
	assert(mask.n == r->reg_len && with.n == r->reg_len);
	for (size_t i = 0; i < r->reg_len; i++)
		r->reg[i] = (uint8_t)((r->reg[i] & (uint8_t)mask.p[i]) ^
				      (uint8_t)with.p[i]);
	return true;
}

static bool
run_cmp(struct run *r, struct view d)
{
	struct view to = get(get_nest(d, NFTA_CMP_DATA), NFTA_DATA_VALUE);
	uint32_t op = get_u32(d, NFTA_CMP_OP);

	assert(get_u32(d, NFTA_CMP_SREG) == NFT_REG_1);
	assert(op == NFT_CMP_EQ || op == NFT_CMP_NEQ);
	assert(to.n == r->reg_len);
	return (memcmp(r->reg, to.p, to.n) == 0) == (op == NFT_CMP_EQ);
}

static bool
run_immediate(struct run *r, struct view d)
{
	uint32_t reg = get_u32(d, NFTA_IMMEDIATE_DREG);
	struct view data = get_nest(d, NFTA_IMMEDIATE_DATA);

	if (reg == NFT_REG_VERDICT) {
		struct view v = get_nest(data, NFTA_DATA_VERDICT);

		assert(get_u32(v, NFTA_VERDICT_CODE) == NF_ACCEPT);
		r->accepted = true;
		return false;
	}
	assert(reg == NFT_REG_1);
	data = get(data, NFTA_DATA_VALUE);
	load(r, data.p, data.n);
	return true;
}

static bool
run_redir(struct run *r, struct view d)
{
	assert(get_u32(d, NFTA_REDIR_REG_PROTO_MIN) == NFT_REG_1);
	assert(get_u32(d, NFTA_REDIR_FLAGS) == NF_NAT_RANGE_PROTO_SPECIFIED);
	assert(r->reg_len == sizeof(r->to));
	r->to = (uint16_t)(r->reg[0] << 8 | r->reg[1]);
	r->redirected = true;
	return false;
}

static bool
run_limit(struct run *r, struct view d)
{
	(void)r;
	assert(get(d, NFTA_LIMIT_RATE).n == 8);
	assert(get(d, NFTA_LIMIT_UNIT).n == 8);
	assert(get_u32(d, NFTA_LIMIT_BURST) > 0);
	assert(get_u32(d, NFTA_LIMIT_TYPE) == NFT_LIMIT_PKTS);
	assert(get_u32(d, NFTA_LIMIT_FLAGS) == 0);
	return true; /* as for the first of them */
}

static bool
run_log(struct run *r, struct view d)
{
	assert(get(d, NFTA_LOG_GROUP).n == 2);
	assert(get_u32(d, NFTA_LOG_SNAPLEN) >= sizeof(r->net) + 4);
	r->logged = true;
	return true;
}

static bool
run_expr(struct run *r, struct view elem)
{
	static const struct {
		const char *name;
		bool (*run)(struct run *r, struct view data);
	} known[] = { { "meta", run_meta }, { "payload", run_payload },
		{ "bitwise", run_bitwise }, { "cmp", run_cmp },
		{ "immediate", run_immediate }, { "redir", run_redir },
		{ "limit", run_limit }, { "log", run_log } };
	struct view name = get(elem, NFTA_EXPR_NAME);

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (is_text(name, known[i].name))
			return known[i].run(r, get_nest(elem, NFTA_EXPR_DATA));
	assert(!"an expression that is known");
	return false;
}

static void
run_rule(struct run *r, struct view attrs, const char *chain)
{
	struct view list = get_nest(attrs, NFTA_RULE_EXPRESSIONS);
	unsigned type;

	assert(is_text(get(attrs, NFTA_RULE_TABLE), "openshell"));
	assert(is_text(get(attrs, NFTA_RULE_CHAIN), chain));
	assert(list.n > 0);
	while (list.n > 0 && !r->accepted && !r->redirected) {
		struct view elem = next_attr(&list, &type);

		assert(type == (NFTA_LIST_ELEM | NLA_F_NESTED));
		if (!run_expr(r, elem))
			break;
	}
	/* What is behind a verdict must be whole too. */
	while (list.n > 0)
		(void)next_attr(&list, &type);
}

static void
check_chain(struct view attrs, const char *chain, const char *kind)
{
	struct view hook = get_nest(attrs, NFTA_CHAIN_HOOK);

	assert(is_text(get(attrs, NFTA_CHAIN_TABLE), "openshell"));
	assert(is_text(get(attrs, NFTA_CHAIN_NAME), chain));
	assert(is_text(get(attrs, NFTA_CHAIN_TYPE), kind));
	assert(get_u32(hook, NFTA_HOOK_HOOKNUM) == NF_INET_LOCAL_OUT);
	(void)get_u32(hook, NFTA_HOOK_PRIORITY);
}

/* A batch, with what the packet of `r` meets in its rules. */
static void
run_batch(struct run *r, struct view batch, unsigned acks, const char *chain,
    const char *kind)
{
	struct msg m = next_msg(&batch);
	unsigned asked = 0, chains = 0;

	assert(m.h.nlmsg_type == NFNL_MSG_BATCH_BEGIN && m.attrs.n == 0);
	assert(m.g.res_id == htons(NFNL_SUBSYS_NFTABLES));
	for (;;) {
		m = next_msg(&batch);
		asked += (m.h.nlmsg_flags & NLM_F_ACK) != 0;
		if (m.h.nlmsg_type == NFNL_MSG_BATCH_END)
			break;
		assert(m.h.nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES);
		assert(m.g.nfgen_family == NFPROTO_INET);
		if ((m.h.nlmsg_type & 0xff) == NFT_MSG_NEWTABLE) {
			assert(is_text(
			    get(m.attrs, NFTA_TABLE_NAME), "openshell"));
		} else if ((m.h.nlmsg_type & 0xff) == NFT_MSG_NEWCHAIN) {
			check_chain(m.attrs, chain, kind);
			chains++;
		} else {
			assert((m.h.nlmsg_type & 0xff) == NFT_MSG_NEWRULE);
			/* In the order written, behind its chain. */
			assert(m.h.nlmsg_flags & NLM_F_APPEND && chains == 1);
			run_rule(r, m.attrs, chain);
		}
	}
	assert(batch.n == 0 && m.attrs.n == 0 && asked == acks);
}

static struct run
packet(const struct input *in)
{
	struct run r = { .family = in->v6 & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4,
		.proto = in->proto };
	bool v6 = r.family == NFPROTO_IPV6;

	r.net_len = v6 ? 40 : 20;
	memcpy(r.net + (v6 ? 24 : 16), in->daddr, v6 ? 16 : 4);
	memcpy(r.transport, &in->sport, 2);
	memcpy(r.transport + 2, &in->dport, 2);
	return r;
}

static bool
is_loopback(const struct input *in)
{
	static const uint8_t one[16] = { [15] = 1 };

	return in->v6 & 1 ? memcmp(in->daddr, one, 16) == 0
			  : in->daddr[0] == 127;
}

static void
check_capture(const struct input *in, struct view batch, unsigned acks)
{
	bool tcp = in->proto == IPPROTO_TCP, udp = in->proto == IPPROTO_UDP;
	bool dns = (tcp || udp) && ntohs(in->dport) == DNS;
	bool proxy = !(in->v6 & 1) && memcmp(in->daddr, &in->proxy, 4) == 0 &&
		     ntohs(in->dport) == in->proxy_port;
	struct run r = packet(in);

	run_batch(&r, batch, acks, "capture", "nat");
	assert(!r.logged && r.accepted != r.redirected);
	assert(r.redirected == (dns || (tcp && !is_loopback(in) && !proxy)));
	assert(!r.redirected || r.to == in->capture);
}

static void
check_refused(const struct input *in, struct view batch, unsigned acks)
{
	struct run r = packet(in);

	run_batch(&r, batch, acks, "refused", "filter");
	assert(!r.redirected && r.accepted != r.logged);
	assert(r.logged == (in->proto == IPPROTO_UDP && !is_loopback(in) &&
			       ntohs(in->sport) != in->capture));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_BUF struct buf nat = BUF_INIT(ROOM), log = BUF_INIT(ROOM);
	AUTO_BUF struct buf small = BUF_INIT(0);
	struct input in = { 0 };
	struct in_addr proxy;
	unsigned acks;

	memcpy(&in, p, MIN(n, sizeof(in)));
	proxy.s_addr = in.proxy;
	acks = nft_batch(&nat, proxy, in.proxy_port, in.capture);
	assert(!nat.full);
	check_capture(&in, buf_view(&nat), acks);
	acks = nft_log_batch(&log, in.capture);
	assert(!log.full);
	check_refused(&in, buf_view(&log), acks);

	small.max = in.room % (nat.n + 1);
	(void)nft_batch(&small, proxy, in.proxy_port, in.capture);
	assert(small.full == (small.max < nat.n));
	return 0;
}
