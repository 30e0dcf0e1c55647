#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "shelf.h"

static void
refused(struct shelf *t, enum err_code code, const char *part)
{
	struct err e = { 0 };

	CHECK_INT(store_open(t->path, &t->s, &e), ==, -1);
	CHECK_INT(e.code, ==, code);
	CHECK_HAS(e.text, part);
	CHECK_HAS(e.text, t->dir);
}

static void
sql(struct shelf *t, const char *text)
{
	sqlite3 *db = NULL;

	CHECK_INT(sqlite3_open(t->path, &db), ==, SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), ==, SQLITE_OK);
	(void)sqlite3_close(db);
}

TEST(store_open, makes_files_for_their_owner_alone)
{
	struct shelf t;
	struct stat st;
	AUTO_FREE char *wal = NULL;
	mode_t was = umask(0);

	shelf_make(&t);
	shelf_open(&t);
	(void)umask(was);
	CHECK_INT(stat(t.path, &st), ==, 0);
	CHECK_INT(st.st_mode & 07777, ==, 0600);
	wal = mem_printf("%s-wal", t.path);
	CHECK_INT(stat(wal, &st), ==, 0);
	CHECK_INT(st.st_mode & 07777, ==, 0600);
	shelf_end(&t);
}

TEST(store_open, refuses_what_others_may_use)
{
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	store_close(take_ptr(t.s));
	CHECK_INT(chmod(t.path, 0640), ==, 0);
	refused(&t, ERR_DENIED, "chmod 600");
	CHECK_INT(chmod(t.path, 0600), ==, 0);
	CHECK_INT(chmod(t.dir, 0755), ==, 0);
	refused(&t, ERR_DENIED, "chmod 700");
	CHECK_INT(chmod(t.dir, 0700), ==, 0);
	shelf_open(&t);
	shelf_end(&t);
}

TEST(store_open, refuses_links_and_what_is_no_file)
{
	struct shelf t;
	AUTO_FREE char *other = NULL;

	shelf_make(&t);
	other = mem_printf("%s/other", t.dir);
	CHECK_INT(symlink(other, t.path), ==, 0);
	refused(&t, ERR_DENIED, "symbolic link");
	CHECK_INT(access(other, F_OK), ==, -1);
	CHECK_INT(unlink(t.path), ==, 0);
	CHECK_INT(mkfifo(t.path, 0600), ==, 0);
	refused(&t, ERR_DENIED, "not a regular file");
	CHECK_INT(unlink(t.path), ==, 0);
	shelf_open(&t);
	store_close(take_ptr(t.s));
	CHECK_INT(link(t.path, other), ==, 0);
	refused(&t, ERR_DENIED, "hard link");
	shelf_end(&t);
}

TEST(store_open, refuses_a_second_time_while_it_is_open)
{
	struct shelf t;
	struct store *second = NULL;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(store_open(t.path, &second, &e), ==, -1);
	CHECK_HAS(e.text, "another program has it open");
	CHECK_INT(store_probe(t.s, &e), ==, 0);
	shelf_end(&t);
}

TEST(store_open, refuses_a_damaged_file_with_what_to_do)
{
	struct shelf t;
	AUTO_CLOSE int fd = -1;
	struct err e = { 0 };
	char junk[8192];

	memset(junk, 'x', sizeof(junk));
	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(store_object_insert(t.s, "sandbox", "1", "a",
		      (struct view) { junk, sizeof(junk) }, 1, &e),
	    ==, 0);
	store_close(take_ptr(t.s));
	fd = open(t.path, O_RDWR | O_CLOEXEC);
	CHECK_INT(pwrite(fd, junk, 4096, 4096), ==, 4096);
	refused(&t, ERR_INVALID, "openshell gateway destroy");
	CHECK_INT(pwrite(fd, junk, 4096, 0), ==, 4096);
	refused(&t, ERR_INVALID, "backup");
	shelf_end(&t);
}

TEST(store_open, refuses_a_newer_or_foreign_database)
{
	struct shelf t;

	shelf_make(&t);
	shelf_open(&t);
	store_close(take_ptr(t.s));
	sql(&t, "INSERT INTO schema_steps VALUES (99, 0)");
	refused(&t, ERR_DENIED, "newer openshell");
	sql(&t, "DELETE FROM schema_steps WHERE step = 99");
	sql(&t, "PRAGMA user_version = 9999");
	refused(&t, ERR_DENIED, "9999");
	sql(&t, "PRAGMA user_version = 1");
	shelf_open(&t);
	store_close(take_ptr(t.s));
	CHECK_INT(unlink(t.path), ==, 0);
	CHECK_INT(close(open(t.path, O_CREAT | O_WRONLY, 0600)), ==, 0);
	sql(&t, "CREATE TABLE _sqlx_migrations (version INTEGER)");
	refused(&t, ERR_INVALID, "another program");
	shelf_end(&t);
}

