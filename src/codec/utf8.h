/* utf8: strict UTF-8, RFC 3629 (no surrogates, no overlong forms). */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * The code point at the start of `v` and its length in bytes; 0 when the bytes
 * there are not UTF-8 or there are none.
 */
size_t utf8_decode(struct view v, uint32_t *cp) MUST_USE;
/* Place of the first byte that is not part of UTF-8, or v.n. */
size_t utf8_span(struct view v) MUST_USE;
static inline bool
utf8_valid(struct view v)
{
	return utf8_span(v) == v.n;
}
/* A character of which the last bytes are missing, and nothing else. */
bool utf8_unfinished(struct view v) MUST_USE;
/* The longest prefix of at most `max` bytes that does not cut a character. */
struct view utf8_clip(struct view v, size_t max) MUST_USE;

#endif
