/* Denials: told apart, counted, bounded, taken and given back. */
#include "audit/denials.h"

#include "test.h"

static struct audit_event
denied(const char *host, const char *binary, int64_t at)
{
	return (struct audit_event) { .kind = AUDIT_CONNECT,
		.action = AUDIT_DENY,
		.stage = VIEW("connect"),
		.binary = view_of(binary),
		.host = view_of(host),
		.port = 443,
		.time_ms = at };
}

static struct audit_event
request(const char *method, const char *path)
{
	struct audit_event ev = denied("api.example.com", "/usr/bin/curl", 5);

	ev.kind = AUDIT_L7_REQUEST;
	ev.stage = VIEW("l7");
	ev.method = view_of(method);
	ev.path = view_of(path);
	return ev;
}

static struct denial seen[DENIALS_MAX + 1];
static size_t n_seen;

static void
on_one(void *ctx UNUSED, const struct denial *one)
{
	CHECK_INT(n_seen, <, ARRAY_LEN(seen));
	seen[n_seen++] = *one;
}

static void
look(const struct denials *d)
{
	n_seen = 0;
	denials_each(d, on_one, NULL);
	CHECK_INT(n_seen, ==, denials_count(d));
}

TEST(denials, are_told_apart_by_host_port_and_program)
{
	struct denials *d = denials_new();
	struct audit_event ev = denied("a.example.com", "/usr/bin/curl", 10);

	ev.reason = VIEW("first");
	ev.ancestors = VIEW("bash -> init");
	ev.sha256 = VIEW("abc");
	CHECK(denials_add(d, &ev));
	ev.reason = VIEW("second");
	ev.time_ms = 20;
	CHECK(denials_add(d, &ev));
	ev.port = 80;
	CHECK(denials_add(d, &ev));
	ev = denied("a.example.com", "", 30);
	CHECK(denials_add(d, &ev));
	ev = denied("b.example.com", "/usr/bin/curl", 40);
	CHECK(denials_add(d, &ev));
	look(d);
	CHECK_INT(n_seen, ==, 4);
	CHECK_VIEW(seen[0].host, "a.example.com");
	CHECK_VIEW(seen[0].reason, "first");
	CHECK_VIEW(seen[0].ancestors, "bash -> init");
	CHECK_VIEW(seen[0].sha256, "abc");
	CHECK_INT(seen[0].count, ==, 2);
	CHECK_INT(seen[0].first_ms, ==, 10);
	CHECK_INT(seen[0].last_ms, ==, 20);
	CHECK_INT(seen[0].kinds, ==, DENIAL_CONNECTION);
	CHECK_INT(seen[1].port, ==, 80);
	CHECK_VIEW(seen[2].binary, "-");
	denials_free(d);
}

