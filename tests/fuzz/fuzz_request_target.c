/*
 * The canonical form of a request-target is a fixed point, begins with a slash
 * and holds no empty or dot segment.  The first byte chooses whether encoded
 * slashes are allowed.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check_path(const char *path, bool slash)
{
	static const char *const never[] = { "//", "/./", "/../", ";", "?", "#",
		"\\", "%2e", "%2E", "%00" };
	size_t n = strlen(path);

	assert(path[0] == '/');
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert(strstr(path, never[i]) == NULL);
	assert(n < 2 || strcmp(path + n - 2, "/.") != 0);
	assert(n < 3 || strcmp(path + n - 3, "/..") != 0);
	assert(slash || strstr(path, "%2F") == NULL);
	for (size_t i = 0; i < n; i++)
		assert(path[i] > 0x20 && path[i] < 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct target once, twice;
	struct view raw;
	struct err e;
	bool slash;
	int rc;

	if (n == 0)
		return 0;
	slash = p[0] & 1;
	raw = (struct view) { (const char *)p + 1, n - 1 };
	if (target_canonical(raw, slash, &once, &e) < 0) {
		assert(e.text[0] != '\0');
		target_fini(&once);
		return 0;
	}
	assert(once.path.n == strlen(buf_str(&once.path)));
	check_path(buf_str(&once.path), slash);
	rc = target_canonical(buf_view(&once.path), slash, &twice, &e);
	assert(rc == 0);
	assert(view_eq(buf_view(&once.path), buf_view(&twice.path)));
	assert(twice.query.p == NULL);
	target_fini(&twice);
	target_fini(&once);
	return 0;
}
