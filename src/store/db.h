/*
 * db: SQLite as the rest of store uses it, private to store: one connection,
 * statements prepared once, arguments by type, its errors as ours.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>

#include "store/store.h"

enum db_st {
#define ST(name, sql) ST_##name,
#include "store/statements.def"
#undef ST
	ST_COUNT
};

struct store {
	sqlite3 *db;
	char *path;
	sqlite3_stmt *st[ST_COUNT];
};

enum db_kind { DB_END, DB_TEXT, DB_INT, DB_BLOB, DB_REAL };

struct db_arg {
	enum db_kind kind;
	const char *text; /* NULL is SQL's NULL */
	int64_t i;
	struct view blob;
	double real;
};

#define A_TEXT(s) ((struct db_arg) { .kind = DB_TEXT, .text = (s) })
#define A_INT(n) ((struct db_arg) { .kind = DB_INT, .i = (int64_t)(n) })
#define A_BLOB(v) ((struct db_arg) { .kind = DB_BLOB, .blob = (v) })
#define A_REAL(d) ((struct db_arg) { .kind = DB_REAL, .real = (d) })
#define ARGS(...) ((const struct db_arg[]) { __VA_ARGS__, { 0 } })

/*
 * Starts a statement.  1: *row stands on its first row, db_done it; 0: there is
 * none; -1.
 */
int db_query(struct store *s, enum db_st which, const struct db_arg *args,
    sqlite3_stmt **row, struct err *e) MUST_USE;
/* The next row of it, in the same way. */
int db_next(struct store *s, sqlite3_stmt *row, struct err *e) MUST_USE;
void db_done(sqlite3_stmt *row);
/* A statement without rows; *changed (may be NULL) is how many it changed. */
int db_run(struct store *s, enum db_st which, const struct db_arg *args,
    unsigned *changed, struct err *e) MUST_USE;
/* SQL of ours, once, rows thrown away. */
int db_exec(struct store *s, const char *sql, struct err *e) MUST_USE;
/* The first column of the first row as a number; 0 when there is no row. */
int db_number(
    struct store *s, const char *sql, int64_t *out, struct err *e) MUST_USE;

/* What SQLite says of the last call, as ours.  Returns -1. */
int db_err(struct store *s, int rc, struct err *e);

/* Copies of columns; NULL for SQL's NULL. */
char *db_text(sqlite3_stmt *row, int column) MUST_USE;
struct view db_view(sqlite3_stmt *row, int column); /* borrowed */

/* The form a database has (schema.c). */
struct schema {
	bool made; /* by us; else it is empty */
	size_t have; /* steps that have run */
};
/* Refuses what others or a newer one made; writes nothing. */
int schema_check(struct store *s, struct schema *is, struct err *e) MUST_USE;
/* Brings it to the newest form. */
int schema_run(
    struct store *s, const struct schema *is, struct err *e) MUST_USE;

#endif
