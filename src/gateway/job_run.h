/*
 * job_run: one job under way in a process of its own, for what is not to be
 * parsed where the keys are: this program anew, with one word that says which
 * job (main/gateway.c).  It has one message of fixed size for an ask, answers
 * with one, and ends.
 */
#ifndef GATEWAY_JOB_RUN_H
#define GATEWAY_JOB_RUN_H

#include <uv.h>

#include "base/err.h"
#include "base/macros.h"

struct job_run;

/* A kind of job. */
struct job_kind {
	const char *word; /* of openshell-gateway */
	const char *name; /* "minter", in reasons */
	size_t ask_size, answer_size;
	unsigned late_ms; /* killed then */
};

/*
 * Starts one.  `done` is called once, from the loop: with an answer of the
 * right size (borrowed, and wiped behind it), which is a stranger's word in
 * every byte, or NULL and the reason.
 */
typedef void job_run_fn(void *ctx, const void *answer, const struct err *why);
int job_run_start(uv_loop_t *loop, const struct job_kind *kind, const void *ask,
    job_run_fn *done, void *ctx, struct job_run **out, struct err *e) MUST_USE;
/* Ends it; `done` is not called.  Its memory goes with the loop. */
void job_run_cancel(struct job_run *r);

#endif
