/*
 * netns: there is no device but lo, and "local default dev lo" makes every
 * address our own: whatever nobody listens on is refused at once, TCP with
 * RST and UDP with port unreachable, and nothing has a way out.
 *
 * A socket belongs to the namespace it was made in, so the listeners made
 * here serve the sandbox when another process accepts on them.
 */
#include "sandbox/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "sandbox/nft.h"

enum { LO = 1, /* ifindex of lo in any new namespace */ BACKLOG = 1024 };

struct route_msg {
	struct nlmsghdr h;
	struct rtmsg r;
	struct rtattr a;
	uint32_t oif;
};

static struct route_msg
local_default(uint8_t family, uint32_t seq)
{
	struct route_msg m = {
		.h = { .nlmsg_len = sizeof(m),
		    .nlmsg_type = RTM_NEWROUTE,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
		    .nlmsg_seq = seq },
		.r = { .rtm_family = family,
		    .rtm_table = RT_TABLE_LOCAL,
		    .rtm_protocol = RTPROT_STATIC,
		    .rtm_scope = RT_SCOPE_HOST,
		    .rtm_type = RTN_LOCAL },
		.a = { .rta_len = RTA_LENGTH(sizeof(uint32_t)),
		    .rta_type = RTA_OIF },
		.oif = LO,
	};

	return m;
}

struct addr_msg {
	struct nlmsghdr h;
	struct ifaddrmsg i;
	struct rtattr a;
	struct in_addr local;
};

/*
 * Every address is local already; but getaddrinfo(3) with AI_ADDRCONFIG finds
 * no IPv4 address for a name on a machine that has none but 127.0.0.1.
 */
static struct addr_msg
own_address(struct in_addr local, uint32_t seq)
{
	struct addr_msg m = {
		.h = { .nlmsg_len = sizeof(m),
		    .nlmsg_type = RTM_NEWADDR,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
		    .nlmsg_seq = seq },
		.i = { .ifa_family = AF_INET,
		    .ifa_prefixlen = 32,
		    .ifa_scope = RT_SCOPE_HOST,
		    .ifa_index = LO },
		.a = { .rta_len = RTA_LENGTH(sizeof(local)),
		    .rta_type = IFA_LOCAL },
		.local = local,
	};

	return m;
}

/* One send for all; the kernel answers in order.  IPv6 may be switched off. */
static int
routes(struct in_addr own, bool *v6, struct err *e)
{
	enum { MESSAGES = 4 };
	struct {
		struct {
			struct nlmsghdr h;
			struct ifinfomsg i;
		} up;
		struct route_msg r4, r6;
		struct addr_msg own;
	} m = { .up = { .h = { .nlmsg_len = sizeof(m.up),
			    .nlmsg_type = RTM_NEWLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			    .nlmsg_seq = 1 },
		    .i = { .ifi_index = LO,
			.ifi_flags = IFF_UP,
			.ifi_change = IFF_UP } },
		.r4 = local_default(AF_INET, 2),
		.r6 = local_default(AF_INET6, 3),
		.own = own_address(own, 4) };
	AUTO_CLOSE int sock =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int result[MESSAGES + 1] = { 0 };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr err;
		char rest[512];
	} in;

	if (sock < 0 || send(sock, &m, sizeof(m), 0) != (ssize_t)sizeof(m))
		return err_sys(e, "rtnetlink: send");
	for (unsigned i = 1; i <= MESSAGES; i++) {
		ssize_t got = recv(sock, &in, sizeof(in), 0);

		if (got < (ssize_t)NLMSG_LENGTH(sizeof(in.err)) ||
		    in.h.nlmsg_type != NLMSG_ERROR || in.h.nlmsg_seq > MESSAGES)
			return err_sys(e, "rtnetlink: receive");
		result[in.h.nlmsg_seq] = -in.err.error;
	}
	errno = result[1];
	if (errno != 0)
		return err_sys(e, "bring up lo");
	errno = result[2];
	if (errno != 0)
		return err_sys(e, "route 0.0.0.0/0 to lo");
	errno = result[4];
	if (errno != 0)
		return err_sys(e, "address of the proxy on lo");
	*v6 = result[3] == 0;
	errno = result[3];
	if (errno != 0 && errno != EOPNOTSUPP && errno != EAFNOSUPPORT &&
	    errno != EACCES && errno != EPERM && errno != EINVAL)
		return err_sys(e, "route ::/0 to lo");
	return 0;
}

