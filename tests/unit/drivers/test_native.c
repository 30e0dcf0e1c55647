/*
 * The native driver over a supervisor that only stands there: a script that
 * holds the lock on its keeper.pid as the real one does, and ends as `mode`,
 * a file beside it, says.
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "base/mem.h"
#include "drivers/driver.h"

#define ID "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"

enum { PATIENCE_MS = 20000, TICK_MS = 2 };

static const char script[] =
    "#!/bin/sh\n"
    "read mode <\"${0%/*}/mode\"\n"
    "echo \"$1 $2\" >>\"${0%/*}/starts\"\n"
    "env >\"$2/env\"\n"
    "exec 9<>\"$2/keeper.pid\"\n"
    "flock 9\n"
    "echo $$ >\"$2/keeper.pid\"\n"
    "case $mode in\n"
    "fails) printf 'no namespaces here' >\"$2/failed\"; exit 1 ;;\n"
    "stubborn) trap '' TERM ;;\n"
    "esac\n"
    "echo up >\"$2/up\"\n"
    "exec sleep 1000\n";

static struct world {
	uv_loop_t loop;
	uv_timer_t tick;
	char dir[64];
	struct driver *d;
	unsigned started, gone, done;
	char event_id[64], why[256], done_why[256];
	bool existed, clean;
} w;

/* --- files --- */

static char *
at(const char *id, const char *name)
{
	return id == NULL ? mem_printf("%s/%s", w.dir, name)
			  : mem_printf("%s/sandboxes/%s/%s", w.dir, id, name);
}

static bool
exists(const char *id, const char *name)
{
	AUTO_FREE char *path = at(id, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static char *
read_all(const char *id, const char *name)
{
	AUTO_FREE char *path = at(id, name);
	char *text = NULL;
	struct err e;
	size_t n;

	return file_read_path(path, true, 65536, &text, &n, &e) == 0
		   ? text
		   : mem_strdup("");
}

static void
put(const char *id, const char *name, const char *text)
{
	AUTO_FREE char *path = at(id, name);
	AUTO_CLOSE int fd =
	    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	struct err e;

	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, text, strlen(text), &e), ==, 0);
}

static void
put_pid(const char *id, const char *name, pid_t pid)
{
	AUTO_FREE char *text = mem_printf("%d\n", (int)pid);

	put(id, name, text);
}

static pid_t
keeper(const char *id)
{
	AUTO_FREE char *text = read_all(id, "keeper.pid");

	return (pid_t)strtol(text, NULL, 10);
}

static mode_t
mode_of(const char *id, const char *name)
{
	AUTO_FREE char *path = at(id, name);
	struct stat st;

	CHECK_INT(lstat(path, &st), ==, 0);
	return st.st_mode & 07777;
}

/* --- the world --- */

static void
on_event(void *ctx UNUSED, const char *id, bool warning UNUSED,
    const char *reason, const char *message UNUSED)
{
	(void)snprintf(w.event_id, sizeof(w.event_id), "%s", id);
	w.started += strcmp(reason, "Started") == 0;
}

static void
on_gone(void *ctx UNUSED, const char *id UNUSED, const char *why)
{
	w.gone++;
	(void)snprintf(w.why, sizeof(w.why), "%s", why);
}

static void
on_done(void *ctx UNUSED, const char *id UNUSED, bool existed, const char *why)
{
	w.done++;
	w.existed = existed;
	w.clean = why == NULL;
	(void)snprintf(w.done_why, sizeof(w.done_why), "%s", why ? why : "");
}

static void
on_tick(uv_timer_t *t UNUSED)
{
}

/* Until it is so: the loop runs, and the test fails when it takes for ever. */
#define WAIT(cond) \
	do { \
		uint64_t wait_end_ = uv_hrtime() + PATIENCE_MS * 1000000ull; \
		while (!(cond) && uv_hrtime() < wait_end_) \
			(void)uv_run(&w.loop, UV_RUN_ONCE); \
		CHECK(cond); \
	} while (0)

