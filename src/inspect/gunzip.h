/*
 * gunzip: a body in the content codings gzip and deflate (RFC 9110 section
 * 8.4.1), decoded in pieces.  What comes out does not depend on how it came.
 */
#ifndef INSPECT_GUNZIP_H
#define INSPECT_GUNZIP_H

#include "base/bytes.h"
#include "base/err.h"

struct gunzip;

/* Whether `coding`, a value of Content-Encoding, is one of them. */
bool gunzip_reads(struct view coding);

struct gunzip *gunzip_new(void) MUST_USE;
void gunzip_free(struct gunzip *z);
/*
 * Appends what is in `in` to out.  -1: no such stream, or more than out takes
 * (Attack: a few bytes that become gigabytes); the stream is over then.
 */
int gunzip_feed(
    struct gunzip *z, struct view in, struct buf *out, struct err *e) MUST_USE;
/* Nothing is missing. */
bool gunzip_whole(const struct gunzip *z);

#endif
