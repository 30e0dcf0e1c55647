/*
 * err: why something failed, carried on the caller's stack.
 *
 * A function that can fail returns -1 (or NULL) and takes `struct err *e`
 * last.  The place that finds the fault calls err_set or err_sys; callers that
 * know more call err_wrap.  Only the edge prints.  Never allocates.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/macros.h"

enum err_code {
	ERR_NONE,
	ERR_INVALID,
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_DENIED,
	ERR_LIMIT,
	ERR_PROTO,
	ERR_AGAIN,
	ERR_IO,
	ERR_INTERNAL
};

struct err {
	enum err_code code;
	int sys; /* errno behind ERR_IO, else 0 */
	char text[480]; /* '\n' between causes, outermost first */
};

/* Sets code and sentence, forgetting what was there.  Returns -1. */
int err_set(struct err *e, enum err_code c, const char *fmt, ...) PRINTF(3, 4);
/* Like err_set with ERR_IO; appends ": " and the text of errno.  Returns -1. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Puts a line in front of what is there; the code stays.  Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

#endif
