#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "minter/jail.h"
#include "sandbox/landlock.h"

static bool
opens(const char *path, int how)
{
	int fd = open(path, how | O_CLOEXEC, 0600);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

/* The status of a child that tries to run a program. */
static int
run_inside(bool jailed)
{
	const char *files[] = { NULL };
	int status = 0;
	pid_t pid = fork();
	struct err e;

	CHECK(pid >= 0);
	if (pid == 0) {
		if (jailed && minter_jail(files, false, &e) < 0)
			_exit(128);
		(void)execl("/bin/true", "true", NULL);
		_exit(127);
	}
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	return status;
}

/* In a child, as it cannot be undone: bits of what still works. */
static int
inside(const char *ca_file, const char *scratch, bool unix_sockets)
{
	const char *files[] = { "", ca_file, NULL };
	struct err e;
	int can = 0;

	if (minter_jail(files, unix_sockets, &e) < 0)
		return 128;
	can |= opens("/etc/hosts", O_RDONLY) ? 1 : 0;
	can |= opens(ca_file, O_RDONLY) ? 2 : 0;
	can |= opens("/etc/passwd", O_RDONLY) ? 4 : 0;
	can |= opens(scratch, O_RDONLY) ? 8 : 0;
	can |= opens(scratch, O_WRONLY) ? 16 : 0;
	can |= socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 32 : 0;
	can |= socket(AF_INET6, SOCK_STREAM, 0) >= 0 ? 64 : 0;
	return can;
}

TEST(minter_jail, opens_what_a_dial_needs_and_nothing_else)
{
	char ca_file[] = "/tmp/minter-ca-XXXXXX";
	char scratch[] = "/tmp/minter-other-XXXXXX";
	int fd = mkstemp(ca_file), status = 0;
	pid_t pid;

	CHECK(fd >= 0);
	(void)close(fd);
	fd = mkstemp(scratch);
	CHECK(fd >= 0);
	(void)close(fd);
	/* The same acts outside. */
	CHECK(opens("/etc/hosts", O_RDONLY) && opens("/etc/passwd", O_RDONLY));
	CHECK(opens(scratch, O_RDONLY) && opens(scratch, O_WRONLY));
	for (int sockets = 0; sockets < 2; sockets++) {
		/* A kernel without Landlock closes no file: all, then. */
		int files = landlock_abi() > 0 ? 1 | 2 : 31;

		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			_exit(inside(ca_file, scratch, sockets == 1));
		CHECK_INT(waitpid(pid, &status, 0), ==, pid);
		CHECK(WIFEXITED(status));
		CHECK_INT(
		    WEXITSTATUS(status), ==, files | 64 | (sockets ? 32 : 0));
	}
	(void)unlink(ca_file);
	(void)unlink(scratch);
}

TEST(minter_jail, a_program_ends_it)
{
	CHECK_INT(run_inside(false), ==, 0);
	CHECK(WIFSIGNALED(run_inside(true)));
	CHECK_INT(WTERMSIG(run_inside(true)), ==, SIGSYS);
}
