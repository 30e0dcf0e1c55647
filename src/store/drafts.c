/*
 * drafts: the rules that sandboxes propose, and what became of them.
 *
 *	pending -> approved | rejected -> approved
 *	approved -> pending | rejected
 *
 * Who may go where is the gateway's to say; each step here is compare-and-set,
 * so that two decisions at once cannot both be.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/db.h"

static const char *const words[] = {
	[CHUNK_PENDING] = "pending",
	[CHUNK_APPROVED] = "approved",
	[CHUNK_REJECTED] = "rejected",
};

/* Columns of CHUNK_LIST. */
enum {
	C_ID,
	C_DRAFT,
	C_STATUS,
	C_NAME,
	C_RULE,
	C_RATIONALE,
	C_NOTES,
	C_CONFIDENCE,
	C_HOST,
	C_PORT,
	C_BINARY,
	C_HITS,
	C_FIRST,
	C_LAST,
	C_CREATED,
	C_DECIDED,
	C_STAGE,
	C_REASON,
	C_VALIDATION,
	C_MERGE_RULE,
	C_MERGE_ADDED,
	C_MERGE_PARTS
};

const char *
store_chunk_word(enum store_chunk_status st)
{
	return words[st];
}

void
store_chunk_fini(struct store_chunk *c)
{
	char **const text[] = { &c->id, &c->rule_name, &c->rule, &c->rule_hash,
		&c->rationale, &c->security_notes, &c->stage, &c->host,
		&c->binary, &c->reject_reason, &c->validation, &c->merge_rule,
		&c->merge_added, &c->merge_parts };

	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		free(*text[i]);
	*c = (struct store_chunk) { 0 };
}

static int
read_status(struct view word, enum store_chunk_status *out, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (view_eq(word, view_of(words[i]))) {
			*out = (enum store_chunk_status)i;
			return 0;
		}
	return err_set(
	    e, ERR_INVALID, "the database holds a chunk of unknown status");
}

static int
read_chunk(sqlite3_stmt *row, struct store_chunk *out, struct err *e)
{
	struct view rule = db_view(row, C_RULE);
	struct store_chunk c = { 0 };

	if (read_status(db_view(row, C_STATUS), &c.status, e) < 0)
		return -1;
	c.id = db_text(row, C_ID);
	c.draft_version = (uint64_t)sqlite3_column_int64(row, C_DRAFT);
	c.rule_name = db_text(row, C_NAME);
	c.rule = mem_strndup(rule.p, rule.n);
	c.n_rule = rule.n;
	c.rationale = db_text(row, C_RATIONALE);
	c.security_notes = db_text(row, C_NOTES);
	c.confidence = sqlite3_column_double(row, C_CONFIDENCE);
	c.host = db_text(row, C_HOST);
	c.port = (uint32_t)sqlite3_column_int64(row, C_PORT);
	c.binary = db_text(row, C_BINARY);
	c.hit_count = (int32_t)sqlite3_column_int64(row, C_HITS);
	c.first_seen_ms = sqlite3_column_int64(row, C_FIRST);
	c.last_seen_ms = sqlite3_column_int64(row, C_LAST);
	c.created_ms = sqlite3_column_int64(row, C_CREATED);
	c.decided_ms = sqlite3_column_int64(row, C_DECIDED);
	c.stage = db_text(row, C_STAGE);
	c.reject_reason = db_text(row, C_REASON);
	c.validation = db_text(row, C_VALIDATION);
	c.merge_rule = db_text(row, C_MERGE_RULE);
	c.merge_added = db_text(row, C_MERGE_ADDED);
	c.merge_parts = db_text(row, C_MERGE_PARTS);
	*out = c;
	return 0;
}

int
store_chunk_counts(struct store *s, const char *sandbox_id,
    struct store_chunk_counts *out, struct err *e)
{
	sqlite3_stmt *row;
	int rc =
	    db_query(s, ST_CHUNK_COUNTS, ARGS(A_TEXT(sandbox_id)), &row, e);

	*out = (struct store_chunk_counts) { 0 };
	if (rc <= 0)
		return rc;
	out->all = (uint32_t)sqlite3_column_int64(row, 0);
	out->pending = (uint32_t)sqlite3_column_int64(row, 1);
	out->draft_version = (uint64_t)sqlite3_column_int64(row, 2);
	db_done(row);
	return 0;
}

int
store_chunk_again(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, char id[STORE_ID_SIZE],
    enum store_chunk_status *st, struct err *e)
{
	sqlite3_stmt *row;
	int rc = db_query(s, ST_CHUNK_AGAIN,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(c->host), A_INT(c->port),
		A_TEXT(c->binary), A_TEXT(c->rule_hash), A_INT(c->hit_count),
		A_INT(c->last_seen_ms)),
	    &row, e);
	struct view v;

	if (rc <= 0)
		return rc;
	v = db_view(row, 0);
	if (v.n < STORE_ID_SIZE) {
		memcpy(id, v.p, v.n);
		id[v.n] = '\0';
	}
	rc = v.n < STORE_ID_SIZE
		 ? read_status(db_view(row, 1), st, e)
		 : err_set(e, ERR_INVALID, "the id of a chunk is too long");
	if (rc < 0) {
		db_done(row);
		return -1;
	}
	/* An UPDATE takes effect when its last row was taken. */
	rc = db_next(s, row, e);
	return rc < 0 ? -1 : 1;
}

