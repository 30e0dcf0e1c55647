/* The chain of records: whatever is done to it is seen, and named. */
#include "audit/chain.h"

#include <stdlib.h>

#include "base/mem.h"
#include "test.h"

enum { RECORDS = 6, CHAIN_MAX = 1 << 20 };

struct made {
	struct buf text;
	size_t at[64]; /* where line i begins; one more for the end */
	size_t n;
	struct audit_head head, heads[64];
};

static struct audit_event
event(unsigned i)
{
	struct audit_event ev = { .time_ms = 1700000000000 + i,
		.event_id = i,
		.kind = AUDIT_L7_REQUEST,
		.action = i % 2 == 0 ? AUDIT_ALLOW : AUDIT_DENY,
		.host = VIEW("api.example.test"),
		.port = 443,
		.method = VIEW("GET"),
		.path = VIEW("/a\n{\"seq\":1}\x1b[2J\xe2\x80\xae") };

	return ev;
}

static void
mark(struct made *m)
{
	m->at[m->n] = m->text.n;
	m->heads[m->n] = m->head;
	m->n++;
}

static void
begin(struct made *m, struct audit_begin b)
{
	mark(m);
	b.time_ms = 1700000000000;
	audit_chain_begin(&m->head, &b, &m->text);
}

static void
add(struct made *m, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		struct audit_event ev = event(i);

		mark(m);
		audit_chain_add(&m->head, &ev, &m->text);
	}
}

static void
make(struct made *m)
{
	*m = (struct made) { .text = BUF_INIT(CHAIN_MAX) };
	audit_head_init(&m->head);
	begin(m, (struct audit_begin) { .sandbox = VIEW("box-1") });
	add(m, 1, RECORDS);
	m->at[m->n] = m->text.n;
}

static void
made_fini(struct made *m)
{
	buf_fini(&m->text);
}
#define AUTO_MADE CLEANUP(made_fini) struct made

static struct audit_verified
verify_split(struct view text, size_t step, const struct audit_head *known)
{
	struct audit_verify *v = audit_verify_new(known);
	struct audit_verified out;

	for (size_t i = 0; i < text.n; i += step)
		audit_verify_feed(v, view_slice(text, i, i + step));
	audit_verify_end(v, &out);
	audit_verify_free(v);
	return out;
}

static struct audit_verified
verify(const struct made *m, const struct audit_head *known)
{
	return verify_split(buf_view(&m->text), 4096, known);
}

static struct view
line(const struct made *m, size_t i)
{
	return view_slice(buf_view(&m->text), m->at[i], m->at[i + 1]);
}

/* The chain with its lines in that order. */
static struct audit_verified
verify_lines(const struct made *m, const size_t *order, size_t n,
    const struct audit_head *known)
{
	AUTO_BUF struct buf b = BUF_INIT(CHAIN_MAX);

	for (size_t i = 0; i < n; i++)
		buf_put(&b, line(m, order[i]));
	return verify_split(buf_view(&b), 100, known);
}

TEST(chain, holds_as_it_was_written_however_it_is_read)
{
	AUTO_MADE m;
	struct audit_verified r;

	make(&m);
	for (size_t step = 1; step < 2000; step += 97) {
		r = verify_split(buf_view(&m.text), step, &m.head);
		CHECK_STR(audit_fault_name(r.fault), "intact");
		CHECK_INT(r.records, ==, RECORDS);
		CHECK_INT(r.interrupted, ==, 0);
		CHECK(audit_head_eq(&r.head, &m.head));
	}
}

TEST(chain, a_record_can_still_be_read)
{
	AUTO_MADE m;
	struct audit_record *store = NULL;
	struct audit_event ev;
	struct err e;

	make(&m);
	CHECK_INT(
	    audit_record_parse(
		view_slice(line(&m, 3), 0, line(&m, 3).n - 1), &store, &ev, &e),
	    ==, 0);
	CHECK_INT(ev.event_id, ==, 3);
	CHECK(view_eq(ev.path, VIEW("/a\n{\"seq\":1}\x1b[2J\xe2\x80\xae")));
	audit_record_free(store);
}

