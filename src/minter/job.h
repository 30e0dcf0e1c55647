/*
 * job: the inside of a process that does one job of the gateway's and ends
 * (gateway/job_run.h): its standard input is the gateway's end of a pair, with
 * one message of fixed size each way.
 */
#ifndef MINTER_JOB_H
#define MINTER_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

/* `name`: at most 15 bytes, for whoever lists processes. */
void job_begin(const char *name);
/* The ask; its version and its texts are the caller's to check. */
int job_read(void *ask, size_t n, struct err *e) MUST_USE;
/* Is there an end to a text that has room for n bytes? */
bool job_text_ends(const char *text, size_t n) MUST_USE;
/* The answer; the exit status of the process. */
int job_answer(const void *answer, size_t n) MUST_USE;

#endif
