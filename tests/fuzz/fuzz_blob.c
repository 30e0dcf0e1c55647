/*
 * Any sealed bytes: a blob is refused or gives back strings that, written
 * again, read the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "sandbox/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *const keys[] = { "arg", "env", "cwd", "workdir", "ro", "k" };

static struct blob *
copy_of(const struct blob *b)
{
	struct blob *w = blob_new(), *r = NULL;
	struct err e;
	int fd = -1, rc;

	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		const char *v;

		for (size_t i = 0; (v = blob_get(b, keys[k], i)) != NULL; i++)
			blob_add(w, keys[k], v);
	}
	rc = blob_seal(w, &fd, &e);
	assert(rc == 0);
	rc = blob_open(fd, &r, &e);
	assert(rc == 0);
	blob_free(w);
	(void)close(fd);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct blob *b = NULL, *again;
	struct err e;
	int fd = -1;

	if (n > 65536 ||
	    memfd_seal((struct view) { (const char *)p, n }, &fd, &e) < 0)
		return 0;
	if (blob_open(fd, &b, &e) == 0) {
		again = copy_of(b);
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			size_t i = 0;
			const char *v;

			for (; (v = blob_get(b, keys[k], i)) != NULL; i++)
				assert(strcmp(v, blob_get(again, keys[k], i)) ==
				       0);
			assert(blob_get(again, keys[k], i) == NULL);
		}
		blob_free(again);
		blob_free(b);
	}
	(void)close(fd);
	return 0;
}
