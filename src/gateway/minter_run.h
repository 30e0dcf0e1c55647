/* minter_run: one minter under way (mint/minter.h). */
#ifndef GATEWAY_MINTER_RUN_H
#define GATEWAY_MINTER_RUN_H

#include <uv.h>

#include "minter/minter.h"

struct minter_run;

/*
 * Starts a minter with `ask`.  `done` is called once, from the loop: with the
 * answer (borrowed; its values are wiped behind it) or NULL and the reason.
 */
typedef void minter_run_fn(
    void *ctx, const struct minter_answer *a, const struct err *why);
int minter_run_start(uv_loop_t *loop, const struct minter_ask *ask,
    minter_run_fn *done, void *ctx, struct minter_run **out,
    struct err *e) MUST_USE;
/* Ends it; `done` is not called.  Its memory goes with the loop. */
void minter_run_cancel(struct minter_run *r);

#endif
