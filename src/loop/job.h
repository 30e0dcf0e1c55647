/*
 * job: one piece of slow work (hashing a file, parsing certificates) on a
 * worker thread, its result delivered on the loop.
 */
#ifndef LOOP_JOB_H
#define LOOP_JOB_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"

struct job;

/*
 * Runs work(arg) on a worker, then done(arg, ran) on the loop; `ran` is false
 * when it was cancelled before it began.  `arg` must live until done.  *out
 * (may be NULL) is valid until done is called.
 */
int job_start(uv_loop_t *loop, void (*work)(void *arg),
    void (*done)(void *arg, bool ran), void *arg, struct job **out,
    struct err *e) MUST_USE;
/* Asks that it not begin; done comes in either case, later. */
void job_cancel(struct job *j);

#endif
