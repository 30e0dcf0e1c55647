/*
 * synth: names that the policy DNS answered, and the addresses that stand for
 * them inside the sandbox.
 *
 * The addresses lead nowhere; a connection to one is looked up here, and
 * judged, resolved and dialled by its name.  So nothing is asked outside until
 * there is a verdict (Attack: data in the labels of a query), and what the
 * outside says later about a name changes nothing inside (rebinding).
 */
#ifndef PROXY_SYNTH_H
#define PROXY_SYNTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/addr.h"

enum {
	SYNTH_MAX = 1024, /* names at a time */
	SYNTH_TTL_S = 10, /* of an answer */
	/* No other name gets an address sooner than this after its last use:
	 * programs keep answers longer than they should. */
	SYNTH_KEEP_MS = 30000,
	SYNTH_PATTERN_MAX =
	    128, /* characters of a name that a wildcard allows */
	SYNTH_PATTERN_PER_SECOND = 10, /* of new ones of these, */
	SYNTH_PATTERN_BURST = 100 /* A14 */
};

struct synth;

struct synth *synth_new(void) MUST_USE;
void synth_free(struct synth *s);
/*
 * The addresses of `host` (in small letters), given now if it has none;
 * `pattern`: only a wildcard allows it.  -1 with ERR_LIMIT and the reason.
 */
int synth_give(struct synth *s, struct view host, bool pattern, uint64_t now_ms,
    struct addr *v4, struct addr *v6, struct err *e) MUST_USE;
/* Whether an address is one of these, given or not. */
bool synth_is(const struct addr *a);
/* The name it stands for, borrowed until the next give; NULL: none now. */
const char *synth_host(struct synth *s, const struct addr *a, uint64_t now_ms);

#endif