TEST(denials, are_records_of_a_verdict_alone)
{
	static const struct {
		const char *stage;
		enum audit_action action;
		unsigned kinds;
	} rows[] = {
		{ "connect", AUDIT_DENY, DENIAL_CONNECTION },
		{ "forward", AUDIT_DENY, DENIAL_CONNECTION },
		{ "l7", AUDIT_DENY, DENIAL_REQUEST },
		{ "forward-l7-deny", AUDIT_DENY, DENIAL_REQUEST },
		{ "l7_audit", AUDIT_AUDIT, DENIAL_REQUEST },
		{ "ssrf", AUDIT_DENY, DENIAL_ADDRESS },
		{ "bypass", AUDIT_DENY, DENIAL_DATAGRAM },
		{ "connect", AUDIT_ALLOW, 0 },
		{ "tls", AUDIT_DENY, 0 },
		{ "credentials", AUDIT_DENY, 0 },
		{ "dns", AUDIT_DENY, 0 },
		{ "", AUDIT_DENY, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct denials *d = denials_new();
		struct audit_event ev = denied("a.example.com", "/x", 1);

		ev.stage = view_of(rows[i].stage);
		ev.action = rows[i].action;
		CHECK_INT(denials_add(d, &ev), ==, rows[i].kinds != 0);
		look(d);
		if (rows[i].kinds != 0)
			CHECK_INT(seen[0].kinds, ==, rows[i].kinds);
		/* What has no destination is of no rule. */
		ev.host = VIEW("");
		CHECK(!denials_add(d, &ev));
		ev.host = VIEW("a.example.com");
		ev.port = 0;
		CHECK(!denials_add(d, &ev));
		denials_free(d);
	}
}

TEST(denials, samples_are_counted_and_bounded)
{
	struct denials *d = denials_new();
	struct audit_event ev;
	char path[32];

	for (unsigned i = 0; i < DENIAL_SAMPLES + 3; i++) {
		(void)snprintf(path, sizeof(path), "/p%u", i);
		ev = request("GET", path);
		CHECK(denials_add(d, &ev));
		CHECK(denials_add(d, &ev));
	}
	look(d);
	CHECK_INT(n_seen, ==, 1);
	CHECK_INT(seen[0].n_samples, ==, DENIAL_SAMPLES);
	CHECK_STR(seen[0].samples[1].path, "/p1");
	CHECK_INT(seen[0].samples[1].count, ==, 2);
	CHECK_INT(seen[0].unlisted, ==, 6);
	CHECK_INT(seen[0].count, ==, 2 * (DENIAL_SAMPLES + 3));
	denials_free(d);
}

TEST(denials, samples_say_what_rules_of_paths_do_not_allow)
{
	struct denials *d = denials_new();
	struct audit_event ev = request("POST", "/graphql");

	ev.operation = VIEW("query Q");
	CHECK(denials_add(d, &ev));
	ev = request("GET", "/no");
	ev.nearest = VIEW("github endpoints[0].deny_rules[1]");
	CHECK(denials_add(d, &ev));
	ev = request("GET", "/yes");
	ev.nearest = VIEW("github endpoints[0].rules[1]");
	ev.action = AUDIT_AUDIT;
	ev.stage = VIEW("l7_audit");
	CHECK(denials_add(d, &ev));
	look(d);
	CHECK_INT(seen[0].n_samples, ==, 3);
	CHECK(seen[0].samples[0].no_rule && seen[0].samples[1].no_rule);
	CHECK(!seen[0].samples[2].no_rule && seen[0].samples[2].audited);
	denials_free(d);
}

TEST(denials, a_request_of_plain_http_is_known)
{
	struct denials *d = denials_new();
	struct audit_event ev = request("GET", "/x");

	ev.kind = AUDIT_FORWARD;
	ev.stage = VIEW("forward");
	CHECK(denials_add(d, &ev));
	look(d);
	CHECK_INT(seen[0].kinds, ==, DENIAL_REQUEST);
	CHECK_INT(seen[0].n_samples, ==, 1);
	denials_free(d);
}

TEST(denials, what_was_cut_is_no_sample)
{
	static char longer[DENIAL_PATH_MAX + 2];
	struct denials *d = denials_new();
	struct audit_event ev;

	memset(longer, 'a', DENIAL_PATH_MAX + 1);
	longer[0] = '/';
	ev = request("GET", longer);
	CHECK(denials_add(d, &ev));
	ev = request("GET", "/x");
	ev.path = (struct view) { "/x\0y", 4 };
	CHECK(denials_add(d, &ev));
	look(d);
	CHECK(!seen[0].cut);
	ev = request("GET", "/x");
	ev.truncated = true;
	CHECK(denials_add(d, &ev));
	look(d);
	CHECK_INT(seen[0].n_samples, ==, 0);
	CHECK_INT(seen[0].unlisted, ==, 3);
	CHECK(seen[0].cut);
	denials_free(d);
}

/* Attack: names made up all day. */
TEST(denials, the_one_of_longest_ago_makes_room)
{
	struct denials *d = denials_new();
	struct audit_event ev, first = denied("first.example.com", "/x", 1);
	char host[64];

	CHECK(denials_add(d, &first));
	for (unsigned i = 0; i < DENIALS_MAX + 9; i++) {
		(void)snprintf(host, sizeof(host), "h%u.example.com", i);
		ev = denied(host, "/x", 2);
		CHECK(denials_add(d, &ev));
		CHECK(denials_add(d, &first)); /* it is not the oldest */
	}
	look(d);
	CHECK_INT(n_seen, ==, DENIALS_MAX);
	CHECK_VIEW(seen[0].host, "h10.example.com");
	CHECK_VIEW(seen[DENIALS_MAX - 1].host, "first.example.com");
	CHECK_INT(seen[DENIALS_MAX - 1].count, ==, DENIALS_MAX + 10);
	CHECK_INT(denials_evicted(d), ==, 10);
	denials_free(d);
}

TEST(denials, their_bytes_are_bounded_too)
{
	static char reason[1 << 16];
	struct denials *d = denials_new();
	char host[64];

	memset(reason, 'r', sizeof(reason));
	for (unsigned i = 0; i < 200; i++) {
		struct audit_event ev;

		(void)snprintf(host, sizeof(host), "h%u.example.com", i);
		ev = denied(host, "/x", 2);
		ev.reason = (struct view) { reason, sizeof(reason) };
		CHECK(denials_add(d, &ev));
	}
	CHECK_INT(denials_count(d), <=, DENIALS_BYTES_MAX >> 16);
	CHECK_INT(denials_count(d) + denials_evicted(d), ==, 200);
	denials_free(d);
}

TEST(denials, what_was_taken_can_be_given_back)
{
	struct denials *older = denials_new(), *d = denials_new();
	struct audit_event ev = request("GET", "/a");

	ev.reason = VIEW("older");
	CHECK(denials_add(older, &ev));
	ev = denied("old.example.com", "/x", 1);
	CHECK(denials_add(older, &ev));
	ev = request("GET", "/a");
	ev.reason = VIEW("newer");
	ev.time_ms = 9;
	CHECK(denials_add(d, &ev));
	ev = request("GET", "/b");
	CHECK(denials_add(d, &ev));
	denials_merge(d, older);
	look(d);
	CHECK_INT(n_seen, ==, 2);
	CHECK_VIEW(seen[0].host, "old.example.com");
	CHECK_VIEW(seen[1].reason, "older");
	CHECK_INT(seen[1].count, ==, 3);
	CHECK_INT(seen[1].first_ms, ==, 5);
	CHECK_INT(seen[1].last_ms, ==, 9);
	CHECK_INT(seen[1].n_samples, ==, 2);
	CHECK_INT(seen[1].samples[0].count, ==, 2);
	denials_free(d);
}
