/*
 * unpack: a tar stream from whoever may be hostile, into an empty directory.
 *
 * Made are directories, regular files and links that stay inside (names.h); no
 * device, owner, set-id bit or extended attribute ever is.  Links are followed
 * never.  To be called in a jail (jail.h): libarchive parses.
 */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

/* The file that `one` makes. */
#define UNPACK_ONE "file"

struct unpack_options {
	uint64_t bytes_max; /* of all files together; 0: no limit */
	uint64_t entries_max;
	unsigned umask; /* bits that no mode has */
	bool one; /* one regular file, made as UNPACK_ONE, or nothing */
	/* An entry that was not made. */
	void (*left_out)(void *ctx, const char *name, const char *why);
	void (*progress)(void *ctx, uint64_t files, uint64_t bytes);
	void *ctx;
};

struct unpack_report {
	uint64_t files, bytes, left_out;
};

int unpack_all(int in, int dir, const struct unpack_options *o,
    struct unpack_report *r, struct err *e) MUST_USE;

#endif
