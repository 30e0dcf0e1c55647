/* tokens: which sandbox a bearer token is of, by its hash. */
#include "store/db.h"

int
store_token_set(struct store *s, const char *sandbox_id, const char *hash,
    int64_t now_ms, struct err *e)
{
	int rc = db_run(s, ST_TOKEN_SET,
	    ARGS(A_TEXT(sandbox_id), A_TEXT(hash), A_INT(now_ms)), NULL, e);
	int why = sqlite3_extended_errcode(s->db);

	if (rc == 0)
		return 0;
	if (why == SQLITE_CONSTRAINT_FOREIGNKEY)
		return err_set(
		    e, ERR_NOT_FOUND, "sandbox '%s' not found", sandbox_id);
	if (why == SQLITE_CONSTRAINT_UNIQUE)
		return err_set(e, ERR_EXISTS, "the token is another sandbox's");
	return -1;
}

int
store_token_find(struct store *s, const char *hash,
    char sandbox_id[STORE_ID_SIZE], struct err *e)
{
	sqlite3_stmt *row;
	struct view id;
	int rc = db_query(s, ST_TOKEN_FIND, ARGS(A_TEXT(hash)), &row, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "no sandbox has this token");
	id = db_view(row, 0);
	if (id.n < STORE_ID_SIZE) {
		memcpy(sandbox_id, id.p, id.n);
		sandbox_id[id.n] = '\0';
	}
	db_done(row);
	if (id.n >= STORE_ID_SIZE)
		return err_set(e, ERR_INTERNAL, "a sandbox id is too long");
	return 0;
}
