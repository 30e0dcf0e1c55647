/* way: what a file way_*.c gets and gives; private to mint. */
#ifndef MINTER_WAY_H
#define MINTER_WAY_H

#include <uv.h>

#include "minter/minter.h"

struct minter_job {
	const struct minter_ask *ask;
	const struct egress *egress; /* the way out of this machine */
	uv_loop_t *loop; /* for what waits; its owner does not run it */
	const bool *late; /* a timer of the loop sets it when time is over */
	uint64_t ends_ms; /* the same time, of clock_mono_ms */
};

/* A setting, empty when it was not given. */
static inline struct view
minter_setting(const struct minter_job *j, enum way_setting_id id)
{
	return view_of(j->ask->settings[id]);
}

/*
 * Fills in values and lifetime_s of `out`.  -1: why not, for a person, with
 * nothing in it that a server said beyond short codes: what it says may hold
 * what it was sent.
 */
#define WAY(id, word, put, summary) \
	int minter_##id(const struct minter_job *j, struct minter_answer *out, \
	    struct err *e) MUST_USE;
#include "secrets/ways.def"

#endif
