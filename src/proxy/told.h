/*
 * told: which refusals were recorded lately, so that a flood of like ones
 * costs neither the disk nor the person who reads them.
 *
 * What differs is recorded; repeats of it are counted and told with its next
 * record, at most one a second.  Refusals that cost the sandbox next to
 * nothing (datagrams, queries) have a common rate besides.
 */
#ifndef PROXY_TOLD_H
#define PROXY_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct told;

/* *t, made at the first need: an idle sandbox refuses nothing. */
struct told *told_of(struct told **t);
void told_free(struct told *t);
/* One number for what makes a refusal differ from another. */
uint64_t told_key(const struct view *parts, size_t n);
/*
 * Whether to record it now; *held: that many before it were not.  `cheap`:
 * the common rate counts too.
 */
bool told_tell(
    struct told *t, uint64_t key, bool cheap, uint64_t now_ms, uint64_t *held);

#endif
