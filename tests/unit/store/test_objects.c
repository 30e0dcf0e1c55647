#include "test.h"

#include "shelf.h"

static void
put(struct shelf *t, const char *id, const char *name, int64_t when)
{
	struct err e = { 0 };

	CHECK_INT(
	    store_object_insert(t->s, "sandbox", id, name, VIEW("p"), when, &e),
	    ==, 0);
}

static int
take_name(void *ctx, const struct store_object *o)
{
	struct buf *b = ctx;

	buf_printf(b, "%s,", o->name);
	return 0;
}

static int
take_one(void *ctx, const struct store_object *o)
{
	(void)take_name(ctx, o);
	return 1;
}

TEST(objects, are_listed_by_creation_with_limit_and_offset)
{
	struct shelf t;
	struct err e = { 0 };
	AUTO_BUF struct buf b = BUF_INIT(256);

	shelf_make(&t);
	shelf_open(&t);
	put(&t, "5", "e", 50);
	put(&t, "3", "c", 30);
	put(&t, "2", "b", 20);
	put(&t, "4", "d", 30);
	put(&t, "1", "a", 10);
	CHECK_INT(
	    store_object_list(t.s, "sandbox", 2, 1, take_name, &b, &e), ==, 0);
	CHECK_STR(buf_str(&b), "b,c,");
	buf_reset(&b);
	CHECK_INT(
	    store_object_list(t.s, "sandbox", UINT32_MAX, 0, take_name, &b, &e),
	    ==, 0);
	CHECK_STR(buf_str(&b), "a,b,c,d,e,");
	buf_reset(&b);
	CHECK_INT(
	    store_object_list(t.s, "sandbox", 5, 0, take_one, &b, &e), ==, 0);
	CHECK_INT(
	    store_object_list(t.s, "provider", 5, 0, take_one, &b, &e), ==, 0);
	CHECK_STR(buf_str(&b), "a,");
	shelf_end(&t);
}

