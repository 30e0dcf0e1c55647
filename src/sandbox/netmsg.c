#include "sandbox/netmsg.h"

#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>

#include "sandbox/msg.h"

static_assert(sizeof(struct net_hdr) == sizeof(struct msg_hdr), "one header");
static_assert(
    offsetof(struct net_hdr, type) == offsetof(struct msg_hdr, type) &&
	offsetof(struct net_hdr, size) == offsetof(struct msg_hdr, size),
    "one header");

static bool
start_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct net_start *m = msg;

	return m->event_level <= 1;
}

static bool
listen_ok(const void *msg, unsigned nfds)
{
	const struct net_listen *m = msg;

	return net_socks_ok(m->n) && nfds == m->n;
}

static bool
who_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct net_who *m = msg;

	return (m->family == 4 || m->family == 6) &&
	       (m->protocol == IPPROTO_TCP || m->protocol == IPPROTO_UDP);
}

static bool
identity_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct net_identity *m = msg;

	return m->ok <= 1 && m->more <= 1 && m->n_ancestors <= NET_ANCESTORS;
}

static bool
packets_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct net_packets *m = msg;

	return m->n > 0;
}

static bool
settings_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct net_settings *m = msg;

	return m->proposals <= 1;
}

static bool
ca_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct net_ca *m = msg;

	return m->n > 0;
}

static bool
events_ok(const void *msg, unsigned nfds UNUSED)
{
	const struct net_events *m = msg;

	return m->n > 0 && m->json[m->n - 1] == '\n';
}

#define ROW(st) .name = #st, .size = sizeof(struct st)
#define FROM_CTL .from = NET_SIDE_CTL
#define FROM_NET .from = NET_SIDE_NET

static const struct msg_rule net_rules[] = {
	[NET_START] = { ROW(net_start), FROM_CTL, .fds_min = 2, .fds_max = 4,
	    .ok = start_ok,
	    .text = { MSG_TEXT(net_start, proxy_addr),
		MSG_TEXT(net_start, servers) } },
	[NET_LISTEN] = { ROW(net_listen), FROM_CTL, .fds_min = 1,
	    .fds_max = NET_NSOCKS, .ok = listen_ok },
	[NET_POLICY] = { ROW(net_policy), FROM_CTL, .fds_min = 1,
	    .fds_max = 1 },
	[NET_IDENTITY] = { ROW(net_identity), FROM_CTL, .ok = identity_ok,
	    .text = { MSG_TEXT(net_identity, exe),
		MSG_TEXT(net_identity, sha256), MSG_TEXT(net_identity, reason),
		MSG_TEXT(net_identity, ancestors),
		MSG_TEXT(net_identity, cmdline) } },
	[NET_RESOLVER] = { ROW(net_resolver), FROM_CTL,
	    .text = { MSG_TEXT(net_resolver, servers) } },
	[NET_PACKETS] = { ROW(net_packets), FROM_CTL,
	    .n_at = offsetof(struct net_packets, n),
	    .data_at = offsetof(struct net_packets, bytes), .ok = packets_ok },
	[NET_CREDENTIALS] = { ROW(net_credentials), FROM_CTL, .fds_min = 1,
	    .fds_max = 1 },
	[NET_LINKS] = { ROW(net_links), FROM_CTL, .fds_min = 1, .fds_max = 1 },
	[NET_SETTINGS] = { ROW(net_settings), FROM_CTL, .ok = settings_ok },
	[NET_CA] = { ROW(net_ca), FROM_NET, .n_at = offsetof(struct net_ca, n),
	    .data_at = offsetof(struct net_ca, pem), .ok = ca_ok },
	[NET_POLICY_STATUS] = { ROW(net_policy_status), FROM_NET,
	    .text = { MSG_TEXT(net_policy_status, text) } },
	[NET_WHO] = { ROW(net_who), FROM_NET, .ok = who_ok },
	[NET_EVENTS] = { ROW(net_events), FROM_NET,
	    .n_at = offsetof(struct net_events, n),
	    .data_at = offsetof(struct net_events, json), .ok = events_ok },
	[NET_FAILED] = { ROW(net_failed), FROM_NET,
	    .text = { MSG_TEXT(net_failed, text) } },
	[NET_PROPOSE] = { ADVICE_ROW_PROPOSE, FROM_NET },
	[NET_PROPOSED] = { ADVICE_ROW_PROPOSED, FROM_CTL },
	[NET_INQUIRE] = { ADVICE_ROW_INQUIRE, FROM_NET },
	[NET_PROPOSAL] = { ADVICE_ROW_PROPOSAL, FROM_CTL },
};

static const struct msg_proto net_proto = { "net", NET_VERSION,
	ARRAY_LEN(net_rules), net_rules };

int
net_check(enum net_side self, union net_msg *m, size_t got, unsigned nfds,
    struct err *e)
{
	return msg_check(&net_proto, self, m, got, nfds, e);
}

size_t
net_size(enum net_type type, const union net_msg *m)
{
	return msg_size(&net_proto, type, m);
}

int
net_send(int sock, union net_msg *m, enum net_type type, const int *fds,
    unsigned nfds, struct err *e)
{
	return msg_send(&net_proto, sock, m, type, fds, nfds, e);
}

int
net_recv(int sock, enum net_side self, union net_msg *m, int fds[FD_MSG_MAX],
    unsigned *nfds, struct err *e)
{
	return msg_recv(&net_proto, self, sock, m, sizeof(*m), fds, nfds, e);
}
