/*
 * dns: the name server of the sandbox.
 *
 * A name that some endpoint of the policy allows, or that the proxy itself
 * answers for (local.def), has an address of synth.c, whatever its type of
 * address; every other name does not exist.  Nothing is
 * ever asked outside: that happens when a connection has its verdict.
 *
 * Attack: data in the labels of names that a wildcard allows.  Nothing leaves
 * by asking, and new names of that kind are bounded in length and rate.
 */
#include "proxy/px.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dnsmsg.h"
#include "proxy/flow.h"
#include "proxy/local.h"
#include "proxy/synth.h"
#include "proxy/told.h"

enum {
	DNS_BATCH = 64, /* queries before others get their turn */
	DNS_TCP_IDLE_MS = 10000,
	DNS_PORT = 53
};

/* What is said to a query. */
struct verdict {
	enum dns_rcode rcode;
	struct addr addr;
	bool has_addr;
	char refused[320]; /* why, when it is to be recorded */
};

static void
refuse(struct verdict *v, enum dns_rcode rcode, const char *why)
{
	v->rcode = rcode;
	(void)snprintf(v->refused, sizeof(v->refused), "%.300s", why);
}

int
px_name(struct px *px, struct view host, bool pattern, struct addr *v4,
    struct addr *v6, struct err *e)
{
	if (px->synth == NULL)
		px->synth = synth_new();
	return synth_give(
	    px->synth, host, pattern, uv_now(&px->loop), v4, v6, e);
}

/* A well-formed query for an existing name. */
static void
give(struct px *px, const struct dns_query *q, bool pattern, struct verdict *v)
{
	struct addr v4, v6;
	struct err e;

	if (px_name(px, view_of(q->name), pattern, &v4, &v6, &e) < 0) {
		refuse(v, DNS_REFUSED, e.text);
		return;
	}
	/* Without IPv6 in the sandbox its address would lead nowhere. */
	v->has_addr = q->type == DNS_A || (q->type == DNS_AAAA && px->dns_v6);
	v->addr = q->type == DNS_A ? v4 : v6;
}

static struct verdict
judge(struct px *px, const struct dns_query *q)
{
	const struct px_local *local = px_local_find(view_of(q->name));
	struct verdict v = { .rcode = DNS_NOERROR };
	struct addr literal;

	/* An address is no name, whatever an endpoint's host is. */
	if (q->name[0] == '\0' || addr_parse(view_of(q->name), &literal)) {
		refuse(&v, DNS_NXDOMAIN, "not a host name");
		return v;
	}
	if (local != NULL && local->looked_up) {
		give(px, q, false, &v);
		return v;
	}
	switch (policy_names(px->snap, view_of(q->name))) {
	case POLICY_NAME_NONE:
		refuse(&v, DNS_NXDOMAIN,
		    "no endpoint of the policy allows this name, so it does "
		    "not "
		    "exist here; nothing was asked outside");
		break;
	case POLICY_NAME_HOSTLESS:
	case POLICY_NAME_WILDCARD:
		give(px, q, true, &v);
		break;
	case POLICY_NAME_EXACT:
		give(px, q, false, &v);
		break;
	}
	return v;
}

/* false: nothing is to be said to this.  `shown`, when it is recorded. */
static bool
respond(struct px *px, struct view msg, struct buf *out, struct verdict *v,
    struct buf *shown)
{
	struct dns_query q;
	struct err e;

	*v = (struct verdict) { 0 };
	if (dns_query_parse(msg, &q, &v->rcode, &e) < 0)
		return false;
	if (v->rcode == DNS_NOERROR)
		*v = judge(px, &q);
	dns_answer_put(
	    out, &q, v->rcode, &v->addr, v->has_addr, SYNTH_TTL_S, DNS_UDP_MAX);
	if (v->refused[0] != '\0')
		dns_question_shown(&q, shown);
	return !out->full;
}

/* ---- UDP --------------------------------------------------------------- */

/* The answer goes to where the query came from, from where it came to. */
static void
keep_reply(struct flow_reply *r, const struct msghdr *m, const struct buf *out)
{
	if (out->n > sizeof(r->bytes) || m->msg_namelen > sizeof(r->to) ||
	    m->msg_controllen > sizeof(r->control))
		return;
	r->n = out->n;
	r->n_to = m->msg_namelen;
	r->n_control = m->msg_controllen;
	memcpy(r->bytes, out->p, out->n);
	memcpy(r->to, m->msg_name, m->msg_namelen);
	if (m->msg_controllen > 0)
		memcpy(r->control, m->msg_control, m->msg_controllen);
}

