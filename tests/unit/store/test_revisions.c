#include "test.h"

#include "shelf.h"

static uint32_t
add(struct shelf *t, enum store_revision_status status)
{
	uint32_t v = 0;
	struct err e = { 0 };

	CHECK_INT(store_revision_add(
		      t->s, "box", "hash", VIEW("body"), status, 7, &v, &e),
	    ==, 0);
	return v;
}

static int
report(struct shelf *t, uint32_t v, enum store_revision_status status)
{
	struct err e = { 0 };
	int rc = store_revision_report(t->s, "box", v, status, "why", 9, &e);

	if (rc < 0)
		CHECK_INT(e.code, ==, ERR_AGAIN);
	return rc;
}

static enum store_revision_status
status_of(struct shelf *t, uint32_t v)
{
	struct store_revision r;
	enum store_revision_status s;
	struct err e = { 0 };

	CHECK_INT(store_revision_get(t->s, "box", v, &r, &e), ==, 0);
	s = r.status;
	store_revision_fini(&r);
	return s;
}

static uint32_t
wanted(struct shelf *t)
{
	struct store_revision r;
	uint32_t v;
	struct err e = { 0 };

	CHECK_INT(store_revision_wanted(t->s, "box", &r, &e), ==, 0);
	v = r.version;
	store_revision_fini(&r);
	return v;
}

static int
take(void *ctx, const struct store_revision *r)
{
	CHECK(r->payload == NULL);
	buf_printf(ctx, "%u:%d,", (unsigned)r->version, (int)r->status);
	return 0;
}

