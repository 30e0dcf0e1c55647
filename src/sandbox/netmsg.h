/*
 * netmsg: what ctl and net (the egress proxy of one sandbox) say to each
 * other.  The same discipline as session.h: SOCK_SEQPACKET, fixed-size structs
 * without pointers, counted descriptors, a table of what may come when.
 *
 * net is the process that meets hostile bytes.  It may ask for nothing but
 * the identity of a socket's owner, and carry up what an agent proposes; it has
 * no file, no exec, no other socket than the listeners, this one and what it
 * dials.
 *
 *   ctl                              net
 *   START(policy, trust bundle)      ->
 *                                    <-  CA(pem)        once
 *   LISTEN(sockets)                  ->  when the namespace stands
 *   PACKETS(netlink messages)        ->
 *   LINKS(paths)                     ->  before the policy that names them
 *   POLICY(generation)               ->
 *                                    <-  POLICY_STATUS(generation)
 *                                    <-  WHO(id, tuple)
 *   IDENTITY(id, ...)                ->
 *   CREDENTIALS(revision)            ->  in force before what is sent later
 *   SETTINGS                         ->  the same
 *                                    <-  EVENTS(json lines)
 *   PROPOSED, PROPOSAL               ->      of advice.h
 *                                    <-  PROPOSE, INQUIRE
 *
 * The end: when the sandbox is gone ctl shuts its side down for writing.  net
 * then reads the end of file, sends the records it still has, and exits.  ctl
 * stops reading while its owner does not take records; net then waits.
 */
#ifndef SANDBOX_NETMSG_H
#define SANDBOX_NETMSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/advice.h"

enum {
	NET_VERSION = 1,
	NET_TEXT = 1024,
	NET_EVENTS_MAX = 32768,
	NET_PEM_MAX = 4096,
	NET_PATH_MAX = 512,
	NET_ANCESTORS = 64, /* nearest; more, or more text, sets `cut` */
	NET_ANCESTORS_TEXT = 8192,
	NET_SERVERS_MAX = 256,
	NET_PACKETS_MAX = 8192,
	NET_LINKS_MAX = 4 << 20
};

/*
 * The sockets made inside the sandbox's network namespace and served by net,
 * in the order in which they travel.  The first is always there, the others
 * when nf_tables redirects to them.
 */
enum net_sock {
	NET_SOCK_PROXY, /* TCP listener */
	NET_SOCK_CAPTURE, /* TCP listener */
	NET_SOCK_DNS, /* UDP */
	NET_NSOCKS
};
/* Whether so many can have come. */
static inline bool
net_socks_ok(unsigned n)
{
	return n == NET_SOCK_PROXY + 1 || n == NET_NSOCKS;
}

enum net_type {
	/* ctl to net */
	NET_START = 1, /* fds: policy text, trust bundle (PEM) [, the way out
			  (http/egress.h) [, the carrier of middlewares
			  (rpc/carry.h)]] */
	NET_LISTEN, /* fds: by enum net_sock */
	NET_POLICY, /* fds: policy text */
	NET_IDENTITY,
	NET_RESOLVER, /* nameservers changed */
	NET_PACKETS, /* what nfnetlink_log said of refused packets */
	NET_CREDENTIALS, /* fds: their bytes (secrets/creds.h) */
	NET_LINKS, /* fds: "path NUL target NUL", all there are */
	NET_SETTINGS,
	NET_PROPOSED, /* advice.h */
	NET_PROPOSAL,
	/* net to ctl */
	NET_CA = 64,
	NET_POLICY_STATUS,
	NET_WHO,
	NET_EVENTS,
	NET_FAILED, /* net gives up; text says why */
	NET_PROPOSE, /* advice.h */
	NET_INQUIRE
};

struct net_hdr {
	uint16_t version, type;
	uint32_t size;
};

struct net_start {
	struct net_hdr hdr;
	uint32_t event_level; /* enum session_event_level */
	uint32_t drop_uid, drop_gid; /* as root: become these; else own ids */
	uint16_t proxy_port, pad;
	uint64_t generation;
	char proxy_addr[48]; /* "10.200.0.1" */
	char servers[NET_SERVERS_MAX]; /* "addr[:port],addr" for c-ares */
};

struct net_listen {
	struct net_hdr hdr;
	uint8_t n; /* of enum net_sock, that many */
	uint8_t pad[7];
};

