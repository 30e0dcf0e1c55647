/*
 * store: what a gateway remembers, in SQLite.
 *
 * Typed queries and nothing else: payloads are bytes to it.  One connection,
 * one writer (the gateway's loop), WAL, synchronous FULL: what a call answered
 * survives a crash of gateway and machine.  Every change is one transaction.
 *
 * ERR_NOT_FOUND, ERR_EXISTS (a name is taken), ERR_AGAIN (the row changed since
 * it was read), ERR_IO (disk full, with the fix), ERR_INVALID (corrupt file),
 * ERR_DENIED (mode or owner, or of a newer version).
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"

struct store;

/*
 * Opens or makes the file (0600; a directory or file that others may read or
 * write, that is another user's or a symbolic link, is refused), checks it
 * (quick_check), runs the schema steps that are missing.  Nobody else can open
 * it until store_close.
 */
int store_open(const char *path, struct store **out, struct err *e) MUST_USE;
void store_close(struct store *s);
/* Can it be read and written now? */
int store_probe(struct store *s, struct err *e) MUST_USE;

/*
 * Several changes as one: all of them or none, and one wait for the disk.  A
 * failed call between them must lead to store_rollback.  They nest.
 */
int store_begin(struct store *s, struct err *e) MUST_USE;
/* On failure everything since store_begin is undone. */
int store_commit(struct store *s, struct err *e) MUST_USE;
void store_rollback(struct store *s);

/* --- objects (gateway-api 7.3) --- */

struct store_object {
	char *id, *name;
	char *payload; /* n bytes */
	size_t n;
	int64_t created_ms, updated_ms;
	uint64_t version; /* grows with each update; for compare-and-set */
};
void store_object_fini(struct store_object *o);

/* ERR_EXISTS when the id, or the name among its type, is taken. */
int store_object_insert(struct store *s, const char *type, const char *id,
    const char *name, struct view payload, int64_t now_ms,
    struct err *e) MUST_USE;
/*
 * `expected` 0: whatever is there, else ERR_AGAIN when it is another.  *version
 * (may be NULL) is the new one.  Of another type is ERR_NOT_FOUND.
 */
int store_object_update(struct store *s, const char *type, const char *id,
    struct view payload, uint64_t expected, int64_t now_ms, uint64_t *version,
    struct err *e) MUST_USE;
int store_object_by_id(struct store *s, const char *type, const char *id,
    struct store_object *out, struct err *e) MUST_USE;
int store_object_by_name(struct store *s, const char *type, const char *name,
    struct store_object *out, struct err *e) MUST_USE;
/*
 * By creation time, then name.  `each` borrows; non-zero stops.  It may use the
 * store, but not list again.
 */
int store_object_list(struct store *s, const char *type, uint32_t limit,
    uint32_t offset, int (*each)(void *ctx, const struct store_object *o),
    void *ctx, struct err *e) MUST_USE;
/* *existed (may be NULL) says whether a row went. */
int store_object_delete(struct store *s, const char *type, const char *id,
    bool *existed, struct err *e) MUST_USE;
/* A new sandbox whole, or nothing of it: row, first revision (pending), token.
 */
int store_sandbox_insert(struct store *s, const char *id, const char *name,
    struct view payload, const char *hash, struct view policy,
    const char *token_sha256, int64_t now_ms, struct err *e) MUST_USE;
/* A sandbox with its revisions, chunks, settings and token. */
int store_sandbox_delete(
    struct store *s, const char *id, bool *existed, struct err *e) MUST_USE;

/* --- tokens: who a supervisor is --- */

enum { STORE_HASH_HEX = 64, STORE_ID_SIZE = 64 };

/*
 * `hash` is the SHA-256 of the token in lower-case hex; the token itself is
 * kept nowhere.  One a sandbox: the last one set.  ERR_NOT_FOUND without such a
 * sandbox, ERR_EXISTS when it is another's.
 */
int store_token_set(struct store *s, const char *sandbox_id, const char *hash,
    int64_t now_ms, struct err *e) MUST_USE;
/* Whose it is; ERR_NOT_FOUND: nobody's. */
int store_token_find(struct store *s, const char *hash,
    char sandbox_id[STORE_ID_SIZE], struct err *e) MUST_USE;

/* --- heads: the newest record of a sandbox (audit/chain.h) --- */

struct store_head {
	uint64_t seq; /* 0: none yet */
	char hash[STORE_HASH_HEX + 1];
};
/* An older one than is there changes nothing. */
int store_head_set(struct store *s, const char *sandbox_id,
    const struct store_head *h, struct err *e) MUST_USE;
int store_head_get(struct store *s, const char *sandbox_id,
    struct store_head *out, struct err *e) MUST_USE;

/* --- policy revisions --- */

/* Finished revisions of a sandbox beyond this many are dropped, oldest first:
 * a sandbox that reports without end must not fill the disk. */
enum { STORE_REVISIONS_KEPT = 1000 };

enum store_revision_status {
	STORE_PENDING = 1, /* the numbers of PolicyStatus */
	STORE_LOADED,
	STORE_FAILED,
	STORE_SUPERSEDED
};

struct store_revision {
	uint32_t version;
	char hash[65];
	enum store_revision_status status;
	char *load_error; /* or NULL */
	int64_t created_ms, loaded_ms; /* loaded_ms 0: never */
	char *payload;
	size_t n;
};
void store_revision_fini(struct store_revision *r);

