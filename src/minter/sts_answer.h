/* sts_answer: what AWS STS answers to AssumeRole (version 2011-06-15). */
#ifndef MINTER_STS_ANSWER_H
#define MINTER_STS_ANSWER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { STS_ID, STS_SECRET, STS_TOKEN, STS_VALUES, STS_CODE_MAX = 64 };

/*
 * Of a 200: the three values, each appended to its rw_out, and when they end
 * (seconds since 1970).  Each must be there once.
 */
int sts_answer(struct view body, struct buf out[STS_VALUES], int64_t *ends_s,
    struct err *e) MUST_USE;
/* Of another status: "AccessDenied" or the like, or "". */
void sts_error(struct view body, char out[STS_CODE_MAX]);

#endif