static void
open_driver(void)
{
	const struct driver_config c = { .loop = &w.loop,
		.state_dir = w.dir,
		.gateway = "t",
		.endpoint = "unix:/x" };
	const struct driver_hooks h = { on_event, on_gone, NULL };
	struct err e;

	if (driver_find("native")->open(&c, &h, &w.d, &e) < 0)
		fail_msg("%s", e.text);
}

static void
open_world(const char *mode)
{
	AUTO_FREE char *program = NULL;

	w = (struct world) { 0 };
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/native-XXXXXX");
	CHECK(mkdtemp(w.dir) != NULL);
	CHECK_INT(uv_loop_init(&w.loop), ==, 0);
	CHECK_INT(uv_timer_init(&w.loop, &w.tick), ==, 0);
	CHECK_INT(uv_timer_start(&w.tick, on_tick, TICK_MS, TICK_MS), ==, 0);
	put(NULL, "supervisor", script);
	put(NULL, "mode", mode);
	program = at(NULL, "supervisor");
	CHECK_INT(setenv("OPENSHELL_SANDBOX_BIN", program, 1), ==, 0);
	open_driver();
}

static void
close_driver(void)
{
	driver_find("native")->close(w.d);
	w.d = NULL;
}

static void
remove_it(const char *id, unsigned grace_ms)
{
	w.done = 0;
	driver_find("native")->remove(w.d, id, grace_ms, on_done, NULL);
}

static void
close_world(void)
{
	static const char *const names[] = { "supervisor", "mode", "starts",
		"sandboxes" };

	close_driver();
	uv_close((uv_handle_t *)&w.tick, NULL);
	CHECK_INT(uv_run(&w.loop, UV_RUN_DEFAULT), ==, 0);
	CHECK_INT(uv_loop_close(&w.loop), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *path = at(NULL, names[i]);

		(void)remove(path);
	}
	/* Nothing but what we put there was left. */
	CHECK_INT(rmdir(w.dir), ==, 0);
}

static int
create(const char *id, struct err *e)
{
	driver_sandbox s = OPENSHELL__DATAMODEL__V1__SANDBOX__INIT;
	driver_spec spec = OPENSHELL__DATAMODEL__V1__SANDBOX_SPEC__INIT;

	s.id = (char *)(uintptr_t)id;
	s.name = (char[]) { "demo" };
	s.spec = &spec;
	return driver_find("native")->create(w.d, &s, "sesame", e);
}

static pid_t
create_up(const char *id)
{
	struct err e;

	if (create(id, &e) < 0)
		fail_msg("%s", e.text);
	WAIT(exists(id, "up"));
	return keeper(id);
}

static void
remove_cleanly(const char *id)
{
	remove_it(id, 5000);
	WAIT(w.done == 1);
	CHECK_STR(w.done_why, "");
	CHECK(!exists(id, ""));
}

