#include "test.h"

#include "http/target.h"

static void
check_target(const char *in, bool slash, const char *want, const char *query)
{
	struct target t, again;
	struct err e;
	int rc = target_canonical(view_of(in), slash, &t, &e);

	if (want == NULL) {
		if (rc == 0)
			fail_msg("\"%s\" became \"%s\"", in, buf_str(&t.path));
		target_fini(&t);
		return;
	}
	if (rc < 0)
		fail_msg("\"%s\": %s", in, e.text);
	CHECK_STR(buf_str(&t.path), want);
	CHECK((t.query.p == NULL) == (query == NULL));
	if (query != NULL)
		CHECK_VIEW(t.query, query);
	CHECK_INT(
	    target_canonical(buf_view(&t.path), slash, &again, &e), ==, 0);
	CHECK_STR(buf_str(&again.path), want);
	target_fini(&again);
	target_fini(&t);
}

TEST(target, canonical_form)
{
	static const char *const rows[][2] = {
		{ "/a/./b", "/a/b" },
		{ "/a/b/.", "/a/b/" },
		{ "/a/../b", "/b" },
		{ "/a/b/..", "/a/" },
		{ "/public/%2e%2e/secret", "/secret" },
		{ "/..", NULL },
		{ "/a/../..", NULL },
		{ "/%2e%2E", NULL },
		{ "//public//../secret", "/secret" },
		{ "/a/%2f/b", NULL },
		{ "/a%00b", NULL },
		{ "/a%0Ab", NULL },
		{ "/a%7fb", NULL },
		{ "http://host/a/../b", "/b" },
		{ "https://host", "/" },
		{ "https://user@host/", NULL },
		{ "/users/%40alice", "/users/@alice" },
		{ "/search/a%3Fb", "/search/a%3Fb" },
		{ "/", "/" },
		{ "//", "/" },
		{ "/.", "/" },
		{ "/a//", "/a/" },
		{ "/a;x/b;y=1", "/a/b" },
		{ "/a/..;x/b", "/b" },
		{ "/a/%2e%2e%3bx/b", "/b" },
		{ "/a/;x", "/a/" },
		{ "/a/...", "/a/..." },
		{ "/a/%252e%252e/b", "/a/%252e%252e/b" },
		{ "/a\\..\\b", "/a%5C..%5Cb" },
		{ "/caf%c3%a9", "/caf%C3%A9" },
		{ "/%61%2D%7E", "/a-~" },
		{ "/a%20b", "/a%20b" },
		{ "", NULL },
		{ "*", NULL },
		{ "a/b", NULL },
		{ "?x", NULL },
		{ "/a#b", NULL },
		{ "/a%", NULL },
		{ "/a%4", NULL },
		{ "/a%4g", NULL },
		{ "/a b", NULL },
		{ "/caf\xc3\xa9", NULL },
		{ "/a\x7f", NULL },
		{ "ftp://host/a", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_target(rows[i][0], false, rows[i][1], NULL);
}

TEST(target, encoded_slash_by_opt_in)
{
	check_target("/a/%2f/b", true, "/a/%2F/b", NULL);
	check_target("/a%2Fb", true, "/a%2Fb", NULL);
	check_target("/a/..%2fb", true, NULL, NULL);
	check_target("/a/b%2f%2e%2e", true, NULL, NULL);
	check_target("/a/x%2f.%2fy", true, NULL, NULL);
	check_target("/a/%2f../b", true, NULL, NULL);
}

TEST(target, query_is_kept_verbatim)
{
	check_target("/a/../b?x=%2e%2e/;?y", false, "/b", "x=%2e%2e/;?y");
	check_target("/a?", false, "/a", "");
	check_target("http://h?x=1", false, "/", "x=1");
	check_target("http://h/p?u=http://a@b/", false, "/p", "u=http://a@b/");
	check_target("/a?b\x01", false, NULL, NULL);
	check_target("/a?b#c", false, NULL, NULL);
}

TEST(target, length_bounds)
{
	static char text[TARGET_MAX + 2];
	struct target t;
	struct err e;

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	CHECK_INT(target_canonical(
		      (struct view) { text, TARGET_PATH_MAX }, false, &t, &e),
	    ==, 0);
	target_fini(&t);
	CHECK_INT(target_canonical((struct view) { text, TARGET_PATH_MAX + 1 },
		      false, &t, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	target_fini(&t);
	/* Encoding makes it longer than the bound. */
	memset(text + 1, '"', TARGET_PATH_MAX - 1);
	CHECK_INT(target_canonical(
		      (struct view) { text, TARGET_PATH_MAX }, false, &t, &e),
	    ==, -1);
	target_fini(&t);
	text[1] = '?';
	memset(text + 2, 'q', TARGET_MAX - 1);
	CHECK_INT(
	    target_canonical((struct view) { text, TARGET_MAX }, false, &t, &e),
	    ==, 0);
	target_fini(&t);
	CHECK_INT(target_canonical(
		      (struct view) { text, TARGET_MAX + 1 }, false, &t, &e),
	    ==, -1);
	target_fini(&t);
}