TEST(store_probe, notices_that_the_file_was_removed)
{
	struct shelf t;
	struct err e = { 0 };

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(store_probe(t.s, &e), ==, 0);
	CHECK_INT(unlink(t.path), ==, 0);
	CHECK_INT(store_probe(t.s, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_IO);
	CHECK_HAS(e.text, "removed");
	shelf_end(&t);
}

/* --- a file system of one megabyte, in a namespace of a child ------------ */

static void
fill(struct shelf *t)
{
	AUTO_FREE char *path = mem_printf("%s/ballast", t->dir);
	AUTO_CLOSE int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	char block[4096] = { 0 };

	while (write(fd, block, sizeof(block)) > 0)
		;
}

/* A namespace where we may mount, in which we are root. */
static bool
enter(void)
{
	AUTO_FREE char *uid = mem_printf("0 %u 1", (unsigned)geteuid());
	AUTO_FREE char *gid = mem_printf("0 %u 1", (unsigned)getegid());
	struct err e;

	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       file_put(AT_FDCWD, "/proc/self/setgroups", "deny", &e) == 0 &&
	       file_put(AT_FDCWD, "/proc/self/uid_map", uid, &e) == 0 &&
	       file_put(AT_FDCWD, "/proc/self/gid_map", gid, &e) == 0 &&
	       mount("none", "/tmp", "tmpfs", 0, "size=1m,mode=0700") == 0;
}

static int
on_a_full_disk(void)
{
	AUTO_FREE char *ballast = NULL;
	struct shelf t = { .dir = "/tmp" };
	struct store_object o;
	struct err e = { 0 };
	char body[64 << 10] = { 1 };

	if (!enter())
		return 10;
	(void)snprintf(t.path, sizeof(t.path), "/tmp/openshell.db");
	ballast = mem_printf("%s/ballast", t.dir);
	if (store_open(t.path, &t.s, &e) < 0 ||
	    store_object_insert(t.s, "sandbox", "1", "kept", VIEW("x"), 1, &e) <
		0)
		return 11;
	fill(&t);
	if (store_object_insert(t.s, "sandbox", "2", "lost",
		(struct view) { body, sizeof(body) }, 1, &e) == 0)
		return 12;
	if (e.code != ERR_IO || e.sys != ENOSPC ||
	    strstr(e.text, "disk is full") == NULL)
		return 13;
	if (store_object_by_id(t.s, "sandbox", "1", &o, &e) < 0)
		return 14;
	store_object_fini(&o);
	if (store_object_by_id(t.s, "sandbox", "2", &o, &e) == 0)
		return 15;
	if (unlink(ballast) < 0 ||
	    store_object_insert(t.s, "sandbox", "2", "now",
		(struct view) { body, sizeof(body) }, 1, &e) < 0)
		return 16;
	store_close(take_ptr(t.s));
	/* Full before there is a database at all. */
	(void)unlink(t.path);
	fill(&t);
	if (store_open(t.path, &t.s, &e) == 0 || e.sys != ENOSPC)
		return 17;
	return 0;
}

TEST(store_full_disk, is_said_and_nothing_is_lost)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(on_a_full_disk());
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), ==, 0);
}

/* --- what was answered survives a kill ------------------------------------
 */

TEST(store_crash, keeps_what_was_answered_before_a_kill)
{
	struct shelf t;
	struct store_object o;
	int status = 0;
	struct err e = { 0 };
	pid_t pid;

	shelf_make(&t);
	pid = fork();
	if (pid == 0) {
		shelf_open(&t);
		if (store_object_insert(
			t.s, "sandbox", "1", "a", VIEW("x"), 1, &e) < 0 ||
		    store_begin(t.s, &e) < 0 ||
		    store_object_insert(
			t.s, "sandbox", "2", "b", VIEW("x"), 1, &e) < 0)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK(WIFSIGNALED(status));
	shelf_open(&t);
	CHECK_INT(store_object_by_id(t.s, "sandbox", "1", &o, &e), ==, 0);
	store_object_fini(&o);
	CHECK_INT(store_object_by_id(t.s, "sandbox", "2", &o, &e), ==, -1);
	shelf_end(&t);
}

/* Step 5: the number of changes goes into the settings themselves. */
TEST(store_open, settings_of_an_older_form_keep_their_revision)
{
	struct store_object o;
	struct shelf t;
	struct err e;

	shelf_make(&t);
	shelf_open(&t);
	CHECK_INT(store_object_by_id(t.s, "gateway_settings",
		      "gateway_settings:global", &o, &e),
	    ==, -1);
	store_close(take_ptr(t.s));
	sql(&t,
	    "DELETE FROM schema_steps WHERE step >= 5;"
	    "PRAGMA user_version = 4;"
	    "CREATE TABLE settings_revisions (scope TEXT NOT NULL PRIMARY KEY,"
	    " revision INTEGER NOT NULL) STRICT;"
	    "INSERT INTO settings_revisions VALUES ('__global__', 7)");
	shelf_open(&t);
	CHECK_INT(store_object_by_id(t.s, "gateway_settings",
		      "gateway_settings:global", &o, &e),
	    ==, 0);
	CHECK_VIEW(((struct view) { o.payload, o.n }),
	    "{\"revision\":7,\"settings\":{}}");
	store_object_fini(&o);
	shelf_end(&t);
}
