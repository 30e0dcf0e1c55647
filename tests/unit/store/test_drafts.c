/* Proposals as rows: counted, decided once, of one sandbox only. */
#include "test.h"

#include "shelf.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static void
fill(struct store_chunk *c, const char *id, const char *hash)
{
	*c = (struct store_chunk) { .id = TEXT(id),
		.draft_version = 3,
		.rule_name = TEXT("allow_one"),
		.rule = TEXT("\x0a\0b"),
		.n_rule = 3,
		.rule_hash = TEXT(hash),
		.rationale = TEXT("why"),
		.security_notes = TEXT(""),
		.stage = TEXT("initial"),
		.confidence = 0.65,
		.host = TEXT("api.example.com"),
		.binary = TEXT("/usr/bin/curl"),
		.port = 443,
		.hit_count = 2,
		.first_seen_ms = 10,
		.last_seen_ms = 20,
		.created_ms = 30,
		.validation = TEXT("") };
}

static void
add(struct shelf *t, const char *box, const char *id, const char *hash,
    int64_t created_ms)
{
	struct store_chunk c;
	struct err e = { 0 };

	fill(&c, id, hash);
	c.created_ms = created_ms;
	if (store_chunk_add(t->s, box, &c, &e) < 0)
		fail_msg("%s", e.text);
}

static int
take(void *ctx, const struct store_chunk *c)
{
	buf_printf(ctx, "%s:%s,", c->id, store_chunk_word(c->status));
	return 0;
}

static const char *
listed(struct shelf *t, const char *box, const char *status, struct buf *b)
{
	struct err e = { 0 };

	buf_reset(b);
	CHECK_INT(store_chunk_list(t->s, box, status, take, b, &e), ==, 0);
	return buf_str(b);
}

/* The code of the failure, or ERR_NONE. */
static enum err_code
decide(struct shelf *t, const char *box, const char *id,
    enum store_chunk_status was, enum store_chunk_status to)
{
	struct store_chunk c;
	struct err e = { 0 };

	fill(&c, id, "");
	c.status = to;
	c.decided_ms = 40;
	c.reject_reason = TEXT("no");
	c.merge_rule = TEXT("r");
	c.merge_added = TEXT("version: 1");
	c.merge_parts = TEXT("0");
	return store_chunk_decide(t->s, box, &c, was, &e) < 0 ? e.code
							      : ERR_NONE;
}

