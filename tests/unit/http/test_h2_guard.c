#include "test.h"

#include "http/h2_guard.h"

/* n frames of a kind with `length` bytes, `step` bytes at a time; how many
 * passed before the guard said no. */
static unsigned
frames(struct h2_guard *g, unsigned n, uint8_t type, uint8_t flags,
    size_t length, size_t step, uint64_t now)
{
	char frame[64] = { (char)(length >> 16), (char)(length >> 8),
		(char)length, (char)type, (char)flags };
	struct view v = { frame, H2_FRAME_HEAD + length };

	for (unsigned i = 0; i < n; i++)
		for (size_t at = 0; at < v.n; at += step)
			if (!h2_guard_feed(
				g, view_slice(v, at, MIN(v.n, at + step)), now))
				return i;
	return n;
}

TEST(h2_guard, bounds_each_kind)
{
	static const struct {
		uint8_t type, flags;
		size_t length;
		unsigned most;
	} rows[] = {
		{ 0, 0, 0, 100 },
		{ 2, 0, 5, 1000 },
		{ 3, 0, 4, 500 },
		{ 4, 0, 0, 20 },
		{ 6, 0, 8, 100 },
		{ 7, 0, 8, 100 },
		{ 8, 0, 4, 2000 },
		{ 9, 0, 1, H2_CONTINUATIONS_MAX },
		{ 0x42, 0, 3, 100 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 30; step += 7) {
			struct h2_guard g = { 0 };

			CHECK_INT(frames(&g, 5000, rows[i].type, rows[i].flags,
				      rows[i].length, step, 1),
			    ==, (int)rows[i].most);
		}
}

TEST(h2_guard, lets_what_is_paid_for_pass)
{
	struct h2_guard g = { 0 };

	/* Bodies, their end, and answers to our settings. */
	CHECK_INT(frames(&g, 5000, 0, 0, 5, 14, 1), ==, 5000);
	CHECK_INT(frames(&g, 5000, 0, 1, 0, 9, 1), ==, 5000);
	CHECK_INT(frames(&g, 5000, 4, 1, 0, 9, 1), ==, 5000);
	CHECK_INT(frames(&g, 5000, 1, 4, 20, 29, 1), ==, 5000);
	/* Probes of the pace of those bodies. */
	CHECK_INT(frames(&g, 4000, 6, 0, 8, 17, 1), ==, 4000);
	/* Room for what was sent. */
	h2_guard_sent(&g, 10 << 20);
	CHECK_INT(frames(&g, 20000, 8, 0, 4, 13, 1), ==, 20000);
}

TEST(h2_guard, forgets_after_a_span)
{
	struct h2_guard g = { .since = 1 };

	CHECK_INT(frames(&g, 20, 4, 0, 0, 9, 2), ==, 20);
	CHECK_INT(frames(&g, 20, 4, 0, 0, 9, 2 + H2_GUARD_MS), ==, 20);
	CHECK(
	    !h2_guard_reset(&(struct h2_guard) { .n[H2_KIND_RESET] = 500 }, 1));
}
