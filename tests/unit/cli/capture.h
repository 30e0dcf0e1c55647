/* capture: one run of the program in this process, its output in memory. */
#ifndef TESTS_UNIT_CLI_CAPTURE_H
#define TESTS_UNIT_CLI_CAPTURE_H

#include "cli/cli.h"

struct captured {
	int status;
	char out[65536], err[65536];
};

/* Arguments after the program's name, NULL-terminated; input may be NULL. */
void capture(struct captured *c, const char *input, const char *const *args);
#define CAPTURE(c, input, ...) \
	capture((c), (input), (const char *const[]) { __VA_ARGS__, NULL })

/* A file of its own with that text; the path is static until the next call. */
const char *scratch_file(const char *text);

#endif
