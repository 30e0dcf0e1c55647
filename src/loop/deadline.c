/*
 * deadline: see deadline.h.
 *
 * A binary heap ordered by `key`.  Setting a deadline later than its key only
 * stores `due`; when the key comes up, the deadline is put back with the new
 * one.  So a busy connection touches the heap once a period, not once a byte.
 */
#include "loop/deadline.h"

#include <stdlib.h>

#include "base/mem.h"

struct deadlines {
	uv_loop_t *loop;
	uv_timer_t timer;
	uint64_t armed; /* key the timer was started for; 0 when stopped */
	struct deadline **heap;
	size_t n, cap;
};

static void
place(struct deadlines *t, size_t i, struct deadline *d)
{
	t->heap[i] = d;
	d->at = i + 1;
}

static void
sift_up(struct deadlines *t, size_t i)
{
	struct deadline *d = t->heap[i];

	while (i > 0 && t->heap[(i - 1) / 2]->key > d->key) {
		place(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(t, i, d);
}

static void
sift_down(struct deadlines *t, size_t i)
{
	struct deadline *d = t->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= t->n)
			break;
		if (child + 1 < t->n &&
		    t->heap[child + 1]->key < t->heap[child]->key)
			child++;
		if (t->heap[child]->key >= d->key)
			break;
		place(t, i, t->heap[child]);
		i = child;
	}
	place(t, i, d);
}

static void
remove_at(struct deadlines *t, size_t i)
{
	struct deadline *last = t->heap[--t->n];

	t->heap[i]->at = 0;
	if (i == t->n)
		return;
	place(t, i, last);
	sift_up(t, i);
	sift_down(t, last->at - 1);
}

static void on_timer(uv_timer_t *timer);

/* The timer follows the first key; a later one than armed is left to fire
 * early, which on_timer puts right. */
static void
arm(struct deadlines *t)
{
	uint64_t now, key;

	if (t->n == 0) {
		if (t->armed != 0)
			(void)uv_timer_stop(&t->timer);
		t->armed = 0;
		return;
	}
	key = t->heap[0]->key;
	if (t->armed != 0 && t->armed <= key)
		return;
	now = uv_now(t->loop);
	(void)uv_timer_start(&t->timer, on_timer, key > now ? key - now : 0, 0);
	t->armed = key;
}

static void
on_timer(uv_timer_t *timer)
{
	struct deadlines *t = timer->data;
	uint64_t now = uv_now(t->loop);

	t->armed = 0;
	while (t->n > 0 && t->heap[0]->key <= now) {
		struct deadline *d = t->heap[0];

		if (d->due > now) {
			d->key = d->due;
			sift_down(t, 0);
			continue;
		}
		remove_at(t, 0);
		d->due = 0;
		d->fire(d->arg); /* d may be gone after this */
	}
	arm(t);
}

struct deadlines *
deadlines_new(uv_loop_t *loop)
{
	struct deadlines *t = NEW(struct deadlines);

	t->loop = loop;
	(void)uv_timer_init(loop, &t->timer);
	t->timer.data = t;
	return t;
}

static void
on_closed(uv_handle_t *h)
{
	struct deadlines *t = h->data;

	free(t->heap);
	free(t);
}

void
deadlines_free(struct deadlines *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++) {
		t->heap[i]->at = 0;
		t->heap[i]->due = 0;
	}
	t->n = 0;
	uv_close((uv_handle_t *)&t->timer, on_closed);
}

void
deadline_set(struct deadlines *t, struct deadline *d, uint64_t ms)
{
	uint64_t due = uv_now(t->loop) + (ms > 0 ? ms : 1);

	d->due = due;
	if (d->at != 0) {
		if (due >= d->key)
			return;
		d->key = due;
		sift_up(t, d->at - 1);
		arm(t);
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap > 0 ? t->cap * 2 : 16;
		t->heap = mem_realloc(t->heap, t->cap, sizeof(t->heap[0]));
	}
	d->key = due;
	place(t, t->n, d);
	sift_up(t, t->n++);
	arm(t);
}

void
deadline_clear(struct deadlines *t, struct deadline *d)
{
	if (d->at != 0)
		remove_at(t, d->at - 1);
	d->due = 0;
	if (t->n == 0)
		arm(t);
}
