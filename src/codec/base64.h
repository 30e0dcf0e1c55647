/*
 * base64: RFC 4648 section 4, strict: padding as it must be, no blanks, no
 * other alphabet, no bits left over.
 */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/bytes.h"

/* Appends. */
void base64_encode(struct view v, struct buf *out);
/* Appends; false when it is not base64 (then `out` holds some of it). */
bool base64_decode(struct view v, struct buf *out) MUST_USE;

#endif
