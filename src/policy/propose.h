/*
 * propose: from what one program was denied of one host and port to a rule
 * that would allow it, in the way that every reader can foresee: no model, no
 * clock, no chance.
 *
 * It never touches the network.  Attack: an advisor that looks up a name
 * because it was denied tells the name, and what was hidden in it, to whoever
 * serves its zone.  It proposes nothing about this machine, link-local
 * addresses or metadata services, and nothing for a program that is not known.
 *
 * Where only a connection was seen, reading is what is proposed, as the refusal
 * itself suggests and `policy learn` does; on ports of protocols that are not
 * HTTP it can only be the connection.  (The reference proposes that for all.)
 *
 * Unlike learn.h, which adds to a whole policy, a proposal stands by itself, so
 * that a person can take one and leave another; both tell identifiers in paths
 * by the same function.
 */
#ifndef POLICY_PROPOSE_H
#define POLICY_PROPOSE_H

#include "codec/arena.h"
#include "policy/policy.h"

enum { PROPOSE_RULES_MAX = 20, PROPOSE_NAME_MAX = 240 };

struct propose_request {
	struct view method, path; /* as recorded, without query */
};

struct propose_denial {
	struct view host, binary;
	uint16_t port;
	uint64_t count;
	bool connections; /* some were refused before any request */
	bool requests; /* some were requests */
	bool address; /* of some the address was refused, not the name */
	const struct propose_request *v; /* those that a rule can be about */
	size_t n;
};

struct propose_rule {
	struct view method, path; /* a pattern */
};

/* Made in an arena. */
struct proposal {
	struct view name; /* "allow_api_github_com_443" */
	struct view host, binary;
	uint16_t port;
	struct propose_rule rules[PROPOSE_RULES_MAX];
	size_t n_rules;
	bool read_only; /* without rules: requests that read; else anything */
	float confidence;
	struct view rationale, notes; /* may be shown as they are */
};

/* NULL: *out is one; else why there is none. */
const char *policy_propose(
    const struct propose_denial *d, struct arena *a, struct proposal *out);
/* Hosts that nobody proposes: this machine, link-local, metadata services. */
bool policy_never_proposed(struct view host) MUST_USE;

/* --- parts, for their tests ----------------------------------------------- */

float propose_confidence(uint64_t count, uint16_t port, bool address);
void propose_name(struct view host, uint16_t port, struct buf *out);
/* The pattern of a path: its last segment is `*` when it looks like an id. */
void propose_path(struct view path, struct buf *out);
/* An address of a private network, or one that is never reached. */
bool policy_host_internal(struct view host) MUST_USE;

#endif
