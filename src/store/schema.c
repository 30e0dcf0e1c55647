/*
 * schema: the form of the database, as steps from nothing to the newest.
 *
 * A step that has been released never changes; a new form is a new step.  The
 * table schema_steps tells which have run.  Tables and columns are those of
 * gateway-api 7.2, and resource_version (for compare-and-set), sandbox_tokens,
 * record_heads, and what step 4 adds.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/db.h"

static const char *const steps[] = {
	/* 1 */
	"CREATE TABLE objects ("
	" object_type TEXT NOT NULL, id TEXT NOT NULL PRIMARY KEY,"
	" name TEXT NOT NULL, payload BLOB NOT NULL,"
	" created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,"
	" resource_version INTEGER NOT NULL DEFAULT 1,"
	" UNIQUE (object_type, name)) STRICT;"
	"CREATE INDEX idx_objects_order ON objects"
	" (object_type, created_at_ms, name);"
	/* Not a foreign key: revisions of all sandboxes at once have the id
	 * "__global__", which is no object. */
	"CREATE TABLE sandbox_policies ("
	" id TEXT NOT NULL PRIMARY KEY, sandbox_id TEXT NOT NULL,"
	" version INTEGER NOT NULL, policy_payload BLOB NOT NULL,"
	" policy_hash TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'pending',"
	" load_error TEXT, created_at_ms INTEGER NOT NULL,"
	" loaded_at_ms INTEGER, UNIQUE (sandbox_id, version)) STRICT;"
	"CREATE INDEX idx_sandbox_policies_lookup ON sandbox_policies"
	" (sandbox_id, version DESC);"
	"CREATE TABLE draft_policy_chunks ("
	" id TEXT NOT NULL PRIMARY KEY, sandbox_id TEXT NOT NULL,"
	" draft_version INTEGER NOT NULL,"
	" status TEXT NOT NULL DEFAULT 'pending', rule_name TEXT NOT NULL,"
	" proposed_rule BLOB NOT NULL, rationale TEXT NOT NULL DEFAULT '',"
	" security_notes TEXT NOT NULL DEFAULT '',"
	" confidence REAL NOT NULL DEFAULT 0, host TEXT NOT NULL DEFAULT '',"
	" port INTEGER NOT NULL DEFAULT 0, binary TEXT NOT NULL DEFAULT '',"
	" hit_count INTEGER NOT NULL DEFAULT 1,"
	" first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL,"
	" created_at_ms INTEGER NOT NULL, decided_at_ms INTEGER) STRICT;"
	"CREATE INDEX idx_draft_chunks_sandbox ON draft_policy_chunks"
	" (sandbox_id, status);"
	"CREATE UNIQUE INDEX idx_draft_chunks_endpoint ON draft_policy_chunks"
	" (sandbox_id, host, port, binary)"
	" WHERE status IN ('pending', 'approved', 'rejected');"
	"CREATE TABLE sandbox_tokens ("
	" sandbox_id TEXT NOT NULL PRIMARY KEY"
	" REFERENCES objects (id) ON DELETE CASCADE,"
	" token_sha256 TEXT NOT NULL UNIQUE,"
	" created_at_ms INTEGER NOT NULL) STRICT;"
	/* What store_probe writes. */
	"CREATE TABLE probe (at_ms INTEGER NOT NULL) STRICT;"
	"INSERT INTO probe VALUES (0);",
	/* 2: the newest record of each sandbox, kept apart from the records. */
	"CREATE TABLE record_heads ("
	" sandbox_id TEXT NOT NULL PRIMARY KEY"
	" REFERENCES objects (id) ON DELETE CASCADE,"
	" seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;",
	/* 3: how often the settings of a scope changed (gateway-api 4.8) */
	("CREATE TABLE settings_revisions ("
	 " scope TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL) "
	 "STRICT;"),
	/*
	 * 4: proposals (gateway-api 4.11).  One is the same as another when it
	 * asks for the same: host, port and binary of its first endpoint do not
	 * tell the paths of two requests apart.  merge_* is what its approval
	 * added to the policy, and to which rule of it.
	 */
	"ALTER TABLE draft_policy_chunks ADD COLUMN"
	" rule_hash TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE draft_policy_chunks ADD COLUMN"
	" stage TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE draft_policy_chunks ADD COLUMN"
	" reject_reason TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE draft_policy_chunks ADD COLUMN"
	" validation TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE draft_policy_chunks ADD COLUMN"
	" merge_rule TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE draft_policy_chunks ADD COLUMN"
	" merge_added TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE draft_policy_chunks ADD COLUMN"
	" merge_parts TEXT NOT NULL DEFAULT '';"
	"DROP INDEX idx_draft_chunks_endpoint;"
	"CREATE UNIQUE INDEX idx_draft_chunks_rule ON draft_policy_chunks"
	" (sandbox_id, host, port, binary, rule_hash);",
	/* 5: settings are objects, and their revision is in them (7.3) */
	("INSERT INTO objects (object_type, id, name, payload, created_at_ms,"
	 " updated_at_ms) SELECT 'gateway_settings',"
	 " 'gateway_settings:global', 'global', CAST('{\"revision\":' ||"
	 " revision || ',\"settings\":{}}' AS BLOB), 0, 0"
	 " FROM settings_revisions WHERE scope = '__global__';"
	 "DROP TABLE settings_revisions;"),
};