TEST(drafts, a_proposal_is_given_back_as_it_was_stored)
{
	struct store_chunk c, is = { 0 };
	struct err e = { 0 };
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	add(&t, "box", "one", "h1", 30);
	shelf_again(&t);
	fill(&c, "one", "h1");
	CHECK_INT(store_chunk_get(t.s, "box", "one", &is, &e), ==, 0);
	CHECK_STR(is.rule_name, c.rule_name);
	CHECK_INT(is.n_rule, ==, 3);
	CHECK(memcmp(is.rule, c.rule, 3) == 0);
	CHECK_STR(is.host, c.host);
	CHECK_STR(is.binary, c.binary);
	CHECK_STR(is.stage, c.stage);
	CHECK_STR(is.merge_rule, "");
	CHECK_INT(is.port, ==, 443);
	CHECK_INT(is.confidence * 100, ==, 65);
	CHECK_INT(is.status, ==, CHUNK_PENDING);
	CHECK_INT(is.decided_ms, ==, 0);
	store_chunk_fini(&is);
	/* Attack: a proposal of one sandbox decided under another's name. */
	CHECK_INT(store_chunk_get(t.s, "other", "one", &is, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_INT(store_chunk_get(t.s, "box", "", &is, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	shelf_end(&t);
}

TEST(drafts, the_same_again_is_counted_and_another_path_is_another)
{
	enum store_chunk_status st = CHUNK_PENDING;
	struct store_chunk_counts n;
	struct store_chunk c, is = { 0 };
	char id[STORE_ID_SIZE] = "";
	struct err e = { 0 };
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	add(&t, "box", "one", "h1", 30);
	fill(&c, "two", "h1");
	c.last_seen_ms = 90;
	CHECK_INT(decide(&t, "box", "one", CHUNK_PENDING, CHUNK_REJECTED), ==,
	    ERR_NONE);
	CHECK_INT(store_chunk_again(t.s, "box", &c, id, &st, &e), ==, 1);
	CHECK_STR(id, "one");
	CHECK_INT(st, ==, CHUNK_REJECTED);
	CHECK_INT(store_chunk_get(t.s, "box", "one", &is, &e), ==, 0);
	CHECK_INT(is.hit_count, ==, 4);
	CHECK_INT(is.last_seen_ms, ==, 90);
	store_chunk_fini(&is);
	c.rule_hash = TEXT("h2");
	CHECK_INT(store_chunk_again(t.s, "box", &c, id, &st, &e), ==, 0);
	CHECK_INT(store_chunk_again(t.s, "other", &c, id, &st, &e), ==, 0);
	add(&t, "box", "two", "h2", 31);
	CHECK_INT(store_chunk_counts(t.s, "box", &n, &e), ==, 0);
	CHECK_INT(n.all, ==, 2);
	CHECK_INT(n.pending, ==, 1);
	CHECK_INT(n.draft_version, ==, 3);
	shelf_end(&t);
}

TEST(drafts, newest_first_by_status_and_cleared_while_they_wait)
{
	AUTO_BUF struct buf b = BUF_INIT(1024);
	unsigned cleared = 0;
	struct err e = { 0 };
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	add(&t, "box", "one", "h1", 30);
	add(&t, "box", "two", "h2", 31);
	add(&t, "box", "three", "h3", 31);
	add(&t, "other", "four", "h1", 50);
	CHECK_INT(decide(&t, "box", "one", CHUNK_PENDING, CHUNK_APPROVED), ==,
	    ERR_NONE);
	CHECK_STR(listed(&t, "box", "", &b),
	    "three:pending,two:pending,one:approved,");
	CHECK_STR(
	    listed(&t, "box", "pending", &b), "three:pending,two:pending,");
	CHECK_STR(listed(&t, "box", "no such", &b), "");
	CHECK_INT(store_chunks_clear(t.s, "box", &cleared, &e), ==, 0);
	CHECK_INT(cleared, ==, 2);
	CHECK_STR(listed(&t, "box", "", &b), "one:approved,");
	CHECK_STR(listed(&t, "other", "", &b), "four:pending,");
	shelf_end(&t);
}

TEST(drafts, one_decision_of_two_at_once_is_refused)
{
	struct store_chunk is = { 0 };
	struct err e = { 0 };
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	add(&t, "box", "one", "h1", 30);
	CHECK_INT(decide(&t, "other", "one", CHUNK_PENDING, CHUNK_APPROVED), ==,
	    ERR_AGAIN);
	CHECK_INT(decide(&t, "box", "one", CHUNK_PENDING, CHUNK_APPROVED), ==,
	    ERR_NONE);
	CHECK_INT(decide(&t, "box", "one", CHUNK_PENDING, CHUNK_REJECTED), ==,
	    ERR_AGAIN);
	CHECK_INT(store_chunk_get(t.s, "box", "one", &is, &e), ==, 0);
	CHECK_INT(is.status, ==, CHUNK_APPROVED);
	CHECK_INT(is.decided_ms, ==, 40);
	CHECK_STR(is.merge_rule, "r");
	CHECK_STR(is.merge_added, "version: 1");
	CHECK_STR(is.merge_parts, "0");
	CHECK_STR(is.reject_reason, "no");
	store_chunk_fini(&is);
	shelf_end(&t);
}

TEST(drafts, an_edit_replaces_what_waits_and_nothing_else)
{
	struct store_chunk c, is = { 0 };
	struct err e = { 0 };
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	add(&t, "box", "one", "h1", 30);
	add(&t, "box", "two", "h2", 30);
	fill(&c, "one", "h2");
	CHECK_INT(store_chunk_edit(t.s, "box", &c, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_EXISTS);
	fill(&c, "one", "h3");
	c.host = TEXT("other.example.com");
	c.validation = TEXT("seen");
	CHECK_INT(store_chunk_edit(t.s, "other", &c, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	CHECK_INT(store_chunk_edit(t.s, "box", &c, &e), ==, 0);
	CHECK_INT(store_chunk_get(t.s, "box", "one", &is, &e), ==, 0);
	CHECK_STR(is.host, "other.example.com");
	CHECK_STR(is.validation, "seen");
	store_chunk_fini(&is);
	CHECK_INT(decide(&t, "box", "one", CHUNK_PENDING, CHUNK_APPROVED), ==,
	    ERR_NONE);
	CHECK_INT(store_chunk_edit(t.s, "box", &c, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	shelf_end(&t);
}
