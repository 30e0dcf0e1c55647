#include "test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "secrets/reflect.h"
#include "secrets/rewrite.h"

static struct err e;
static struct creds creds;
static struct cred one[4];

static struct reflect *
matcher(const char *a, const char *b)
{
	const char *const values[] = { a, b };
	struct reflect *r = NULL;

	creds = (struct creds) { .v = one };
	for (size_t i = 0; i < 2; i++)
		if (values[i] != NULL)
			one[creds.n++].value = view_of(values[i]);
	CHECK_INT(reflect_new(&creds, NULL, &r, &e), ==, 0);
	return r;
}

/* Fed in pieces of `step` bytes, as a proxy does. */
static const char *
masked(const struct reflect *r, struct view in, size_t step, size_t *count)
{
	static char held[4096], out[4096];
	size_t n = 0, done = 0, safe;

	*count = 0;
	for (size_t i = 0; i < in.n; i += step) {
		size_t piece = MIN(step, in.n - i);

		memcpy(held + n, in.p + i, piece);
		n += piece;
		*count += reflect_mask(r, held, n, i + piece == in.n, &safe);
		memcpy(out + done, held, safe);
		done += safe;
		memmove(held, held + safe, n - safe);
		n -= safe;
	}
	CHECK_INT(n, ==, 0);
	CHECK_INT(done, ==, in.n);
	out[done] = '\0';
	return out;
}

TEST(reflect, finds_a_value_however_it_is_cut)
{
	struct reflect *r = matcher("ghp_0123456789abcdef", "sk-abcdefgh");
	struct view in = VIEW("x ghp_0123456789abcdef, ghp_0123456789abcde; "
			      "sk-abcdefghsk-abcdefgh g");
	size_t count;

	for (size_t step = 1; step <= in.n; step++) {
		CHECK_STR(masked(r, in, step, &count),
		    "x ********************, ghp_0123456789abcde; "
		    "********************** g");
		CHECK_INT(count, ==, 3);
	}
	CHECK(reflect_has(r, VIEW("a=sk-abcdefgh")));
	CHECK(!reflect_has(r, VIEW("a=sk-abcdefg")));
	CHECK(!reflect_has(r, VIEW("")));
	reflect_free(r);
}

TEST(reflect, of_two_that_begin_alike_the_longer_is_masked)
{
	struct reflect *r = matcher("token-12", "token-12-and-more");
	struct view in = VIEW("token-12 token-12-and-more token-12-and-mor");
	size_t count;

	for (size_t step = 1; step <= in.n; step++)
		CHECK_STR(masked(r, in, step, &count),
		    "******** ***************** ********-and-mor");
	reflect_free(r);
}

TEST(reflect, knows_other_spellings_of_a_value)
{
	struct reflect *r = matcher("s3cret&pass/word\"", NULL);
	AUTO_BUF struct buf b = BUF_INIT(256);
	size_t count;

	CHECK_STR(masked(r, VIEW("q=s3cret%26pass%2Fword%22&"), 5, &count),
	    "q=***********************&");
	CHECK_STR(
	    masked(r, VIEW("{\"k\":\"s3cret&pass/word\\\"\"}"), 5, &count),
	    "{\"k\":\"******************\"}");
	/* Basic, with users of any length before it and more behind. */
	for (size_t lead = 0; lead < 7; lead++) {
		buf_reset(&b);
		AUTO_BUF struct buf plain = BUF_INIT(64);
		buf_put(&plain, view_slice(VIEW("user12:"), 7 - lead, 7));
		buf_puts(&plain, "s3cret&pass/word\"tail");
		base64_encode(buf_view(&plain), &b);
		(void)masked(r, buf_view(&b), 3, &count);
		CHECK_INT(count, ==, 1);
	}
	reflect_free(r);
}

TEST(reflect, short_values_are_not_looked_for)
{
	CHECK(matcher("1234567", NULL) == NULL);
	CHECK(matcher(NULL, NULL) == NULL);
}

/* Against a search that compares at every place. */
TEST(reflect, agrees_with_a_plain_search)
{
	struct reflect *r = matcher("abababab", "babbabab");
	char text[256], want[257];
	size_t count;

	srand(1);
	for (unsigned round = 0; round < 2000; round++) {
		size_t n = 1 + (size_t)rand() % (sizeof(text) - 1);

		for (size_t i = 0; i < n; i++)
			text[i] = (char)('a' + (rand() & 1));
		memcpy(want, text, n);
		want[n] = '\0';
		for (size_t i = 0; i + 8 <= n;)
			if (memcmp(text + i, "abababab", 8) == 0 ||
			    memcmp(text + i, "babbabab", 8) == 0) {
				memset(want + i, '*', 8);
				i += 8;
			} else {
				i++;
			}
		CHECK_STR(
		    masked(r, (struct view) { text, n }, 1 + round % 9, &count),
		    want);
	}
	reflect_free(r);
}

/* A credential that was changed while an answer is under way. */
TEST(reflect, what_was_there_before_is_looked_for_too)
{
	struct cred was[] = { { .key = VIEW("A"),
				  .value = VIEW("old-value-1") },
		{ .key = VIEW("B"), .value = VIEW("unchanged") } };
	struct cred is[] = { { .key = VIEW("A"), .value = VIEW("new-value-2") },
		{ .key = VIEW("B"), .value = VIEW("unchanged") } };
	const struct creds before = { .v = was, .n = 2 };
	const struct creds now = { .v = is, .n = 2 };
	struct reflect *r = NULL;
	size_t count;

	CHECK_INT(reflect_new(&now, &before, &r, &e), ==, 0);
	CHECK_STR(
	    masked(r, VIEW("old-value-1 new-value-2 unchanged"), 4, &count),
	    "*********** *********** *********");
	CHECK_INT(count, ==, 3);
	reflect_free(r);
	CHECK_INT(reflect_new(&(struct creds) { 0 }, &before, &r, &e), ==, 0);
	CHECK(reflect_has(r, VIEW("x old-value-1")));
	reflect_free(r);
	CHECK_INT(reflect_new(NULL, NULL, &r, &e), ==, 0);
	CHECK(r == NULL);
}
