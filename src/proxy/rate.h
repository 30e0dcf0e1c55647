/*
 * rate: a token bucket: `burst` at once, `per_second` in the long run.
 */
#ifndef PROXY_RATE_H
#define PROXY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct rate {
	uint32_t per_second, burst;
	uint64_t left; /* thousandths of a token */
	uint64_t at; /* ms, when `left` was right; 0: never asked */
};

/* Takes one; false when there is none now. */
static inline bool
rate_take(struct rate *r, uint64_t now_ms)
{
	uint64_t most = (uint64_t)r->burst * 1000;

	/* A thousandth a millisecond for each one a second. */
	if (r->at == 0)
		r->left = most;
	else
		r->left = MIN(
		    most, r->left + MIN(now_ms - r->at, most) * r->per_second);
	r->at = MAX(now_ms, (uint64_t)1);
	if (r->left < 1000)
		return false;
	r->left -= 1000;
	return true;
}

#endif
