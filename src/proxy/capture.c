/*
 * capture: programs that ignore the proxy.  nftables in the sandbox sends
 * their connections here, whatever address they were for, and their datagrams
 * nowhere; what was wanted is judged as a CONNECT to it would be.
 *
 * By which name?  The address is one that the policy DNS gave for a name
 * (synth.c): then by that name.  Any other address is itself, as a literal in
 * a CONNECT would be; when that is refused but the client says a name first
 * (SNI, Host), by that name, and then the name's own addresses are dialled,
 * never the one the client chose.
 *
 * A refused one is reset at once, so that the program fails now and not after
 * a timeout; plain HTTP gets an answer it can read, when it has come by then.
 */
#include "proxy/px.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "proxy/flow.h"
#include "proxy/packet.h"
#include "proxy/synth.h"
#include "proxy/told.h"
#include "tls/sniff.h"

/* linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h */
enum { ORIGINAL_DST = 80 };
enum { DNS_PORT = 53, HTTPS_PORT = 443, PEEK_MS = 200 };

static int
capture_original(int fd, struct addr *out, uint16_t *port, struct err *e)
{
	struct sockaddr_storage to;
	socklen_t n = sizeof(to);

	memset(&to, 0, sizeof(to));
	if (getsockopt(fd, IPPROTO_IP, ORIGINAL_DST, &to, &n) < 0) {
		n = sizeof(to);
		if (getsockopt(fd, IPPROTO_IPV6, ORIGINAL_DST, &to, &n) < 0)
			return err_sys(e, "original destination");
	}
	if (!addr_from_sockaddr((struct sockaddr *)&to, out, port))
		return err_set(e, ERR_INVALID, "original destination unknown");
	*out = addr_unmap(*out);
	return 0;
}

/* ---- connections ------------------------------------------------------- */

void
px_name_synthetic(struct px_conn *c)
{
	struct addr a;
	const char *host;

	if (!c->dst.literal || !addr_parse(view_of(c->dst.host), &a))
		return;
	host = synth_host(c->px->synth, &a, uv_now(&c->px->loop));
	if (host == NULL)
		return;
	(void)snprintf(c->dst.host, sizeof(c->dst.host), "%s", host);
	c->dst.literal = false;
}

/* Nothing is known of what it wanted, so nothing can be judged. */
static enum px_next
refuse_unknown(struct px_conn *c, const struct err *why)
{
	struct view part = VIEW("unknown");
	uint64_t held;

	(void)snprintf(c->dst.host, sizeof(c->dst.host), "-");
	px_pin(c);
	if (told_tell(told_of(&c->px->told), told_key(&part, 1), false,
		uv_now(&c->px->loop), &held))
		px_event(c, AUDIT_BYPASS, AUDIT_DENY, "bypass",
		    view_of(why->text), VIEW(""));
	px_close(c, true);
	return PX_CLOSE;
}

enum px_next
px_captured(struct px_conn *c)
{
	struct err e;

	if (capture_original(c->client.fd, &c->orig, &c->orig_port, &e) < 0)
		return refuse_unknown(c, &e);
	(void)addr_format(&c->orig, c->dst.host);
	c->dst.port = c->orig_port;
	c->dst.literal = true;
	c->dns = c->orig_port == DNS_PORT;
	if (!c->dns)
		px_name_synthetic(c);
	/* Given to no name now: nothing that the client says makes it one. */
	c->by_address = c->dst.literal && !synth_is(&c->orig);
	px_go(c, PX_IDENTIFY);
	return PX_MORE;
}

bool
px_wants_peek(const struct px_conn *c)
{
	bool inspected;

	/* Where no endpoint is, no name helps and nobody is told in HTTP. */
	return c->direct && !c->peeked &&
	       policy_names_port(c->snap, c->dst.port, &inspected) &&
	       (c->by_address || inspected);
}