struct net_policy {
	struct net_hdr hdr;
	uint64_t generation;
};

struct net_resolver {
	struct net_hdr hdr;
	char servers[NET_SERVERS_MAX];
};

struct net_credentials {
	struct net_hdr hdr;
	uint32_t revision, n;
};

/* As struct session_settings. */
struct net_settings {
	struct net_hdr hdr;
	uint8_t proposals, pad[7];
};

/* Binaries that the policy names by a link, and the files they are. */
struct net_links {
	struct net_hdr hdr;
	uint32_t n, pad; /* bytes */
};

/* Unread: of all that ctl could open, this socket is kept from net, as who
 * holds it can also set rules, where the kernel takes them from the user. */
struct net_packets {
	struct net_hdr hdr;
	uint32_t n, pad;
	char bytes[NET_PACKETS_MAX];
};

/*
 * The connection, or the datagram's socket, as net sees it: peer = the
 * sandbox's end, local = where it is connected to.
 */
struct net_who {
	struct net_hdr hdr;
	uint32_t id;
	uint8_t family; /* 4 or 6 */
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t peer_port, local_port;
	uint8_t pad2[2];
	uint8_t peer[16], local[16];
};

struct net_identity {
	struct net_hdr hdr;
	uint32_t id;
	uint8_t ok; /* 0: `reason` says why it cannot be known */
	uint8_t owners; /* programs that share the socket; all are given in
			   turn, `more` set on all but the last */
	uint8_t more, n_ancestors, cut;
	uint8_t changed; /* not ok: a program is not what its path was */
	uint8_t pad[2];
	uint32_t pid; /* inside the sandbox */
	uint64_t starttime;
	char exe[NET_PATH_MAX];
	char sha256[65];
	char reason[256];
	char ancestors[NET_ANCESTORS_TEXT]; /* NUL behind each */
	char cmdline[256];
};

struct net_ca {
	struct net_hdr hdr;
	uint32_t n, pad;
	char pem[NET_PEM_MAX];
};

struct net_policy_status {
	struct net_hdr hdr;
	uint64_t generation;
	uint8_t loaded, pad[7];
	char text[NET_TEXT];
};

struct net_events {
	struct net_hdr hdr;
	uint32_t n, pad;
	char json[NET_EVENTS_MAX];
};

/*
 * Records that net keeps for a moment so that many go in one message, in memory
 * that it shares with ctl: were net killed, ctl passes them on.
 */
struct net_late {
	uint64_t before; /* bytes of records that went as EVENTS earlier */
	_Atomic uint32_t n;
	char json[NET_EVENTS_MAX]; /* whole lines */
};

struct net_failed {
	struct net_hdr hdr;
	char text[NET_TEXT];
};

union net_msg {
	struct net_hdr hdr;
	struct net_start start;
	struct net_listen listen;
	struct net_policy policy;
	struct net_identity identity;
	struct net_resolver resolver;
	struct net_packets packets;
	struct net_credentials credentials;
	struct net_links links;
	struct net_settings settings;
	struct net_ca ca;
	struct net_policy_status policy_status;
	struct net_who who;
	struct net_events events;
	struct net_failed failed;
	struct advice_propose propose;
	struct advice_proposed proposed;
	struct advice_inquire inquire;
	struct advice_proposal proposal;
};

enum net_side { NET_SIDE_CTL, NET_SIDE_NET };

/* As session_send and session_recv. */
int net_send(int sock, union net_msg *m, enum net_type type, const int *fds,
    unsigned nfds, struct err *e) MUST_USE;
int net_recv(int sock, enum net_side self, union net_msg *m,
    int fds[FD_MSG_MAX], unsigned *nfds, struct err *e) MUST_USE;
/* Bytes that net_send would send: for messages that must wait. */
size_t net_size(enum net_type type, const union net_msg *m);
/* As session_check. */
int net_check(enum net_side self, union net_msg *m, size_t got, unsigned nfds,
    struct err *e) MUST_USE;

/*
 * The whole life of the net process, in src/proxy/net_main.c: `sock` is its
 * end of the pair.  Returns the exit status.  ctl forks and calls it through
 * this pointer, so that sandbox need not know proxy.
 */
typedef int net_main_fn(int sock, struct net_late *late);

#endif
