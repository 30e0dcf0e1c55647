/*
 * healthz: does the gateway's HTTP answer, when its calls do not (cli spec
 * section 8)?
 */
#ifndef CLI_HEALTHZ_H
#define CLI_HEALTHZ_H

#include "tls/mutual.h"

struct healthz_target {
	const char *url; /* https://, http:// or unix: */
	struct mutual_files files; /* with https */
	int *fd; /* connected already, taken over; NULL: connect */
};

/*
 * GET /healthz: 0 and the status of the answer; -1 when there is none within
 * ten seconds.  Blocks.
 */
int healthz_get(
    const struct healthz_target *t, unsigned *status, struct err *e) MUST_USE;

#endif
