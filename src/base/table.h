/*
 * table: uthash with a hash of our own.  Include this in place of uthash.h.
 *
 * The hash uthash comes with does not compile cleanly under clang.  Keys that
 * strangers choose may collide at their will: bound how many a table takes.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 32 bits. */
static inline unsigned
table_hash(const void *key, size_t n)
{
	const unsigned char *p = key;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

#define HASH_FUNCTION(key, n, out) ((out) = table_hash((key), (n)))

#include <uthash.h>

#endif
