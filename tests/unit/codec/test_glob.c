#include "test.h"

#include "codec/glob.h"

static bool
matches(const char *pattern, char delim, const char *subject)
{
	struct glob *g = NULL;
	struct err e;
	bool yes;

	if (glob_new(view_of(pattern), delim, &g, &e) < 0)
		fail_msg("'%s' refused: %s", pattern, e.text);
	yes = glob_match(g, view_of(subject));
	glob_free(g);
	return yes;
}

struct row {
	const char *pattern, *subject;
	bool match;
};

static void
check(const struct row *v, size_t n, char delim)
{
	for (size_t i = 0; i < n; i++)
		if (matches(v[i].pattern, delim, v[i].subject) != v[i].match)
			fail_msg("'%s' against '%s': want %s", v[i].pattern,
			    v[i].subject, v[i].match ? "match" : "no match");
}

TEST(glob, stars_stop_at_the_delimiter)
{
	static const struct row v[] = {
		{ "/usr/bin/*", "/usr/bin/node", true },
		{ "/usr/bin/*", "/usr/bin/sub/node", false },
		{ "/usr/bin/*", "/usr/bin/", true },
		{ "a*c", "abbc", true },
		{ "a*c", "ab/c", false },
		{ "a?c", "abc", true },
		{ "a?c", "a/c", false },
		{ "a?c", "ac", false },
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "a/b", false },
	};

	check(v, ARRAY_LEN(v), '/');
}

TEST(glob, double_star_is_special_only_as_a_component)
{
	static const struct row v[] = {
		{ "**", "", true },
		{ "**", "/a/b", true },
		{ "/**", "/", true },
		{ "/**", "/a/b/c", true },
		{ "/**", "a", false },
		{ "/repos/**", "/repos", false },
		{ "/repos/**", "/repos/", true },
		{ "/repos/**", "/repos/a/b", true },
		{ "/**/info/refs*", "/info/refs", true },
		{ "/**/info/refs*", "/a/b/info/refs", true },
		{ "/**/info/refs*", "/a/info/refsX", true },
		{ "/**/info/refs*", "/a/info/refs/x", false },
		{ "/**/info/refs*", "/ainfo/refs", false },
		{ "**/x", "x", true },
		{ "**/x", "a/b/x", true },
		{ "**/x", "ax", false },
		{ "a**b", "axxb", true },
		{ "a**b", "a/b", false },
		{ "/a/**b", "/a/xb", true },
		{ "/a/**b", "/a/x/b", false },
		{ "/a/***/b", "/a/x/b", true },
		{ "/a/***/b", "/a/x/y/b", false },
		{ "/a/**/**/b", "/a/b", true },
		{ "/a/**/**/b", "/a/x/y/z/b", true },
	};

	check(v, ARRAY_LEN(v), '/');
}

TEST(glob, hosts_use_the_dot)
{
	static const struct row v[] = {
		{ "*.example.com", "api.example.com", true },
		{ "*.example.com", "a.b.example.com", false },
		{ "**.example.com", "a.b.example.com", true },
		{ "*.example.com", "example.com", false },
		{ "foo-*", "foo-a/b", true },
		{ "foo-*", "foo-1.2", false },
		{ "1.*", "1.2", true },
		{ "1.*", "1.2.3", false },
	};

	check(v, ARRAY_LEN(v), '.');
}

TEST(glob, classes)
{
	static const struct row v[] = {
		{ "[abc]", "b", true },
		{ "[abc]", "d", false },
		{ "[a-f]x", "ex", true },
		{ "[a-f]x", "gx", false },
		{ "[!a]", "b", true },
		{ "[^a]", "a", false },
		{ "[!a]", "/", false },
		{ "[./]", "/", false },
		{ "[]a]", "]", true },
		{ "[!]a]", "]", false },
		{ "[a-]", "-", true },
		{ "[-a]", "-", true },
		{ "[a-]", "b", false },
		{ "[\\]]", "]", true },
		{ "]", "]", true },
	};

	check(v, ARRAY_LEN(v), '/');
}

