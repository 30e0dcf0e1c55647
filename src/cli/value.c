/* value: option values that are more than strings, and near misses. */
#include <limits.h>
#include <stdlib.h>

#include "cli/cli.h"

const struct cli_passed cli_passed[CLI_PASSED] = {
	{ "TERM", true },
	{ "COLORTERM", true },
	{ "LANG", false },
	{ "LANGUAGE", false },
	{ "LC_ALL", false },
	{ "LC_CTYPE", false },
	{ "LC_MESSAGES", false },
	{ "LC_COLLATE", false },
	{ "LC_NUMERIC", false },
	{ "LC_TIME", false },
	{ "TZ", false },
	{ "NO_COLOR", false },
};

int
cli_value_uint(
    const char *s, uint64_t min, uint64_t max, unsigned *out, struct err *e)
{
	uint64_t v;

	if (max == 0)
		max = UINT_MAX;
	if (!view_u64(view_of(s), UINT64_MAX, &v))
		return err_set(e, ERR_INVALID, "not a whole number");
	if (v < min || v > max)
		return err_set(e, ERR_INVALID, "not in %llu..%llu",
		    (unsigned long long)min, (unsigned long long)max);
	*out = (unsigned)v;
	return 0;
}

/* Splits "90m" into 90 and "m"; false without a digit or on overflow. */
static bool
number_unit(struct view *v, uint64_t *n)
{
	size_t i = 0;

	while (i < v->n && v->p[i] >= '0' && v->p[i] <= '9')
		i++;
	if (i == 0 || !view_u64(view_slice(*v, 0, i), UINT64_MAX, n))
		return false;
	*v = view_slice(*v, i, v->n);
	return true;
}

int
cli_value_size(const char *s, uint64_t *out, struct err *e)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = {
		{ "", 0 },
		{ "B", 0 },
		{ "K", 10 },
		{ "KB", 10 },
		{ "KiB", 10 },
		{ "M", 20 },
		{ "MB", 20 },
		{ "MiB", 20 },
		{ "G", 30 },
		{ "GB", 30 },
		{ "GiB", 30 },
		{ "T", 40 },
		{ "TB", 40 },
		{ "TiB", 40 },
	};
	struct view v = view_of(s);
	uint64_t n;

	if (!number_unit(&v, &n))
		return err_set(e, ERR_INVALID, "not a size like 512M or 2G");
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!view_eq_nocase(v, view_of(units[i].unit)))
			continue;
		if (n == 0 || n > (uint64_t)INT64_MAX >> units[i].shift)
			return err_set(e, ERR_INVALID,
			    "a size is at least 1 byte and at most 8 EiB");
		*out = n << units[i].shift;
		return 0;
	}
	return err_set(e, ERR_INVALID, "not a size like 512M or 2G");
}

int
cli_value_duration(const char *s, bool unit, unsigned *out, struct err *e)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	const char *what = unit ? "not a duration like 90s, 5m or 1h30m"
				: "not a duration like 90, 90s, 5m or 1h30m";
	struct view v = view_of(s);
	uint64_t n, total = 0;
	size_t next = 0; /* units only shrink: 1h30m, not 30m1h */

	if (v.n == 0)
		return err_set(e, ERR_INVALID, "empty duration string");
	if (!unit && view_u64(v, UINT_MAX, &n)) {
		total = n;
		v.n = 0;
	}
	while (v.n > 0) {
		if (!number_unit(&v, &n) || v.n == 0 || n > UINT_MAX)
			return err_set(e, ERR_INVALID, "%s", what);
		while (next < ARRAY_LEN(units) && units[next].unit != v.p[0])
			next++;
		if (next == ARRAY_LEN(units))
			return err_set(e, ERR_INVALID, "%s", what);
		total += n * units[next++].seconds;
		v = view_slice(v, 1, v.n);
	}
	if (total == 0 || total > UINT_MAX)
		return err_set(e, ERR_INVALID, "not in 1s..49710d");
	*out = (unsigned)total;
	return 0;
}

int
cli_value_env(
    const char *given, struct view *key, const char **value, struct err *e)
{
	struct view rest;

	*key = view_cut(view_of(given), '=', &rest);
	*value = rest.p != NULL ? rest.p : getenv(given);
	if (*value == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "--env %.100s: no such variable here\n"
		    "give a value: --env %.100s=VALUE",
		    given, given);
	return 0;
}

/* Optimal string alignment distance; words longer than the row are far. */
static unsigned
distance(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	unsigned rows[3][LONGEST + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > LONGEST || m > LONGEST)
		return UINT_MAX;
	for (unsigned j = 0; j <= m; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i - 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= m; j++) {
			unsigned cost = a[i - 1] != b[j - 1];

			now[j] =
			    MIN(MIN(up[j], now[j - 1]) + 1, up[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] =
				    MIN(now[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}

void
cli_nearest_offer(struct cli_nearest *n, const char *candidate)
{
	unsigned d = distance(n->word, candidate);
	size_t len = strlen(n->word);

	/* A third of the word may be wrong; one letter always may. */
	if (d > MAX(1, len / 3))
		return;
	if (n->best == NULL || d < n->distance) {
		n->best = candidate;
		n->distance = d;
	}
}
