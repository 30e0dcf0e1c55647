/*
 * pack: files of this machine as a tar stream.
 *
 * Symbolic links are packed as links and never followed.  Owners, set-id bits
 * and extended attributes stay here; devices, FIFOs and sockets are left out.
 * A stream that is not ended by pack_end is not whole, and says so by lacking
 * the last entry, an empty file.
 */
#ifndef ARCHIVE_PACK_H
#define ARCHIVE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

/* Everything is below this directory, but for the last entry. */
#define PACK_TOP "files"
#define PACK_END "whole"

struct pack_hooks {
	void (*left_out)(void *ctx, const char *name, const char *why);
	void (*progress)(void *ctx, uint64_t files, uint64_t bytes);
	void *ctx;
};
struct pack_report {
	uint64_t files, bytes, left_out;
};

struct pack;
int pack_new(int out, const struct pack_hooks *h, struct pack **out_pack,
    struct err *e) MUST_USE;
void pack_free(struct pack *p);
/*
 * `name` below `at` as `as` ("": what is in that directory), with all that is
 * in it.  What has gone meanwhile is passed over.
 */
int pack_add(struct pack *p, int at, const char *name, const char *as,
    struct err *e) MUST_USE;
/* Directories above `as` that were not packed yet, as they are below `at`. */
int pack_parents(
    struct pack *p, int at, const char *as, struct err *e) MUST_USE;
int pack_end(struct pack *p, struct pack_report *r, struct err *e) MUST_USE;

#endif
