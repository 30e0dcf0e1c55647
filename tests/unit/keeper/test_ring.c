/* The ring: numbers never repeat, the oldest go first, bounds hold. */
#include "test.h"

#include "base/mem.h"
#include "keeper/ring.h"

static Openshell__V1__SandboxLogLine *
line(int64_t number, size_t bytes)
{
	Openshell__V1__SandboxLogLine *m = NEW(Openshell__V1__SandboxLogLine);

	openshell__v1__sandbox_log_line__init(m);
	m->timestamp_ms = number;
	m->message = mem_calloc(1, bytes + 1);
	memset(m->message, 'x', bytes);
	return m;
}

TEST(ring, numbers_lines_from_one)
{
	struct ring r = { 0 };

	ring_init(&r);
	CHECK_INT(r.next, ==, 1);
	CHECK(ring_at(&r, 0) == NULL);
	CHECK(ring_at(&r, 1) == NULL);
	ring_add(&r, line(7, 1));
	ring_add(&r, line(8, 1));
	CHECK_INT(ring_at(&r, 1)->timestamp_ms, ==, 7);
	CHECK_INT(ring_at(&r, 2)->timestamp_ms, ==, 8);
	CHECK(ring_at(&r, 0) == NULL);
	CHECK(ring_at(&r, 3) == NULL);
	ring_fini(&r);
	CHECK_INT(r.bytes, ==, 0);
}

TEST(ring, drops_the_oldest_beyond_its_lines)
{
	struct ring r = { 0 };

	ring_init(&r);
	for (int i = 1; i <= RING_LINES + 3; i++)
		ring_add(&r, line(i, 1));
	CHECK_INT(r.first, ==, 4);
	CHECK_INT(r.next, ==, RING_LINES + 4);
	CHECK(ring_at(&r, 3) == NULL);
	for (uint64_t i = r.first; i < r.next; i++)
		CHECK_INT(ring_at(&r, i)->timestamp_ms, ==, i);
	ring_fini(&r);
	CHECK_INT(r.bytes, ==, 0);
}

TEST(ring, drops_the_oldest_beyond_its_bytes)
{
	struct ring r = { 0 };

	ring_init(&r);
	for (int i = 1; i <= 100; i++) {
		ring_add(&r, line(i, RING_BYTES / 10));
		CHECK_INT(r.bytes, <=, RING_BYTES);
	}
	CHECK_INT(r.next - r.first, ==, 9);
	CHECK_INT(ring_at(&r, 100)->timestamp_ms, ==, 100);
	/* Room for all of these again. */
	for (int i = 101; i <= 200; i++)
		ring_add(&r, line(i, 1));
	CHECK_INT(ring_at(&r, 200)->timestamp_ms, ==, 200);
	CHECK_INT(r.next - r.first, >, 100);
	ring_fini(&r);
	CHECK_INT(r.bytes, ==, 0);
}

TEST(ring, goes_back_to_what_is_wanted_and_never_beyond_its_end)
{
	struct ring r = { 0 };

	ring_init(&r);
	for (int i = 1; i <= RING_LINES + 10; i++)
		ring_add(&r, line(i, 1));
	r.sent = r.next;
	ring_rewind(&r, 500);
	CHECK_INT(r.sent, ==, 500);
	ring_rewind(&r, r.next);
	CHECK_INT(r.sent, ==, r.next);
	/* Of a gateway that knows more than there ever was. */
	ring_rewind(&r, UINT64_MAX);
	CHECK_INT(r.sent, ==, r.next);
	/* What is gone is counted by whoever sends: it is not skipped here. */
	ring_rewind(&r, 2);
	CHECK_INT(r.sent, ==, 2);
	CHECK_INT(r.sent, <, r.first);
	ring_rewind(&r, 0);
	CHECK_INT(r.sent, ==, 1);
	ring_fini(&r);
}