static void
refused_udp(struct px *px, const struct verdict *v, struct msghdr *m,
    const struct buf *out, struct buf *shown)
{
	struct flow f = { .kind = AUDIT_DNS,
		.stage = "dns",
		.port = DNS_PORT,
		.detail = "udp" };

	(void)snprintf(f.host, sizeof(f.host), "%s", buf_str(shown));
	(void)snprintf(f.reason, sizeof(f.reason), "%s", v->refused);
	keep_reply(&f.reply, m, out);
	if (addr_from_sockaddr(m->msg_name, &f.peer, &f.peer_port)) {
		f.peer = addr_unmap(f.peer);
		/* The server that the sandbox's resolv.conf names. */
		(void)addr_parse(view_of(px->proxy_addr), &f.local);
		f.local_port = DNS_PORT;
	}
	px_flow_refused(px, &f);
}

/* false: there is nothing more now. */
static bool
take_udp(struct px *px)
{
	char space[DNS_EDNS_MAX],
	    control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct sockaddr_storage from;
	struct iovec io = { .iov_base = space, .iov_len = sizeof(space) };
	struct msghdr m = { .msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	AUTO_BUF struct buf out = BUF_INIT(DNS_UDP_MAX);
	AUTO_BUF struct buf shown = BUF_INIT(DNS_TEXT_MAX * 4 + 4);
	struct verdict v;
	ssize_t n = recvmsg(px->dns, &m, MSG_DONTWAIT);

	if (n < 0)
		return false;
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    !respond(px, (struct view) { space, (size_t)n }, &out, &v, &shown))
		return true;
	m.msg_flags = 0;
	if (v.refused[0] != '\0') {
		refused_udp(px, &v, &m, &out, &shown);
		return true;
	}
	io = (struct iovec) { .iov_base = out.p, .iov_len = out.n };
	(void)!sendmsg(px->dns, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	return true;
}

void
px_dns_read(struct px *px)
{
	for (unsigned i = 0; i < DNS_BATCH && !px_events_full(&px->events); i++)
		if (!take_udp(px))
			return;
}

/* ---- TCP, RFC 7766 ------------------------------------------------------ */

static void
refused_tcp(struct px_conn *c, const struct verdict *v, struct buf *shown)
{
	struct view parts[] = { VIEW("dns"), buf_view(shown), px_binary(c) };
	char reason[sizeof(v->refused) + 64];
	uint64_t held;

	if (!told_tell(told_of(&c->px->told), told_key(parts, ARRAY_LEN(parts)),
		true, uv_now(&c->px->loop), &held))
		return;
	(void)snprintf(c->dst.host, sizeof(c->dst.host), "%s", buf_str(shown));
	if (held > 0)
		(void)snprintf(reason, sizeof(reason),
		    "%s; %llu more were not recorded", v->refused,
		    (unsigned long long)held);
	else
		(void)snprintf(reason, sizeof(reason), "%s", v->refused);
	px_event(c, AUDIT_DNS, AUDIT_DENY, "dns", view_of(reason), VIEW(""));
}

/* One query, if it is there whole.  1, 0 for more, -1 to end. */
static int
take_tcp(struct px_conn *c)
{
	struct view in = px_in(&c->client), msg;
	AUTO_BUF struct buf out = BUF_INIT(DNS_UDP_MAX);
	AUTO_BUF struct buf shown = BUF_INIT(DNS_TEXT_MAX * 4 + 4);
	struct verdict v;
	unsigned char size[2];
	size_t n;

	if (in.n < sizeof(size))
		return 0;
	n = (size_t)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1];
	if (n > DNS_TCP_MAX)
		return -1;
	if (in.n < sizeof(size) + n)
		return 0;
	msg = view_slice(in, sizeof(size), sizeof(size) + n);
	if (!respond(c->px, msg, &out, &v, &shown) ||
	    px_out_room(&c->client) < sizeof(size) + out.n)
		return -1;
	if (v.refused[0] != '\0')
		refused_tcp(c, &v, &shown);
	px_eat(&c->client, sizeof(size) + n);
	size[0] = (unsigned char)(out.n >> 8);
	size[1] = (unsigned char)out.n;
	px_put(&c->client, (struct view) { (char *)size, sizeof(size) });
	px_put(&c->client, buf_view(&out));
	px_deadline(c, DNS_TCP_IDLE_MS);
	return 1;
}

enum px_next
px_dns_tcp(struct px_conn *c)
{
	struct err e;
	int r;

	px_pin(c);
	for (;;) {
		switch (px_flush(&c->client, &e)) {
		case PX_IO_AGAIN:
			c->client.reading = false;
			return PX_WAIT;
		case PX_IO_OK:
			break;
		case PX_IO_EOF:
		case PX_IO_FAIL:
			return PX_CLOSE;
		}
		if (px_waits_events(c)) {
			c->client.reading = false;
			return PX_WAIT;
		}
		r = take_tcp(c);
		if (r < 0)
			return PX_CLOSE;
		if (r > 0)
			continue;
		switch (px_fill(&c->client, &e)) {
		case PX_IO_OK:
			break;
		case PX_IO_AGAIN:
			c->client.reading = true;
			return PX_WAIT;
		case PX_IO_EOF:
		case PX_IO_FAIL:
			return PX_CLOSE;
		}
	}
}
