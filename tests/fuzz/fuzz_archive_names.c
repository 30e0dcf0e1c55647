/*
 * fuzz_archive_names: whatever a name or a link target is, what is accepted
 * stays below the directory, by a plain reading that counts how deep it is.
 *
 * Input: the name, a NUL, the target of a link of that name.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "archive/names.h"
#include "base/bytes.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* How deep it is at its least; links count as not moving at all. */
static int
least(const char *path, int depth, bool names_may_be_links)
{
	struct view rest = view_of(path), part;
	int min = depth;

	while (rest.n > 0) {
		part = view_cut(rest, '/', &rest);
		if (view_eq(part, VIEW("..")))
			depth--;
		else if (part.n > 0 && !view_eq(part, VIEW(".")) &&
			 !names_may_be_links)
			depth++;
		min = MIN(min, depth);
	}
	return min;
}

static void
check_name(const char *name, char clean[NAMES_PATH_MAX + 1])
{
	char again[NAMES_PATH_MAX + 1];
	struct err e;

	assert(clean[0] != '/' && least(name, 0, true) >= 0);
	assert(strstr(clean, "//") == NULL && strlen(clean) <= strlen(name));
	/* Cleaned once is clean. */
	assert(names_clean(clean, again, &e) == 0);
	assert(strcmp(clean, again) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_FREE char *text = mem_strndup((const char *)p, n);
	const char *target =
	    text + strlen(text) < text + n ? text + strlen(text) + 1 : "";
	char clean[NAMES_PATH_MAX + 1];
	struct err e;

	if (names_clean(text, clean, &e) < 0) {
		assert(e.text[0] != '\0');
		return 0;
	}
	check_name(text, clean);
	if (names_check_target(target, names_depth(clean), &e) < 0) {
		assert(e.text[0] != '\0');
		return 0;
	}
	assert(target[0] != '/' && target[0] != '\0');
	assert(least(target, (int)names_depth(clean), true) >= 0);
	return 0;
}
