/* The registry of settings, and a list of them as it is stored. */
#include "settings/settings.h"

#include "test.h"

static const struct setting number = { "n", SETTING_INT, "0", "", "" };
static const struct setting flag = { "b", SETTING_BOOL, "no", "", "" };

TEST(settings, rows_are_in_order_and_take_their_own_initial)
{
	for (size_t i = 0; i < SETTINGS_N; i++) {
		const struct setting *s = &setting_rows[i];
		struct setting_value v;
		struct err e;

		if (i > 0)
			CHECK_INT(strcmp(s[-1].key, s->key), <, 0);
		CHECK(strcmp(s->key, "policy") != 0);
		CHECK(setting_find(view_of(s->key)) == s);
		CHECK_INT(setting_parse(s, view_of(s->initial), &v, &e), ==, 0);
	}
}

TEST(settings, unknown_keys_are_told_with_those_there_are)
{
	struct err e;

	CHECK(setting_find(VIEW("policy")) == NULL);
	CHECK(setting_find(VIEW("")) == NULL);
	CHECK(setting_find(VIEW("proposal_approval_mod")) == NULL);
	CHECK_INT(setting_unknown(VIEW("a\033[2J"), &e), ==, -1);
	CHECK_STR(e.text,
	    "unknown setting key 'a\\x1b[2J'. Allowed keys: "
	    "agent_policy_proposals_enabled, proposal_approval_mode");
}

/* gateway-api section 13 */
TEST(settings, words_of_a_boolean)
{
	static const char *const yes[] = { "1", "true", "yes", "on", "Y",
		"TRUE", " 1 " };
	static const char *const no[] = { "0", "false", "no", "off", "N" };
	static const char *const none[] = { "maybe", "", "2", "enabled",
		"1 1" };
	struct setting_value v;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		CHECK_INT(setting_parse(&flag, view_of(yes[i]), &v, &e), ==, 0);
		CHECK(v.kind == SETTING_BOOL && v.flag);
	}
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		CHECK_INT(setting_parse(&flag, view_of(no[i]), &v, &e), ==, 0);
		CHECK(v.kind == SETTING_BOOL && !v.flag);
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		CHECK_INT(
		    setting_parse(&flag, view_of(none[i]), &v, &e), ==, -1);
	CHECK_HAS(e.text, "invalid bool value '1 1' for key 'b'");
}

TEST(settings, numbers_have_64_bits)
{
	static const struct {
		const char *text;
		int rc;
		int64_t is;
	} rows[] = {
		{ "0", 0, 0 },
		{ " -7 ", 0, -7 },
		{ "+7", 0, 7 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", -1, 0 },
		{ "-9223372036854775809", -1, 0 },
		{ "", -1, 0 },
		{ "-", -1, 0 },
		{ "--1", -1, 0 },
		{ "0x1", -1, 0 },
		{ "1.0", -1, 0 },
	};
	struct setting_value v;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(setting_parse(&number, view_of(rows[i].text), &v, &e),
		    ==, rows[i].rc);
		if (rows[i].rc == 0)
			CHECK_INT(v.number, ==, rows[i].is);
	}
}

TEST(settings, a_value_of_another_kind_or_word_is_refused)
{
	const struct setting *mode =
	    &setting_rows[SETTING_ID_proposal_approval_mode];
	struct setting_value v = { .kind = SETTING_BOOL };
	char longer[SETTING_TEXT_MAX + 1];
	static const struct setting any = { "s", SETTING_STRING, "", "", "" };
	struct err e;

	CHECK_INT(setting_check(mode, &v, &e), ==, -1);
	CHECK_STR(
	    e.text, "setting 'proposal_approval_mode' expects string value");
	v = (struct setting_value) { .text = VIEW("auto") };
	CHECK_INT(setting_check(mode, &v, &e), ==, 0);
	v.text = VIEW("manual auto");
	CHECK_INT(setting_check(mode, &v, &e), ==, -1);
	CHECK_STR(e.text,
	    "setting 'proposal_approval_mode' must be one of: manual, auto");
	v.text = VIEW("");
	CHECK_INT(setting_check(mode, &v, &e), ==, -1);
	memset(longer, 'a', sizeof(longer));
	v.text = (struct view) { longer, sizeof(longer) };
	CHECK_INT(setting_check(&any, &v, &e), ==, -1);
	v.text.n--;
	CHECK_INT(setting_check(&any, &v, &e), ==, 0);
}

TEST(settings, setting_the_same_again_changes_nothing)
{
	AUTO_SETTINGS s = { 0 };
	struct setting_value a = { .text = VIEW("a") },
			     b = { .text = VIEW("b") };
	bool changed = false;
	struct err e;

	CHECK_INT(settings_set(&s, VIEW("k"), &a, &changed, &e), ==, 0);
	CHECK(changed);
	CHECK_INT(settings_set(&s, VIEW("k"), &a, &changed, &e), ==, 0);
	CHECK(!changed);
	CHECK_INT(settings_set(&s, VIEW("k"), &b, &changed, &e), ==, 0);
	CHECK(changed);
	CHECK_VIEW(settings_find(&s, VIEW("k"))->text, "b");
	CHECK(settings_drop(&s, VIEW("k")));
	CHECK(!settings_drop(&s, VIEW("k")));
	CHECK(settings_find(&s, VIEW("k")) == NULL);
}

TEST(settings, a_list_is_bounded)
{
	AUTO_SETTINGS s = { 0 };
	struct setting_value v = { .kind = SETTING_INT };
	bool changed;
	struct err e;

	for (unsigned i = 0; i <= SETTINGS_MAX; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%u", i);
		CHECK_INT(settings_set(&s, view_of(key), &v, &changed, &e), ==,
		    i < SETTINGS_MAX ? 0 : -1);
	}
	CHECK_INT(e.code, ==, ERR_LIMIT);
}

TEST(settings, the_stored_form_is_read_back)
{
	static const char *const text =
	    "{\"revision\":7,\"settings\":{"
	    "\"a\":{\"type\":\"String\",\"value\":\"x\\ny\"},"
	    "\"b\":{\"type\":\"Bool\",\"value\":true},"
	    "\"c\":{\"type\":\"Int\",\"value\":-5}}}";
	AUTO_SETTINGS s = { 0 };
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct err e;

	CHECK_INT(settings_read(view_of(text), &s, &e), ==, 0);
	CHECK_INT(s.revision, ==, 7);
	CHECK_INT(s.n, ==, 3);
	CHECK_VIEW(settings_find(&s, VIEW("a"))->text, "x\ny");
	CHECK(settings_find(&s, VIEW("b"))->flag);
	CHECK_INT(settings_find(&s, VIEW("c"))->number, ==, -5);
	settings_write(&s, &out);
	CHECK_STR(buf_str(&out), text);
}

TEST(settings, what_is_not_the_stored_form_is_refused)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"revision\":1}",
		"{\"revision\":-1,\"settings\":{}}",
		"{\"revision\":\"1\",\"settings\":{}}",
		"{\"revision\":1,\"settings\":{\"a\":1}}",
		"{\"revision\":1,\"settings\":{\"a\":{\"type\":\"Bool\"}}}",
		"{\"revision\":1,\"settings\":{\"a\":{\"type\":\"Bool\","
		"\"value\":1}}}",
		"{\"revision\":1,\"settings\":{\"a\":{\"type\":\"Bytes\","
		"\"value\":\"00\"}}}",
		"{\"revision\":1,\"revision\":2,\"settings\":{}}" };
	struct settings s = { 0 };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(settings_read(view_of(bad[i]), &s, &e), ==, -1);
		CHECK(s.v == NULL);
	}
}