/* "openshell" says who made the file, for file(1) and for us. */
enum { APPLICATION_ID = 0x4f53474c };

static int
run_step(struct store *s, size_t i, struct err *e)
{
	AUTO_FREE char *note = mem_printf("INSERT INTO schema_steps VALUES "
					  "(%zu, %lld)",
	    i + 1, (long long)clock_wall_ms());

	if (store_begin(s, e) < 0)
		return -1;
	if (db_exec(s, steps[i], e) < 0 || db_exec(s, note, e) < 0) {
		store_rollback(s);
		return err_wrap(e, "schema step %zu", i + 1);
	}
	return store_commit(s, e);
}

/* Files of others have tables, but none of ours. */
static int
check_maker(struct store *s, bool *made, struct err *e)
{
	int64_t tables, ours;

	if (db_number(s, "SELECT count(*) FROM sqlite_schema", &tables, e) <
		0 ||
	    db_number(s,
		"SELECT count(*) FROM sqlite_schema WHERE name = "
		"'schema_steps'",
		&ours, e) < 0)
		return -1;
	if (tables > 0 && ours == 0)
		return err_set(e, ERR_INVALID,
		    "database %s was made by another program: move it away",
		    s->path);
	*made = ours != 0;
	return 0;
}

static int
make_steps_table(struct store *s, struct err *e)
{
	AUTO_FREE char *id =
	    mem_printf("PRAGMA application_id = %d", (int)APPLICATION_ID);

	if (db_exec(s, id, e) < 0)
		return -1;
	return db_exec(s,
	    "CREATE TABLE schema_steps (step INTEGER PRIMARY KEY,"
	    " applied_at_ms INTEGER NOT NULL) STRICT",
	    e);
}

/* PRAGMA user_version is the same number, for those who look from outside. */
static int
put_version(struct store *s, struct err *e)
{
	AUTO_FREE char *sql =
	    mem_printf("PRAGMA user_version = %zu", ARRAY_LEN(steps));

	return db_exec(s, sql, e);
}

static int
run_missing(struct store *s, const struct schema *is, struct err *e)
{
	if (!is->made && make_steps_table(s, e) < 0)
		return -1;
	for (size_t i = is->have; i < ARRAY_LEN(steps); i++)
		if (run_step(s, i, e) < 0)
			return -1;
	return put_version(s, e);
}

/* All steps that are missing are one change: a crash leaves none of them. */
int
schema_run(struct store *s, const struct schema *is, struct err *e)
{
	if (is->have == ARRAY_LEN(steps))
		return 0;
	if (store_begin(s, e) < 0)
		return -1;
	if (run_missing(s, is, e) < 0) {
		store_rollback(s);
		return -1;
	}
	return store_commit(s, e);
}

int
schema_check(struct store *s, struct schema *is, struct err *e)
{
	int64_t have = 0, told = 0;

	if (check_maker(s, &is->made, e) < 0 ||
	    db_number(s, "PRAGMA user_version", &told, e) < 0)
		return -1;
	if (is->made &&
	    db_number(s, "SELECT coalesce(max(step), 0) FROM schema_steps",
		&have, e) < 0)
		return -1;
	if (MAX(have, told) > (int64_t)ARRAY_LEN(steps))
		return err_set(e, ERR_DENIED,
		    "database %s has schema version %lld, made by a newer "
		    "openshell; this one knows up to %zu: use the newer "
		    "openshell",
		    s->path, (long long)MAX(have, told), ARRAY_LEN(steps));
	is->have = have > 0 ? (size_t)have : 0;
	return 0;
}
