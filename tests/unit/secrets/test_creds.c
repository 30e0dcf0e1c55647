#include "test.h"

#include "base/mem.h"
#include "secrets/creds.h"
#include "secrets/rewrite.h"

static struct err e;

static int
load(struct view bytes, uint32_t revision, const struct creds *before,
    struct creds **out)
{
	struct locked mem;

	CHECK_INT(locked_new(bytes.n, &mem, &e), ==, 0);
	memcpy(mem.p, bytes.p, bytes.n);
	return creds_read(&mem, revision, before, out, &e);
}

#define C(of, name, is) \
	{ \
		.provider = VIEW(of), .type = VIEW("generic"), \
		.key = VIEW(name), .value = VIEW(is) \
	}

static struct creds *
table(const struct cred *v, size_t n, uint32_t revision,
    const struct creds *before)
{
	AUTO_RW_OUT struct buf b = BUF_INIT(0);
	struct creds *c = NULL;

	rw_out_init(&b, CREDS_BYTES_MAX);
	creds_begin(&b);
	for (size_t i = 0; i < n; i++)
		CHECK_INT(creds_add(&b, &v[i], &e), ==, 0);
	CHECK_INT(load(buf_view(&b), revision, before, &c), ==, 0);
	return c;
}

static const char *
value_of(const struct creds *c, const char *placeholder)
{
	static char text[64];
	const struct cred *found;
	struct ph p;

	CHECK(ph_whole(view_of(placeholder), &p));
	found = creds_find(c, &p);
	(void)snprintf(text, sizeof(text), "%.*s",
	    found != NULL ? (int)found->value.n : 1,
	    found != NULL ? found->value.p : "-");
	return text;
}

#define PH "openshell:resolve:env:"

TEST(creds, finds_what_was_put)
{
	const struct cred v[] = { C("p", "B", "two"), C("p", "A", "one"),
		C("q", "C", "three") };
	struct creds *c = table(v, 3, 1, NULL);

	CHECK_INT(c->n, ==, 3);
	CHECK_STR(value_of(c, PH "A"), "one");
	CHECK_STR(value_of(c, PH "B"), "two");
	CHECK_STR(value_of(c, PH "C"), "three");
	CHECK_STR(value_of(c, PH "D"), "-");
	CHECK(creds_key(c, VIEW("q"), VIEW("C")) != NULL);
	CHECK(creds_key(c, VIEW("p"), VIEW("C")) == NULL);
	creds_free(c);
	CHECK(creds_find(NULL, &(struct ph) { VIEW("A"), 0 }) == NULL);
}

TEST(creds, a_revision_lives_as_long_as_its_key)
{
	const struct cred one[] = { C("p", "A", "old"), C("p", "B", "b") };
	const struct cred two[] = { C("p", "A", "new") };
	const struct cred three[] = { C("p", "A", "new"), C("p", "B", "b3") };
	const struct cred four[] = { C("q", "A", "other") };
	struct creds *c1 = table(one, 2, 1, NULL), *c2, *c3, *c4;

	CHECK_STR(value_of(c1, PH "v1_A"), "old");
	CHECK_STR(value_of(c1, PH "v2_A"), "-");
	c2 = table(two, 1, 2, c1);
	/* Rotated: who began with the old one goes on with the new. */
	CHECK_STR(value_of(c2, PH "v1_A"), "new");
	CHECK_STR(value_of(c2, PH "v2_A"), "new");
	CHECK_STR(value_of(c2, PH "v1_B"), "-");
	c3 = table(three, 2, 3, c2);
	/* Taken away and made again: it is another. */
	CHECK_STR(value_of(c3, PH "v1_B"), "-");
	CHECK_STR(value_of(c3, PH "v3_B"), "b3");
	CHECK_STR(value_of(c3, PH "B"), "b3");
	c4 = table(four, 1, 4, c3);
	CHECK_STR(value_of(c4, PH "v3_A"), "-");
	CHECK_STR(value_of(c4, PH "v4_A"), "other");
	creds_free(c1);
	creds_free(c2);
	creds_free(c3);
	creds_free(c4);
}

