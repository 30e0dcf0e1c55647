/*
 * replay_main: runs a fuzz target once over every file of the directories
 * named, so that corpora are unit tests in any build.  Exit status 1 when a
 * directory holds none: an empty corpus tests nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
/* Targets that need it define it; libFuzzer calls it the same way. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { INPUT_MAX = 16 << 20 };

static void
run(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	AUTO_FREE uint8_t *exact = NULL;
	FILE *in = fopen(path, "rb");
	size_t n;

	if (in == NULL) {
		perror(path);
		exit(1);
	}
	n = fread(bytes, 1, INPUT_MAX, in);
	fclose(in);
	/* In storage of its own size, so that sanitizers see its end. */
	exact = mem_calloc(n > 0 ? n : 1, 1);
	for (size_t i = 0; i < n; i++)
		exact[i] = bytes[i];
	fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput(exact, n);
}

static unsigned
run_directory(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	unsigned n = 0;

	if (d == NULL) {
		perror(dir);
		exit(1);
	}
	while ((entry = readdir(d)) != NULL) {
		AUTO_FREE char *path = NULL;

		if (entry->d_name[0] == '.')
			continue;
		path = mem_printf("%s/%s", dir, entry->d_name);
		run(path);
		n++;
	}
	closedir(d);
	return n;
}

int
main(int argc, char **argv)
{
	unsigned total = 0;

	if (LLVMFuzzerInitialize != NULL)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	if (argc < 2) {
		fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
		return 1;
	}
	for (int i = 1; i < argc; i++) {
		unsigned n = run_directory(argv[i]);

		if (n == 0) {
			fprintf(stderr, "%s: no inputs\n", argv[i]);
			return 1;
		}
		total += n;
	}
	printf("replayed %u inputs\n", total);
	return 0;
}
