/*
 * Any bytes with any number of descriptors: a message of the session is taken
 * only if its table has it, from the side that sends it, and what is taken is
 * what our own sender would send.  Nothing that is refused leaves a descriptor
 * open.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/session.h"
#include "sock_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* The type may come from the other side than `self`, whatever the table says.
 */
static bool
is_known(enum session_side self, unsigned type)
{
	return self == SESSION_SUPERVISOR
		   ? type >= SESSION_SPEC && type <= SESSION_PROPOSAL
		   : type >= SESSION_STATE && type <= SESSION_INQUIRE;
}

static void
check_taken(
    enum session_side self, union session_msg *m, size_t got, unsigned nfds)
{
	enum session_side other =
	    self == SESSION_OWNER ? SESSION_SUPERVISOR : SESSION_OWNER;
	static union session_msg again;
	struct err e;

	assert(is_known(self, m->hdr.type));
	assert(m->hdr.version == SESSION_VERSION && m->hdr.size == got);
	assert(session_size(m->hdr.type, m) == got);
	again = *m;
	assert(session_check(other, &again, got, nfds, &e) < 0);
	assert(session_check(self, &again, got, nfds, &e) == 0);
	assert(memcmp(&again, m, got) == 0);
	if (m->hdr.type == SESSION_FAILED)
		assert(strlen(m->failed.text) < sizeof(m->failed.text));
	if (m->hdr.type == SESSION_EVENTS)
		assert(m->events.n <= SESSION_EVENTS_MAX && m->events.n > 0);
	if (m->hdr.type == SESSION_EXEC)
		assert(nfds == (m->exec.tty ? 1u : 4u));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static union session_msg m, got;
	int fds[FD_MSG_MAX], out[FD_MSG_MAX], lowest, after;
	enum session_side self;
	unsigned nfds, n_out;
	struct err e;
	bool taken;
	int rc;

	sock_pair_open();
	if (n < 2 || n - 1 > sizeof(m) + 64)
		return 0;
	self = p[0] & 1 ? SESSION_OWNER : SESSION_SUPERVISOR;
	nfds = (p[0] >> 1) % (FD_MSG_MAX + 1);
	for (unsigned i = 0; i < nfds; i++)
		fds[i] = sock_null;
	memset(&m, 0, sizeof(m));
	memcpy(&m, p + 1, n - 1 < sizeof(m) ? n - 1 : sizeof(m));
	taken =
	    n - 1 <= sizeof(m) && session_check(self, &m, n - 1, nfds, &e) == 0;
	if (taken)
		check_taken(self, &m, n - 1, nfds);

	/* Over a real socket the verdict is the same. */
	lowest = dup(sock_null);
	(void)close(lowest);
	rc = fd_send(sock_pair[0], p + 1, n - 1, fds, nfds, &e);
	assert(rc == 0);
	rc = session_recv(sock_pair[1], self, &got, out, &n_out, &e);
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
