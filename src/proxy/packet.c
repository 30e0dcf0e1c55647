#include "proxy/packet.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

static const uint16_t wanted = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;

static void
addr_from(struct addr *a, uint8_t family, struct view bytes)
{
	*a = (struct addr) { .family = family };
	if (bytes.n <= sizeof(a->b) && bytes.n > 0)
		memcpy(a->b, bytes.p, bytes.n);
}

/* RFC 791 section 3.1.  *later: a fragment that does not begin with the ports
 * of its packet. */
static bool
parse_v4(struct rd *r, struct packet *out, bool *later)
{
	uint8_t first = rd_u8(r);
	size_t options = ((size_t)(first & 0xf) - 5) * 4;

	if (first >> 4 != 4 || (first & 0xf) < 5)
		return false;
	(void)rd_view(r, 5);
	*later = (rd_be16(r) & 0x1fff) != 0;
	(void)rd_u8(r);
	out->protocol = rd_u8(r);
	(void)rd_view(r, 2);
	addr_from(&out->src, 4, rd_view(r, 4));
	addr_from(&out->dst, 4, rd_view(r, 4));
	(void)rd_view(r, options);
	return !r->bad;
}

/* RFC 8200 section 3.  Extension headers hide the ports, no more. */
static bool
parse_v6(struct rd *r, struct packet *out)
{
	if (rd_u8(r) >> 4 != 6)
		return false;
	(void)rd_view(r, 5);
	out->protocol = rd_u8(r);
	(void)rd_u8(r);
	addr_from(&out->src, 6, rd_view(r, 16));
	addr_from(&out->dst, 6, rd_view(r, 16));
	return !r->bad;
}

static bool
parse_ip(struct view v, struct packet *out)
{
	struct rd r = rd_of(v);
	bool later = false;

	*out = (struct packet) { 0 };
	if (v.n == 0 ||
	    (((uint8_t)v.p[0] >> 4) == 4 ? !parse_v4(&r, out, &later)
					 : !parse_v6(&r, out)))
		return false;
	if (!later &&
	    (out->protocol == IPPROTO_UDP || out->protocol == IPPROTO_TCP)) {
		out->sport = rd_be16(&r);
		out->dport = rd_be16(&r);
	}
	return !r.bad;
}

/* Attributes are in the machine's own order, their contents in the net's. */
static bool
payload_of(struct view attrs, struct view *out)
{
	while (attrs.n >= sizeof(struct nlattr)) {
		struct nlattr a;

		memcpy(&a, attrs.p, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > attrs.n)
			return false;
		if ((a.nla_type & NLA_TYPE_MASK) == NFULA_PAYLOAD) {
			*out = view_slice(attrs, sizeof(a), a.nla_len);
			return true;
		}
		attrs = view_slice(attrs, NLA_ALIGN(a.nla_len), attrs.n);
	}
	return false;
}

int
packet_next(struct view *msgs, struct packet *out, struct err *e)
{
	while (msgs->n > 0) {
		struct nlmsghdr h;
		struct view body, payload;

		if (msgs->n < sizeof(h))
			return err_set(e, ERR_PROTO, "netlink: no header");
		memcpy(&h, msgs->p, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > msgs->n)
			return err_set(e, ERR_PROTO, "netlink: cut short");
		body = view_slice(*msgs,
		    sizeof(h) + NLMSG_ALIGN(sizeof(struct nfgenmsg)),
		    h.nlmsg_len);
		*msgs = view_slice(*msgs, NLMSG_ALIGN(h.nlmsg_len), msgs->n);
		if (h.nlmsg_type == wanted && payload_of(body, &payload) &&
		    parse_ip(payload, out))
			return 1;
	}
	return 0;
}
