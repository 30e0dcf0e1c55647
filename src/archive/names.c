#include "archive/names.h"

#include <string.h>

#include "base/bytes.h"

enum part { PART_NONE, PART_HERE, PART_UP, PART_NAME };

/* The next component of *rest. */
static enum part
next(struct view *rest, struct view *part)
{
	*part = view_cut(*rest, '/', rest);
	if (part->n == 0)
		return PART_NONE;
	if (view_eq(*part, VIEW(".")))
		return PART_HERE;
	return view_eq(*part, VIEW("..")) ? PART_UP : PART_NAME;
}

int
names_clean(const char *name, char out[NAMES_PATH_MAX + 1], struct err *e)
{
	struct view rest = view_of(name), part;
	unsigned depth = 0;
	size_t n = 0;

	if (rest.n > NAMES_PATH_MAX)
		return err_set(e, ERR_LIMIT, "its name is too long");
	if (rest.n > 0 && rest.p[0] == '/')
		return err_set(e, ERR_DENIED, "its name is absolute");
	while (rest.n > 0) {
		switch (next(&rest, &part)) {
		case PART_NONE:
		case PART_HERE:
			continue;
		case PART_UP:
			return err_set(
			    e, ERR_DENIED, "its name has a '..' component");
		case PART_NAME:
			break;
		}
		if (part.n > NAMES_PART_MAX || ++depth > NAMES_DEPTH_MAX)
			return err_set(
			    e, ERR_LIMIT, "its name is too long or deep");
		if (n > 0)
			out[n++] = '/';
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	out[n] = '\0';
	return 0;
}

int
names_check_target(const char *target, unsigned depth, struct err *e)
{
	struct view rest = view_of(target), part;
	bool named = false;

	if (rest.n == 0 || rest.n > NAMES_PATH_MAX)
		return err_set(e, ERR_LIMIT, "its target is empty or too long");
	if (rest.p[0] == '/')
		return err_set(e, ERR_DENIED, "it points to an absolute path");
	while (rest.n > 0) {
		switch (next(&rest, &part)) {
		case PART_NONE:
		case PART_HERE:
			break;
		case PART_NAME:
			named = true;
			break;
		case PART_UP:
			if (named || depth-- == 0)
				return err_set(e, ERR_DENIED,
				    "it points outside, or has '..' behind a "
				    "name");
			break;
		}
	}
	return 0;
}

unsigned
names_depth(const char *clean)
{
	unsigned n = 0;

	for (; *clean != '\0'; clean++)
		n += *clean == '/';
	return n;
}
