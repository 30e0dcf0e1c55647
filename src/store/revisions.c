/*
 * revisions: the policies a sandbox was given, and what became of them.
 *
 *	pending -> loaded | failed	by the sandbox's report
 *	pending, loaded -> superseded	when a newer one is loaded; final
 *
 * So there is always one loaded while a newer one is on its way, and a late
 * report for an old one cannot bring it back.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/db.h"

static const char *const status_names[] = {
	[STORE_PENDING] = "pending",
	[STORE_LOADED] = "loaded",
	[STORE_FAILED] = "failed",
	[STORE_SUPERSEDED] = "superseded",
};

/* Columns of REVISION_GET, _WANTED and _LIST. */
enum { C_VERSION, C_HASH, C_STATUS, C_ERROR, C_CREATED, C_LOADED, C_PAYLOAD };

void
store_revision_fini(struct store_revision *r)
{
	free(r->load_error);
	free(r->payload);
	*r = (struct store_revision) { 0 };
}

static int
read_status(sqlite3_stmt *row, int column, enum store_revision_status *out,
    struct err *e)
{
	struct view name = db_view(row, column);

	for (int i = STORE_PENDING; i <= STORE_SUPERSEDED; i++)
		if (view_eq(name, view_of(status_names[i]))) {
			*out = (enum store_revision_status)i;
			return 0;
		}
	return err_set(
	    e, ERR_INVALID, "the database holds a revision of unknown status");
}

static int
read_revision(sqlite3_stmt *row, struct store_revision *out, struct err *e)
{
	struct view hash = db_view(row, C_HASH);
	struct view payload = db_view(row, C_PAYLOAD);
	struct store_revision r = { 0 };

	if (read_status(row, C_STATUS, &r.status, e) < 0)
		return -1;
	if (hash.n >= sizeof(r.hash))
		return err_set(e, ERR_INVALID,
		    "the database holds a revision with a bad hash");
	memcpy(r.hash, hash.p, hash.n);
	r.version = (uint32_t)sqlite3_column_int64(row, C_VERSION);
	r.load_error = db_text(row, C_ERROR);
	r.created_ms = sqlite3_column_int64(row, C_CREATED);
	r.loaded_ms = sqlite3_column_int64(row, C_LOADED);
	if (payload.p != NULL)
		r.payload = mem_strndup(payload.p, payload.n);
	r.n = payload.n;
	*out = r;
	return 0;
}

static int
next_version(
    struct store *s, const char *sandbox_id, uint32_t *out, struct err *e)
{
	sqlite3_stmt *row;
	int rc =
	    db_query(s, ST_REVISION_LAST, ARGS(A_TEXT(sandbox_id)), &row, e);
	int64_t last = 0;

	if (rc < 0)
		return -1;
	if (rc > 0) {
		last = sqlite3_column_int64(row, 0);
		db_done(row);
	}
	if (last < 0 || last >= UINT32_MAX)
		return err_set(e, ERR_LIMIT,
		    "sandbox %s has no revision numbers left", sandbox_id);
	*out = (uint32_t)last + 1;
	return 0;
}

static int
add(struct store *s, const char *sandbox_id, const char *hash,
    struct view payload, enum store_revision_status status, int64_t now_ms,
    uint32_t *version, struct err *e)
{
	int64_t loaded_ms = status == STORE_LOADED ? now_ms : 0;
	uint32_t v = 0;

	if (next_version(s, sandbox_id, &v, e) < 0 ||
	    db_run(s, ST_REVISION_ADD,
		ARGS(A_TEXT(sandbox_id), A_INT(v), A_BLOB(payload),
		    A_TEXT(hash), A_TEXT(status_names[status]), A_INT(now_ms),
		    A_INT(loaded_ms)),
		NULL, e) < 0)
		return -1;
	if (v > STORE_REVISIONS_KEPT &&
	    db_run(s, ST_REVISION_PRUNE,
		ARGS(A_TEXT(sandbox_id), A_INT(v - STORE_REVISIONS_KEPT)), NULL,
		e) < 0)
		return -1;
	*version = v;
	return 0;
}

int
store_revision_add(struct store *s, const char *sandbox_id, const char *hash,
    struct view payload, enum store_revision_status status, int64_t now_ms,
    uint32_t *version, struct err *e)
{
	uint32_t v = 0;

	if (store_begin(s, e) < 0)
		return -1;
	if (add(s, sandbox_id, hash, payload, status, now_ms, &v, e) < 0) {
		store_rollback(s);
		return err_wrap(e, "add a policy revision");
	}
	if (store_commit(s, e) < 0)
		return -1;
	*version = v;
	return 0;
}

