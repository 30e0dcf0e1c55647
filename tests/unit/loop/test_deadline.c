#include "test.h"

#include <stdlib.h>

#include "loop/deadline.h"

struct fixture {
	uv_loop_t loop;
	struct deadlines *t;
	int order[64];
	int n;
};

struct entry {
	struct deadline d;
	struct fixture *f;
	int id;
};

static void
on_fire(void *arg)
{
	struct entry *en = arg;

	en->f->order[en->f->n++] = en->id;
}

static void
fixture_init(struct fixture *f, struct entry *v, int n)
{
	memset(f, 0, sizeof(*f));
	CHECK_INT(uv_loop_init(&f->loop), ==, 0);
	f->t = deadlines_new(&f->loop);
	for (int i = 0; i < n; i++) {
		v[i].f = f;
		v[i].id = i;
		deadline_init(&v[i].d, on_fire, &v[i]);
	}
}

/* Runs until every deadline has fired, then checks nothing is left open. */
static void
fixture_fini(struct fixture *f)
{
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	deadlines_free(f->t);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	CHECK_INT(uv_loop_close(&f->loop), ==, 0);
}

TEST(deadline, fires_in_order_of_time)
{
	static const uint64_t ms[] = { 30, 5, 20, 10, 25, 1, 15 };
	static const int want[] = { 5, 1, 3, 6, 2, 4, 0 };
	struct entry v[ARRAY_LEN(ms)];
	struct fixture f;

	fixture_init(&f, v, ARRAY_LEN(ms));
	for (size_t i = 0; i < ARRAY_LEN(ms); i++)
		deadline_set(f.t, &v[i].d, ms[i]);
	fixture_fini(&f);
	CHECK_INT(f.n, ==, ARRAY_LEN(ms));
	for (int i = 0; i < f.n; i++)
		CHECK_INT(f.order[i], ==, want[i]);
	CHECK(!deadline_is_set(&v[0].d));
}

TEST(deadline, cleared_ones_never_fire_and_may_be_freed)
{
	struct entry v[3], *gone = malloc(sizeof(*gone));
	struct fixture f;

	fixture_init(&f, v, 3);
	*gone = (struct entry) { .f = &f, .id = 9 };
	deadline_init(&gone->d, on_fire, gone);
	deadline_set(f.t, &v[0].d, 4);
	deadline_set(f.t, &gone->d, 2);
	deadline_set(f.t, &v[1].d, 6);
	deadline_set(f.t, &v[2].d, 1);
	deadline_clear(f.t, &gone->d);
	free(gone);
	deadline_clear(f.t, &v[0].d);
	deadline_clear(f.t, &v[0].d);
	fixture_fini(&f);
	CHECK_INT(f.n, ==, 2);
	CHECK_INT(f.order[0], ==, 2);
	CHECK_INT(f.order[1], ==, 1);
}

TEST(deadline, setting_again_moves_it_either_way)
{
	struct entry v[3];
	struct fixture f;
	uint64_t start;

	fixture_init(&f, v, 3);
	start = uv_now(&f.loop);
	deadline_set(f.t, &v[0].d, 2);
	deadline_set(f.t, &v[1].d, 10);
	deadline_set(f.t, &v[2].d, 60000);
	deadline_set(f.t, &v[0].d, 20); /* later */
	deadline_set(f.t, &v[2].d, 5); /* earlier */
	fixture_fini(&f);
	CHECK_INT(f.n, ==, 3);
	CHECK_INT(f.order[0], ==, 2);
	CHECK_INT(f.order[1], ==, 1);
	CHECK_INT(f.order[2], ==, 0);
	CHECK(uv_now(&f.loop) - start >= 20);
}

static void
on_fire_again(void *arg)
{
	struct entry *en = arg;

	if (++en->f->n < 3)
		deadline_set(en->f->t, &en->d, 1);
}

TEST(deadline, may_set_itself_when_it_fires)
{
	struct entry v[1];
	struct fixture f;

	fixture_init(&f, v, 1);
	v[0].d.fire = on_fire_again;
	deadline_set(f.t, &v[0].d, 0);
	fixture_fini(&f);
	CHECK_INT(f.n, ==, 3);
}

/* Random sets, moves and clears; the ones left fire, each once, in order. */
TEST(deadline, heap_survives_random_use)
{
	enum { N = 50 };
	struct entry v[N];
	uint64_t due[N], last = 0;
	unsigned seed = 1;
	struct fixture f;
	int left = 0;

	fixture_init(&f, v, N);
	for (int i = 0; i < 2000; i++) {
		int at;

		seed = seed * 1103515245u + 12345u;
		at = (int)(seed >> 16) % N;
		if (seed & 0x800)
			deadline_clear(f.t, &v[at].d);
		else
			deadline_set(f.t, &v[at].d, (seed >> 8) % 40 + 1);
	}
	for (int i = 0; i < N; i++) {
		due[i] = v[i].d.due;
		left += deadline_is_set(&v[i].d);
	}
	CHECK(left > 5);
	fixture_fini(&f);
	CHECK_INT(f.n, ==, left);
	for (int i = 0; i < f.n; i++) {
		/* Those that came due in one turn of the loop may be served
		 * in the order of their keys. */
		CHECK(due[f.order[i]] != 0);
		CHECK(due[f.order[i]] + 40 >= last);
		last = due[f.order[i]];
		due[f.order[i]] = 0;
	}
}