/* No reason why it is absent, no end, put where it is named. */
#define PLAIN "\0\0\0\0\0\0\0\0\0\0\0"
#define K_IS_V "\0\1p\0\1t\0\1K\0\1v"

TEST(creds, refuses_what_is_malformed)
{
	static const struct {
		struct view bytes;
	} bad[] = { { VIEW("") }, { VIEW("OSC") }, { VIEW("OSC1") },
		{ VIEW("OSC2\0") }, { VIEW("OSC2\0\1p\0\1t\0\1K\0\0" PLAIN) },
		{ VIEW("OSC2\0\1p\0\1t\0\1K\0\2v") }, { VIEW("OSC2" K_IS_V) },
		{ VIEW("OSC2" K_IS_V PLAIN "x") },
		{ VIEW("OSC2\0\0\0\1t\0\1K\0\1v" PLAIN) },
		{ VIEW("OSC2\0\1p\0\0\0\1K\0\1v" PLAIN) },
		{ VIEW("OSC2\0\1p\0\1t\0\0\0\1v" PLAIN) },
		{ VIEW("OSC2\0\1p\0\1t\0\1"
		       "9\0\1v" PLAIN) },
		{ VIEW("OSC2\0\1p\0\1t\0\4v1_A\0\1v" PLAIN) },
		{ VIEW("OSC2\0\1p\0\1t\0\1K\0\3a\nb" PLAIN) },
		{ VIEW("OSC2\0\1p\0\1t\0\1K\0\3a\0b" PLAIN) },
		{ VIEW("OSC2" K_IS_V PLAIN "\0\1q\0\1t\0\1K\0\1w" PLAIN) },
		/* Absent, and there; no end that can be; no such way. */
		{ VIEW("OSC2" K_IS_V "\0\1r\0\0\0\0\0\0\0\0\0") },
		{ VIEW("OSC2" K_IS_V "\0\0\x80\0\0\0\0\0\0\0\0") },
		{ VIEW("OSC2" K_IS_V "\0\0\0\0\0\0\0\0\0\0\2") } };
	struct creds *c = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(load(bad[i].bytes, 1, NULL, &c), ==, -1);
		CHECK(e.text[0] != '\0');
	}
	CHECK_INT(load(VIEW("OSC2"), 1, NULL, &c), ==, 0);
	CHECK_INT(c->n, ==, 0);
	creds_free(c);
	CHECK_INT(load(VIEW("OSC2" K_IS_V PLAIN), 1, NULL, &c), ==, 0);
	creds_free(c);
}

TEST(creds, one_that_is_absent_or_over_is_not_usable)
{
	const struct cred v[] = { C("p", "A", "a"),
		{ .provider = VIEW("p"),
		    .type = VIEW("generic"),
		    .key = VIEW("B"),
		    .absent = VIEW("the agent is away") },
		{ .provider = VIEW("p"),
		    .type = VIEW("generic"),
		    .key = VIEW("C"),
		    .value = VIEW("c"),
		    .ends_ms = 1000,
		    .put = CRED_BEARER } };
	struct creds *c = table(v, 3, 1, NULL);

	CHECK_INT(cred_usable(&c->v[0], 1LL << 60, &e), ==, 0);
	CHECK_INT(cred_usable(&c->v[1], 0, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	CHECK_STR(e.text,
	    "credential B of provider 'p' is not available: the agent is away");
	CHECK_INT(c->v[2].put, ==, CRED_BEARER);
	CHECK_INT(cred_usable(&c->v[2], 999, &e), ==, 0);
	CHECK_INT(cred_usable(&c->v[2], 1000, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	creds_free(c);
}

TEST(creds, what_does_not_fit_is_said)
{
	const struct cred c = C("p", "A", "0123456789");
	const struct cred lines = C("p", "A", "a\nb");
	AUTO_BUF struct buf b = BUF_INIT(20);

	creds_begin(&b);
	CHECK_INT(creds_add(&b, &c, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_LIMIT);
	CHECK_INT(creds_add(&b, &lines, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_INVALID);
}