TEST(objects, a_taken_name_or_id_is_refused_and_the_first_stays)
{
	struct shelf t;
	struct store_object o;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	put(&t, "1", "demo", 10);
	CHECK_INT(
	    store_object_insert(t.s, "sandbox", "2", "demo", VIEW("q"), 20, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_EXISTS);
	CHECK_HAS(e.text, "'demo'");
	/* The same id of another type. */
	CHECK_INT(store_object_insert(
		      t.s, "provider", "1", "other", VIEW("q"), 20, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_EXISTS);
	CHECK_INT(store_object_update(
		      t.s, "provider", "1", VIEW("q"), 0, 20, NULL, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_INT(store_object_by_id(t.s, "sandbox", "1", &o, &e), ==, 0);
	CHECK_STR(o.name, "demo");
	CHECK_VIEW(((struct view) { o.payload, o.n }), "p");
	CHECK_INT(o.updated_ms, ==, 10);
	store_object_fini(&o);
	/* The same name of another type is fine. */
	CHECK_INT(
	    store_object_insert(t.s, "provider", "2", "demo", VIEW(""), 20, &e),
	    ==, 0);
	CHECK_INT(store_object_by_name(t.s, "provider", "demo", &o, &e), ==, 0);
	CHECK_INT(o.n, ==, 0);
	store_object_fini(&o);
	CHECK_INT(
	    store_object_by_name(t.s, "provider", "Demo", &o, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	shelf_end(&t);
}

TEST(objects, an_update_of_another_version_changes_nothing)
{
	struct shelf t;
	struct store_object o;
	uint64_t v = 0;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	put(&t, "1", "demo", 10);
	CHECK_INT(store_object_update(
		      t.s, "sandbox", "1", VIEW("two"), 1, 20, &v, &e),
	    ==, 0);
	CHECK_INT(v, ==, 2);
	CHECK_INT(store_object_update(
		      t.s, "sandbox", "1", VIEW("late"), 1, 30, &v, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_AGAIN);
	CHECK_INT(store_object_update(t.s, "sandbox", "1",
		      (struct view) { "\0b\xff", 3 }, 0, 40, &v, &e),
	    ==, 0);
	shelf_again(&t);
	CHECK_INT(store_object_by_id(t.s, "sandbox", "1", &o, &e), ==, 0);
	CHECK_INT(o.version, ==, 3);
	CHECK_INT(o.n, ==, 3);
	CHECK(memcmp(o.payload, "\0b\xff", 3) == 0);
	CHECK_INT(o.created_ms, ==, 10);
	CHECK_INT(o.updated_ms, ==, 40);
	store_object_fini(&o);
	shelf_end(&t);
}

TEST(objects, deleting_twice_says_so)
{
	struct shelf t;
	bool existed = false;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	put(&t, "1", "demo", 10);
	CHECK_INT(
	    store_object_delete(t.s, "provider", "1", &existed, &e), ==, 0);
	CHECK(!existed);
	CHECK_INT(
	    store_object_delete(t.s, "sandbox", "1", &existed, &e), ==, 0);
	CHECK(existed);
	CHECK_INT(
	    store_object_delete(t.s, "sandbox", "1", &existed, &e), ==, 0);
	CHECK(!existed);
	shelf_end(&t);
}

TEST(objects, several_changes_are_all_or_none)
{
	struct shelf t;
	struct store_object o;
	uint32_t v;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(store_begin(t.s, &e), ==, 0);
	put(&t, "1", "demo", 10);
	/* One inside, undone alone when it fails. */
	CHECK_INT(
	    store_revision_report(t.s, "1", 9, STORE_LOADED, NULL, 10, &e), ==,
	    -1);
	CHECK_INT(store_revision_add(
		      t.s, "1", "h", VIEW("x"), STORE_PENDING, 10, &v, &e),
	    ==, 0);
	store_rollback(t.s);
	CHECK_INT(store_object_by_id(t.s, "sandbox", "1", &o, &e), ==, -1);
	CHECK_INT(store_begin(t.s, &e), ==, 0);
	put(&t, "1", "demo", 10);
	CHECK_INT(store_commit(t.s, &e), ==, 0);
	shelf_again(&t);
	CHECK_INT(store_object_by_id(t.s, "sandbox", "1", &o, &e), ==, 0);
	store_object_fini(&o);
	shelf_end(&t);
}

#define HASH_A \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

TEST(tokens, name_one_sandbox_until_changed_or_deleted)
{
	struct shelf t;
	char id[STORE_ID_SIZE];
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(store_token_set(t.s, "1", HASH_A, 5, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	put(&t, "1", "one", 10);
	put(&t, "2", "two", 10);
	CHECK_INT(store_token_set(t.s, "1", HASH_A, 5, &e), ==, 0);
	CHECK_INT(store_token_set(t.s, "2", HASH_A, 5, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_EXISTS);
	CHECK_INT(store_token_find(t.s, HASH_A, id, &e), ==, 0);
	CHECK_STR(id, "1");
	CHECK_INT(store_token_set(t.s, "1", HASH_B, 6, &e), ==, 0);
	CHECK_INT(store_token_find(t.s, HASH_A, id, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_INT(store_token_find(t.s, HASH_B, id, &e), ==, 0);
	shelf_end(&t);
}

TEST(tokens, nothing_of_a_deleted_sandbox_stays)
{
	struct shelf t;
	struct store_object o;
	struct store_revision r;
	char id[STORE_ID_SIZE];
	bool existed = false;
	uint32_t v = 0;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	put(&t, "1", "one", 10);
	put(&t, "2", "two", 10);
	CHECK_INT(store_token_set(t.s, "1", HASH_A, 5, &e), ==, 0);
	CHECK_INT(store_object_insert(t.s, "sandbox_settings", "settings:1",
		      "one", VIEW("{}"), 5, &e),
	    ==, 0);
	for (const char *at = "12"; *at != '\0'; at++) {
		char box[2] = { *at, '\0' };

		CHECK_INT(store_revision_add(t.s, box, "h", VIEW("x"),
			      STORE_PENDING, 10, &v, &e),
		    ==, 0);
	}
	CHECK_INT(store_sandbox_delete(t.s, "1", &existed, &e), ==, 0);
	CHECK(existed);
	CHECK_INT(store_token_find(t.s, HASH_A, id, &e), ==, -1);
	CHECK_INT(store_revision_get(t.s, "1", 0, &r, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_INT(
	    store_object_by_id(t.s, "sandbox_settings", "settings:1", &o, &e),
	    ==, -1);
	CHECK_INT(store_revision_get(t.s, "2", 0, &r, &e), ==, 0);
	store_revision_fini(&r);
	CHECK_INT(store_sandbox_delete(t.s, "1", &existed, &e), ==, 0);
	CHECK(!existed);
	shelf_end(&t);
}

TEST(heads, only_grow_and_go_with_their_sandbox)
{
	struct shelf t;
	struct store_head h = { .seq = 7 }, got;
	bool existed = false;
	struct err e = { 0 };

	memset(h.hash, 'a', STORE_HASH_HEX);
	shelf_make(&t);
	shelf_open(&t);
	put(&t, "1", "one", 10);
	CHECK_INT(store_head_get(t.s, "1", &got, &e), ==, 0);
	CHECK_INT(got.seq, ==, 0);
	CHECK_INT(store_head_set(t.s, "1", &h, &e), ==, 0);
	h.seq = 5;
	CHECK_INT(store_head_set(t.s, "1", &h, &e), ==, 0);
	shelf_again(&t);
	CHECK_INT(store_head_get(t.s, "1", &got, &e), ==, 0);
	CHECK_INT(got.seq, ==, 7);
	CHECK_STR(got.hash, h.hash);
	CHECK_INT(store_head_set(t.s, "nobody", &h, &e), ==, -1);
	CHECK_INT(store_sandbox_delete(t.s, "1", &existed, &e), ==, 0);
	CHECK_INT(store_head_get(t.s, "1", &got, &e), ==, 0);
	CHECK_INT(got.seq, ==, 0);
	shelf_end(&t);
}
