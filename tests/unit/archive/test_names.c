#include "test.h"

#include "archive/names.h"

static const char *
clean(const char *name)
{
	static char out[NAMES_PATH_MAX + 1];
	struct err e;

	return names_clean(name, out, &e) == 0 ? out : NULL;
}

TEST(names, are_cleaned_of_what_means_nothing)
{
	CHECK_STR(clean("a/b"), "a/b");
	CHECK_STR(clean("./a//b/."), "a/b");
	CHECK_STR(clean("."), "");
	CHECK_STR(clean(""), "");
	CHECK_STR(clean("..a/b.."), "..a/b..");
	CHECK_INT(names_depth("a"), ==, 0);
	CHECK_INT(names_depth("a/b/c"), ==, 2);
}

TEST(names, that_lead_elsewhere_are_refused)
{
	static const char *const bad[] = { "/a", "//a", "..", "../a", "a/..",
		"a/../b", "./.." };
	char deep[2 * NAMES_DEPTH_MAX + 8], longest[NAMES_PART_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(clean(bad[i]) == NULL);
	for (size_t i = 0; i + 1 < sizeof(deep); i++)
		deep[i] = i % 2 == 0 ? 'a' : '/';
	deep[sizeof(deep) - 1] = '\0';
	CHECK(clean(deep) == NULL);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	CHECK(clean(longest) == NULL);
	CHECK(clean(longest + 1) != NULL);
}

TEST(names, of_links_may_not_point_outside)
{
	static const struct {
		const char *target;
		unsigned depth;
		bool ok;
	} rows[] = {
		{ "a", 0, true },
		{ "./a/b", 0, true },
		{ "..", 0, false },
		{ "../a", 1, true },
		{ "../../a", 1, false },
		{ "../../a", 2, true },
		{ "/etc/passwd", 9, false },
		{ "", 0, false },
		/* "x/y" may be a link to ".": then this is outside. */
		{ "x/y/../..", 0, false },
		{ "x/..", 3, false },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(
		    names_check_target(rows[i].target, rows[i].depth, &e) == 0,
		    ==, rows[i].ok);
}
