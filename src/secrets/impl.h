/* impl: shared by the files of this folder alone. */
#ifndef SECRETS_IMPL_H
#define SECRETS_IMPL_H

#include "secrets/pct.h"
#include "secrets/rewrite.h"

/* Forgets, and wipes, what is beyond n bytes. */
void rw_cut(struct buf *b, size_t n);
/* What is said of a marker that stays; wipes `out`.  Returns -1. */
int rw_fail(enum rw_place place, struct buf *out, struct err *e);
/*
 * Text in which placeholders stand beside other text, appended to `out`.
 * `fits` (may be NULL) says whether a value may stand at that place of `v`.
 */
int rw_text(struct rw *rw, enum rw_place place, struct view v,
    bool (*fits)(struct view v, size_t at, struct view value), struct buf *out,
    struct err *e) MUST_USE;

int rw_json(
    struct rw *rw, struct view body, struct buf *out, struct err *e) MUST_USE;

#endif
