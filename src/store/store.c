/*
 * store: opening the file, and changes as wholes.
 *
 * The directory is ours alone (0700), so what was checked in it stays what it
 * was when SQLite opens it by name.  Our own descriptor must be closed before
 * that: closing any descriptor of the file drops SQLite's locks (fcntl(2)).
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "store/db.h"

/* Payloads are messages of at most 1 MiB; nothing larger is ours. */
enum { VALUE_MAX = 8 << 20 };

static int
check_owner(const char *what, const char *path, const struct stat *st,
    const char *mode, struct err *e)
{
	if (st->st_uid != geteuid())
		return err_set(e, ERR_DENIED,
		    "%s %s belongs to user %u, not to %u: chown it", what, path,
		    (unsigned)st->st_uid, (unsigned)geteuid());
	if ((st->st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "%s %s may be used by others (mode %04o): chmod %s it",
		    what, path, (unsigned)(st->st_mode & 07777), mode);
	return 0;
}

static int
check_file(
    int dir, const char *base, const char *path, bool make, struct err *e)
{
	int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	AUTO_CLOSE int fd =
	    openat(dir, base, flags | (make ? O_CREAT : 0), 0600);
	struct stat st;

	if (fd < 0 && errno == ENOENT && !make)
		return 0;
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_DENIED,
		    "database %s is a symbolic link: put the file there", path);
	if (fd < 0)
		return err_sys(e, "open database %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "database %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(
		    e, ERR_DENIED, "database %s is not a regular file", path);
	if (st.st_nlink > 1)
		return err_set(e, ERR_DENIED,
		    "database %s has a second name (hard link): remove it",
		    path);
	return check_owner("database", path, &st, "600", e);
}

static int
check_place(const char *path, struct err *e)
{
	AUTO_FREE char *for_dir = mem_strdup(path),
		       *for_base = mem_strdup(path);
	const char *dir = dirname(for_dir), *base = basename(for_base);
	AUTO_CLOSE int fd =
	    open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FREE char *wal = mem_printf("%s-wal", base);
	AUTO_FREE char *wal_path = mem_printf("%s-wal", path);
	struct stat st;

	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return err_set(e, ERR_DENIED,
		    "%s is not a directory or is a symbolic link", dir);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "directory %s", dir);
	if (check_owner("directory", dir, &st, "700", e) < 0 ||
	    check_file(fd, base, path, true, e) < 0)
		return -1;
	return check_file(fd, wal, wal_path, false, e);
}

/* quick_check says "ok" in one row, or what is wrong. */
static int
check_content(struct store *s, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc =
	    sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL);
	bool ok = false;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		ok = view_eq(db_view(st, 0), VIEW("ok"));
	else if (rc != SQLITE_DONE)
		(void)db_err(s, rc, e);
	(void)sqlite3_finalize(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return -1;
	return ok ? 0 : db_err(s, SQLITE_CORRUPT, e);
}

static int
run_all(struct store *s, const char *const *sql, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (db_exec(s, sql[i], e) < 0)
			return -1;
	return 0;
}

/* Nothing is written before the file is known to be whole and ours. */
static int
set_up(struct store *s, struct err *e)
{
	static const char *const before[] = {
		/* The file is ours alone and needs no shared memory beside
		 * it. */
		"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA trusted_schema = OFF",
		"PRAGMA cell_size_check = ON",
	};
	static const char *const after[] = {
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA foreign_keys = ON",
		/* Secrets that were deleted are gone from the file. */
		"PRAGMA secure_delete = ON",
	};
	struct schema is = { 0 };

	(void)sqlite3_extended_result_codes(s->db, 1);
	(void)sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (run_all(s, before, ARRAY_LEN(before), e) < 0 ||
	    check_content(s, e) < 0 || schema_check(s, &is, e) < 0 ||
	    run_all(s, after, ARRAY_LEN(after), e) < 0)
		return -1;
	return schema_run(s, &is, e);
}

int
store_open(const char *path, struct store **out, struct err *e)
{
	struct store *s;
	int rc;

	if (check_place(path, e) < 0)
		return -1;
	s = NEW(struct store);
	s->path = mem_strdup(path);
	rc = sqlite3_open_v2(path, &s->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_PRIVATECACHE,
	    NULL);
	if (rc != SQLITE_OK)
		(void)db_err(s, rc, e);
	if (rc != SQLITE_OK || set_up(s, e) < 0) {
		store_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < ST_COUNT; i++)
		(void)sqlite3_finalize(s->st[i]);
	(void)sqlite3_close(s->db);
	free(s->path);
	free(s);
}

/* A write that waits for the disk: nothing less tells. */
int
store_probe(struct store *s, struct err *e)
{
	int moved = 0;

	if (sqlite3_file_control(
		s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
	    moved)
		return err_set(e, ERR_IO,
		    "database %s was removed while it was in use: restart the "
		    "gateway",
		    s->path);
	return db_run(s, ST_PROBE, ARGS(A_INT(clock_wall_ms())), NULL, e);
}

int
store_begin(struct store *s, struct err *e)
{
	return db_run(s, ST_BEGIN, NULL, NULL, e);
}

int
store_commit(struct store *s, struct err *e)
{
	if (db_run(s, ST_COMMIT, NULL, NULL, e) == 0)
		return 0;
	store_rollback(s);
	return -1;
}

void
store_rollback(struct store *s)
{
	struct err ignored;

	/* SQLite undoes a whole transaction itself when the disk fails; then
	 * there is nothing left to undo. */
	if (sqlite3_get_autocommit(s->db))
		return;
	if (db_run(s, ST_UNDO, NULL, NULL, &ignored) < 0 ||
	    db_run(s, ST_COMMIT, NULL, NULL, &ignored) < 0)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}
