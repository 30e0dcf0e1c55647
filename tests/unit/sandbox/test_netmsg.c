#include "sandbox/netmsg.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

TEST(netmsg, who_and_identity_travel)
{
	int s[2], fds[FD_MSG_MAX];
	union net_msg m = { .who = { .id = 9,
				.family = 6,
				.protocol = IPPROTO_UDP,
				.peer_port = 4242 } },
		      got;
	unsigned n;
	struct err e;

	CHECK_INT(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), ==, 0);
	CHECK_INT(net_send(s[1], &m, NET_WHO, NULL, 0, &e), ==, 0);
	CHECK_INT(net_recv(s[0], NET_SIDE_CTL, &got, fds, &n, &e), ==, 1);
	CHECK_INT(got.who.peer_port, ==, 4242);

	memset(&m, 'y', sizeof(m));
	m.identity.ok = 1;
	m.identity.more = 0;
	m.identity.n_ancestors = NET_ANCESTORS;
	CHECK_INT(net_send(s[0], &m, NET_IDENTITY, NULL, 0, &e), ==, 0);
	CHECK_INT(net_recv(s[1], NET_SIDE_NET, &got, fds, &n, &e), ==, 1);
	CHECK_INT(strlen(got.identity.exe), ==, NET_PATH_MAX - 1);
	CHECK_INT(strlen(got.identity.ancestors), ==, NET_ANCESTORS_TEXT - 1);
	CHECK_INT(strlen(got.identity.sha256), ==, 64);
	(void)close(s[0]);
	(void)close(s[1]);
}

/* The process that meets hostile bytes may say seven things only. */
TEST(netmsg, net_cannot_say_what_ctl_says)
{
	static const enum net_type rows[] = { NET_START, NET_LISTEN, NET_POLICY,
		NET_IDENTITY, NET_RESOLVER, NET_LINKS };
	static const size_t sizes[] = { sizeof(struct net_start),
		sizeof(struct net_listen), sizeof(struct net_policy),
		sizeof(struct net_identity), sizeof(struct net_resolver),
		sizeof(struct net_links) };
	static const unsigned nfds[] = { 2, 1, 1, 0, 0, 1 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		union net_msg m = { .hdr = { NET_VERSION, (uint16_t)rows[i],
					(uint32_t)sizes[i] } };
		struct err e;

		if (rows[i] == NET_LISTEN)
			m.listen.n = NET_SOCK_PROXY + 1;
		CHECK_INT(
		    net_check(NET_SIDE_NET, &m, sizes[i], nfds[i], &e), ==, 0);
		CHECK_INT(
		    net_check(NET_SIDE_CTL, &m, sizes[i], nfds[i], &e), ==, -1);
	}
}

TEST(netmsg, descriptors_are_counted)
{
	union net_msg m = { .listen = { .hdr = { NET_VERSION, NET_LISTEN,
					    sizeof(struct net_listen) },
				.n = NET_NSOCKS } };
	struct err e;

	CHECK_INT(net_check(NET_SIDE_NET, &m, sizeof(m.listen), 3, &e), ==, 0);
	CHECK_INT(net_check(NET_SIDE_NET, &m, sizeof(m.listen), 1, &e), ==, -1);
	m.listen.n = NET_SOCK_CAPTURE + 1; /* captured, and names unknown */
	CHECK_INT(net_check(NET_SIDE_NET, &m, sizeof(m.listen), 2, &e), ==, -1);
	m.listen.n = 0;
	CHECK_INT(net_check(NET_SIDE_NET, &m, sizeof(m.listen), 0, &e), ==, -1);
	m.listen.n = NET_SOCK_PROXY + 1;
	CHECK_INT(net_check(NET_SIDE_NET, &m, sizeof(m.listen), 2, &e), ==, -1);
	CHECK_INT(net_check(NET_SIDE_NET, &m, sizeof(m.listen), 1, &e), ==, 0);
}

TEST(netmsg, refuses_absurd_counts)
{
	union net_msg m = { .identity = { .hdr = { NET_VERSION, NET_IDENTITY,
					      sizeof(struct net_identity) },
				.n_ancestors = NET_ANCESTORS + 1 } };
	struct err e;

	CHECK_INT(
	    net_check(NET_SIDE_NET, &m, sizeof(m.identity), 0, &e), ==, -1);
	m.who = (struct net_who) { .hdr = { NET_VERSION, NET_WHO,
				       sizeof(struct net_who) },
		.family = 5,
		.protocol = IPPROTO_TCP };
	CHECK_INT(net_check(NET_SIDE_CTL, &m, sizeof(m.who), 0, &e), ==, -1);
	m.who.family = 4;
	CHECK_INT(net_check(NET_SIDE_CTL, &m, sizeof(m.who), 0, &e), ==, 0);
	m.who.protocol = IPPROTO_ICMP;
	CHECK_INT(net_check(NET_SIDE_CTL, &m, sizeof(m.who), 0, &e), ==, -1);
	m.ca = (struct net_ca) { .hdr = { NET_VERSION, NET_CA,
				     offsetof(struct net_ca, pem) },
		.n = UINT32_MAX };
	CHECK_INT(net_check(NET_SIDE_CTL, &m, m.hdr.size, 0, &e), ==, -1);
}

