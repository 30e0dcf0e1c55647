/* way: what a file way_*.c gets and gives; private to mint. */
#ifndef MINT_WAY_H
#define MINT_WAY_H

#include <uv.h>

#include "mint/mint.h"

struct mint_job {
	const struct mint_ask *ask;
	uv_loop_t *loop; /* for what waits; its owner does not run it */
	const bool *late; /* a timer of the loop sets it when time is over */
	uint64_t ends_ms; /* the same time, of clock_mono_ms */
};

/* A setting, empty when it was not given. */
static inline struct view
mint_setting(const struct mint_job *j, enum way_setting_id id)
{
	return view_of(j->ask->settings[id]);
}

/*
 * Fills in values and lifetime_s of `out`.  -1: why not, for a person, with
 * nothing in it that a server said beyond short codes: what it says may hold
 * what it was sent.
 */
#define WAY(id, word, put, summary) \
	int mint_##id(const struct mint_job *j, struct mint_answer *out, \
	    struct err *e) MUST_USE;
#include "secrets/ways.def"

#endif
