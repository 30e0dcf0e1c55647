#include "proxy/events.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "test.h"

struct rig {
	struct px_events q;
	int ctl, net;
	union net_msg *m;
};

static struct rig
rig_new(bool all)
{
	struct rig r = { .m = NEW(union net_msg) };
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	r.ctl = pair[0];
	r.net = pair[1];
	px_events_init(&r.q, all, NULL);
	return r;
}

static void
rig_free(struct rig *r)
{
	px_events_fini(&r->q);
	(void)close(r->ctl);
	(void)close(r->net);
	free(r->m);
}

static void
add(struct rig *r, enum audit_action action, unsigned n)
{
	char host[64];
	struct audit_event ev = { .kind = AUDIT_L7_REQUEST,
		.action = action,
		.host = { host, 0 },
		.connection = n };

	ev.host.n = (size_t)snprintf(host, sizeof(host), "host-%u.example", n);
	px_events_add(&r->q, &ev);
}

/* Lines of the next message, or -1 when there is none. */
static int
take(struct rig *r)
{
	int fds[FD_MSG_MAX], lines = 0;
	unsigned nfds;
	struct err e;

	if (net_recv(r->ctl, NET_SIDE_CTL, r->m, fds, &nfds, &e) <= 0)
		return -1;
	assert_int_equal(r->m->hdr.type, NET_EVENTS);
	assert_int_equal(r->m->events.json[r->m->events.n - 1], '\n');
	for (uint32_t i = 0; i < r->m->events.n; i++)
		lines += r->m->events.json[i] == '\n';
	return lines;
}

TEST(events, few_records_are_one_message)
{
	struct rig r = rig_new(true);
	struct err e;

	for (unsigned i = 0; i < 5; i++)
		add(&r, AUDIT_ALLOW, i);
	CHECK_INT(px_events_flush(&r.q, r.net, &e), ==, 0);
	CHECK_INT(take(&r), ==, 5);
	CHECK_INT(take(&r), ==, -1);
	rig_free(&r);
}

TEST(events, many_records_are_whole_lines_in_order)
{
	enum { MANY = 1000 };
	struct rig r = rig_new(true);
	struct err e;
	int got = 0, messages = 0;

	for (unsigned i = 0; i < MANY; i++)
		add(&r, AUDIT_DENY, i);
	while (px_events_flush(&r.q, r.net, &e) < 0 || got < MANY) {
		int n = take(&r);

		if (n < 0)
			break;
		got += n;
		messages++;
	}
	CHECK_INT(got, ==, MANY);
	CHECK(messages > 1);
	rig_free(&r);
}

/* What was allowed waits for more; what was not never does. */
TEST(events, what_waits_is_in_memory_that_is_shared)
{
	struct net_late late = { .before = 0 };
	struct rig r = rig_new(true);
	struct err e;
	uint32_t n;

	r.q.late = &late;
	add(&r, AUDIT_ALLOW, 1);
	add(&r, AUDIT_ALLOW, 2);
	n = late.n;
	CHECK(px_events_may_wait(&r.q));
	CHECK_INT(n, ==, r.q.lines.n);
	CHECK(memcmp(late.json, r.q.lines.p, n) == 0);
	CHECK_INT(px_events_flush(&r.q, r.net, &e), ==, 0);
	CHECK_INT(take(&r), ==, 2);
	CHECK_INT(late.n, ==, 0);
	CHECK_INT(late.before, ==, n);
	add(&r, AUDIT_ALLOW, 3);
	add(&r, AUDIT_DENY, 4);
	CHECK(!px_events_may_wait(&r.q));
	CHECK_INT(late.n, ==, r.q.lines.n);
	CHECK_INT(px_events_flush(&r.q, r.net, &e), ==, 0);
	CHECK_INT(take(&r), ==, 2);
	CHECK(px_events_may_wait(&r.q));
	rig_free(&r);
}

TEST(events, many_do_not_wait)
{
	struct net_late late = { .before = 0 };
	struct rig r = rig_new(true);
	unsigned n = 0;

	r.q.late = &late;
	while (px_events_may_wait(&r.q) && n < 10000)
		add(&r, AUDIT_ALLOW, n++);
	CHECK(n > 10 && n < 10000);
	CHECK_INT(r.q.lines.n, >, PX_EVENTS_LATE_MAX);
	/* None is half there. */
	while (late.n > 0 && n < 20000 && late.n == r.q.lines.n)
		add(&r, AUDIT_ALLOW, n++);
	CHECK_INT(late.n, <=, sizeof(late.json));
	CHECK_INT(late.json[late.n - 1], ==, '\n');
	rig_free(&r);
}

TEST(events, level_denied_keeps_denials_only)
{
	struct rig r = rig_new(false);
	struct err e;

	add(&r, AUDIT_ALLOW, 1);
	add(&r, AUDIT_DENY, 2);
	add(&r, AUDIT_AUDIT, 3);
	CHECK_INT(px_events_flush(&r.q, r.net, &e), ==, 0);
	CHECK_INT(take(&r), ==, 2);
	CHECK(!px_events_wants(&r.q, AUDIT_ALLOW));
	rig_free(&r);
}

TEST(events, what_is_not_taken_waits_and_stops_the_reading)
{
	struct rig r = rig_new(true);
	struct err e;
	unsigned added = 0;
	int got = 0, n;

	while (!px_events_full(&r.q) && added < 100000) {
		add(&r, AUDIT_DENY, added++);
		if (added % 64 == 0 && px_events_flush(&r.q, r.net, &e) < 0)
			CHECK_INT(e.code, ==, ERR_AGAIN);
	}
	CHECK(px_events_full(&r.q));
	/* Nothing is lost: all come when ctl reads again. */
	for (;;) {
		while ((n = take(&r)) > 0)
			got += n;
		if (px_events_flush(&r.q, r.net, &e) == 0)
			break;
	}
	while ((n = take(&r)) > 0)
		got += n;
	CHECK_INT(got, ==, added);
	CHECK(!px_events_full(&r.q));
	rig_free(&r);
}
