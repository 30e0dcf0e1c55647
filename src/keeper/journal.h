/*
 * journal: the records of a sandbox as files, DIR/records/000001.jsonl and so
 * on: one chain (audit/chain.h) that goes on from file to file.
 *
 * Bounded: a file that is full is followed by the next, whose first line says
 * which is the oldest that is kept; older ones are removed after that.  Every
 * line is written whole by one write(2), so a process that is killed leaves at
 * most one line without an end, and the next one to open goes on behind it.
 * What a process wrote stays when it is killed; it is not synced, so a power
 * cut may take the last seconds.
 */
#ifndef KEEPER_JOURNAL_H
#define KEEPER_JOURNAL_H

#include "audit/chain.h"

enum { JOURNAL_FILE_BYTES = 8 << 20, JOURNAL_FILES = 8 };

struct journal {
	int dir, fd; /* -1: closed */
	uint32_t first, last; /* numbers of the files */
	size_t size, max; /* bytes of the last one, and when it is full */
	char sandbox[64];
	struct audit_head head;
};

/* Makes DIR/records or goes on with what is there. */
int journal_open(
    struct journal *j, int dirfd, struct view sandbox, struct err *e) MUST_USE;
void journal_close(struct journal *j);
/*
 * Lines of the proxy's become records.  `each` sees them before they are
 * written; after -1 the journal takes no more.
 */
int journal_add(struct journal *j, struct view lines,
    void (*each)(void *ctx, const struct audit_event *ev), void *ctx,
    struct err *e) MUST_USE;

#endif
