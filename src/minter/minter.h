/*
 * mint: credentials got from those who give them out, one job a process.
 *
 * The gateway starts a minter for each job (`openshell-gateway mint`), writes
 * a struct minter_ask to it, reads a struct minter_answer, and it ends.  Both
 * are of fixed size and without pointers, one message each of a SOCK_SEQPACKET
 * pair that is the minter's standard input.
 *
 * A minter parses what a token server, an agent and a name server say, so it
 * is a process of its own: it has the settings of one provider, the secrets of
 * that one, and nothing else of the gateway.  It keeps nothing and logs
 * nothing.
 */
#ifndef MINTER_MINTER_H
#define MINTER_MINTER_H

#include <stdint.h>

#include "base/err.h"
#include "http/egress.h"
#include "secrets/rewrite.h"
#include "secrets/ways.h"

enum {
	MINTER_VERSION = 2,
	MINTER_JOB_MS = 30000, /* a minter ends itself by then */
	MINTER_LIFETIME_S = 300, /* of what does not say how long */
	MINTER_LIFETIME_MAX_S = 3600, /* of what says it is good for longer */
	MINTER_REASON_MAX = 400
};

struct minter_ask {
	uint32_t version, way;
	/* Of the way alone; presets filled in, empty where there is none. */
	char settings[WAY_SETTINGS][WAY_TEXT_MAX];
	char secrets[WAY_SECRETS][WAY_SECRET_MAX];
	/* The gateway's lines about the way out (http/egress.h). */
	char egress[EGRESS_TEXT_MAX + 1];
};

struct minter_answer {
	uint32_t version;
	uint32_t minted; /* 0: not, and why */
	uint32_t lifetime_s; /* from when it was asked for */
	char values[WAY_VALUES_MAX][RW_VALUE_MAX + 1];
	char reason[MINTER_REASON_MAX];
};

/* The whole of `openshell-gateway mint`; its exit status. */
int minter_main(void);

/*
 * What came from a minter: the right size and version, texts that end, values
 * that can be credentials, a lifetime within bounds.  A minter that was taken
 * over can say nothing else.
 */
int minter_answer_check(const struct minter_answer *a, size_t n,
    enum way_id way, struct err *e) MUST_USE;

#endif
