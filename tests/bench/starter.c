/*
 * starter: times the start of a command.
 *
 *   starter ROUNDS COMMAND [ARG...]
 *
 * Runs COMMAND ROUNDS times, one after the other, and prints a line for each:
 * nanoseconds from just before the fork to the time that COMMAND printed (0
 * when it printed nothing), and to the end of the whole run.  COMMAND ends
 * in `instant`, or in something silent such as `true`.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"

extern char **environ;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

NORETURN static void
die(const char *what, int why)
{
	fprintf(stderr, "starter: %s: %s\n", what, strerror(why));
	exit(1);
}

/* All that comes out of fd until its end, as a number. */
static uint64_t
read_number(int fd)
{
	char text[64];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 1 &&
	       (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

static void
once(char **argv)
{
	posix_spawn_file_actions_t fa;
	uint64_t start, first, end;
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe", errno);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, fds[1], 1);
	start = now_ns();
	r = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
	if (r != 0)
		die(argv[0], r);
	close(fds[1]);
	first = read_number(fds[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid", errno);
	end = now_ns();
	close(fds[0]);
	posix_spawn_file_actions_destroy(&fa);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "starter: %s ended with status %#x\n", argv[0],
		    (unsigned)status);
		exit(1);
	}
	printf("%" PRIu64 " %" PRIu64 "\n", first ? first - start : 0,
	    end - start);
}

int
main(int argc, char **argv)
{
	unsigned long rounds;

	if (argc < 3 || (rounds = strtoul(argv[1], NULL, 10)) == 0) {
		fputs("usage: starter ROUNDS COMMAND [ARG...]\n", stderr);
		return 2;
	}
	for (unsigned long i = 0; i < rounds; i++)
		once(argv + 2);
	return 0;
}