/* What came of a proposal is counted: so many names, then so many reasons. */
TEST(netmsg, what_became_of_a_proposal_is_counted)
{
	static union net_msg m;
	struct advice_proposed *a = &m.proposed;
	struct err e;

	advice_proposed_init(a, 7);
	advice_accept(a, "id-1");
	advice_accept(a, "id-2");
	advice_reject(a, "chunk 'x' names no binary");
	m.hdr = (struct net_hdr) { NET_VERSION, NET_PROPOSED,
		(uint32_t)net_size(NET_PROPOSED, &m) };
	CHECK_INT(net_check(NET_SIDE_NET, &m, m.hdr.size, 0, &e), ==, 0);
	CHECK_INT(a->accepted, ==, 2);
	CHECK_VIEW(advice_text(a, 1), "id-2");
	CHECK_VIEW(advice_text(a, 2), "chunk 'x' names no binary");
	CHECK_VIEW(advice_text(a, 3), "");
	a->rejected = 2;
	CHECK_INT(net_check(NET_SIDE_NET, &m, m.hdr.size, 0, &e), ==, -1);
	advice_proposed_fail(a, ADVICE_UNAVAILABLE, "away");
	m.hdr = (struct net_hdr) { NET_VERSION, NET_PROPOSED,
		(uint32_t)net_size(NET_PROPOSED, &m) };
	CHECK_INT(net_check(NET_SIDE_NET, &m, m.hdr.size, 0, &e), ==, 0);
	CHECK_INT(net_check(NET_SIDE_CTL, &m, m.hdr.size, 0, &e), ==, -1);
	CHECK_INT(a->accepted + a->rejected, ==, 0);
	CHECK_VIEW(advice_text(a, 0), "away");
}

/* However long its texts, and however many there are. */
TEST(netmsg, what_became_of_a_proposal_always_fits)
{
	static union net_msg m;
	static char text[ADVICE_TEXT_MAX];
	struct advice_proposed *a = &m.proposed;
	struct err e;

	memset(text, 'x', sizeof(text) - 1);
	advice_proposed_init(a, 7);
	for (unsigned i = 0; i < 2 * ADVICE_RULES_MAX; i++)
		advice_reject(a, text);
	m.hdr = (struct net_hdr) { NET_VERSION, NET_PROPOSED,
		(uint32_t)net_size(NET_PROPOSED, &m) };
	CHECK_INT(a->rejected, ==, ADVICE_RULES_MAX);
	CHECK_INT(net_check(NET_SIDE_NET, &m, m.hdr.size, 0, &e), ==, 0);
}

TEST(netmsg, the_state_of_a_proposal_agrees_with_the_answer)
{
	static union net_msg m;
	struct advice_proposal *a = &m.proposal;
	static const struct {
		uint8_t answer, state;
		uint32_t n;
		int rc;
	} rows[] = {
		{ ADVICE_ANSWERED, ADVICE_PENDING, 1, 0 },
		{ ADVICE_ANSWERED, ADVICE_REJECTED, 1, 0 },
		{ ADVICE_ANSWERED, ADVICE_REJECTED + 1, 1, -1 },
		{ ADVICE_ANSWERED, 0, 1, -1 },
		{ ADVICE_ANSWERED, ADVICE_APPROVED, 0, -1 },
		{ ADVICE_UNKNOWN, 0, 0, 0 },
		{ ADVICE_FAILED, ADVICE_APPROVED, 0, -1 },
		{ ADVICE_FAILED + 1, 0, 0, -1 },
		{ 0, 0, 0, -1 },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		a->answer = rows[i].answer;
		a->state = rows[i].state;
		a->n = rows[i].n;
		m.hdr = (struct net_hdr) { NET_VERSION, NET_PROPOSAL,
			(uint32_t)net_size(NET_PROPOSAL, &m) };
		CHECK_INT(net_check(NET_SIDE_NET, &m, m.hdr.size, 0, &e), ==,
		    rows[i].rc);
	}
}
