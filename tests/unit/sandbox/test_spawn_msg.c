#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/session.h"
#include "sandbox/spawn_msg.h"

static union spawn_msg
exec_msg(void)
{
	union spawn_msg m = { 0 };

	m.hdr.version = SPAWN_VERSION;
	m.hdr.type = SPAWN_M_EXEC;
	m.hdr.size = sizeof(m.exec);
	m.exec.argc = 1;
	return m;
}

#define TAKES(state, m, size, nfds) \
	spawn_msg_check(SPAWN_INIT, (state), &(m), (size), (nfds), &e)

TEST(spawn_msg, takes_only_what_the_table_says)
{
	union spawn_msg m = exec_msg();
	struct err e = { 0 };

	CHECK_INT(TAKES(SPAWN_SETUP, m, sizeof(m.exec), 4), ==, 0);
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec), 4), ==, 0);
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec), 1), ==, -1);
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec) - 1, 4), ==, -1);
	CHECK_INT(TAKES(SPAWN_RUNNING, m, 3, 4), ==, -1);
	m.exec.tty = 1;
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec), 1), ==, 0);
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec), 4), ==, -1);
	m = exec_msg();
	m.exec.argc = 0;
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec), 4), ==, -1);
	m = exec_msg();
	m.hdr.version++;
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec), 4), ==, -1);
	m = exec_msg();
	m.hdr.type = SPAWN_M_COUNT;
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exec), 4), ==, -1);
}

TEST(spawn_msg, knows_whose_turn_it_is)
{
	union spawn_msg m = { 0 };
	struct err e = { 0 };

	m.hdr.version = SPAWN_VERSION;
	m.hdr.type = SPAWN_M_FILE;
	m.hdr.size = sizeof(m.file);
	m.file.path[0] = '/';
	CHECK_INT(TAKES(SPAWN_SETUP, m, sizeof(m.file), 1), ==, 0);
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.file), 1), ==, -1);
	CHECK_HAS(e.text, "out of turn");
	m.file.path[0] = 'x';
	CHECK_INT(TAKES(SPAWN_SETUP, m, sizeof(m.file), 1), ==, -1);
	/* Answers are not questions. */
	m = (union spawn_msg) { 0 };
	m.hdr.version = SPAWN_VERSION;
	m.hdr.type = SPAWN_M_EXITED;
	m.hdr.size = sizeof(m.exited);
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.exited), 0), ==, -1);
	CHECK_INT(spawn_msg_check(
		      SPAWN_CTL, SPAWN_RUNNING, &m, sizeof(m.exited), 0, &e),
	    ==, 0);
	m.hdr.type = SPAWN_M_SIGNAL;
	m.hdr.size = sizeof(m.signal);
	m.signal.signo = SIGTERM;
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.signal), 0), ==, 0);
	m.signal.signo = 65;
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.signal), 0), ==, -1);
	m.signal.signo = 0;
	CHECK_INT(TAKES(SPAWN_RUNNING, m, sizeof(m.signal), 0), ==, -1);
}

TEST(spawn_msg, carries_the_strings_of_a_program)
{
	static const char *const argv[] = { "prog", "", "a b", NULL };
	static const char *const env[] = { "A=1", "B=", NULL };
	struct spawn_exec x = { .argv = argv, .env = env, .cwd = "/w" };
	struct spawn_args a;
	struct err e = { 0 };
	uint32_t argc, envc;
	char *text;
	size_t n;
	int fd;

	CHECK_INT(spawn_args_seal(&x, &argc, &envc, &fd, &e), ==, 0);
	CHECK_INT(argc, ==, 3);
	CHECK_INT(envc, ==, 2);
	CHECK_INT(memfd_read(fd, SPAWN_ARGS_BYTES, &text, &n, &e), ==, 0);
	CHECK_INT(spawn_args_open(&a, text, n, argc, envc, &e), ==, 0);
	CHECK_STR(a.argv[0], "prog");
	CHECK_STR(a.argv[1], "");
	CHECK_STR(a.argv[2], "a b");
	CHECK(a.argv[3] == NULL);
	CHECK_STR(a.env[1], "B=");
	CHECK(a.env[2] == NULL);
	CHECK_STR(a.cwd, "/w");
	spawn_args_fini(&a);
	fd_close(&fd);
}

static int
open_args(struct view v, size_t argc, size_t envc)
{
	struct spawn_args a;
	struct err e = { 0 };
	char *text = view_dup(v);
	int rc = spawn_args_open(&a, text, v.n, argc, envc, &e);

	if (rc == 0)
		spawn_args_fini(&a);
	return rc;
}

TEST(spawn_msg, refuses_strings_that_do_not_add_up)
{
	CHECK_INT(open_args(VIEW("p\0/\0"), 1, 0), ==, 0);
	CHECK_INT(open_args(VIEW("p\0/"), 1, 0), ==, -1);
	CHECK_INT(open_args(VIEW("p\0/\0x\0"), 1, 0), ==, -1);
	CHECK_INT(open_args(VIEW("p\0/\0"), 2, 0), ==, -1);
	CHECK_INT(open_args(VIEW("p\0/\0"), 0, 1), ==, -1);
	CHECK_INT(open_args(VIEW("p\0w\0"), 1, 0), ==, -1);
	CHECK_INT(open_args(VIEW("p\0/\0"), 1U << 31, 0), ==, -1);
	CHECK_INT(open_args((struct view) { "", 0 }, 1, 0), ==, -1);
}