int
store_chunk_add(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, struct err *e)
{
	struct view rule = { c->rule, c->n_rule };

	return db_run(s, ST_CHUNK_ADD,
	    ARGS(A_TEXT(c->id), A_TEXT(sandbox_id), A_INT(c->draft_version),
		A_TEXT(c->rule_name), A_BLOB(rule), A_TEXT(c->rule_hash),
		A_TEXT(c->rationale), A_TEXT(c->security_notes),
		A_REAL(c->confidence), A_TEXT(c->host), A_INT(c->port),
		A_TEXT(c->binary), A_INT(c->hit_count), A_INT(c->first_seen_ms),
		A_INT(c->last_seen_ms), A_INT(c->created_ms), A_TEXT(c->stage),
		A_TEXT(c->validation)),
	    NULL, e);
}

int
store_chunk_get(struct store *s, const char *sandbox_id, const char *id,
    struct store_chunk *out, struct err *e)
{
	sqlite3_stmt *row;
	int rc;

	if (id[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "chunk not found");
	rc = db_query(s, ST_CHUNK_LIST,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(id), A_TEXT("")), &row, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "chunk not found");
	rc = read_chunk(row, out, e);
	db_done(row);
	return rc;
}

int
store_chunk_list(struct store *s, const char *sandbox_id, const char *status,
    int (*each)(void *ctx, const struct store_chunk *c), void *ctx,
    struct err *e)
{
	sqlite3_stmt *row;
	int rc = db_query(s, ST_CHUNK_LIST,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(""), A_TEXT(status)), &row, e);

	while (rc > 0) {
		struct store_chunk c;
		int stop;

		if (read_chunk(row, &c, e) < 0) {
			db_done(row);
			return -1;
		}
		stop = each(ctx, &c);
		store_chunk_fini(&c);
		if (stop != 0) {
			db_done(row);
			return 0;
		}
		rc = db_next(s, row, e);
	}
	return rc;
}

/* Of a change that must find its row. */
static int
changed_one(int rc, unsigned changed, struct err *e)
{
	if (rc < 0)
		return -1;
	return changed == 1
		   ? 0
		   : err_set(e, ERR_AGAIN,
			 "the chunk was decided by somebody else meanwhile");
}

int
store_chunk_decide(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, enum store_chunk_status was, struct err *e)
{
	unsigned changed = 0;
	int rc = db_run(s, ST_CHUNK_DECIDE,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(c->id), A_TEXT(words[was]),
		A_TEXT(words[c->status]), A_INT(c->decided_ms),
		A_TEXT(c->reject_reason), A_TEXT(c->merge_rule),
		A_TEXT(c->merge_added), A_TEXT(c->merge_parts)),
	    &changed, e);

	return changed_one(rc, changed, e);
}

int
store_chunk_merged(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, struct err *e)
{
	return db_run(s, ST_CHUNK_MERGED,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(c->id), A_TEXT(c->merge_rule),
		A_TEXT(c->merge_added), A_TEXT(c->merge_parts)),
	    NULL, e);
}

int
store_chunk_edit(struct store *s, const char *sandbox_id,
    const struct store_chunk *c, struct err *e)
{
	struct view rule = { c->rule, c->n_rule };
	unsigned changed = 0;
	int rc = db_run(s, ST_CHUNK_EDIT,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(c->id), A_TEXT(c->rule_name),
		A_BLOB(rule), A_TEXT(c->rule_hash), A_TEXT(c->host),
		A_INT(c->port), A_TEXT(c->binary), A_TEXT(c->security_notes),
		A_TEXT(c->validation)),
	    &changed, e);

	if (rc < 0 &&
	    sqlite3_extended_errcode(s->db) == SQLITE_CONSTRAINT_UNIQUE)
		return err_set(e, ERR_EXISTS,
		    "another proposal of this sandbox asks for the same");
	return changed_one(rc, changed, e);
}

int
store_chunk_verdict(struct store *s, const char *sandbox_id, const char *id,
    const char *validation, struct err *e)
{
	return db_run(s, ST_CHUNK_VERDICT,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(id), A_TEXT(validation)), NULL, e);
}

int
store_chunks_clear(
    struct store *s, const char *sandbox_id, unsigned *cleared, struct err *e)
{
	return db_run(s, ST_CHUNKS_CLEAR, ARGS(A_TEXT(sandbox_id)), cleared, e);
}
