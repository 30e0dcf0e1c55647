/*
 * Any bytes with any number of descriptors: a message between ctl and the proxy
 * is taken only if its table has it, from the side that sends it, and what is
 * taken is what our own sender would send.  Nothing that is refused leaves a
 * descriptor open.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/netmsg.h"
#include "sock_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The type may come from the other side than `self`, whatever the table says.
 */
static bool
is_known(enum net_side self, unsigned type)
{
	return self == NET_SIDE_NET ? type >= NET_START && type <= NET_PROPOSAL
				    : type >= NET_CA && type <= NET_INQUIRE;
}

static void
check_taken(enum net_side self, union net_msg *m, size_t got, unsigned nfds)
{
	enum net_side other =
	    self == NET_SIDE_CTL ? NET_SIDE_NET : NET_SIDE_CTL;
	static union net_msg again;
	struct err e;

	assert(is_known(self, m->hdr.type));
	assert(m->hdr.version == NET_VERSION && m->hdr.size == got);
	assert(net_size(m->hdr.type, m) == got);
	again = *m;
	assert(net_check(other, &again, got, nfds, &e) < 0);
	assert(net_check(self, &again, got, nfds, &e) == 0);
	assert(memcmp(&again, m, got) == 0);
	if (m->hdr.type == NET_FAILED)
		assert(strlen(m->failed.text) < sizeof(m->failed.text));
	if (m->hdr.type == NET_EVENTS)
		assert(m->events.n <= NET_EVENTS_MAX && m->events.n > 0);
	if (m->hdr.type == NET_CA)
		assert(m->ca.n <= NET_PEM_MAX && m->ca.n > 0);
	if (m->hdr.type == NET_IDENTITY) {
		assert(m->identity.n_ancestors <= NET_ANCESTORS);
		assert(strlen(m->identity.ancestors) < NET_ANCESTORS_TEXT);
	}
	if (m->hdr.type == NET_PACKETS)
		assert(m->packets.n <= NET_PACKETS_MAX && m->packets.n > 0);
	if (m->hdr.type == NET_LISTEN)
		assert(nfds == m->listen.n && net_socks_ok(nfds));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static union net_msg m, got;
	int fds[FD_MSG_MAX], out[FD_MSG_MAX], lowest, after;
	enum net_side self;
	unsigned nfds, n_out;
	struct err e;
	bool taken;
	int rc;

	sock_pair_open();
	if (n < 2 || n - 1 > sizeof(m) + 64)
		return 0;
	self = p[0] & 1 ? NET_SIDE_CTL : NET_SIDE_NET;
	nfds = (p[0] >> 1) % (FD_MSG_MAX + 1);
	for (unsigned i = 0; i < nfds; i++)
		fds[i] = sock_null;
	memset(&m, 0, sizeof(m));
	memcpy(&m, p + 1, n - 1 < sizeof(m) ? n - 1 : sizeof(m));
	taken = n - 1 <= sizeof(m) && net_check(self, &m, n - 1, nfds, &e) == 0;
	if (taken)
		check_taken(self, &m, n - 1, nfds);

	/* Over a real socket the verdict is the same. */
	lowest = dup(sock_null);
	(void)close(lowest);
	rc = fd_send(sock_pair[0], p + 1, n - 1, fds, nfds, &e);
	assert(rc == 0);
	rc = net_recv(sock_pair[1], self, &got, out, &n_out, &e);
	assert((rc == 1) == taken);
	assert(rc == 1 ? n_out == nfds : n_out == 0);
	if (taken)
		assert(memcmp(&got, &m, n - 1) == 0);
	while (n_out > 0)
		(void)close(out[--n_out]);
	after = dup(sock_null);
	assert(after == lowest);
	(void)close(after);
	return 0;
}
