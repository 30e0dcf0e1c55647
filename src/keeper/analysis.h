/*
 * analysis: denials as the message that tells the gateway of them, with the
 * rules that would allow them (policy/propose.h).
 *
 * Bounded, as the sandbox decides what is denied: in bytes, so that the gateway
 * takes it, and in proposals, so that a person can read them.  What is left out
 * comes again when it is denied again.
 */
#ifndef KEEPER_ANALYSIS_H
#define KEEPER_ANALYSIS_H

#include "audit/denials.h"
#include "codec/arena.h"
#include "openshell.pb-c.h"

enum {
	ANALYSIS_PROPOSALS_MAX = 50,
	ANALYSIS_BYTES_MAX = 512 << 10 /* of summaries, packed */
};

struct analysis {
	struct arena arena; /* of everything in `m` */
	Openshell__V1__SubmitPolicyAnalysisRequest m;
	uint64_t suppressed; /* denials that no summary is about */
	size_t unproposed; /* proposals beyond the bound */
};

/* `sandbox` (its name) is borrowed. */
void analysis_make(
    struct analysis *a, const struct denials *d, const char *sandbox);
void analysis_fini(struct analysis *a);
#define AUTO_ANALYSIS CLEANUP(analysis_fini) struct analysis

#endif
