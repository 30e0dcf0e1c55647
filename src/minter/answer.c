/* answer: what the gateway takes from a minter, and what it does not. */
#include <string.h>

#include "minter/minter.h"

static bool
ends(const char *text, size_t n)
{
	return memchr(text, '\0', n) != NULL;
}

static bool
is_value(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text > 0x7e)
			return false;
	return true;
}

int
minter_answer_check(
    const struct minter_answer *a, size_t n, enum way_id way, struct err *e)
{
	size_t wanted = 0;

	while (way_value(way, wanted) != NULL)
		wanted++;
	wanted = wanted > 0 ? wanted : 1;
	if (n != sizeof(*a) || a->version != MINTER_VERSION || a->minted > 1 ||
	    !ends(a->reason, sizeof(a->reason)))
		return err_set(
		    e, ERR_PROTO, "the minter's answer is malformed");
	if (!a->minted)
		return a->reason[0] != '\0'
			   ? 0
			   : err_set(
				 e, ERR_PROTO, "the minter does not say why");
	if (a->lifetime_s == 0 || a->lifetime_s > MINTER_LIFETIME_MAX_S)
		return err_set(
		    e, ERR_PROTO, "the minter's answer has no lifetime");
	for (size_t i = 0; i < WAY_VALUES_MAX; i++)
		if (!ends(a->values[i], sizeof(a->values[i])) ||
		    !is_value(a->values[i]) ||
		    (a->values[i][0] != '\0') != (i < wanted))
			return err_set(
			    e, ERR_PROTO, "the minter's values are malformed");
	return 0;
}
