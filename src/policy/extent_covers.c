#include "policy/extent.h"

int
extent_covers(const struct policy *p, const struct policy *rules,
    uint64_t steps, bool *covers, struct err *e)
{
	AUTO_EXTENT_DIFF struct extent_diff d = { 0 };

	if (extent_widened(p, rules, NULL, &steps, &d, e) < 0)
		return -1;
	*covers = true;
	for (size_t i = 0; i < d.n; i++)
		if (d.v[i].kind == EXTENT_WIDENS)
			*covers = false;
	return 0;
}
