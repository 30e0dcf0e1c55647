/*
 * assembly: how long something may take to come whole that is put together
 * here before it is judged: a request body, a message of a WebSocket.
 *
 * Attack: slow loris.  A byte now and then would keep memory of the sandbox,
 * which has a bound for all of them, from everybody else.
 */
#ifndef PROXY_ASSEMBLY_H
#define PROXY_ASSEMBLY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	ASSEMBLY_MORE_S = 30, /* for more of it */
	ASSEMBLY_WHOLE_S = 120 /* for all of it */
};

/* Loop time, ms; all zero: nothing is under way. */
struct assembly {
	uint64_t began, went_on;
};

/* When it is late; it begins with the first call. */
uint64_t assembly_deadline(struct assembly *a, uint64_t now, bool went_on);

#endif
