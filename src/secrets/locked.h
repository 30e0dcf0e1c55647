/*
 * locked: memory for what must not be found: not swapped, not in a core, not
 * in a child, wiped on release.
 */
#ifndef SECRETS_LOCKED_H
#define SECRETS_LOCKED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct locked {
	char *p;
	size_t n; /* bytes of it that may be used */
	size_t size; /* of the mapping */
	bool held; /* in memory: not where RLIMIT_MEMLOCK does not allow it */
};

int locked_new(size_t n, struct locked *out, struct err *e) MUST_USE;
void locked_free(struct locked *l);

/*
 * This process holds secrets: none of its memory goes into a core file, and
 * none can be read through /proc by others of its user.  Ends with an exec.
 */
void locked_process(void);

#endif
