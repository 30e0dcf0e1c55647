/*
 * sts: AssumeRole of AWS STS (version 2011-06-15): the request, signed
 * (sts_ask.c), and what comes back (sts_answer.c).
 */
#ifndef MINTER_STS_H
#define MINTER_STS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "http/h1.h"
#include "secrets/sigv4.h"

struct sts_role {
	struct view arn, session, external_id, duration, region;
	struct view access, secret, token; /* of who takes it */
};

/* The body of the request, appended. */
void sts_form(const struct sts_role *r, struct buf *form);

/* The fields of the request beside Host and its framing. */
struct sts_fields {
	struct h1_field v[4];
	size_t n;
	char date[SIGV4_DATE];
	struct buf auth;
};
int sts_sign(const struct sts_role *r, struct view target, struct view host,
    struct view body, int64_t unix_seconds, struct sts_fields *out,
    struct err *e) MUST_USE;
void sts_fields_fini(struct sts_fields *f);

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
