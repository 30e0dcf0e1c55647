/*
 * instant: the smallest program that can say when it came to life.
 *
 *   instant          prints the monotonic clock in nanoseconds, ends
 *   instant --hold   the same, then waits for the end of stdin
 */
#include <inttypes.h>
#include <stdint.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct timespec t;
	char line[32], byte;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(line, sizeof(line), "%" PRIu64 "\n",
	    (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec);
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		return 1;
	if (argc > 1 && strcmp(argv[1], "--hold") == 0)
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
	return 0;
}
