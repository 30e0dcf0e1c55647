/*
 * chain: records that cannot be altered, taken out, added or put in another
 * order without it being seen.
 *
 * A stored record is the line of audit/event.h with three members more, which
 * always stand last and in this form:
 *
 *	,"seq":7,"prev":"<64 hex>","hash":"<64 hex>"}
 *
 * `hash` is the SHA-256 of every byte of the line before `,"hash"`; `prev` is
 * the hash of the line before.  Records are numbered from 1 without a gap.  A
 * file begins with a CHAIN record, which has the number of the last record
 * before it (0 at the start of a sandbox) and takes none itself.
 *
 * Who can write the file can compute hashes too; what he cannot change is what
 * he does not hold.  A head (number and hash of the newest record) that is
 * kept elsewhere therefore tells a chain that was made anew or cut short.
 */
#ifndef AUDIT_CHAIN_H
#define AUDIT_CHAIN_H

#include "audit/event.h"
#include "codec/sha256.h"

/* The newest record: all that is needed to go on. */
struct audit_head {
	uint64_t seq;
	char hash[SHA256_HEX]; /* of zeros before the first */
};
void audit_head_init(struct audit_head *h);
bool audit_head_eq(const struct audit_head *a, const struct audit_head *b);
/* "7:<64 hex>" */
int audit_head_parse(
    struct view text, struct audit_head *out, struct err *e) MUST_USE;

/* Appends ev as the next record. */
void audit_chain_add(
    struct audit_head *h, const struct audit_event *ev, struct buf *out);

/* What a file begins with. */
struct audit_begin {
	struct view sandbox; /* id; empty: not known */
	uint32_t file, kept; /* its number, and the oldest one's; 0: no files */
	/* The end of an interrupted write, that stands in front of it. */
	struct view torn;
	int64_t time_ms;
	bool anew; /* another sandbox's: records count from 1 again */
};
void audit_chain_begin(
    struct audit_head *h, const struct audit_begin *b, struct buf *out);

/*
 * Going on with a file that is there: `tail` is its end, from some place on.
 * The head of its last whole record, and what stands behind that without an
 * end.  -1: there is no record in it.
 */
int audit_chain_resume(
    struct view tail, struct audit_head *out, struct view *torn) MUST_USE;

/*
 * Lines of the proxy's, each as the next record.  They are read and written
 * anew, so that no byte of theirs is stored as it came; one that cannot be read
 * becomes a record that says so.  `each` (may be NULL) sees every record.
 */
void audit_chain_lines(struct audit_head *h, struct view lines, int64_t now_ms,
    struct buf *out, void (*each)(void *ctx, const struct audit_event *ev),
    void *ctx);

/* --- verify -------------------------------------------------------------- */

enum audit_fault {
	AUDIT_INTACT,
	AUDIT_ALTERED,
	AUDIT_MISSING, /* also: the end is missing, as a head tells */
	AUDIT_REORDERED, /* or there twice */
	AUDIT_REWRITTEN /* consistent in itself, but not what the head knows */
};
const char *audit_fault_name(enum audit_fault f);

struct audit_verified {
	enum audit_fault fault;
	uint64_t seq; /* the first record it concerns; 0: that of a file */
	uint64_t line; /* where it was seen, from 1 over all files */
	uint64_t records;
	uint64_t interrupted; /* writes that did not end: no fault */
	struct audit_head head; /* the newest record that held */
	char text[320]; /* what is wrong, one line */
};

struct audit_verify;
/* `known`: a head kept elsewhere, or NULL. */
struct audit_verify *audit_verify_new(const struct audit_head *known) MUST_USE;
void audit_verify_free(struct audit_verify *v);
/* The next bytes, in pieces of any size. */
void audit_verify_feed(struct audit_verify *v, struct view bytes);
/* Nothing follows. */
void audit_verify_end(struct audit_verify *v, struct audit_verified *out);

#endif
