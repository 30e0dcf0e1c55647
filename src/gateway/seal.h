/*
 * seal: what the database must not show, encrypted (AES-256-GCM) with a key
 * that lies beside it, 0600.  It keeps credentials out of copies and backups
 * of the database alone; who reads the key too, reads all.
 */
#ifndef GATEWAY_SEAL_H
#define GATEWAY_SEAL_H

#include "base/bytes.h"
#include "base/err.h"

struct seal;

/* The key in that directory; made at the first need. */
int seal_open(const char *state_dir, struct seal **out, struct err *e) MUST_USE;
void seal_free(struct seal *s);
/*
 * Appends what only seal_unlock opens again, and only with the same `bound`:
 * what the bytes belong to, so that one row's cannot be put into another.
 */
int seal_lock(struct seal *s, struct view bound, struct view plain,
    struct buf *out, struct err *e) MUST_USE;
/* Into `out`, a rw_out. */
int seal_unlock(struct seal *s, struct view bound, struct view sealed,
    struct buf *out, struct err *e) MUST_USE;

#endif