/* The next version of that sandbox, given back in *version. */
int store_revision_add(struct store *s, const char *sandbox_id,
    const char *hash, struct view payload, enum store_revision_status status,
    int64_t now_ms, uint32_t *version, struct err *e) MUST_USE;
/* `version` 0: the newest. */
int store_revision_get(struct store *s, const char *sandbox_id,
    uint32_t version, struct store_revision *out, struct err *e) MUST_USE;
/* The newest that did not fail (what a sandbox should have). */
int store_revision_wanted(struct store *s, const char *sandbox_id,
    struct store_revision *out, struct err *e) MUST_USE;
/* Newest first, payloads left out. */
int store_revision_list(struct store *s, const char *sandbox_id, uint32_t limit,
    uint32_t offset, int (*each)(void *ctx, const struct store_revision *r),
    void *ctx, struct err *e) MUST_USE;
/*
 * A report of the sandbox, LOADED or FAILED.  LOADED supersedes every older
 * pending or loaded one and is refused (ERR_AGAIN) for a version older than one
 * that is loaded; superseded is final (ERR_AGAIN).  FAILED keeps what was
 * loaded, and `error`.
 */
int store_revision_report(struct store *s, const char *sandbox_id,
    uint32_t version, enum store_revision_status status, const char *error,
    int64_t now_ms, struct err *e) MUST_USE;
/* Pending and loaded ones older than `before`; *changed (may be NULL). */
int store_revision_supersede(struct store *s, const char *sandbox_id,
    uint32_t before, unsigned *changed, struct err *e) MUST_USE;

/* --- the policy of every sandbox at once (gateway-api 4.8, 4.10) --- */

/* Whose its revisions are: no sandbox has this id. */
#define STORE_GLOBAL "__global__"

/* The one that is set; ERR_NOT_FOUND: none is, whatever was before. */
int store_global_get(
    struct store *s, struct store_revision *out, struct err *e) MUST_USE;
/*
 * Sets it: a new revision, loaded at once, unless that one is set already.
 * *version is that of the revision, *changed whether it is new.
 */
int store_global_set(struct store *s, const char *hash, struct view payload,
    int64_t now_ms, uint32_t *version, bool *changed, struct err *e) MUST_USE;
/* Its revisions stay, superseded; *existed says whether one was set. */
int store_global_delete(struct store *s, bool *existed, struct err *e) MUST_USE;

/* --- drafts: rules that sandboxes propose (gateway-api 4.11) --- */

enum store_chunk_status { CHUNK_PENDING, CHUNK_APPROVED, CHUNK_REJECTED };
/* "pending", "approved", "rejected". */
const char *store_chunk_word(enum store_chunk_status st);

struct store_chunk {
	char *id;
	uint64_t draft_version;
	enum store_chunk_status status;
	char *rule_name;
	char *rule; /* n_rule bytes */
	size_t n_rule;
	char *rule_hash; /* written only */
	char *rationale, *security_notes, *stage;
	double confidence;
	char *host, *binary; /* of its first endpoint, its first binary */
	uint32_t port;
	int32_t hit_count;
	int64_t first_seen_ms, last_seen_ms, created_ms;
	int64_t decided_ms; /* 0: never */
	char *reject_reason, *validation;
	/* What its approval did to the policy (policy/merge.h); else "". */
	char *merge_rule, *merge_added, *merge_parts;
};
void store_chunk_fini(struct store_chunk *c);

struct store_chunk_counts {
	uint32_t all, pending;
	uint64_t draft_version; /* the greatest; 0 without any */
};
int store_chunk_counts(struct store *s, const char *sandbox_id,
    struct store_chunk_counts *out, struct err *e) MUST_USE;
/*
 * The same proposal again (place and rule_hash): counts it, and is 1 with its
 * id and status; 0: there is none.
 */
int store_chunk_again(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, char id[STORE_ID_SIZE],
    enum store_chunk_status *st, struct err *e) MUST_USE;
/* A new one, pending. */
int store_chunk_add(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, struct err *e) MUST_USE;
/* ERR_NOT_FOUND also when it is another sandbox's. */
int store_chunk_get(struct store *s, const char *sandbox_id, const char *id,
    struct store_chunk *out, struct err *e) MUST_USE;
/*
 * Newest first; `status` "" is any.  `each` borrows; non-zero stops.  It may
 * use the store, but not list again.
 */
int store_chunk_list(struct store *s, const char *sandbox_id,
    const char *status, int (*each)(void *ctx, const struct store_chunk *c),
    void *ctx, struct err *e) MUST_USE;
/*
 * From the status it had to c->status, with decided_ms, reject_reason and
 * merge_* of `c`.  No two decisions about a sandbox have one time: the later
 * one's is moved.  ERR_AGAIN when it has another status.
 */
int store_chunk_decide(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, enum store_chunk_status was,
    struct err *e) MUST_USE;
/* merge_* of `c`, whose status is as it was. */
int store_chunk_merged(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, struct err *e) MUST_USE;
/*
 * Another rule in its place, with all that is told by it.  ERR_AGAIN unless it
 * is pending, ERR_EXISTS when another proposal asks for the same.
 */
int store_chunk_edit(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, struct err *e) MUST_USE;
/* What the gateway found about it. */
int store_chunk_verdict(struct store *s, const char *sandbox_id, const char *id,
    const char *validation, struct err *e) MUST_USE;
/* The pending ones go; *cleared is how many. */
int store_chunks_clear(struct store *s, const char *sandbox_id,
    unsigned *cleared, struct err *e) MUST_USE;

#endif
