/*
 * check_path: patterns over request paths, which policy sees in one canonical
 * spelling only (http/target.c).  A pattern in another spelling never matches:
 * in a rule it allows nothing, in deny_rules it refuses nothing.
 */
#include "policy/check.h"

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What a canonical path writes as itself: RFC 3986 pchar but for '%'. */
static bool
is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

/* v.p[at] is a '%'; NULL when a canonical path can have it. */
static const char *
check_escape(struct view v, size_t at)
{
	int hi = at + 1 < v.n ? hex_value((unsigned char)v.p[at + 1]) : -1;
	int lo = at + 2 < v.n ? hex_value((unsigned char)v.p[at + 2]) : -1;
	unsigned char c = (unsigned char)(hi << 4 | lo);

	/* A wildcard may stand for the rest of it. */
	if (at + 1 < v.n && memchr("*?[{", v.p[at + 1], 4) != NULL)
		return NULL;
	if (hi < 0)
		return "a '%' that begins no escape";
	if (at + 2 < v.n && memchr("*?[{", v.p[at + 2], 4) != NULL)
		return NULL;
	if (lo < 0)
		return "a '%' that begins no escape";
	if (v.p[at + 1] >= 'a' || v.p[at + 2] >= 'a')
		return "an escape in lower case";
	if (c != '/' && is_plain(c))
		return "an escape of a byte that needs none";
	return NULL;
}

static const char *
find_fault(struct view v)
{
	const char *fault = NULL;

	for (size_t i = 0; i < v.n && fault == NULL; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '[') {
			/* The first byte may be ']' itself. */
			for (i += 2; i < v.n && v.p[i] != ']'; i++)
				;
			continue;
		}
		if (c == '\\' && i + 1 < v.n) {
			c = (unsigned char)v.p[++i];
			if (!is_plain(c) && c != '%')
				fault = "a byte that has to be an escape";
		} else if (c == '%')
			fault = check_escape(v, i);
		else if (!is_plain(c) && strchr("?{}", c) == NULL)
			fault = "a byte that has to be an escape";
	}
	return fault;
}

/* Of the wildcards, only "**" as a component can stand for the first '/'. */
static bool
may_begin_with_slash(struct view v)
{
	return view_eq(v, VIEW("**")) || view_starts(v, VIEW("**/")) ||
	       memchr("/{\\", v.p[0], 3) != NULL;
}

void
p_check_path(struct p_place *pl, const struct p_str *path, bool must,
    const char *outcome)
{
	const char *fault;
	char text[256];

	if (path->v.n == 0)
		return;
	p_check_glob(pl, path, '/');
	fault = may_begin_with_slash(path->v) ? find_fault(path->v) : NULL;
	if (fault == NULL && may_begin_with_slash(path->v))
		return;
	(void)snprintf(text, sizeof(text), "%s%s%s: %s",
	    fault == NULL ? "does not begin with '/'" : "has ",
	    fault == NULL ? "" : fault,
	    fault == NULL ? "" : ", which no canonical path has", outcome);
	if (must)
		P_ERROR(
		    pl, path->h.at, "path '%s' %s", p_show(path->v).text, text);
	else
		P_WARN(
		    pl, path->h.at, "path '%s' %s", p_show(path->v).text, text);
}