static int
none(const char *sandbox_id, struct err *e)
{
	return err_set(
	    e, ERR_NOT_FOUND, "no policy revision found for %s", sandbox_id);
}

static int
get(struct store *s, enum db_st which, const struct db_arg *args,
    struct store_revision *out, struct err *e)
{
	sqlite3_stmt *row;
	int rc = db_query(s, which, args, &row, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return none(args[0].text, e);
	rc = read_revision(row, out, e);
	db_done(row);
	return rc;
}

int
store_revision_get(struct store *s, const char *sandbox_id, uint32_t version,
    struct store_revision *out, struct err *e)
{
	return get(s, ST_REVISION_GET, ARGS(A_TEXT(sandbox_id), A_INT(version)),
	    out, e);
}

int
store_revision_wanted(struct store *s, const char *sandbox_id,
    struct store_revision *out, struct err *e)
{
	return get(s, ST_REVISION_WANTED, ARGS(A_TEXT(sandbox_id)), out, e);
}

int
store_revision_list(struct store *s, const char *sandbox_id, uint32_t limit,
    uint32_t offset, int (*each)(void *ctx, const struct store_revision *r),
    void *ctx, struct err *e)
{
	sqlite3_stmt *row;
	int rc = db_query(s, ST_REVISION_LIST,
	    ARGS(A_TEXT(sandbox_id), A_INT(limit), A_INT(offset)), &row, e);

	while (rc > 0) {
		struct store_revision r;
		int stop;

		if (read_revision(row, &r, e) < 0) {
			db_done(row);
			return -1;
		}
		stop = each(ctx, &r);
		store_revision_fini(&r);
		if (stop != 0) {
			db_done(row);
			return 0;
		}
		rc = db_next(s, row, e);
	}
	return rc;
}

int
store_revision_supersede(struct store *s, const char *sandbox_id,
    uint32_t before, unsigned *changed, struct err *e)
{
	return db_run(s, ST_REVISION_SUPERSEDE,
	    ARGS(A_TEXT(sandbox_id), A_INT(before)), changed, e);
}

/* May this one become what the report says? */
static int
check_report(struct store *s, const char *sandbox_id, uint32_t version,
    enum store_revision_status to, enum store_revision_status *was,
    struct err *e)
{
	enum store_revision_status is = STORE_PENDING;
	sqlite3_stmt *row;
	int64_t loaded;
	int rc = db_query(s, ST_REVISION_STATE,
	    ARGS(A_TEXT(sandbox_id), A_INT(version)), &row, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "policy revision not found");
	rc = read_status(row, 0, &is, e);
	loaded = sqlite3_column_int64(row, 1);
	db_done(row);
	if (rc < 0)
		return -1;
	*was = is;
	if (is == STORE_SUPERSEDED || (to == STORE_LOADED && version < loaded))
		return err_set(e, ERR_AGAIN,
		    "revision %u was superseded by %lld: the report came too "
		    "late",
		    (unsigned)version, (long long)loaded);
	return 0;
}

static int
report(struct store *s, const char *sandbox_id, uint32_t version,
    enum store_revision_status status, const char *error, int64_t now_ms,
    struct err *e)
{
	bool loaded = status == STORE_LOADED;
	enum store_revision_status was = STORE_PENDING;

	if (check_report(s, sandbox_id, version, status, &was, e) < 0)
		return -1;
	/* Said again after a reconnect: it was loaded when it was. */
	if (loaded && was == STORE_LOADED)
		return 0;
	if (!loaded && error != NULL && *error == '\0')
		error = NULL;
	if (db_run(s, ST_REVISION_REPORT,
		ARGS(A_TEXT(sandbox_id), A_INT(version),
		    A_TEXT(status_names[status]), A_TEXT(loaded ? NULL : error),
		    A_INT(loaded ? now_ms : 0)),
		NULL, e) < 0)
		return -1;
	return loaded
		   ? store_revision_supersede(s, sandbox_id, version, NULL, e)
		   : 0;
}

int
store_revision_report(struct store *s, const char *sandbox_id, uint32_t version,
    enum store_revision_status status, const char *error, int64_t now_ms,
    struct err *e)
{
	if (status != STORE_LOADED && status != STORE_FAILED)
		return err_set(
		    e, ERR_INVALID, "status must be LOADED or FAILED");
	if (store_begin(s, e) < 0)
		return -1;
	if (report(s, sandbox_id, version, status, error, now_ms, e) < 0) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, e);
}