/* -1: it says none.  0: there is not enough yet.  1: *name. */
static int
said_in_hello(struct px_conn *c, char name[HELLO_SNI_MAX + 1])
{
	struct client_hello hello;
	struct err e;
	int r = client_hello_parse(px_in(&c->client), &hello, &e);

	if (r <= 0)
		return r;
	memcpy(name, hello.sni, sizeof(hello.sni));
	return hello.has_sni ? 1 : -1;
}

static int
said_in_head(struct px_conn *c, char name[HELLO_SNI_MAX + 1])
{
	struct h1_refusal refusal = { 400 };
	struct h1_head h;
	struct err e;
	ssize_t n = h1_head_end(
	    px_in(&c->client), H1_REQUEST_HEAD_MAX, &c->scanned, &e);

	if (n <= 0)
		return (int)n;
	if (h1_parse_request(view_slice(px_in(&c->client), 0, (size_t)n), &h,
		&refusal, &e) < 0 ||
	    h.n_host != 1 || h.host.n > HELLO_SNI_MAX)
		return -1;
	c->plain_http = true;
	(void)snprintf(c->hx.method, sizeof(c->hx.method), "%.*s",
	    (int)h.method.n, h.method.p);
	(void)snprintf(
	    name, HELLO_SNI_MAX + 1, "%.*s", (int)h.host.n, h.host.p);
	return 1;
}

static int
said(struct px_conn *c, char name[HELLO_SNI_MAX + 1])
{
	if (px_in(&c->client).n == 0)
		return 0;
	switch (sniff_classify(px_in(&c->client))) {
	case SNIFF_MORE:
		return 0;
	case SNIFF_TLS:
		return said_in_hello(c, name);
	case SNIFF_HTTP:
		return said_in_head(c, name);
	case SNIFF_H2:
	case SNIFF_BINARY:
		break;
	}
	return -1;
}

/* The verdict was no.  What the client says first may name something else. */
enum px_next
px_peek(struct px_conn *c)
{
	char name[HELLO_SNI_MAX + 1] = "";
	uint64_t now = uv_now(&c->px->loop);
	struct authority a;
	struct err e;
	enum px_io_result r;
	int got;

	if (c->quiet_at == 0)
		c->quiet_at = now + PEEK_MS;
	do
		r = px_fill(&c->client, &e);
	while (r == PX_IO_OK);
	got = said(c, name);
	if (got == 0 && r == PX_IO_AGAIN && now < c->quiet_at &&
	    !px_in_full(&c->client)) {
		c->client.reading = true;
		return PX_WAIT;
	}
	c->peeked = true;
	if (got == 1 && c->by_address &&
	    authority_parse(view_of(name), c->orig_port, &a, &e) == 0 &&
	    !a.literal && a.port == c->orig_port)
		c->dst = a;
	px_go(c, PX_DECIDE);
	return PX_MORE;
}

/* ---- datagrams --------------------------------------------------------- */

static void
refuse_packet(struct px *px, const struct packet *p)
{
	const char *host = synth_host(px->synth, &p->dst, uv_now(&px->loop));
	struct flow f = { .kind = AUDIT_BYPASS,
		.stage = "bypass",
		.port = p->dport,
		.detail = "udp",
		.peer = p->src,
		.local = p->dst,
		.peer_port = p->sport,
		.local_port = p->dport };

	if (host != NULL)
		(void)snprintf(f.host, sizeof(f.host), "%s", host);
	else
		(void)addr_format(&p->dst, f.host);
	(void)snprintf(f.reason, sizeof(f.reason),
	    "UDP does not leave the sandbox%s: use TCP",
	    p->dport == HTTPS_PORT ? " (HTTP/3 neither)" : "");
	px_flow_refused(px, &f);
}

void
px_packets(struct px *px, struct view msgs)
{
	struct packet p;
	struct err e;

	/* What cannot be recorded now is one of many, or will come again. */
	while (!px_events_full(&px->events) && packet_next(&msgs, &p, &e) == 1)
		refuse_packet(px, &p);
}
