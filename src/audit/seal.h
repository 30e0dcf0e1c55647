/* seal: the last three members of a stored record (not for others). */
#ifndef AUDIT_SEAL_H
#define AUDIT_SEAL_H

#include "audit/chain.h"

struct seal {
	uint64_t seq;
	struct view prev, hash; /* 64 hex each */
};

/* `line` is without its '\n'.  false: not of that form, or of another hash. */
bool audit_seal_open(struct view line, struct seal *out);

#endif
