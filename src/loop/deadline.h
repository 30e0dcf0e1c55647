/*
 * deadline: many timeouts on one libuv timer.
 *
 * A deadline is plain storage inside its owner: no close callback, so the
 * owner can be freed right after deadline_clear.  Pushing one back (the idle
 * timeout of a busy connection) costs one store.
 */
#ifndef LOOP_DEADLINE_H
#define LOOP_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/macros.h"

struct deadlines; /* one a loop */

struct deadline {
	void (*fire)(void *arg); /* called once; may set, clear or free */
	void *arg;
	uint64_t due; /* loop time, ms; 0 when not set */
	uint64_t key; /* <= due; where it stands in the heap */
	size_t at; /* heap index + 1; 0 when not in it */
};

struct deadlines *deadlines_new(uv_loop_t *loop) MUST_USE;
/*
 * Forgets all deadlines (their storage must still be there) and closes the
 * timer; memory goes when the loop has run its close callbacks.
 */
void deadlines_free(struct deadlines *t);

static inline void
deadline_init(struct deadline *d, void (*fire)(void *arg), void *arg)
{
	*d = (struct deadline) { .fire = fire, .arg = arg };
}

/* Fires `ms` from the loop's now (uv_now); replaces what was set. */
void deadline_set(struct deadlines *t, struct deadline *d, uint64_t ms);
/* Does nothing when it is not set. */
void deadline_clear(struct deadlines *t, struct deadline *d);

static inline bool
deadline_is_set(const struct deadline *d)
{
	return d->due != 0;
}

#endif