/* Also its form: no byte of a stored chain is free. */
TEST(chain, every_change_of_a_byte_is_seen_at_its_record)
{
	static const unsigned char flips[] = { 0x01, 0x20, 0x80 };
	AUTO_MADE m;
	size_t at = 0;

	make(&m);
	for (size_t i = 0; i < m.n; i++)
		for (; at < m.at[i + 1]; at++)
			for (size_t f = 0; f < ARRAY_LEN(flips); f++) {
				struct audit_verified r;
				bool last = at + 1 == m.text.n;

				m.text.p[at] ^= (char)flips[f];
				r = verify(&m, NULL);
				m.text.p[at] ^= (char)flips[f];
				/* Without an end it is a write that did not
				 * end, and no record. */
				if (last) {
					CHECK_INT(r.interrupted, ==, 1);
					continue;
				}
				CHECK_INT(r.fault, ==, AUDIT_ALTERED);
				CHECK_INT(r.seq, ==, i);
				CHECK_INT(r.line, ==, i + 1);
			}
}

TEST(chain, what_is_missing_is_named)
{
	AUTO_MADE m;

	make(&m);
	for (size_t gone = 1; gone < RECORDS; gone++) {
		size_t order[RECORDS + 1], n = 0;
		struct audit_verified r;

		for (size_t i = 0; i <= RECORDS; i++)
			if (i != gone)
				order[n++] = i;
		r = verify_lines(&m, order, n, NULL);
		CHECK_INT(r.fault, ==, AUDIT_MISSING);
		CHECK_INT(r.seq, ==, gone);
	}
}

TEST(chain, what_stands_elsewhere_or_twice_is_named)
{
	static const size_t swapped[] = { 0, 1, 3, 2, 4, 5, 6 };
	static const size_t moved[] = { 0, 1, 3, 4, 5, 2, 6 };
	static const size_t twice[] = { 0, 1, 2, 3, 2, 4, 5, 6 };
	AUTO_MADE m;
	struct audit_verified r;

	make(&m);
	r = verify_lines(&m, swapped, ARRAY_LEN(swapped), NULL);
	CHECK_INT(r.fault, ==, AUDIT_REORDERED);
	CHECK_INT(r.seq, ==, 2);
	r = verify_lines(&m, moved, ARRAY_LEN(moved), NULL);
	CHECK_INT(r.fault, ==, AUDIT_REORDERED);
	CHECK_INT(r.seq, ==, 2);
	r = verify_lines(&m, twice, ARRAY_LEN(twice), NULL);
	CHECK_INT(r.fault, ==, AUDIT_REORDERED);
	CHECK_INT(r.seq, ==, 2);
}

TEST(chain, a_record_in_its_place_with_a_hash_of_its_own_is_named)
{
	AUTO_MADE m;
	AUTO_BUF struct buf b = BUF_INIT(CHAIN_MAX);
	struct audit_head before;
	struct audit_event ev = event(99);
	struct audit_verified r;

	make(&m);
	before = m.heads[3];
	buf_put(&b, view_slice(buf_view(&m.text), 0, m.at[3]));
	audit_chain_add(&before, &ev, &b);
	buf_put(&b, view_slice(buf_view(&m.text), m.at[4], m.text.n));
	r = verify_split(buf_view(&b), 4096, NULL);
	CHECK_INT(r.fault, ==, AUDIT_ALTERED);
	CHECK_INT(r.seq, ==, 3);
}

TEST(chain, a_cut_end_shows_by_a_head_kept_apart)
{
	AUTO_MADE m;
	struct audit_head known;
	struct audit_verified r;
	static const size_t order[] = { 0, 1, 2, 3 };

	make(&m);
	known = m.head;
	r = verify_lines(&m, order, ARRAY_LEN(order), NULL);
	CHECK_INT(r.fault, ==, AUDIT_INTACT); /* it cannot be told */
	r = verify_lines(&m, order, ARRAY_LEN(order), &known);
	CHECK_INT(r.fault, ==, AUDIT_MISSING);
	CHECK_INT(r.seq, ==, 4);
	CHECK_HAS(r.text, "records 4 to 6");
	/* An older head is met on the way. */
	known = m.heads[4];
	CHECK_INT(known.seq, ==, 3);
	CHECK_INT(verify(&m, &known).fault, ==, AUDIT_INTACT);
}

TEST(chain, a_chain_made_anew_shows_by_a_head_kept_apart)
{
	AUTO_MADE m;
	AUTO_MADE other = { .text = BUF_INIT(CHAIN_MAX) };
	struct audit_verified r;

	make(&m);
	audit_head_init(&other.head);
	begin(&other, (struct audit_begin) { .sandbox = VIEW("box-1") });
	add(&other, 50, RECORDS);
	CHECK_INT(verify(&other, NULL).fault, ==, AUDIT_INTACT);
	r = verify(&other, &m.head);
	CHECK_INT(r.fault, ==, AUDIT_REWRITTEN);
	CHECK_INT(r.seq, ==, RECORDS);
}