TEST(revisions, older_ones_are_superseded_and_listed_newest_first)
{
	struct shelf t;
	struct store_revision r;
	unsigned changed = 0;
	struct err e = { 0 };
	AUTO_BUF struct buf b = BUF_INIT(256);

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(add(&t, STORE_LOADED), ==, 1);
	CHECK_INT(add(&t, STORE_PENDING), ==, 2);
	CHECK_INT(add(&t, STORE_PENDING), ==, 3);
	CHECK_INT(store_revision_supersede(t.s, "box", 3, &changed, &e), ==, 0);
	CHECK_INT(changed, ==, 2);
	CHECK_INT(status_of(&t, 3), ==, STORE_PENDING);
	CHECK_INT(store_revision_list(t.s, "box", 2, 0, take, &b, &e), ==, 0);
	CHECK_STR(buf_str(&b), "3:1,2:4,");
	CHECK_INT(store_revision_get(t.s, "box", 99, &r, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_INT(store_revision_get(t.s, "box", 0, &r, &e), ==, 0);
	CHECK_INT(r.version, ==, 3);
	CHECK_STR(r.hash, "hash");
	CHECK_VIEW(((struct view) { r.payload, r.n }), "body");
	CHECK_INT(r.created_ms, ==, 7);
	CHECK_INT(r.loaded_ms, ==, 0);
	CHECK(r.load_error == NULL);
	store_revision_fini(&r);
	shelf_end(&t);
}

TEST(revisions, one_is_superseded_when_a_newer_one_is_loaded_not_before)
{
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	(void)add(&t, STORE_LOADED);
	(void)add(&t, STORE_PENDING);
	CHECK_INT(status_of(&t, 1), ==, STORE_LOADED);
	CHECK_INT(report(&t, 2, STORE_LOADED), ==, 0);
	CHECK_INT(status_of(&t, 1), ==, STORE_SUPERSEDED);
	CHECK_INT(status_of(&t, 2), ==, STORE_LOADED);
	shelf_end(&t);
}

TEST(revisions, a_failed_one_keeps_what_was_loaded_and_says_why)
{
	struct shelf t;
	struct store_revision r;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	(void)add(&t, STORE_LOADED);
	(void)add(&t, STORE_PENDING);
	CHECK_INT(wanted(&t), ==, 2);
	CHECK_INT(report(&t, 2, STORE_FAILED), ==, 0);
	CHECK_INT(status_of(&t, 1), ==, STORE_LOADED);
	CHECK_INT(wanted(&t), ==, 1);
	shelf_again(&t);
	CHECK_INT(store_revision_get(t.s, "box", 2, &r, &e), ==, 0);
	CHECK_STR(r.load_error, "why");
	CHECK_INT(r.loaded_ms, ==, 0);
	store_revision_fini(&r);
	/* Loaded after all: no error, a time. */
	CHECK_INT(report(&t, 2, STORE_LOADED), ==, 0);
	CHECK_INT(store_revision_get(t.s, "box", 2, &r, &e), ==, 0);
	CHECK(r.load_error == NULL);
	CHECK_INT(r.loaded_ms, ==, 9);
	store_revision_fini(&r);
	shelf_end(&t);
}

TEST(revisions, a_late_report_of_an_old_one_is_refused)
{
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	(void)add(&t, STORE_PENDING);
	(void)add(&t, STORE_PENDING);
	(void)add(&t, STORE_PENDING);
	CHECK_INT(report(&t, 1, STORE_FAILED), ==, 0);
	CHECK_INT(report(&t, 3, STORE_LOADED), ==, 0);
	CHECK_INT(report(&t, 2, STORE_LOADED), ==, -1);
	CHECK_INT(report(&t, 2, STORE_FAILED), ==, -1);
	CHECK_INT(report(&t, 1, STORE_LOADED), ==, -1);
	CHECK_INT(status_of(&t, 1), ==, STORE_FAILED);
	CHECK_INT(status_of(&t, 2), ==, STORE_SUPERSEDED);
	CHECK_INT(status_of(&t, 3), ==, STORE_LOADED);
	CHECK_INT(report(&t, 3, STORE_LOADED), ==, 0);
	shelf_end(&t);
}

TEST(revisions, only_loaded_or_failed_of_a_known_one_can_be_reported)
{
	struct shelf t;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	(void)add(&t, STORE_PENDING);
	CHECK_INT(
	    store_revision_report(t.s, "box", 1, STORE_SUPERSEDED, NULL, 9, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_INVALID);
	CHECK_INT(
	    store_revision_report(t.s, "box", 2, STORE_LOADED, NULL, 9, &e), ==,
	    -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_HAS(e.text, "policy revision not found");
	CHECK_INT(
	    store_revision_report(t.s, "other", 1, STORE_LOADED, NULL, 9, &e),
	    ==, -1);
	CHECK_INT(e.code, ==, ERR_NOT_FOUND);
	CHECK_INT(status_of(&t, 1), ==, STORE_PENDING);
	shelf_end(&t);
}

TEST(revisions, finished_ones_beyond_the_bound_are_dropped)
{
	struct shelf t;
	struct store_revision r;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(store_begin(t.s, &e), ==, 0);
	(void)add(&t, STORE_LOADED);
	for (int i = 0; i < STORE_REVISIONS_KEPT + 4; i++)
		(void)add(&t, STORE_FAILED);
	CHECK_INT(store_commit(t.s, &e), ==, 0);
	/* What is loaded stays however old. */
	CHECK_INT(wanted(&t), ==, 1);
	CHECK_INT(store_revision_get(t.s, "box", 5, &r, &e), ==, -1);
	CHECK_INT(status_of(&t, 6), ==, STORE_FAILED);
	shelf_end(&t);
}

/* --- the policy of every sandbox --- */

static uint32_t
global_set(struct shelf *t, const char *hash, bool *changed)
{
	struct err e = { 0 };
	uint32_t v = 0;

	CHECK_INT(
	    store_global_set(t->s, hash, VIEW("body"), 7, &v, changed, &e), ==,
	    0);
	return v;
}

static int
global_version(struct shelf *t)
{
	struct store_revision r;
	struct err e = { 0 };
	int v;

	if (store_global_get(t->s, &r, &e) < 0) {
		CHECK_INT(e.code, ==, ERR_NOT_FOUND);
		return 0;
	}
	CHECK_INT(r.status, ==, STORE_LOADED);
	v = (int)r.version;
	store_revision_fini(&r);
	return v;
}

TEST(global, is_set_while_its_newest_revision_is_loaded)
{
	struct shelf t;
	struct err e = { 0 };
	bool existed, changed;

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(global_version(&t), ==, 0);
	CHECK_INT(store_global_delete(t.s, &existed, &e), ==, 0);
	CHECK(!existed);
	CHECK_INT(global_set(&t, "a", &changed), ==, 1);
	CHECK(changed);
	CHECK_INT(global_set(&t, "a", &changed), ==, 1);
	CHECK(!changed);
	CHECK_INT(global_set(&t, "b", &changed), ==, 2);
	CHECK(changed);
	CHECK_INT(global_version(&t), ==, 2);
	CHECK_INT(store_global_delete(t.s, &existed, &e), ==, 0);
	CHECK(existed);
	CHECK_INT(global_version(&t), ==, 0);
	/* What was set and deleted is a new revision when it is set again. */
	CHECK_INT(global_set(&t, "b", &changed), ==, 3);
	CHECK(changed);
	shelf_end(&t);
}
