/*
 * arena: many small objects with one lifetime.  Freed all at once; what it
 * hands out is zeroed and aligned for any type.
 */
#ifndef CODEC_ARENA_H
#define CODEC_ARENA_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/macros.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *head;
	size_t used, cap; /* of the head chunk */
};

void arena_fini(struct arena *a);
/* Zeroed storage for n objects of `size` bytes; n * size must not overflow. */
void *arena_alloc(struct arena *a, size_t n, size_t size) MUST_USE;
/* A copy with a NUL behind it (not counted). */
struct view arena_view(struct arena *a, struct view v) MUST_USE;

#define ARENA_NEW(a, type) ((type *)arena_alloc(a, 1, sizeof(type)))
#define ARENA_ARRAY(a, n, type) ((type *)arena_alloc(a, n, sizeof(type)))

#endif
