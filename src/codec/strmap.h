/*
 * strmap: byte strings to numbers, in an arena.  Built once, then only read;
 * keys are borrowed.  The hash is not keyed: only the policy's author puts
 * keys in, the sandbox merely looks them up.
 */
#ifndef CODEC_STRMAP_H
#define CODEC_STRMAP_H

#include <stdint.h>

#include "base/bytes.h"
#include "codec/arena.h"

enum { STRMAP_NONE = UINT32_MAX };

struct strmap_slot {
	struct view key;
	uint32_t value;
	uint32_t hash; /* 0 marks a free slot */
};

struct strmap {
	struct arena *arena;
	struct strmap_slot *slots;
	size_t cap, n; /* cap is a power of two, or 0 */
};

#define STRMAP_INIT(a) ((struct strmap) { .arena = (a) })

/* The value of `key`, or STRMAP_NONE.  Never allocates. */
uint32_t strmap_get(const struct strmap *m, struct view key) MUST_USE;
/*
 * The value already there, or else `value` (not STRMAP_NONE) after putting it
 * in.  `key` must stay where it is.
 */
uint32_t strmap_add(struct strmap *m, struct view key, uint32_t value);

#endif
