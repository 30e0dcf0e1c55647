/* Names and the addresses that stand for them; what is told of refusals. */
#include "proxy/rate.h"
#include "proxy/synth.h"
#include "proxy/told.h"
#include "test.h"

static int
give(struct synth *s, const char *host, bool pattern, uint64_t now,
    struct addr *v4, struct addr *v6)
{
	struct err e;

	return synth_give(s, view_of(host), pattern, now, v4, v6, &e);
}

TEST(synth, a_name_keeps_its_addresses)
{
	struct synth *s = synth_new();
	struct addr a4, a6, b4, b6;
	char text[ADDR_TEXT_MAX];

	CHECK_INT(give(s, "a.test", false, 1, &a4, &a6), ==, 0);
	CHECK_INT(give(s, "b.test", false, 1, &b4, &b6), ==, 0);
	CHECK_STR(addr_format(&a4, text), "198.18.0.1");
	CHECK_STR(addr_format(&a6, text), "fd23:6f70:656e::1");
	CHECK_STR(addr_format(&b4, text), "198.18.0.2");
	CHECK_INT(give(s, "a.test", false, 1000000, &b4, &b6), ==, 0);
	CHECK(addr_eq(&a4, &b4) && addr_eq(&a6, &b6));
	CHECK_STR(synth_host(s, &a4, 2), "a.test");
	CHECK_STR(synth_host(s, &a6, 2), "a.test");
	synth_free(s);
}

TEST(synth, other_addresses_stand_for_nothing)
{
	static const struct {
		const char *text;
		bool synthetic;
	} rows[] = {
		{ "198.18.0.2", true }, /* not given yet */
		{ "198.18.0.0", true }, { "198.19.0.1", true },
		{ "198.20.0.1", false }, { "198.17.255.255", false },
		{ "fd23:6f70:656e::2", true }, { "fd23:6f70:656e:1::1", true },
		{ "fd23:6f70:656f::1", false }, { "127.0.0.1", false },
		{ "::ffff:198.18.0.1", false }, /* unmapped by who asks */
	};
	struct synth *s = synth_new();
	struct addr a, b;

	CHECK_INT(give(s, "a.test", false, 1, &a, &b), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(addr_parse(view_of(rows[i].text), &a));
		CHECK_INT(synth_is(&a), ==, rows[i].synthetic);
		CHECK(synth_host(s, &a, 1) == NULL);
	}
	CHECK(synth_host(NULL, &a, 1) == NULL);
	synth_free(s);
}

/* Attack: a flood of names, so that an address means another name while a
 * program still uses it. */
TEST(synth, an_address_in_use_is_not_given_away)
{
	struct synth *s = synth_new();
	struct addr first4, first6, a, b;
	char name[32];

	CHECK_INT(give(s, "first.test", false, 1, &first4, &first6), ==, 0);
	for (unsigned i = 1; i < SYNTH_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%u.test", i);
		CHECK_INT(give(s, name, false, 1, &a, &b), ==, 0);
	}
	CHECK_INT(give(s, "more.test", false, SYNTH_KEEP_MS, &a, &b), ==, -1);
	/* A connection renews it, so the one after it goes. */
	CHECK_STR(synth_host(s, &first4, SYNTH_KEEP_MS), "first.test");
	CHECK_INT(
	    give(s, "more.test", false, SYNTH_KEEP_MS + 1, &a, &b), ==, 0);
	CHECK_STR(synth_host(s, &first4, SYNTH_KEEP_MS + 1), "first.test");
	CHECK_STR(synth_host(s, &a, SYNTH_KEEP_MS + 1), "more.test");
	CHECK(!addr_eq(&a, &first4));
	synth_free(s);
}

/* A14. */
TEST(synth, names_of_wildcards_are_bounded)
{
	struct synth *s = synth_new();
	struct addr a, b;
	char name[SYNTH_PATTERN_MAX + 2], other[32];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK_INT(give(s, name, true, 1, &a, &b), ==, -1);
	CHECK_INT(give(s, name, false, 1, &a, &b), ==, 0);
	for (unsigned i = 0; i < SYNTH_PATTERN_BURST; i++) {
		(void)snprintf(other, sizeof(other), "n%u.test", i);
		CHECK_INT(give(s, other, true, 1, &a, &b), ==, 0);
	}
	CHECK_INT(give(s, "one-more.test", true, 1, &a, &b), ==, -1);
	CHECK_INT(give(s, "n0.test", true, 1, &a, &b), ==, 0); /* not new */
	CHECK_INT(give(s, "exact.test", false, 1, &a, &b), ==, 0);
	CHECK_INT(give(s, "one-more.test", true, 1001, &a, &b), ==, 0);
	synth_free(s);
}

TEST(rate, is_a_bucket)
{
	struct rate r = { .per_second = 10, .burst = 3 };

	for (unsigned i = 0; i < 3; i++)
		CHECK(rate_take(&r, 5));
	CHECK(!rate_take(&r, 5));
	CHECK(!rate_take(&r, 104));
	CHECK(rate_take(&r, 106));
	CHECK(!rate_take(&r, 106));
	for (unsigned i = 0; i < 3; i++)
		CHECK(rate_take(&r, UINT64_C(1) << 60));
	CHECK(!rate_take(&r, UINT64_C(1) << 60));
}

TEST(told, like_ones_are_counted)
{
	struct view a[] = { VIEW("x"), VIEW("yz") };
	struct view b[] = { VIEW("xy"), VIEW("z") };
	struct told *kept = NULL, *t = told_of(&kept);
	uint64_t held, key = told_key(a, 2);

	CHECK(key != told_key(b, 2));
	CHECK(told_tell(t, key, false, 100, &held));
	for (unsigned i = 0; i < 5; i++)
		CHECK(!told_tell(t, key, false, 200, &held));
	CHECK(told_tell(t, told_key(b, 2), false, 200, &held));
	CHECK_INT(held, ==, 0);
	CHECK(told_tell(t, key, false, 1100, &held));
	CHECK_INT(held, ==, 5);
	told_free(t);
}

TEST(told, cheap_ones_have_a_common_rate)
{
	struct told *kept = NULL, *t = told_of(&kept);
	uint64_t held, told = 0;

	for (uint64_t i = 0; i < 100000; i++) {
		struct view v = { (const char *)&i, sizeof(i) };

		told += told_tell(t, told_key(&v, 1), true, 1, &held);
	}
	CHECK(told >= 100 && told <= 300);
	CHECK(told_tell(t, 1, true, 100000, &held));
	CHECK_INT(held, ==, 100000 - told);
	told_free(t);
}
