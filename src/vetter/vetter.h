/*
 * vetter: asks one middleware whether it takes one config, in a process of its
 * own.
 *
 * The gateway starts a vetter for each question (`openshell-gateway vet`),
 * writes a struct vetter_ask to it, reads a struct vetter_answer, and it ends
 * (gateway/job_run.h).  It parses what the service, and on the way to it TLS
 * and a name server, say; it has the address of that one service, may read the
 * key that is for it, and nothing else of the gateway.
 */
#ifndef VETTER_VETTER_H
#define VETTER_VETTER_H

#include <limits.h>
#include <stdint.h>

#include "base/err.h"
#include "rpc/services.h"

enum {
	VETTER_VERSION = 1,
	VETTER_JOB_MS = 20000, /* all of it, whatever the service's time is */
	VETTER_URL_MAX = 4096,
	VETTER_CONFIG_MAX = 16384, /* of a policy: PL_CONFIG_MAX */
	VETTER_TEXT_MAX = 240
};

struct vetter_ask {
	uint32_t version;
	uint32_t timeout_ms; /* of each of its answers */
	char name[SERVICE_NAME_MAX + 4];
	char url[VETTER_URL_MAX];
	char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX]; /* or "" */
	char config[VETTER_CONFIG_MAX + 8]; /* as a policy has it */
};

enum vetter_verdict {
	VETTER_TAKEN,
	VETTER_REFUSED, /* and its reason, or "" */
	VETTER_UNASKED, /* it did not say, and why */
	VETTER_VERDICTS
};

struct vetter_answer {
	uint32_t version, verdict;
	char text[VETTER_TEXT_MAX]; /* printable */
};

/* False: more than fits. */
bool vetter_ask_fill(struct vetter_ask *ask, const struct service *s,
    struct view config) MUST_USE;

/* The whole of `openshell-gateway vet`; its exit status. */
int vetter_main(void);

/*
 * What came from a vetter: of this version, with a verdict, and a text that
 * ends and acts on no terminal.  One that was taken over can say nothing else.
 */
int vetter_answer_check(const struct vetter_answer *a, struct err *e) MUST_USE;

/* --- within the folder ---------------------------------------------------- */

/* Asks, whoever may be asked; *a is whole. */
struct uv_loop_s;
void vetter_work(struct uv_loop_s *loop, const struct vetter_ask *ask,
    struct vetter_answer *a);

#endif
