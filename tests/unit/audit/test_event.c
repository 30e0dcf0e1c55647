#include "audit/event.h"

#include <jansson.h>

#include "base/clock.h"
#include "test.h"

static struct audit_event
typical(void)
{
	return (struct audit_event) {
		.time_ms = 1700000000123,
		.kind = AUDIT_L7_REQUEST,
		.action = AUDIT_DENY,
		.stage = VIEW("l7"),
		.binary = VIEW("/usr/bin/curl"),
		.pid = 7,
		.ancestors = VIEW("/usr/bin/bash -> /usr/bin/node"),
		.host = VIEW("api.github.com"),
		.port = 443,
		.method = VIEW("POST"),
		.path = VIEW("/repos/a/b/issues"),
		.policy = VIEW("github"),
		.reason =
		    VIEW("POST /repos/a/b/issues not permitted by policy"),
		.generation = 3,
		.connection = 12,
	};
}

/* The line of one hostile value, put where a path goes. */
static void
line_of_path(struct view path, struct buf *out)
{
	struct audit_event ev = typical();

	ev.path = path;
	audit_event_json(&ev, out);
	CHECK(!out->full);
}

TEST(audit, writes_fields_in_order_and_leaves_out_empty_ones)
{
	AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);
	struct audit_event ev = typical();

	ev.ancestors = VIEW("");
	audit_event_json(&ev, &b);
	CHECK_STR(buf_str(&b),
	    "{\"time_ms\":1700000000123,\"kind\":\"L7_REQUEST\","
	    "\"action\":\"deny\",\"stage\":\"l7\","
	    "\"binary\":\"/usr/bin/curl\",\"pid\":7,"
	    "\"host\":\"api.github.com\",\"port\":443,\"method\":\"POST\","
	    "\"path\":\"/repos/a/b/issues\",\"policy\":\"github\","
	    "\"reason\":\"POST /repos/a/b/issues not permitted by policy\","
	    "\"generation\":3,\"connection\":12}\n");
}

/* A80: newline, ANSI, JSON, C1 and bidirectional controls in a value. */
TEST(audit, hostile_values_cannot_forge_a_line)
{
	static const struct {
		struct view in;
		const char *shown;
	} rows[] = {
		{ VIEW("a\n{\"action\":\"allow\"}"),
		    "\"path\":\"a\\n{\\\"action\\\":\\\"allow\\\"}\"" },
		{ VIEW("\x1b[2J\r\t\x7f"),
		    "\"path\":\"\\u001b[2J\\r\\t\\u007f\"" },
		{ VIEW("x\\"), "\"path\":\"x\\\\\"" },
		{ VIEW("nul\0end"), "\"path\":\"nul\\u0000end\"" },
		{ VIEW("\xc2\x9b"
		       "31m"),
		    "\"path\":\"\\u009b31m\"" },
		{ VIEW("ab\xe2\x80\xae"
		       "cd"),
		    "\"path\":\"ab\\u202ecd\"" },
		{ VIEW("\xe2\x80\xa8"), "\"path\":\"\\u2028\"" },
		{ VIEW("\xff\xc0\xaf"), "\"path\":\"\\\\xff\\\\xc0\\\\xaf\"" },
		{ VIEW("\xed\xa0\x80"), "\"path\":\"\\\\xed\\\\xa0\\\\x80\"" },
		{ VIEW("caf\xc3\xa9 \xf0\x9f\x98\x80"),
		    "\"path\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"" },
		{ VIEW("12345678\"2345678"),
		    "\"path\":\"12345678\\\"2345678\"" },
		{ VIEW("1234567\n"), "\"path\":\"1234567\\n\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);

		line_of_path(rows[i].in, &b);
		CHECK_HAS(buf_str(&b), rows[i].shown);
		CHECK_INT(view_find(buf_view(&b), '\n'), ==, b.n - 1);
	}
}

TEST(audit, every_byte_pair_gives_one_line_of_valid_json)
{
	AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);

	for (unsigned i = 0; i < 65536; i++) {
		char in[10] = { 'a', (char)(i >> 8), (char)i, 'b', 'c', 'd',
			'e', 'f', 'g', 'h' };
		struct audit_record *r = NULL;
		struct audit_event back;
		struct err e;

		buf_reset(&b);
		line_of_path((struct view) { in, sizeof(in) }, &b);
		for (size_t j = 0; j + 1 < b.n; j++)
			CHECK((unsigned char)b.p[j] >= 0x20);
		CHECK_INT(
		    audit_record_parse(buf_view(&b), &r, &back, &e), ==, 0);
		audit_record_free(r);
	}
}

TEST(audit, long_values_are_cut_and_say_so)
{
	static char big[100000];
	AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);
	static const char fill[] = { 'a', '\x01', '\xff', '"', '\xc3' };

	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		struct view v = { big, sizeof(big) };
		struct audit_event ev = { INT64_MAX, UINT64_MAX,
			AUDIT_UPSTREAM_FAILED, AUDIT_ALLOW, v, v, UINT32_MAX, v,
			v, v, v, UINT16_MAX, v, v, UINT16_MAX, v, v, v, v, v, v,
			v, v, v, v, v, v, v, UINT64_MAX, UINT32_MAX, v, v, v,
			UINT32_MAX, UINT32_MAX, UINT32_MAX, false };

		memset(big, fill[i], sizeof(big));
		buf_reset(&b);
		audit_event_json(&ev, &b);
		CHECK(!b.full);
		CHECK_INT(b.n, <=, AUDIT_JSON_MAX);
		CHECK_HAS(buf_str(&b), ",\"truncated\":true}\n");
	}
}