/* A process that nobody may touch; with the name of a supervisor or not. */
static pid_t
bystander(const char *name)
{
	int ready[2];
	pid_t pid;
	char c;

	CHECK_INT(pipe(ready), ==, 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_NAME, name, 0, 0, 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		(void)close(ready[0]);
		(void)close(ready[1]);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	CHECK_INT(read(ready[0], &c, 1), ==, 0);
	(void)close(ready[0]);
	return pid;
}

static void
end_bystander(pid_t pid)
{
	int status;

	/* Still there, and killed by nobody before. */
	CHECK_INT(waitpid(pid, &status, WNOHANG), ==, 0);
	CHECK_INT(kill(pid, SIGKILL), ==, 0);
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
}

/* --- listing --- */

static struct listed {
	size_t n;
	struct driver_instance of[4];
} listed;

static int
on_instance(void *ctx UNUSED, const struct driver_instance *i)
{
	CHECK_INT(listed.n, <, ARRAY_LEN(listed.of));
	listed.of[listed.n++] = *i;
	return 0;
}

static void
list(void)
{
	struct err e;

	listed = (struct listed) { 0 };
	CHECK_INT(
	    driver_find("native")->list(w.d, on_instance, NULL, &e), ==, 0);
}

/* --- tests --- */

TEST(native, create_starts_a_supervisor_with_its_files_and_little_else)
{
	AUTO_FREE char *token = NULL, *endpoint = NULL, *starts = NULL,
		       *env = NULL, *want = NULL;
	pid_t pid;

	CHECK_INT(setenv("OPENSHELL_TEST_SECRET", "of the gateway", 1), ==, 0);
	open_world("stays");
	pid = create_up(ID);
	CHECK_INT(w.started, ==, 1);
	CHECK_STR(w.event_id, ID);
	CHECK_INT(getsid(pid), ==, pid); /* no terminal takes it along */
	token = read_all(ID, "token");
	endpoint = read_all(ID, "endpoint");
	starts = read_all(NULL, "starts");
	env = read_all(ID, "env");
	want = mem_printf("keep %s/sandboxes/%s\n", w.dir, ID);
	CHECK_STR(token, "sesame");
	CHECK_STR(endpoint, "unix:/x");
	CHECK_STR(starts, want);
	CHECK(env[0] != '\0');
	CHECK(strstr(env, "OPENSHELL_TEST_SECRET") == NULL);
	CHECK_INT(mode_of(ID, ""), ==, 0700);
	CHECK_INT(mode_of(ID, "token"), ==, 0600);
	CHECK_INT(mode_of(ID, "spec.pb"), ==, 0600);
	remove_cleanly(ID);
	CHECK_INT(kill(pid, 0), ==, -1);
	CHECK_INT(w.gone, ==, 0); /* it was asked for */
	close_world();
}

TEST(native, a_second_create_of_a_running_one_starts_nothing)
{
	AUTO_FREE char *once = NULL, *again = NULL;
	struct err e;
	pid_t pid;

	open_world("stays");
	pid = create_up(ID);
	once = read_all(NULL, "starts");
	CHECK_INT(create(ID, &e), ==, 0);
	/* A second one would have begun before this does. */
	(void)create_up(OTHER);
	remove_cleanly(OTHER);
	again = read_all(NULL, "starts");
	CHECK_INT(strlen(again), ==, 2 * strlen(once));
	CHECK_INT(keeper(ID), ==, pid);
	remove_cleanly(ID);
	close_world();
}

TEST(native, what_is_no_id_makes_and_removes_nothing)
{
	static const char *const bad[] = { "", ".", "..", "../mode", "a/b",
		"ABCDEF", "x", "1 2",
		"0123456789012345678901234567890123456789" };
	struct err e;

	open_world("stays");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.code = ERR_NONE;
		CHECK_INT(create(bad[i], &e), ==, -1);
		CHECK_INT(e.code, ==, ERR_INVALID);
		remove_it(bad[i], 10);
		CHECK_INT(w.done, ==, 1);
		CHECK(!w.existed && !w.clean);
	}
	CHECK(exists(NULL, "mode"));
	CHECK(!exists(NULL, "starts"));
	list();
	CHECK_INT(listed.n, ==, 0);
	close_world();
}

TEST(native, one_that_does_not_end_in_its_grace_is_killed)
{
	pid_t pid;

	open_world("stubborn");
	pid = create_up(ID);
	remove_it(ID, 60000);
	/* TERM is not enough for this one. */
	(void)uv_run(&w.loop, UV_RUN_ONCE);
	CHECK_INT(w.done, ==, 0);
	CHECK_INT(kill(pid, SIGKILL), ==, 0);
	WAIT(w.done == 1);

	pid = create_up(ID);
	remove_it(ID, 20);
	WAIT(w.done == 1);
	CHECK(w.clean);
	CHECK_INT(kill(pid, 0), ==, -1);
	CHECK(!exists(ID, ""));
	close_world();
}

TEST(native, an_end_is_told_with_the_word_it_left)
{
	struct err e;

	open_world("fails");
	CHECK_INT(create(ID, &e), ==, 0);
	WAIT(w.gone == 1);
	CHECK_STR(w.why, "no namespaces here");
	list();
	CHECK_INT(listed.n, ==, 1);
	CHECK(!listed.of[0].running);
	CHECK_STR(listed.of[0].why, "no namespaces here");
	/* It is tried again: the word about the first try is over. */
	put(NULL, "mode", "stays");
	CHECK_INT(kill(create_up(ID), SIGKILL), ==, 0);
	WAIT(w.gone == 2);
	CHECK_HAS(w.why, "killed by signal 9");
	remove_cleanly(ID);
	close_world();
}

