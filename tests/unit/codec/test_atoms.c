#include "test.h"

#include "codec/atoms.h"

/* What was found, a line each: "word 101" (the sets it is in). */
struct told {
	struct buf out;
	size_t n;
	bool first_only;
};

static bool
tell(void *ctx, struct view word, const uint64_t *in)
{
	struct told *t = ctx;

	buf_put(&t->out, word);
	buf_putc(&t->out, ' ');
	for (size_t i = 0; i < t->n; i++)
		buf_putc(&t->out, atoms_in(in, i) ? '1' : '0');
	buf_putc(&t->out, '\n');
	return t->first_only;
}

enum { SETS_MAX = 8 };

/* rows: "M/a*" (must), "S..." (some), "F..." (free). */
static int
find(const char *const *rows, size_t longest, uint64_t steps, struct told *t,
    struct err *e)
{
	struct glob *globs[SETS_MAX] = { NULL };
	struct atoms_set sets[SETS_MAX];
	struct atoms_query q = { .v = sets, .longest = longest };
	struct atoms_budget budget = { steps };
	int rc;

	for (; rows[q.n] != NULL; q.n++) {
		const char *row = rows[q.n];

		CHECK_INT(
		    glob_new(view_of(row + 1), '/', &globs[q.n], e), ==, 0);
		sets[q.n] = (struct atoms_set) {
			automaton_of_glob(globs[q.n]),
			*row == 'M'   ? ATOMS_MUST
			: *row == 'S' ? ATOMS_SOME
				      : ATOMS_FREE,
		};
	}
	t->n = q.n;
	t->out = BUF_INIT(4096);
	rc = atoms_find(&q, &budget, tell, t, e);
	for (size_t i = 0; i < q.n; i++) {
		automaton_free(sets[i].a);
		glob_free(globs[i]);
	}
	return rc;
}

TEST(atoms, each_piece_is_told_once_with_a_shortest_word)
{
	static const struct {
		const char *rows[SETS_MAX];
		const char *told;
	} cases[] = {
		{ { "M/**", "F/a*" }, "/ 10\n/a 11\n" },
		{ { "M/a*", "M/*b" }, "/ab 11\n" }, { { "M/a", "M/b" }, "" },
		{ { "Sa", "Sb", "F?" }, "a 101\nb 011\n" },
		{ { "Sa*", "Sb", "M??" }, "aa 101\n" },
		{ { "M[0-9]?", "F*x", "F1*" },
		    "0a 100\n0x 110\n1a 101\n1x 111\n" },
		{ { "M{x,yy}{x,yy}", "Fxx" }, "xx 11\nxyy 10\n" },
		{ { "M[/]" }, "" }, /* a class never matches the delimiter */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct told t = { 0 };
		struct err e;

		CHECK_INT(find(cases[i].rows, 64, 1 << 20, &t, &e), ==, 0);
		CHECK_STR(buf_str(&t.out), cases[i].told);
		buf_fini(&t.out);
	}
}

TEST(atoms, words_have_a_greatest_length)
{
	static const char *const rows[] = { "M????", NULL };
	struct told t = { 0 };
	struct err e;

	CHECK_INT(find(rows, 3, 1 << 20, &t, &e), ==, 0);
	CHECK_STR(buf_str(&t.out), "");
	CHECK_INT(find(rows, 4, 1 << 20, &t, &e), ==, 0);
	CHECK_STR(buf_str(&t.out), "aaaa 1\n");
	buf_fini(&t.out);
}

TEST(atoms, stops_when_it_is_told_to)
{
	static const char *const rows[] = { "M/**", "F/a*", NULL };
	struct told t = { .first_only = true };
	struct err e;

	CHECK_INT(find(rows, 64, 1 << 20, &t, &e), ==, 0);
	CHECK_STR(buf_str(&t.out), "/ 10\n");
	buf_fini(&t.out);
}

TEST(atoms, gives_up_at_its_bounds)
{
	static const char *const rows[] = { "M/**", "F/*a*", NULL };
	/* Two to the thirteenth power of states, and more. */
	static const char *const wide[] = { "M*a????????????????", NULL };
	struct told t = { 0 };
	struct err e;

	CHECK_INT(find(rows, 64, 10, &t, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_HAS(e.text, "not known");
	buf_fini(&t.out);
	CHECK_INT(find(wide, 64, 1 << 30, &t, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_HAS(e.text, "states");
	buf_fini(&t.out);
}

/* "/x/y" by what x and y are; NULL: any but the empty one. */
TEST(atoms, a_pair_is_of_two_segments_each_with_its_own_pattern)
{
	static const struct {
		const char *first, *second, *among, *told;
	} cases[] = {
		{ "a*", "b", "/**", "/a/b 11\n" },
		{ "**", "{c,cd}", "/?/?", "/a/c 11\n" },
		{ NULL, NULL, "/?/?", "/a/a 11\n" },
		{ NULL, NULL, "{/,//,/a,/a/,/a/b/,/a/b/c,a/b,/x/y}",
		    "/x/y 11\n" },
		{ "", "x", "/**", "//x 11\n" },
		{ NULL, "", "/*/**", "/a/ 11\n" },
		/* With '.' as its delimiter, a '*' is no way past a '/'. */
		{ "*", "*", "/?/?/*", "" },
		{ "a.*", "*", "/a.?/?.?", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const text[] = { cases[i].first, cases[i].second,
			cases[i].among };
		struct glob *globs[3] = { NULL };
		struct automaton *v[4] = { NULL };
		struct atoms_set sets[2];
		struct atoms_query q = { sets, 2, 64 };
		struct atoms_budget budget = { 1 << 20 };
		struct told t = { .n = 2, .out = BUF_INIT(4096) };
		struct err e;

		for (size_t k = 0; k < 3; k++)
			if (text[k] != NULL) {
				CHECK_INT(glob_new(view_of(text[k]),
					      k < 2 ? '.' : '/', &globs[k], &e),
				    ==, 0);
				v[k] = automaton_of_glob(globs[k]);
			}
		v[3] = automaton_of_pair(v[0], v[1]);
		sets[0] = (struct atoms_set) { v[3], ATOMS_MUST };
		sets[1] = (struct atoms_set) { v[2], ATOMS_MUST };
		CHECK_INT(atoms_find(&q, &budget, tell, &t, &e), ==, 0);
		if (strcmp(buf_str(&t.out), cases[i].told) != 0)
			fail_msg("%zu: %s", i, buf_str(&t.out));
		buf_fini(&t.out);
		for (size_t k = 0; k < 4; k++)
			automaton_free(v[k]);
		for (size_t k = 0; k < 3; k++)
			glob_free(globs[k]);
	}
}
