/*
 * policy: the policy document - parse, check, canonical form, hash.
 *
 * A pure library: bytes in, model and findings out; no I/O, no clock.  The
 * CLI, the gateway and the supervisor share it, so that one text means one
 * thing everywhere.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
	POLICY_TEXT_MAX = 1 << 20, /* bytes of YAML */
	POLICY_FINDINGS_MAX = 256 /* more are counted, not kept */
};

/* One thing wrong with a document, or worth saying about it. */
struct policy_finding {
	bool warning; /* does not stop the policy */
	unsigned line, column; /* 1-based; 0 when the place is not known */
	const char *class; /* "parse", "safety", "network", "static" */
	char *text;
};

struct policy_findings {
	struct policy_finding *v;
	size_t n;
	size_t errors, warnings; /* all, also those beyond the bound */
};

void policy_findings_fini(struct policy_findings *f);
#define AUTO_FINDINGS CLEANUP(policy_findings_fini)
/*
 * A line a finding: "FILE:LINE:COLUMN: error: TEXT"; `name` stands for FILE.
 * Errors first in document order, then warnings.
 */
void policy_findings_print(
    const struct policy_findings *f, const char *name, struct buf *out);

struct policy; /* immutable once made */

/*
 * Parses and checks everything the language knows (parse, safety, network);
 * every fault is appended to *f with its place.  0 and *out when there was no
 * error (warnings may be there); -1 otherwise.
 */
int policy_parse(
    struct view yaml, struct policy **out, struct policy_findings *f) MUST_USE;
/* The restrictive default: no network at all. */
struct policy *policy_default(void) MUST_USE;
struct policy *policy_ref(const struct policy *p) MUST_USE;
void policy_free(struct policy *p);
void policy_free_at(struct policy **p);
#define AUTO_POLICY CLEANUP(policy_free_at)

/* Canonical YAML: stable order, two-space indent, nothing implied written. */
void policy_canonical(const struct policy *p, struct buf *out);
/* Lower-case hex SHA-256 over the canonical encoding, NUL-terminated. */
void policy_hash(const struct policy *p, char out[65]);
/*
 * What a running sandbox cannot take over from `next`: a finding for each
 * static field that differs.  0 when everything can be applied live.
 */
int policy_static_check(const struct policy *now, const struct policy *next,
    struct policy_findings *f) MUST_USE;

/* Static sections, as the sandbox applies them.  Paths are normalised. */
struct policy_fs {
	bool include_workdir;
	const char *const *read_only; /* NULL-terminated, borrowed */
	const char *const *read_write;
	size_t n_read_only, n_read_write;
};
enum policy_landlock { POLICY_LANDLOCK_BEST_EFFORT, POLICY_LANDLOCK_HARD };

/* Who the programs are inside; 0: as the sandbox has it ("sandbox"). */
struct policy_ids {
	uint32_t user, group;
};

void policy_filesystem(const struct policy *p, struct policy_fs *out);
void policy_identity(const struct policy *p, struct policy_ids *out);
enum policy_landlock policy_landlock_mode(const struct policy *p);
/* The path of each of their binaries, as written, however often. */
void policy_each_binary(const struct policy *p,
    void (*each)(void *ctx, struct view path), void *ctx);
/*
 * A host that is an address which the proxy refuses whatever a policy says:
 * loopback, link-local, metadata services, multicast.
 */
bool policy_host_never_reached(struct view host) MUST_USE;
/* A host that is an address, not a name or a pattern over names. */
bool policy_host_is_address(struct view host) MUST_USE;
/* Number of network policies; 0 means that nothing can be reached. */
size_t policy_network_count(const struct policy *p);

#endif
