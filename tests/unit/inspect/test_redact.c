#include "inspect/redact.h"

#include "inspect/jdoc.h"
#include "test.h"

static void
check(const char *in, const char *want, size_t n)
{
	struct view v = view_of(in);
	AUTO_BUF struct buf out = BUF_INIT(redact_room(v.n));
	size_t found = redact_tokens(v, &out);

	if (found != n)
		fail_msg("%s: found %zu, not %zu", in, found, n);
	CHECK(!out.full);
	CHECK_STR(n > 0 ? buf_str(&out) : in, want);
}

TEST(redact, takes_tokens_out)
{
	check("sk-abcdef", "[REDACTED]", 1);
	check("key=sk-proj-A_b-C9d8e7f6, other", "key=[REDACTED], other", 1);
	check("\"sk-ant-api03-xyz\",\"sk-123456\"",
	    "\"[REDACTED]\",\"[REDACTED]\"", 2);
	check("x_sk-abcdef", "x_[REDACTED]", 1);
	check("sk-sk-sk-sk-", "[REDACTED]", 1);
}

TEST(redact, leaves_the_rest_alone)
{
	static const char *const same[] = { "", "sk-", "sk-abcde", "sk-SK",
		"task-abcdefgh", "SK-abcdefgh", "9sk-abcdefgh", "sk_abcdefgh",
		"sk-OPENSHELL-RESOLVE-ENV-OPENAI_API_KEY", "\\u0073" };

	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		check(same[i], same[i], 0);
}

/* Attack: a secret written behind the name of a placeholder. */
TEST(redact, knows_a_placeholder_from_what_looks_like_one)
{
	check("sk-OPENSHELL-RESOLVE-ENV-A-sk-secret99", "[REDACTED]", 1);
	check("sk-OPENSHELL-RESOLVE-ENV-", "[REDACTED]", 1);
}

/* Attack: the same token in the spelling of the format. */
TEST(redact, reads_escapes)
{
	check("\"\\u0073k-abcdef\"", "\"[REDACTED]\"", 1);
	check("\"sk\\u002dabcd\\u0065f\"", "\"[REDACTED]\"", 1);
	check("\"a\\nsk-abcdef\"", "\"a\\n[REDACTED]\"", 1);
	check("\"\\\\u0073k-abcdef\"", "\"\\\\u0073k-abcdef\"", 0);
	check("k=sk%2Dabcdef&b=1", "k=[REDACTED]&b=1", 1);
	check("k=%73%6B%2dabc%64ef", "k=[REDACTED]", 1);
	check("a%20sk-abcdef", "a%20[REDACTED]", 1);
}

TEST(redact, keeps_json_valid)
{
	static const char *const texts[] = {
		"{\"a\":[\"sk-abcdef\",\"\\u0073k-abcdef\\\"\"],\"sk-keykey\":"
		"1}",
		"[\"\\\\sk-abcdef\\\\\",\"\\ud83d\\ude00sk-abcdef\"]",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct view v = view_of(texts[i]);
		AUTO_BUF struct buf out = BUF_INIT(redact_room(v.n));
		struct jdoc doc = { 0 };
		struct err e;

		CHECK(redact_tokens(v, &out) > 0);
		CHECK_INT(jdoc_parse(buf_view(&out), &doc, &e), ==, 0);
		jdoc_fini(&doc);
	}
}
