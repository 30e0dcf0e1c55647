#include "audit/event.h"
#include "test.h"

static struct audit_event
denied(const char *host, const char *path, int64_t when)
{
	return (struct audit_event) {
		.time_ms = when,
		.kind = AUDIT_CONNECT,
		.action = AUDIT_DENY,
		.binary = VIEW("/usr/bin/curl"),
		.host = view_of(host),
		.port = 443,
		.method = VIEW("GET"),
		.path = view_of(path),
		.reason = VIEW("no policy"),
	};
}

TEST(audit_summary, counts_equal_denials_as_one_row)
{
	struct audit_summary *s = audit_summary_new();
	const struct audit_summary_row *rows;
	struct audit_event ev = denied("a.test", "/x", 50);

	audit_summary_add(s, &ev);
	ev.time_ms = 70;
	ev.reason = VIEW("another");
	audit_summary_add(s, &ev);
	ev.path = VIEW("/y");
	audit_summary_add(s, &ev);
	CHECK_INT(audit_summary_rows(s, &rows), ==, 2);
	CHECK_INT(rows[0].count, ==, 2);
	CHECK_INT(rows[0].first_ms, ==, 50);
	CHECK_INT(rows[0].last_ms, ==, 70);
	CHECK_VIEW(rows[0].host, "a.test");
	CHECK_VIEW(rows[0].reason, "no policy");
	CHECK_VIEW(rows[1].path, "/y");
	CHECK_INT(audit_summary_total(s, AUDIT_DENY), ==, 3);
	audit_summary_free(s);
}

TEST(audit_summary, tells_operations_of_one_path_apart)
{
	struct audit_summary *s = audit_summary_new();
	const struct audit_summary_row *rows;
	struct audit_event ev = denied("mcp.test", "/mcp", 1);

	ev.operation = VIEW("tools/call");
	ev.tool = VIEW("write");
	audit_summary_add(s, &ev);
	audit_summary_add(s, &ev);
	ev.tool = VIEW("delete");
	audit_summary_add(s, &ev);
	CHECK_INT(audit_summary_rows(s, &rows), ==, 2);
	CHECK_INT(rows[0].count, ==, 2);
	audit_summary_free(s);
}

TEST(audit_summary, fields_do_not_run_into_each_other)
{
	struct audit_summary *s = audit_summary_new();
	const struct audit_summary_row *rows;
	struct audit_event a = denied("ab", "c", 1), b = denied("a", "bc", 1);

	a.method = b.method = VIEW("");
	audit_summary_add(s, &a);
	audit_summary_add(s, &b);
	b.port = 80;
	audit_summary_add(s, &b);
	CHECK_INT(audit_summary_rows(s, &rows), ==, 3);
	audit_summary_free(s);
}

TEST(audit_summary, only_denials_make_rows)
{
	struct audit_summary *s = audit_summary_new();
	const struct audit_summary_row *rows;
	struct audit_event ev = denied("a.test", "/x", 50);

	ev.action = AUDIT_ALLOW;
	audit_summary_add(s, &ev);
	ev.action = AUDIT_AUDIT;
	audit_summary_add(s, &ev);
	CHECK_INT(audit_summary_rows(s, &rows), ==, 0);
	CHECK_INT(audit_summary_total(s, AUDIT_ALLOW), ==, 1);
	CHECK_INT(audit_summary_total(s, AUDIT_AUDIT), ==, 1);
	audit_summary_free(s);
}

TEST(audit_summary, is_bounded_whatever_names_come)
{
	struct audit_summary *s = audit_summary_new();
	const struct audit_summary_row *rows;

	for (unsigned i = 0; i < AUDIT_SUMMARY_MAX + 500; i++) {
		char host[32];
		struct audit_event ev;

		(void)snprintf(host, sizeof(host), "h%u.test", i);
		ev = denied(host, "/", 1);
		audit_summary_add(s, &ev);
		audit_summary_add(s, &ev);
	}
	CHECK_INT(audit_summary_rows(s, &rows), ==, AUDIT_SUMMARY_MAX);
	CHECK_INT(rows[AUDIT_SUMMARY_MAX - 1].count, ==, 2);
	CHECK_INT(audit_summary_others(s), ==, 1000);
	CHECK_INT(audit_summary_total(s, AUDIT_DENY), ==,
	    2 * (AUDIT_SUMMARY_MAX + 500));
	audit_summary_free(s);
}
