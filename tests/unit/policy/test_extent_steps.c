/* What a question may cost, for those who ask in a loop. */
#include "fixture.h"

#include "base/mem.h"
#include "policy/extent.h"

/* GET of the path, of one host. */
static struct policy *
with(const char *path)
{
	AUTO_FREE char *yaml =
	    mem_printf("version: 1\n"
		       "network_policies:\n"
		       "  p:\n"
		       "    endpoints:\n"
		       "    - host: api.github.com\n"
		       "      port: 443\n"
		       "      protocol: rest\n"
		       "      rules:\n"
		       "      - allow: {method: GET, path: '%s'}\n"
		       "    binaries: [{path: /usr/bin/gh}]\n",
		path);

	return must_parse("p", yaml);
}

#define WIDE "/**/*aaa*bbb*ccc*"
#define NARROW "/**/*aaa*bbb*xxx*ccc*"

TEST(extent_steps, given_up_when_there_are_too_few)
{
	static const struct extent_place place[] = { { VIEW("github"),
	    VIEW("api.github.com"), 443 } };
	AUTO_POLICY struct policy *wide = with(WIDE), *narrow = with(NARROW);

	for (int enough = 0; enough < 2; enough++) {
		AUTO_EXTENT_FINDINGS struct extent_findings f = { 0 };
		uint64_t steps = enough ? EXTENT_STEPS_SOON : 50;
		struct err e = { 0 }, e2 = { 0 };
		bool yes = false;

		CHECK_INT(extent_covers(wide, narrow, steps, &yes, &e), ==,
		    enough ? 0 : -1);
		CHECK(yes == (enough == 1));
		CHECK_INT(extent_find(narrow, wide, place, 1, steps, &f, &e2),
		    ==, enough ? 0 : -1);
		if (enough)
			CHECK_INT(f.n, >, 0);
		else
			CHECK(e.code == ERR_LIMIT && e2.code == ERR_LIMIT);
	}
}

TEST(extent_steps, questions_share_them)
{
	AUTO_POLICY struct policy *wide = with(WIDE), *narrow = with(NARROW);
	uint64_t steps = EXTENT_STEPS_SOON, once;
	struct err e;

	for (int i = 1; i < 3; i++) {
		AUTO_EXTENT_DIFF struct extent_diff d = { 0 };

		CHECK_INT(
		    extent_widened(narrow, wide, NULL, &steps, &d, &e), ==, 0);
		CHECK_INT(d.n, >, 0);
		if (i == 1)
			once = EXTENT_STEPS_SOON - steps;
		CHECK_INT(once, >, 50);
		CHECK_INT(EXTENT_STEPS_SOON - steps, ==, i * once);
	}
}