static int
listen_on(int family, const void *sa, socklen_t len, int *out, struct err *e)
{
	AUTO_CLOSE int fd = socket(
	    family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	int on = 1, off = 0;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
				       &off, sizeof(off)) < 0) ||
	    bind(fd, sa, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(e, "listen inside the sandbox");
	*out = take_fd(fd);
	return 0;
}

/* Redirected connections arrive at 127.0.0.1 or ::1. */
static int
listen_capture(bool v6, uint16_t port, int *out, struct err *e)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET,
		.sin_port = htons(port) };

	return v6 ? listen_on(AF_INET6, &any6, sizeof(any6), out, e)
		  : listen_on(AF_INET, &any4, sizeof(any4), out, e);
}

/*
 * DNS over UDP.  Redirected datagrams arrive at a loopback address and their
 * answers must leave from there, or nothing maps them back: the receiver is
 * told the address with each.
 */
static int
listen_dns(bool v6, uint16_t port, int *out, struct err *e)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	AUTO_CLOSE int fd = socket(v6 ? AF_INET6 : AF_INET,
	    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	int on = 1, off = 0;

	if (fd < 0)
		return err_sys(e, "DNS socket inside the sandbox");
	if (v6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) <
			 0 ||
		     setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on,
			 sizeof(on)) < 0 ||
		     bind(fd, (struct sockaddr *)&any6, sizeof(any6)) < 0
	       : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
		     bind(fd, (struct sockaddr *)&any4, sizeof(any4)) < 0)
		return err_sys(e, "DNS socket inside the sandbox");
	*out = take_fd(fd);
	return 0;
}

/* What needs nf_tables; each missing piece is said, none of them fatal. */
static void
capture(struct netns *ns, struct in_addr proxy, uint16_t proxy_port,
    uint16_t capture_port, char *why, size_t n)
{
	struct err soft = { 0 };

	ns->captured = nft_capture(proxy, proxy_port, capture_port, &soft) == 0;
	if (!ns->captured) {
		(void)snprintf(why, n,
		    "programs that ignore the proxy are refused but not "
		    "recorded, and names do not resolve (%s): sudo modprobe -a "
		    "nf_tables nft_redir nft_chain_nat",
		    soft.text);
		fd_close(&ns->capture);
		fd_close(&ns->dns);
	} else if (nft_log(capture_port, &ns->packets, &soft) < 0) {
		(void)snprintf(why, n,
		    "UDP is refused but not recorded (%s): sudo modprobe -a "
		    "nft_log nft_limit nfnetlink_log",
		    soft.text);
	}
}

int
netns_setup(struct netns *ns, const char *addr, uint16_t proxy_port,
    uint16_t capture_port, char *why, size_t n, struct err *e)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(proxy_port) };
	bool v6 = false;

	*ns = (struct netns) { -1, -1, -1, -1, -1, false };
	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		return err_set(e, ERR_INVALID, "proxy address %s", addr);
	if (routes(sin.sin_addr, &v6, e) < 0 ||
	    listen_on(AF_INET, &sin, sizeof(sin), &ns->proxy, e) < 0 ||
	    listen_capture(v6, capture_port, &ns->capture, e) < 0 ||
	    listen_dns(v6, capture_port, &ns->dns, e) < 0)
		return -1;
	ns->diag = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    4 /* SOCK_DIAG */);
	if (ns->diag < 0)
		return err_sys(e, "socket diagnostics");
	capture(ns, sin.sin_addr, proxy_port, capture_port, why, n);
	return 0;
}
