#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "gateway/lock.h"

struct place {
	char dir[64], path[96];
};

static void
place_make(struct place *t)
{
	*t = (struct place) { .dir = "/tmp/openshell-test-XXXXXX" };
	CHECK(mkdtemp(t->dir) != NULL);
	(void)snprintf(t->path, sizeof(t->path), "%s/gateway.pid", t->dir);
}

static void
place_end(struct place *t)
{
	(void)unlink(t->path);
	CHECK_INT(rmdir(t->dir), ==, 0);
}

static void
put(struct place *t, const char *text)
{
	AUTO_CLOSE int fd = open(t->path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	CHECK_INT(write(fd, text, strlen(text)), ==, strlen(text));
}

TEST(lock, is_held_while_open_and_names_the_holder)
{
	AUTO_CLOSE int fd = -1, second = -1;
	char want[32];
	struct stat st;
	struct place t;
	struct err e = { 0 };

	place_make(&t);
	CHECK_INT(lock_take(t.path, &fd, &e), ==, 0);
	CHECK_INT(stat(t.path, &st), ==, 0);
	CHECK_INT(st.st_mode & 07777, ==, 0600);
	CHECK_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	(void)snprintf(want, sizeof(want), "process %d as", (int)getpid());
	CHECK_INT(lock_take(t.path, &second, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_EXISTS);
	CHECK_HAS(e.text, want);
	CHECK_HAS(e.text, t.path);
	fd_close(&fd);
	CHECK_INT(lock_take(t.path, &second, &e), ==, 0);
	place_end(&t);
}

TEST(lock, goes_with_a_killed_holder_and_stale_text_is_replaced)
{
	AUTO_CLOSE int fd = -1;
	char want[32], got[32] = "";
	struct place t;
	int status;
	struct err e = { 0 };
	pid_t pid;

	place_make(&t);
	put(&t, "99999999999999999999 and more\n");
	pid = fork();
	if (pid == 0) {
		if (lock_take(t.path, &fd, &e) == 0)
			(void)kill(getpid(), SIGKILL);
		_exit(1);
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	CHECK(WIFSIGNALED(status));
	CHECK_INT(lock_take(t.path, &fd, &e), ==, 0);
	(void)snprintf(want, sizeof(want), "%d\n", (int)getpid());
	CHECK_INT(pread(fd, got, sizeof(got) - 1, 0), ==, strlen(want));
	CHECK_STR(got, want);
	place_end(&t);
}

TEST(lock, that_others_may_open_or_that_is_no_file_is_refused)
{
	AUTO_CLOSE int fd = -1;
	struct place t;
	struct err e = { 0 };

	place_make(&t);
	put(&t, "1\n");
	CHECK_INT(chmod(t.path, 0644), ==, 0);
	CHECK_INT(lock_take(t.path, &fd, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_HAS(e.text, "chmod 600");
	CHECK_INT(unlink(t.path), ==, 0);
	CHECK_INT(symlink("elsewhere", t.path), ==, 0);
	CHECK_INT(lock_take(t.path, &fd, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_HAS(e.text, "symbolic link");
	CHECK_INT(unlink(t.path), ==, 0);
	CHECK_INT(mkfifo(t.path, 0600), ==, 0);
	CHECK_INT(lock_take(t.path, &fd, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	place_end(&t);
}

/* Only root can hand a file to another user. */
TEST(lock, of_another_user_is_refused_with_the_reason)
{
	AUTO_CLOSE int fd = -1;
	struct place t;
	struct err e = { 0 };

	if (geteuid() != 0)
		return;
	place_make(&t);
	put(&t, "1\n");
	CHECK_INT(chown(t.path, 12345, 12345), ==, 0);
	CHECK_INT(lock_take(t.path, &fd, &e), ==, -1);
	CHECK_INT(e.code, ==, ERR_DENIED);
	CHECK_HAS(e.text, "belongs to user 12345");
	place_end(&t);
}
