/* objects: rows of a type, an id, a name and a payload. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/db.h"

/* Columns of OBJECT_BY_ID, OBJECT_BY_NAME and OBJECT_LIST. */
enum { C_ID, C_NAME, C_PAYLOAD, C_CREATED, C_UPDATED, C_VERSION };

void
store_object_fini(struct store_object *o)
{
	free(o->id);
	free(o->name);
	free(o->payload);
	*o = (struct store_object) { 0 };
}

static void
read_object(sqlite3_stmt *row, struct store_object *out)
{
	struct view payload = db_view(row, C_PAYLOAD);

	*out = (struct store_object) {
		.id = db_text(row, C_ID),
		.name = db_text(row, C_NAME),
		.payload = mem_strndup(payload.p, payload.n),
		.n = payload.n,
		.created_ms = sqlite3_column_int64(row, C_CREATED),
		.updated_ms = sqlite3_column_int64(row, C_UPDATED),
		.version = (uint64_t)sqlite3_column_int64(row, C_VERSION),
	};
}

int
store_object_insert(struct store *s, const char *type, const char *id,
    const char *name, struct view payload, int64_t now_ms, struct err *e)
{
	int rc = db_run(s, ST_OBJECT_INSERT,
	    ARGS(A_TEXT(type), A_TEXT(id), A_TEXT(name), A_BLOB(payload),
		A_INT(now_ms)),
	    NULL, e);
	int why = sqlite3_extended_errcode(s->db);

	if (rc == 0)
		return 0;
	if (why == SQLITE_CONSTRAINT_UNIQUE)
		return err_set(
		    e, ERR_EXISTS, "%s '%s' already exists", type, name);
	if (why == SQLITE_CONSTRAINT_PRIMARYKEY)
		return err_set(
		    e, ERR_EXISTS, "the id '%s' is already in use", id);
	return -1;
}

static int
not_there(const char *type, const char *key, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s '%s' not found", type, key);
}

static int
get(struct store *s, enum db_st which, const char *type, const char *key,
    struct store_object *out, struct err *e)
{
	sqlite3_stmt *row;
	int rc = db_query(s, which, ARGS(A_TEXT(type), A_TEXT(key)), &row, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return not_there(type, key, e);
	read_object(row, out);
	db_done(row);
	return 0;
}

int
store_object_by_id(struct store *s, const char *type, const char *id,
    struct store_object *out, struct err *e)
{
	return get(s, ST_OBJECT_BY_ID, type, id, out, e);
}

int
store_object_by_name(struct store *s, const char *type, const char *name,
    struct store_object *out, struct err *e)
{
	return get(s, ST_OBJECT_BY_NAME, type, name, out, e);
}

/* No row changed: none there, or of another version. */
static int
why_unchanged(struct store *s, const char *type, const char *id, struct err *e)
{
	struct store_object o;

	if (store_object_by_id(s, type, id, &o, e) < 0)
		return -1;
	store_object_fini(&o);
	return err_set(e, ERR_AGAIN,
	    "%s '%s' was changed by another request: read it again", type, id);
}

int
store_object_update(struct store *s, const char *type, const char *id,
    struct view payload, uint64_t expected, int64_t now_ms, uint64_t *version,
    struct err *e)
{
	sqlite3_stmt *row;
	uint64_t now;
	int rc = db_query(s, ST_OBJECT_UPDATE,
	    ARGS(A_TEXT(type), A_TEXT(id), A_BLOB(payload), A_INT(now_ms),
		A_INT(expected)),
	    &row, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return why_unchanged(s, type, id, e);
	now = (uint64_t)sqlite3_column_int64(row, 0);
	/* The change is committed when the statement has run to its end. */
	rc = db_next(s, row, e);
	assert(rc <= 0);
	if (rc == 0 && version != NULL)
		*version = now;
	return rc;
}

int
store_object_list(struct store *s, const char *type, uint32_t limit,
    uint32_t offset, int (*each)(void *ctx, const struct store_object *o),
    void *ctx, struct err *e)
{
	sqlite3_stmt *row;
	int rc = db_query(s, ST_OBJECT_LIST,
	    ARGS(A_TEXT(type), A_INT(limit), A_INT(offset)), &row, e);

	while (rc > 0) {
		struct store_object o;
		int stop;

		read_object(row, &o);
		stop = each(ctx, &o);
		store_object_fini(&o);
		if (stop != 0) {
			db_done(row);
			return 0;
		}
		rc = db_next(s, row, e);
	}
	return rc;
}

int
store_object_delete(struct store *s, const char *type, const char *id,
    bool *existed, struct err *e)
{
	unsigned changed = 0;

	if (db_run(s, ST_OBJECT_DELETE, ARGS(A_TEXT(type), A_TEXT(id)),
		&changed, e) < 0)
		return -1;
	if (existed != NULL)
		*existed = changed > 0;
	return 0;
}

int
store_sandbox_insert(struct store *s, const char *id, const char *name,
    struct view payload, const char *hash, struct view policy,
    const char *token_sha256, int64_t now_ms, struct err *e)
{
	uint32_t version;

	if (store_begin(s, e) < 0)
		return -1;
	if (store_object_insert(s, "sandbox", id, name, payload, now_ms, e) <
		0 ||
	    store_revision_add(
		s, id, hash, policy, STORE_PENDING, now_ms, &version, e) < 0 ||
	    store_token_set(s, id, token_sha256, now_ms, e) < 0) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, e);
}

/* Its token goes by the foreign key. */
int
store_sandbox_delete(
    struct store *s, const char *id, bool *existed, struct err *e)
{
	AUTO_FREE char *settings = mem_printf("settings:%s", id);

	if (store_begin(s, e) < 0)
		return -1;
	if (store_object_delete(s, "sandbox", id, existed, e) < 0 ||
	    store_object_delete(s, "sandbox_settings", settings, NULL, e) < 0 ||
	    db_run(s, ST_REVISIONS_DELETE, ARGS(A_TEXT(id)), NULL, e) < 0 ||
	    db_run(s, ST_CHUNKS_DELETE, ARGS(A_TEXT(id)), NULL, e) < 0) {
		store_rollback(s);
		return err_wrap(e, "delete sandbox %s", id);
	}
	return store_commit(s, e);
}