TEST(native, a_driver_that_opens_again_finds_what_runs)
{
	struct err e;
	pid_t pid;

	open_world("stays");
	pid = create_up(ID);
	put(NULL, "mode", "fails");
	CHECK_INT(create(OTHER, &e), ==, 0);
	WAIT(w.gone == 1);
	close_driver();
	(void)uv_run(&w.loop, UV_RUN_ONCE);
	CHECK_INT(kill(pid, 0), ==, 0); /* none ends with its driver */
	open_driver();
	put(NULL, "sandboxes/no-id-at-all", "");
	list();
	CHECK_INT(listed.n, ==, 2);
	for (size_t i = 0; i < listed.n; i++) {
		bool runs = strcmp(listed.of[i].id, ID) == 0;

		CHECK_STR(listed.of[i].id, runs ? ID : OTHER);
		CHECK_INT(listed.of[i].running, ==, runs);
		CHECK_INT(listed.of[i].pid, ==, runs ? pid : 0);
		CHECK_STR(listed.of[i].why, runs ? "" : "no namespaces here");
	}
	CHECK_INT(create(ID, &e), ==, 0); /* it runs */
	CHECK_INT(keeper(ID), ==, pid);
	/* Its end is seen as if we had started it. */
	CHECK_INT(kill(pid, SIGKILL), ==, 0);
	WAIT(w.gone == 2);
	remove_cleanly(ID);
	remove_cleanly(OTHER);
	{
		AUTO_FREE char *path = at(NULL, "sandboxes/no-id-at-all");

		CHECK_INT(unlink(path), ==, 0);
	}
	close_world();
}

TEST(native, a_stale_pid_of_another_process_is_never_signalled)
{
	AUTO_FREE char *dir = NULL;
	pid_t other = bystander("innocent");

	open_world("stays");
	dir = at(ID, "");
	CHECK_INT(mkdir(dir, 0700), ==, 0);
	put_pid(ID, "keeper.pid", other);
	put_pid(ID, "ctl.pid", other);
	close_driver();
	(void)uv_run(&w.loop, UV_RUN_ONCE);
	open_driver();
	list();
	CHECK_INT(listed.n, ==, 1);
	CHECK(!listed.of[0].running);
	CHECK_INT(listed.of[0].pid, ==, 0);
	remove_it(ID, 1);
	WAIT(w.done == 1);
	CHECK(w.clean);
	CHECK(!exists(ID, ""));
	end_bystander(other);
	close_world();
}

TEST(native, a_removal_waits_for_the_supervisor_of_a_keeper_that_was_killed)
{
	pid_t pid, ctl = bystander("openshell-ctl");
	int status;

	open_world("stays");
	pid = create_up(ID);
	put_pid(ID, "ctl.pid", ctl);
	CHECK_INT(kill(pid, SIGKILL), ==, 0);
	WAIT(w.gone == 1);
	remove_it(ID, 5000);
	for (unsigned i = 0; i < 20; i++)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	CHECK_INT(w.done, ==, 0);
	CHECK(exists(ID, "token"));
	CHECK_INT(kill(ctl, SIGKILL), ==, 0);
	CHECK_INT(waitpid(ctl, &status, 0), ==, ctl);
	WAIT(w.done == 1);
	CHECK(w.clean);
	CHECK(!exists(ID, ""));
	close_world();
}

TEST(native, a_removal_takes_links_and_not_what_they_lead_to)
{
	AUTO_FREE char *dir = NULL, *below = NULL, *link = NULL, *from = NULL;

	open_world("stays");
	dir = at(ID, "");
	below = at(ID, "below");
	link = at(ID, "below/link");
	from = at(NULL, "");
	CHECK_INT(mkdir(dir, 0700), ==, 0);
	CHECK_INT(mkdir(below, 0700), ==, 0);
	CHECK_INT(symlink(from, link), ==, 0);
	put(ID, "below/file", "x");
	remove_cleanly(ID);
	CHECK(exists(NULL, "mode") && exists(NULL, "supervisor"));
	/* What is not there is gone already. */
	remove_cleanly(ID);
	close_world();
}