TEST(audit, a_value_at_its_bound_is_not_cut)
{
	static char path[AUDIT_PATH_SHOWN + 1];
	AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);

	memset(path, 'p', sizeof(path));
	line_of_path((struct view) { path, AUDIT_PATH_SHOWN }, &b);
	CHECK(strstr(buf_str(&b), "truncated") == NULL);
	buf_reset(&b);
	line_of_path((struct view) { path, AUDIT_PATH_SHOWN + 1 }, &b);
	CHECK_HAS(buf_str(&b), "truncated");
	/* A character is never split: the cut text is still UTF-8. */
	memset(path, 'p', sizeof(path));
	memcpy(path + AUDIT_PATH_SHOWN - 1, "\xc3\xa9", 2);
	buf_reset(&b);
	line_of_path((struct view) { path, AUDIT_PATH_SHOWN + 1 }, &b);
	CHECK_HAS(buf_str(&b), "p\",\"policy\"");
}

TEST(audit, a_line_that_does_not_fit_is_left_out_whole)
{
	AUTO_BUF struct buf b = BUF_INIT(100);
	struct audit_event ev = typical();

	audit_event_json(&ev, &b);
	CHECK(b.full);
	CHECK_INT(b.n, ==, 0);
}

TEST(audit, reads_back_what_was_written)
{
	AUTO_BUF struct buf b = BUF_INIT(AUDIT_JSON_MAX);
	struct audit_event ev = typical(), back;
	struct audit_record *r = NULL;
	struct err e;

	ev.detail = VIEW("line\nbreak \x1b \"quoted\" \\ nul\0");
	audit_event_json(&ev, &b);
	CHECK_INT(audit_record_parse(buf_view(&b), &r, &back, &e), ==, 0);
	CHECK_INT(back.time_ms, ==, ev.time_ms);
	CHECK_INT(back.kind, ==, ev.kind);
	CHECK_INT(back.action, ==, ev.action);
	CHECK_INT(back.pid, ==, ev.pid);
	CHECK_INT(back.port, ==, ev.port);
	CHECK_INT(back.generation, ==, ev.generation);
	CHECK_INT(back.connection, ==, ev.connection);
	CHECK(view_eq(back.stage, ev.stage));
	CHECK(view_eq(back.ancestors, ev.ancestors));
	CHECK(view_eq(back.path, ev.path));
	CHECK(view_eq(back.detail, ev.detail));
	CHECK_INT(back.suggestion.n, ==, 0);
	audit_record_free(r);
}

TEST(audit, refuses_what_is_no_record)
{
	static const char *const bad[] = { "", "[]", "{", "null", "{}",
		"{\"kind\":\"CONNECT\"}",
		"{\"kind\":\"NOPE\",\"action\":\"deny\"}",
		"{\"kind\":\"CONNECT\",\"action\":\"maybe\"}",
		"{\"kind\":\"CONNECT\",\"action\":\"deny\",\"port\":65536}",
		"{\"kind\":\"CONNECT\",\"action\":\"deny\",\"port\":\"1\"}",
		"{\"kind\":\"CONNECT\",\"action\":\"deny\",\"pid\":-1}",
		"{\"kind\":\"CONNECT\",\"action\":\"deny\",\"host\":3}",
		("{\"kind\":\"CONNECT\",\"action\":\"deny\",\"action\":"
		 "\"allow\"}"),
		"{\"kind\":\"CONNECT\",\"action\":\"deny\"} x" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct audit_record *r = NULL;
		struct audit_event ev;
		struct err e;

		if (audit_record_parse(view_of(bad[i]), &r, &ev, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		CHECK(r == NULL);
	}
}

TEST(audit, names_every_kind_and_action)
{
	for (unsigned i = 0; i < AUDIT_NKINDS; i++)
		CHECK(audit_kind_name((enum audit_kind)i)[0] != '\0');
	CHECK_STR(audit_kind_name(AUDIT_BYPASS), "BYPASS_DETECT");
	CHECK_STR(audit_action_name(AUDIT_ALLOW), "allow");
	CHECK_STR(audit_action_name(AUDIT_DENY), "deny");
	CHECK_STR(audit_action_name(AUDIT_AUDIT), "audit");
	CHECK_STR(audit_action_name(AUDIT_INFO), "info");
}
