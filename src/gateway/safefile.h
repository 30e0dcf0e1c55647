/*
 * safefile: small files that are ours alone, whole or not at all.
 */
#ifndef GATEWAY_SAFEFILE_H
#define GATEWAY_SAFEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

enum { SAFE_FILE_MAX = 64 << 10 };

/* A directory of ours, 0700, made with its parents when missing. */
int safe_dir(const char *path, struct err *e) MUST_USE;
/*
 * Appends a file; b stays empty when there is none.  A private one must be
 * ours and nobody else's to read (ERR_DENIED with the fix).
 */
int safe_load(const char *dir, const char *name, bool private, struct buf *b,
    struct err *e) MUST_USE;
/* On the disk when it returns. */
int safe_save(const char *dir, const char *name, mode_t mode, struct view text,
    struct err *e) MUST_USE;

struct safe_file {
	const char *name;
	mode_t mode;
	struct view text;
};
/* A directory of these files; it changes as a whole (cli.md 7.3). */
int safe_save_dir(const char *dir, const struct safe_file *files, size_t n,
    struct err *e) MUST_USE;

#endif