TEST(chain, an_interrupted_write_is_no_fault)
{
	AUTO_MADE m;

	make(&m);
	for (size_t n = m.at[RECORDS] + 1; n < m.text.n; n++) {
		struct audit_verified r = verify_split(
		    view_slice(buf_view(&m.text), 0, n), 4096, NULL);

		CHECK_INT(r.fault, ==, AUDIT_INTACT);
		CHECK_INT(r.interrupted, ==, 1);
		CHECK_INT(r.records, ==, RECORDS - 1);
	}
}

/* After a crash the file is gone on with, and its last line ended. */
TEST(chain, goes_on_after_an_interrupted_write)
{
	for (size_t cut = 1; cut < 40; cut += 13) {
		AUTO_MADE m;
		struct audit_begin b = { .sandbox = VIEW("box-1") };
		struct audit_verified r;
		AUTO_BUF struct buf copy = BUF_INIT(CHAIN_MAX);

		make(&m);
		m.text.n -= cut;
		buf_put(&copy, buf_view(&m.text));
		CHECK_INT(audit_chain_resume(buf_view(&copy), &m.head, &b.torn),
		    ==, 0);
		CHECK_INT(m.head.seq, ==, RECORDS - 1);
		CHECK_INT(b.torn.n, >, 0);
		begin(&m, b);
		add(&m, RECORDS, 2);
		r = verify(&m, &m.head);
		CHECK_STR(r.text, "");
		CHECK_INT(r.fault, ==, AUDIT_INTACT);
		CHECK_INT(r.interrupted, ==, 1);
		/* What was left is of the chain too. */
		m.text.p[copy.n - 1] ^= 1;
		r = verify(&m, NULL);
		CHECK_INT(r.fault, !=, AUDIT_INTACT);
		CHECK_INT(r.seq, ==, RECORDS);
	}
}

TEST(chain, goes_over_files_and_the_oldest_may_go)
{
	AUTO_MADE m = { .text = BUF_INIT(CHAIN_MAX) };
	static const size_t all[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct audit_verified r;

	audit_head_init(&m.head);
	for (unsigned i = 1; i <= 3; i++) {
		begin(&m, (struct audit_begin) {
			      .file = i, .kept = i > 1 ? i - 1 : 1 });
		add(&m, 2 * i - 1, 2);
	}
	m.at[m.n] = m.text.n;
	CHECK_INT(verify(&m, &m.head).fault, ==, AUDIT_INTACT);
	CHECK_INT(
	    verify_lines(&m, all + 3, 6, &m.head).fault, ==, AUDIT_INTACT);
	/* The second was kept: it may not be gone. */
	r = verify_lines(&m, all + 6, 3, &m.head);
	CHECK_INT(r.fault, ==, AUDIT_MISSING);
	CHECK_INT(r.seq, ==, 4);
	/* A whole file from the middle. */
	r = verify_lines(&m, (const size_t[]) { 0, 1, 2, 6, 7, 8 }, 6, NULL);
	CHECK_INT(r.fault, !=, AUDIT_INTACT);
}

TEST(chain, several_runs_stand_in_one_file)
{
	AUTO_MADE m;
	struct audit_verified r;

	make(&m);
	begin(&m,
	    (struct audit_begin) { .sandbox = VIEW("box-2"), .anew = true });
	add(&m, 1, 3);
	m.at[m.n] = m.text.n;
	r = verify(&m, NULL);
	CHECK_STR(r.text, "");
	CHECK_INT(r.fault, ==, AUDIT_INTACT);
	CHECK_INT(r.records, ==, RECORDS + 3);
	/* The whole of the first is gone. */
	r = verify_lines(&m,
	    (const size_t[]) { RECORDS + 1, RECORDS + 2, RECORDS + 3 }, 3,
	    NULL);
	CHECK_INT(r.fault, ==, AUDIT_MISSING);
}

TEST(chain, what_is_no_chain_is_said_to_be_none)
{
	static const char *const bad[] = { "", "hello\n", "{\"a\":1}\n", "\n" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(verify_split(view_of(bad[i]), 1, NULL).fault, !=,
		    AUDIT_INTACT);
}

TEST(chain, heads_are_read_strictly)
{
	static const char *const bad[] = { "", "7", "7:", "x:00", "-1:00",
		"7:"
		"000000000000000000000000000000000000000000000000000000000000"
		"000g" };
	struct audit_head h;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(audit_head_parse(view_of(bad[i]), &h, &e), ==, -1);
	CHECK_INT(audit_head_parse(VIEW("7:0000000000000000000000000000000000"
					"000000000000000000000000000abc"),
		      &h, &e),
	    ==, 0);
	CHECK_INT(h.seq, ==, 7);
}