TEST(glob, braces)
{
	static const struct row v[] = {
		{ "{a,b}", "a", true },
		{ "{a,b}", "b", true },
		{ "{a,b}", "ab", false },
		{ "x{a,{b,c}d}y", "xcdy", true },
		{ "x{a,{b,c}d}y", "xcy", false },
		{ "x{a,}y", "xy", false },
		{ "x{,a}y", "xay", true },
		{ "x{}y", "xy", true },
		{ "/{a,b*}/c", "/bzz/c", true },
		{ "/{a,b*}/c", "/b/z/c", false },
		{ "a,b", "a,b", true },
		{ "{\\,,x}", ",", true },
		{ "{a/**/b,c}", "a/x/y/b", true },
	};

	check(v, ARRAY_LEN(v), '/');
}

TEST(glob, escapes_are_literal)
{
	static const struct row v[] = {
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "a\\?b", "a?b", true },
		{ "\\{a\\}", "{a}", true },
		{ "\\\\", "\\", true },
	};

	check(v, ARRAY_LEN(v), '/');
}

TEST(glob, refuses_what_is_broken)
{
	static const struct {
		const char *pattern, *what;
	} v[] = {
		{ "[a", "unclosed '['" },
		{ "[", "unclosed '['" },
		{ "[]", "unclosed '['" },
		{ "[a\\", "unclosed '['" },
		{ "{a", "unclosed '{'" },
		{ "{a,", "unclosed '{'" },
		{ "{", "unclosed '{'" },
		{ "a}", "unmatched '}'" },
		{ "[z-a]", "reversed range" },
		{ "a\\", "trailing '\\'" },
		{ "{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}", "nested deeper" },
	};
	struct glob *g = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		if (glob_new(view_of(v[i].pattern), '/', &g, &e) == 0)
			fail_msg("'%s' was accepted", v[i].pattern);
		CHECK_HAS(e.text, v[i].what);
	}
}

