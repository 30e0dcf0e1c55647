/* db: see db.h. */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "base/mem.h"

static const char *const sql_of[ST_COUNT] = {
#define ST(name, sql) [ST_##name] = (sql),
#include "store/statements.def"
#undef ST
};

/* Primary result codes (sqlite3.h) with what a person can do about them. */
static const struct {
	int rc;
	enum err_code code;
	const char *text;
} faults[] = {
	{ SQLITE_FULL, ERR_IO,
	    "the disk is full; nothing was changed: free some space" },
	{ SQLITE_READONLY, ERR_IO,
	    "the file or its file system is read-only: make it writable" },
	{ SQLITE_CANTOPEN, ERR_IO, "it cannot be opened" },
	{ SQLITE_BUSY, ERR_IO,
	    "another program has it open: end that program" },
	{ SQLITE_CORRUPT, ERR_INVALID,
	    "the file is damaged: put a backup in its place, or remove all "
	    "sandboxes and start anew with 'openshell gateway destroy'" },
	{ SQLITE_NOTADB, ERR_INVALID,
	    "the file is damaged or no database: put a backup in its place, or "
	    "remove all sandboxes and start anew with 'openshell gateway "
	    "destroy'" },
	{ SQLITE_TOOBIG, ERR_LIMIT, "the value is too large" },
};

/* Like a full disk, said by the system in other words. */
static bool
is_full(int sys)
{
	return sys == ENOSPC || sys == EDQUOT || sys == EFBIG;
}

int
db_err(struct store *s, int rc, struct err *e)
{
	const char *path = s->path;
	int sys = sqlite3_system_errno(s->db);
	int primary = rc & 0xff;

	if (primary == SQLITE_IOERR && is_full(sys))
		primary = SQLITE_FULL;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		if (faults[i].rc != primary)
			continue;
		(void)err_set(e, faults[i].code, "%s", faults[i].text);
		e->sys = primary == SQLITE_FULL ? ENOSPC : 0;
		return err_wrap(e, "database %s", path);
	}
	if (primary == SQLITE_IOERR && sys != 0) {
		errno = sys;
		return err_sys(e, "database %s", path);
	}
	(void)err_set(e, primary == SQLITE_IOERR ? ERR_IO : ERR_INTERNAL,
	    "%s (%d)", sqlite3_errmsg(s->db), rc);
	return err_wrap(e, "database %s", path);
}

static int
bind(sqlite3_stmt *st, int at, const struct db_arg *a)
{
	switch (a->kind) {
	case DB_TEXT:
		return sqlite3_bind_text(st, at, a->text, -1, SQLITE_STATIC);
	case DB_INT:
		return sqlite3_bind_int64(st, at, a->i);
	case DB_BLOB:
		/* A NULL pointer would be SQL's NULL. */
		if (a->blob.n == 0)
			return sqlite3_bind_zeroblob(st, at, 0);
		return sqlite3_bind_blob64(
		    st, at, a->blob.p, a->blob.n, SQLITE_STATIC);
	case DB_REAL:
		return sqlite3_bind_double(st, at, a->real);
	case DB_END:
		break;
	}
	return SQLITE_MISUSE;
}

int
db_next(struct store *s, sqlite3_stmt *row, struct err *e)
{
	int rc = sqlite3_step(row);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		(void)db_err(s, rc, e);
	db_done(row);
	return rc == SQLITE_DONE ? 0 : -1;
}

void
db_done(sqlite3_stmt *row)
{
	(void)sqlite3_reset(row); /* repeats the error that was reported */
	(void)sqlite3_clear_bindings(row);
}

int
db_query(struct store *s, enum db_st which, const struct db_arg *args,
    sqlite3_stmt **row, struct err *e)
{
	sqlite3_stmt **st = &s->st[which];
	int rc = SQLITE_OK;

	if (*st == NULL)
		rc = sqlite3_prepare_v3(s->db, sql_of[which], -1,
		    SQLITE_PREPARE_PERSISTENT, st, NULL);
	if (rc != SQLITE_OK)
		return db_err(s, rc, e);
	if (sqlite3_stmt_busy(*st))
		return err_set(e, ERR_INTERNAL, "a list within a list");
	for (int i = 0; args != NULL && args[i].kind != DB_END; i++) {
		rc = bind(*st, i + 1, &args[i]);
		if (rc != SQLITE_OK) {
			(void)db_err(s, rc, e);
			db_done(*st);
			return -1;
		}
	}
	*row = *st;
	return db_next(s, *st, e);
}

int
db_run(struct store *s, enum db_st which, const struct db_arg *args,
    unsigned *changed, struct err *e)
{
	sqlite3_stmt *row;
	int rc = db_query(s, which, args, &row, e);

	assert(rc <= 0);
	if (rc == 0 && changed != NULL)
		*changed = (unsigned)sqlite3_changes(s->db);
	return rc;
}

int
db_exec(struct store *s, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_err(s, rc, e);
}

int
db_number(struct store *s, const char *sql, int64_t *out, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	*out = 0;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	else if (rc != SQLITE_DONE)
		(void)db_err(s, rc, e);
	(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

char *
db_text(sqlite3_stmt *row, int column)
{
	struct view v = db_view(row, column);

	return v.p == NULL ? NULL : mem_strndup(v.p, v.n);
}

struct view
db_view(sqlite3_stmt *row, int column)
{
	/* The pointer first: it may convert, which changes the length. */
	const char *p = sqlite3_column_blob(row, column);
	int n = sqlite3_column_bytes(row, column);

	if (p == NULL && sqlite3_column_type(row, column) != SQLITE_NULL)
		p = ""; /* of length 0 */
	return (struct view) { p, (size_t)n };
}
