#include "test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "vetter/vetter.h"

static struct err e;

static struct vetter_answer
said(uint32_t verdict, const char *text)
{
	struct vetter_answer a = { .version = VETTER_VERSION,
		.verdict = verdict };

	(void)snprintf(a.text, sizeof(a.text), "%s", text);
	return a;
}

/* Attack: a vetter that was taken over by what it read. */
TEST(vetter_answer, a_vetter_can_say_nothing_else)
{
	static const struct {
		uint32_t verdict;
		const char *text;
		int rc;
	} rows[] = {
		{ VETTER_TAKEN, "", 0 },
		{ VETTER_REFUSED, "", 0 },
		{ VETTER_REFUSED, "forbid: a list of words", 0 },
		{ VETTER_REFUSED, "für jeden", 0 },
		{ VETTER_REFUSED, "a\nb", -1 },
		{ VETTER_REFUSED, "\x1b[2J", -1 },
		{ VETTER_REFUSED, "\xff", -1 },
		{ VETTER_REFUSED, "\xe2\x80\xae", -1 }, /* turns text round */
		{ VETTER_REFUSED, "\xc2\x9b", -1 },
		{ VETTER_UNASKED, "it cannot be reached", 0 },
		{ VETTER_UNASKED, "", -1 },
		{ VETTER_VERDICTS, "x", -1 },
		{ UINT32_MAX, "x", -1 },
	};
	struct vetter_answer a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		a = said(rows[i].verdict, rows[i].text);
		CHECK_INT(vetter_answer_check(&a, &e), ==, rows[i].rc);
	}
	a = said(VETTER_REFUSED, "");
	memset(a.text, 'x', sizeof(a.text));
	CHECK_INT(vetter_answer_check(&a, &e), ==, -1);
	a = said(VETTER_TAKEN, "");
	a.version++;
	CHECK_INT(vetter_answer_check(&a, &e), ==, -1);
}

TEST(vetter_ask, holds_any_service_that_can_be_registered)
{
	AUTO_FREE struct vetter_ask *ask = NEW(struct vetter_ask);
	AUTO_SERVICES struct services s = { .n = 0 };
	char config[VETTER_CONFIG_MAX + 64];

	CHECK_INT(
	    services_add(&s,
		VIEW("a/b=https://h:1,ca=/c,cert=/d,key=/e,timeout=70"), &e),
	    ==, 0);
	CHECK(vetter_ask_fill(ask, &s.v[0], VIEW("{}")));
	CHECK_STR(ask->name, "a/b");
	CHECK_STR(ask->url, "https://h:1");
	CHECK_STR(ask->ca, "/c");
	CHECK_STR(ask->cert, "/d");
	CHECK_STR(ask->key, "/e");
	CHECK_STR(ask->config, "{}");
	CHECK_INT(ask->timeout_ms, ==, 70);
	memset(config, 'x', sizeof(config));
	CHECK(vetter_ask_fill(
	    ask, &s.v[0], (struct view) { config, VETTER_CONFIG_MAX }));
	CHECK(!vetter_ask_fill(
	    ask, &s.v[0], (struct view) { config, sizeof(config) }));
	CHECK(!vetter_ask_fill(ask, &s.v[0], VIEW("a\0b")));
}