TEST(glob, bounds_length_and_branches)
{
	AUTO_BUF struct buf b = BUF_INIT(4096);
	struct glob *g = NULL;
	struct err e;

	for (int i = 0; i < GLOB_MAX; i++)
		buf_putc(&b, 'a');
	CHECK_INT(glob_new(buf_view(&b), '/', &g, &e), ==, 0);
	CHECK(glob_match(g, buf_view(&b)));
	glob_free(g);
	buf_putc(&b, 'a');
	CHECK_INT(glob_new(buf_view(&b), '/', &g, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);

	buf_reset(&b);
	buf_puts(&b, "{x");
	for (int i = 0; i < GLOB_BRANCHES_MAX; i++)
		buf_puts(&b, ",x");
	buf_putc(&b, '}');
	CHECK_INT(glob_new(buf_view(&b), '/', &g, &e), ==, -1);
	CHECK_HAS(e.text, "alternates");
}

/* The densest pattern uses every state that is set aside. */
TEST(glob, densest_pattern_fits)
{
	AUTO_BUF struct buf b = BUF_INIT(GLOB_MAX);
	struct glob *g = NULL;
	struct err e;

	for (int group = 0; group < GLOB_BRANCHES_MAX / 2; group++)
		buf_puts(&b, "{a,b}");
	while (b.n + 3 <= GLOB_MAX)
		buf_puts(&b, "/**");
	CHECK_INT(glob_new(buf_view(&b), '/', &g, &e), ==, 0);
	CHECK(!glob_match(g, VIEW("abab")));
	glob_free(g);
}

/*
 * Attack: stars and alternates that make a backtracking matcher take 2^n
 * steps.  This would not end within the life of the machine.
 */
TEST(glob, is_linear_in_the_subject)
{
	AUTO_BUF struct buf pattern = BUF_INIT(GLOB_MAX);
	AUTO_BUF struct buf subject = BUF_INIT(8192);
	struct glob *g = NULL;
	struct err e;

	for (int i = 0; i < 100; i++)
		buf_puts(&pattern, "*a");
	buf_puts(&pattern, "b");
	for (int i = 0; i < 4096; i++)
		buf_putc(&subject, 'a');
	CHECK_INT(glob_new(buf_view(&pattern), '/', &g, &e), ==, 0);
	CHECK(!glob_match(g, buf_view(&subject)));
	buf_putc(&subject, 'b');
	CHECK(glob_match(g, buf_view(&subject)));
	glob_free(g);
}

TEST(glob, tells_its_literal_beginning)
{
	struct glob *g = NULL;
	struct err e;

	CHECK_INT(glob_new(VIEW("/repos/\\*x/[a]*"), '/', &g, &e), ==, 0);
	CHECK_VIEW(glob_prefix(g), "/repos/*x/");
	CHECK(!glob_is_literal(g));
	glob_free(g);
	CHECK_INT(glob_new(VIEW("/zen"), '/', &g, &e), ==, 0);
	CHECK(glob_is_literal(g));
	glob_free(g);
}

static bool
overlap(const char *x, const char *y)
{
	struct glob *a = NULL, *b = NULL;
	size_t work = 0, back = 0;
	struct err e;
	bool yes;

	CHECK_INT(glob_new(view_of(x), '/', &a, &e), ==, 0);
	CHECK_INT(glob_new(view_of(y), '/', &b, &e), ==, 0);
	yes = glob_overlaps(a, b, &work);
	CHECK_INT(glob_overlaps(b, a, &back), ==, yes);
	CHECK_INT(work, >, 0);
	glob_free(a);
	glob_free(b);
	return yes;
}

TEST(glob, overlaps)
{
	static const struct {
		const char *a, *b;
		bool yes;
	} v[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "a", "a", true },
		{ "a", "b", false },
		{ "a", "?", true },
		{ "/", "?", false },
		{ "/a/*", "/*/b", true },
		{ "/a/*", "/b/*", false },
		{ "/a/*", "/a/b/c", false },
		{ "/a/**", "/a/b/c", true },
		{ "/a/**", "/a", false },
		{ "/**/x", "/a/*/x", true },
		{ "/**/x", "/x", true },
		{ "/**/x", "/a/y", false },
		{ "**", "anything/at/all", true },
		{ "*", "a/b", false },
		{ "[a-c]", "[c-e]", true },
		{ "[a-c]", "[d-e]", false },
		{ "[!a]", "a", false },
		{ "[!a]", "/", false },
		{ "{a,b}c", "{b,d}c", true },
		{ "{a,b}c", "{d,e}c", false },
		{ "{a*,b}", "?x", true },
		{ "a*b*c", "*x*", true },
		{ "a*b", "*c", false },
		{ "*a", "*b", false },
		{ "*a*", "*b*", true },
		{ "\\*", "a", false },
		{ "\\*", "*", true },
		{ "aaa*", "a*a", true },
		{ "??", "?", false },
		{ "a?c", "ab*", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		if (overlap(v[i].a, v[i].b) != v[i].yes)
			fail_msg("'%s' and '%s': want %s", v[i].a, v[i].b,
			    v[i].yes ? "overlap" : "none");
}

/* Against an oracle: all short subjects over a small alphabet. */
TEST(glob, overlaps_as_subjects_say)
{
	static const char *const v[] = { "", "a", "*", "**", "?", "a*", "*b",
		"a*b", "/**", "**/a", "/**/b", "a/**", "{a,b/}*", "[ab]?",
		"?[!b]", "*a*b*", "{a,ab,abb}", "/*", "*/*", "a{,b}/", "??*" };
	static const char alphabet[] = "ab/";

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		for (size_t k = 0; k < ARRAY_LEN(v); k++) {
			bool want = false;
			unsigned end = 3 * 3 * 3 * 3 * 3;

			for (unsigned len = 0; len <= 5 && !want; len++)
				for (unsigned n = 0; n < end && !want; n++) {
					char s[8] = "";
					unsigned rest = n;

					for (unsigned c = 0; c < len; c++) {
						s[c] = alphabet[rest % 3];
						rest /= 3;
					}
					want = matches(v[i], '/', s) &&
					       matches(v[k], '/', s);
				}
			if (overlap(v[i], v[k]) != want)
				fail_msg(
				    "'%s' and '%s': want %d", v[i], v[k], want);
		}
}
