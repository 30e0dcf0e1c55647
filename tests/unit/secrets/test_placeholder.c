#include "test.h"

#include "secrets/placeholder.h"

TEST(placeholder, S_01_stands_in_the_environment_of_a_program)
{
	AUTO_BUF struct buf b = BUF_INIT(256);

	ph_environ(VIEW("ANTHROPIC_API_KEY"), &b);
	CHECK_VIEW(buf_view(&b),
	    "ANTHROPIC_API_KEY=openshell:resolve:env:ANTHROPIC_API_KEY");
}

TEST(placeholder, keys_are_those_of_a_shell_and_no_revision)
{
	static const char *const good[] = { "A", "_", "a1", "GITHUB_TOKEN", "v",
		"v1", "vault_key", "V1_A", "v_1" };
	static const char *const bad[] = { "", "1A", "A-B", "A B", "A.B", "A\n",
		"v1_A", "v12_", "v0_KEY", "\xc3\xa9" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(ph_key_ok(view_of(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!ph_key_ok(view_of(bad[i])));
}

TEST(placeholder, whole_ones_have_three_forms)
{
	struct ph p;

	CHECK(ph_whole(VIEW("openshell:resolve:env:KEY"), &p));
	CHECK_VIEW(p.key, "KEY");
	CHECK_INT(p.revision, ==, 0);
	CHECK(ph_whole(VIEW("openshell:resolve:env:v7_KEY"), &p));
	CHECK_VIEW(p.key, "KEY");
	CHECK_INT(p.revision, ==, 7);
	CHECK(ph_whole(VIEW("sk-ant-OPENSHELL-RESOLVE-ENV-KEY"), &p));
	CHECK_VIEW(p.key, "KEY");
	CHECK(ph_whole(VIEW("ghp_x-OPENSHELL-RESOLVE-ENV-v2_KEY"), &p));
	CHECK_INT(p.revision, ==, 2);
}

TEST(placeholder, other_texts_are_none)
{
	static const char *const bad[] = { "", "KEY",
		"openshell:resolve:env:", "openshell:resolve:env:1A",
		"openshell:resolve:env:A B", "openshell:resolve:env:A.B",
		" openshell:resolve:env:A", "openshell:resolve:env:A ",
		"openshell:resolve:env:v0_A", "openshell:resolve:env:v1_",
		"openshell:resolve:env:v99999999999999999999_A",
		"OPENSHELL:RESOLVE:ENV:A", "OPENSHELL-RESOLVE-ENV-A",
		"-OPENSHELL-RESOLVE-ENV-A", "skOPENSHELL-RESOLVE-ENV-A",
		"s k-OPENSHELL-RESOLVE-ENV-A", "sk-OPENSHELL-RESOLVE-ENV-A-B",
		"sk-OPENSHELL-RESOLVE-ENV-A-OPENSHELL-RESOLVE-ENV-B",
		"openshell:resolve:env:Aopenshell:resolve:env:B" };
	struct ph p;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!ph_whole(view_of(bad[i]), &p));
}

/* Bytes of `text` that went, `step` at a time, before a marker was seen. */
static size_t
went(struct view text, size_t step)
{
	struct ph_scan s = { .n = 0 };
	size_t at = 0;

	while (at < text.n) {
		struct view piece = view_slice(text, at, at + step);

		if (ph_scan_sees(&s, piece))
			return at;
		ph_scan_went(&s, piece);
		at += piece.n;
	}
	return at;
}

TEST(placeholder, a_marker_in_pieces_is_seen_before_it_has_gone)
{
	static const char *const marked[] = {
		"openshell:resolve:env:KEY",
		"xx openshell:resolve:env:KEY yy",
		"openshell:openshell:resolve:env:",
		"{\"a\": \"openshell:resolve:env:v1_A\"}",
		"sk-OPENSHELL-RESOLVE-ENV-KEY",
	};
	static const char *const plain[] = { "openshell:resolve:env",
		"openshell:resolve:end:openshell:resolve-env:KEY",
		"OPENSHELL-RESOLVE-ENV" };

	for (size_t i = 0; i < ARRAY_LEN(marked); i++) {
		struct view v = view_of(marked[i]);

		for (size_t step = 1; step <= v.n; step++) {
			size_t n = went(v, step);

			CHECK(n < v.n);
			CHECK(!ph_marked(view_slice(v, 0, n)));
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		for (size_t step = 1; step <= 60; step++)
			CHECK_INT(went(view_of(plain[i]), step), ==,
			    strlen(plain[i]));
}

TEST(placeholder, a_key_goes_as_far_as_it_can)
{
	struct view v = VIEW("x:openshell:resolve:env:AB_2-y");
	struct ph p;
	size_t at = 0, n = 0;

	CHECK_INT(ph_next(v, &at, &n, &p), ==, 1);
	CHECK_VIEW(p.key, "AB_2");
	CHECK_INT(at, ==, 2);
	at += n;
	CHECK_VIEW(view_slice(v, at, v.n), "-y");
	CHECK_INT(ph_next(v, &at, &n, &p), ==, 0);
	at = 0;
	CHECK_INT(
	    ph_next(VIEW("a openshell:resolve:env:9"), &at, &n, &p), ==, -1);
	at = 0;
	CHECK_INT(
	    ph_next(VIEW("a sk-OPENSHELL-RESOLVE-ENV-A"), &at, &n, &p), ==, -1);
}
