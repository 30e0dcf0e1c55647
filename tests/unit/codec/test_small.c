/* utf8, sha256, strmap, arena. */
#include "test.h"

#include "codec/sha256.h"
#include "codec/strmap.h"
#include "codec/utf8.h"

TEST(utf8, accepts_only_rfc_3629)
{
	static const char *const good[] = { "", "abc", "\xc3\xa9",
		"\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\xaf", "\xc1\xbf",
		"\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82",
		"\xf0\x9f\x98" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(utf8_valid(view_of(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!utf8_valid(view_of(bad[i])));
	CHECK_INT(utf8_span(VIEW("ab\xff")), ==, 2);
}

TEST(utf8, clips_between_characters)
{
	CHECK_VIEW(utf8_clip(VIEW("a\xc3\xa9"), 2), "a");
	CHECK_VIEW(utf8_clip(VIEW("a\xc3\xa9"), 3), "a\xc3\xa9");
	CHECK_VIEW(utf8_clip(VIEW("\xf0\x9f\x98\x80"), 3), "");
}

/* FIPS 180-2, appendix B. */
TEST(sha256, known_answers)
{
	char hex[SHA256_HEX];

	sha256_hex(VIEW("abc"), hex);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff"
		       "61f20015ad");
	sha256_hex(VIEW(""), hex);
	CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca49599"
		       "1b7852b855");
}

TEST(strmap, finds_what_was_put_in_and_nothing_else)
{
	struct arena a = { 0 };
	struct strmap m = STRMAP_INIT(&a);
	char text[32];

	CHECK_INT(strmap_get(&m, VIEW("x")), ==, STRMAP_NONE);
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "/usr/bin/tool-%u", i);
		CHECK_INT(
		    strmap_add(&m, arena_view(&a, view_of(text)), i), ==, i);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "/usr/bin/tool-%u", i);
		CHECK_INT(strmap_get(&m, view_of(text)), ==, i);
		CHECK_INT(strmap_add(&m, view_of(text), 5000), ==, i);
	}
	CHECK_INT(strmap_get(&m, VIEW("/usr/bin/tool-2000")), ==, STRMAP_NONE);
	CHECK_INT(strmap_get(&m, VIEW("")), ==, STRMAP_NONE);
	arena_fini(&a);
}

TEST(arena, hands_out_zeroed_aligned_storage)
{
	struct arena a = { 0 };

	for (size_t n = 0; n < 3000; n += 7) {
		char *p = arena_alloc(&a, n, 17);

		CHECK_INT((uintptr_t)p % 16, ==, 0);
		for (size_t i = 0; i < n * 17; i++)
			CHECK(p[i] == 0);
		if (n > 0)
			memset(p, 0xff, n * 17);
	}
	arena_fini(&a);
}
