/* heads: the newest record of each sandbox, kept apart from the records. */
#include "store/db.h"

int
store_head_set(struct store *s, const char *sandbox_id,
    const struct store_head *h, struct err *e)
{
	return db_run(s, ST_HEAD_SET,
	    ARGS(A_TEXT(sandbox_id), A_INT(h->seq), A_TEXT(h->hash)), NULL, e);
}

int
store_head_get(struct store *s, const char *sandbox_id, struct store_head *out,
    struct err *e)
{
	sqlite3_stmt *row;
	struct view hash;
	int rc = db_query(s, ST_HEAD_GET, ARGS(A_TEXT(sandbox_id)), &row, e);

	*out = (struct store_head) { 0 };
	if (rc <= 0)
		return rc;
	out->seq = (uint64_t)sqlite3_column_int64(row, 0);
	hash = db_view(row, 1);
	if (hash.n == STORE_HASH_HEX)
		memcpy(out->hash, hash.p, hash.n);
	db_done(row);
	if (hash.n != STORE_HASH_HEX)
		return err_set(e, ERR_INVALID, "a head without its hash");
	return 0;
}
