/*
 * flow: a refused datagram, from its refusal to its record.
 *
 * There is no connection that could wait for an answer, so who sent it is
 * asked here, for a few at a time and not for long; whoever is not known by
 * then is recorded as unknown.  A reply is held back for a moment, as its
 * receiver closes the socket by which it is known.
 */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

#include "audit/event.h"
#include "net/addr.h"
#include "net/dnsmsg.h"
#include "sandbox/netmsg.h"

enum {
	PX_FLOWS_MAX = 64, /* asked about at a time */
	PX_FLOW_REPLY_MS = 300, /* the sandbox's patience for an answer */
	PX_FLOW_MS = 5000, /* a record's: a large program is hashed first */
	/* Numbers of questions to ctl that are no connections. */
	PX_FLOW_ID = 1 << 30
};

struct px;

/* An answer that goes out when it is known who asked; n == 0: none. */
struct flow_reply {
	size_t n, n_to, n_control;
	char bytes[DNS_UDP_MAX], to[128], control[64];
};

struct flow {
	enum audit_kind kind;
	const char *stage;
	char host[DNS_TEXT_MAX * 4 + 4]; /* as it may be shown */
	uint16_t port;
	const char *detail;
	char reason[400];
	/* The socket: its own address, and where it sent to. */
	struct addr peer, local;
	uint16_t peer_port, local_port;
	struct flow_reply reply;
};

/* Records `f`, and sends its reply, at once or soon. */
void px_flow_refused(struct px *px, struct flow *f);
/* ctl's answer to a question with a number from PX_FLOW_ID on. */
void px_flow_identity(struct px *px, const struct net_identity *m);
void px_flows_free(struct px *px);

#endif
