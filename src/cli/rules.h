/*
 * rules: the rules that a sandbox proposes ("chunks"), as commands find and
 * show them.
 *
 * All of their text is an agent's.  It is shown escaped, and what a rule opens
 * is worked out here from the rule itself, not from what is said about it.
 */
#ifndef CLI_RULES_H
#define CLI_RULES_H

#include "cli/emit.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

typedef Openshell__V1__PolicyChunk chunk_msg;
typedef Openshell__V1__GetDraftPolicyResponse drafts_msg;

struct rules {
	struct reach *reach;
	const char *sandbox; /* its name; lives as long as reach */
};
/* Those of the sandbox given or last used. */
int rules_open(struct cli *c, const char *given, struct rules *out,
    struct err *e) MUST_USE;
void rules_close(struct rules *r);
#define AUTO_RULES CLEANUP(rules_close) struct rules

#define RULE_ID_OPT(field) \
	{ \
		.name = "chunk-id", .kind = OPT_STR, OPT(field), \
		.value = "ID", .required = true, \
		.help = "The proposal, by its id or the first letters of it" \
	}

/* `status` "" is any.  The caller's (AUTO_MSG). */
int rules_fetch(struct rules *r, const char *status, drafts_msg **out,
    struct err *e) MUST_USE;
/* The one that is meant, by its whole id or a part that only it begins with;
 * points into *all. */
int rules_find(struct rules *r, const char *id, drafts_msg **all,
    const chunk_msg **out, struct err *e) MUST_USE;
/* A call about one of them; *answer is the caller's. */
int rules_call(struct rules *r, const char *method, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *type, void *answer,
    struct err *e) MUST_USE;

/* --- rules_show.c --------------------------------------------------------- */

/* What a decision came to. */
struct rules_done {
	const char *text; /* "Chunk approved."; for people */
	const char *chunk_id, *status; /* NULL: of no one proposal */
	const char *policy_hash; /* NULL: the policy is as it was */
	unsigned policy_version;
	bool several, clears; /* which of these are told */
	size_t approved, skipped, cleared;
};
/* "OK TEXT Policy version: N, hash: H", or its fields. */
int rules_say(struct cli *c, const struct rules *r, const struct rules_done *d,
    unsigned output, struct err *e);
/* A proposal, as lines. */
void rules_put(struct cli *c, const chunk_msg *m, bool full, struct buf *out);
/* "api.example.com:443, ..." escaped. */
void rules_put_endpoints(const chunk_msg *m, struct buf *out);
void rules_emit(struct emit_val *at, const chunk_msg *m);
/* "2026-01-02 03:04:05" */
void rules_put_time(int64_t wall_ms, struct buf *out);

/* What the policy of the sandbox lets out with the rule and did not before. */
int rules_put_widening(struct cli *c, struct rules *r, const chunk_msg *m,
    struct buf *out, struct err *e) MUST_USE;

#endif