static int
remove_one(const char *path, const struct stat *st UNUSED, int what UNUSED,
    struct FTW *f UNUSED)
{
	return remove(path);
}

TEST(native, a_removal_that_failed_is_tried_again)
{
	AUTO_FREE char *deep = NULL, *away = NULL;

	open_world("stays");
	(void)create_up(ID);
	deep = at(ID, "d");
	away = at(NULL, "away");
	/* Deeper than anything of ours. */
	CHECK_INT(mkdir(deep, 0700), ==, 0);
	for (unsigned i = 0; i < 12; i++) {
		AUTO_FREE char *next = mem_printf("%s/d", deep);

		free(deep);
		deep = take_ptr(next);
		CHECK_INT(mkdir(deep, 0700), ==, 0);
	}
	remove_it(ID, 5000);
	WAIT(w.done == 1);
	CHECK_HAS(w.done_why, "remove d");
	CHECK(exists(ID, ""));
	{
		AUTO_FREE char *top = at(ID, "d");

		CHECK_INT(rename(top, away), ==, 0);
	}
	/* Its keeper ended the first time: nothing is waited for. */
	remove_cleanly(ID);
	CHECK_INT(nftw(away, remove_one, 4, FTW_DEPTH | FTW_PHYS), ==, 0);
	close_world();
}

TEST(native, validate_names_what_cannot_be_made_here)
{
	Openshell__Datamodel__V1__NativeSpec n =
	    OPENSHELL__DATAMODEL__V1__NATIVE_SPEC__INIT;
	Openshell__Datamodel__V1__SandboxTemplate t =
	    OPENSHELL__DATAMODEL__V1__SANDBOX_TEMPLATE__INIT;
	char *paths[] = { (char[]) { "/usr" }, (char[]) { "relative" } };
	driver_spec spec = OPENSHELL__DATAMODEL__V1__SANDBOX_SPEC__INIT;
	const struct driver_ops *ops = driver_find("native");
	struct err e;

	open_world("stays");
	CHECK_INT(ops->validate(w.d, &spec, &e), ==, 0);
	spec.native = &n;
	n.read_only = paths;
	n.n_read_only = 1;
	CHECK_INT(ops->validate(w.d, &spec, &e), ==, 0);
	n.n_read_only = 2;
	CHECK_INT(ops->validate(w.d, &spec, &e), ==, -1);
	CHECK_HAS(e.text, "relative is not absolute");
	n.n_read_only = 0;
	n.workdir = (char[]) { "/no/such/place" };
	CHECK_INT(ops->validate(w.d, &spec, &e), ==, -1);
	CHECK_HAS(e.text, "/no/such/place");
	spec.native = NULL;
	spec.gpu = true;
	CHECK_INT(ops->validate(w.d, &spec, &e), ==, -1);
	CHECK_HAS(e.text, "GPU");
	spec.gpu = false;
	spec.template_ = &t;
	t.image = (char[]) { "ubuntu" };
	CHECK_INT(ops->validate(w.d, &spec, &e), ==, -1);
	CHECK_HAS(e.text, "image");
	close_world();
}

TEST(native, a_program_that_cannot_be_run_is_named)
{
	const struct driver_hooks h = { on_event, on_gone, NULL };
	struct driver_config c = { .endpoint = "unix:/x" };
	struct driver *d = NULL;
	struct err e;

	open_world("stays");
	c.loop = &w.loop;
	c.state_dir = w.dir;
	CHECK_INT(
	    setenv("OPENSHELL_SANDBOX_BIN", "/no/such/program", 1), ==, 0);
	CHECK_INT(driver_find("native")->open(&c, &h, &d, &e), ==, -1);
	CHECK_HAS(e.text, "/no/such/program");
	CHECK(driver_find("nosuch") == NULL);
	driver_find("native")->close(d);
	close_world();
}
