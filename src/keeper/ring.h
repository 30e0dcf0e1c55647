/*
 * ring: the last lines of a sandbox, numbered, so that a gateway that was away
 * gets what it missed.  Bounded; the oldest go first, and how many went is a
 * line of its own when it matters.
 */
#ifndef KEEPER_RING_H
#define KEEPER_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "openshell.pb-c.h"

enum { RING_LINES = 2000, RING_BYTES = 5 << 18 };

struct ring {
	Openshell__V1__SandboxLogLine *v[RING_LINES];
	size_t size[RING_LINES];
	uint64_t first, next; /* sequence numbers [first, next) are there */
	uint64_t sent; /* next to be sent */
	size_t bytes;
};

void ring_init(struct ring *r);
void ring_fini(struct ring *r);
/* Takes the line over. */
void ring_add(struct ring *r, Openshell__V1__SandboxLogLine *line);
/* Lines from `seq` on are wanted (again). */
void ring_rewind(struct ring *r, uint64_t seq);
/* The line with that number, or NULL. */
Openshell__V1__SandboxLogLine *ring_at(const struct ring *r, uint64_t seq);

#endif
