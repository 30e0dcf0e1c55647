#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
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

/* In a child, as it cannot be undone: bits of what still works. */
static int
inside(const char *ca_file, const char *scratch)
{
	const char *files[] = { "", ca_file, NULL };
	struct err e;
	int can = 0;

	if (minter_jail(files, &e) < 0)
		return 128;
	can |= opens("/etc/hosts", O_RDONLY) ? 1 : 0;
	can |= opens(ca_file, O_RDONLY) ? 2 : 0;
	can |= opens("/etc/passwd", O_RDONLY) ? 4 : 0;
	can |= opens(scratch, O_RDONLY) ? 8 : 0;
	can |= opens(scratch, O_WRONLY) ? 16 : 0;
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
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(inside(ca_file, scratch));
	CHECK_INT(waitpid(pid, &status, 0), ==, pid);
	(void)unlink(ca_file);
	(void)unlink(scratch);
	CHECK(WIFEXITED(status));
	/* A kernel without Landlock closes no file: all of them, then. */
	CHECK_INT(WEXITSTATUS(status), ==, landlock_abi() > 0 ? 1 | 2 : 31);
}
