#include "proxy/denylog.h"

#include "test.h"

static struct audit_event
sample(void)
{
	return (struct audit_event) { .time_ms = 0,
		.event_id = 7,
		.kind = AUDIT_CONNECT,
		.action = AUDIT_DENY,
		.stage = VIEW("connect"),
		.binary = VIEW("/usr/bin/curl"),
		.ancestors = VIEW("/bin/sh"),
		.cmdline = VIEW("/etc/secret"),
		.host = VIEW("a.example"),
		.port = 443,
		.reason = VIEW("no \"policy\"\nallows it"),
		.suggestion = VIEW("a:\n  b: 1\n"),
		.detail = VIEW("direct, to 10.0.0.1") };
}

TEST(denylog, is_a_line_of_what_may_be_told)
{
	struct denylog *d = denylog_new();
	struct audit_event ev = sample();

	denylog_add(d, &ev);
	CHECK_STR(denylog_at(d, 0).p,
	    "1970-01-01T00:00:00.000Z CONNECT event_id=7 action=deny "
	    "stage=connect binary=/usr/bin/curl dst_host=a.example "
	    "dst_port=443 reason=\"no \\\"policy\\\"\\nallows it\" "
	    "suggestion=\"a:\\n  b: 1\\n\" engine=opa");
	CHECK_INT(denylog_at(d, 1).n, ==, 0);
	denylog_free(d);
}

/* The record of a refused address has it, and what would let it pass. */
TEST(denylog, never_tells_addresses_behind_names)
{
	struct denylog *d = denylog_new();
	struct audit_event ev = sample();

	ev.stage = VIEW("ssrf");
	ev.reason = VIEW("a.example resolves to internal address 10.0.5.9");
	ev.suggestion = VIEW("allowed_ips: [10.0.5.9/32]");
	denylog_add(d, &ev);
	CHECK_INT(denylog_at(d, 0).n, >, 0);
	CHECK(strstr(denylog_at(d, 0).p, "10.") == NULL);
	CHECK(strstr(denylog_at(d, 0).p, "allowed_ips") == NULL);
	denylog_free(d);
}

TEST(denylog, keeps_denials_of_policy_alone)
{
	struct denylog *d = denylog_new();
	struct audit_event ev = sample();

	ev.action = AUDIT_AUDIT;
	denylog_add(d, &ev);
	ev.action = AUDIT_DENY;
	ev.kind = AUDIT_UPSTREAM_FAILED;
	ev.stage = VIEW("dial");
	denylog_add(d, &ev);
	CHECK_INT(denylog_at(d, 0).n, ==, 0);
	ev.kind = AUDIT_DNS;
	ev.stage = VIEW("dns");
	denylog_add(d, &ev);
	CHECK_INT(denylog_at(d, 0).n, >, 0);
	denylog_free(d);
}

TEST(denylog, keeps_the_newest_and_bounds_each)
{
	static char path[20000];
	struct denylog *d = denylog_new();
	struct audit_event ev = sample();
	char want[32];

	memset(path, '\x1b', sizeof(path));
	ev.path = (struct view) { path, sizeof(path) };
	ev.reason = ev.path;
	for (unsigned i = 0; i < DENYLOG_MAX + 50; i++) {
		ev.event_id = i + 1;
		denylog_add(d, &ev);
	}
	CHECK_INT(denylog_at(d, DENYLOG_MAX).n, ==, 0);
	(void)snprintf(want, sizeof(want), "event_id=%u ", DENYLOG_MAX + 50);
	CHECK_HAS(denylog_at(d, 0).p, want);
	CHECK_HAS(denylog_at(d, DENYLOG_MAX - 1).p, "event_id=51 ");
	CHECK_INT(denylog_at(d, 0).n, <=, DENYLOG_LINE_MAX);
	CHECK(memchr(denylog_at(d, 0).p, '\x1b', denylog_at(d, 0).n) == NULL);
	denylog_free(d);
}
