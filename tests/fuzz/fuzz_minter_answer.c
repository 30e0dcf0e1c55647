/*
 * What a minter that was taken over may say: what is taken has as many values
 * as its way makes, each a text that ends and goes into a field as it is, and
 * a lifetime within bounds; a reason ends too.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "minter/minter.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Texts are at places that a fuzzer seldom comes to by growing its input: a
 * '|' goes to the next. */
static void
spread(const uint8_t *p, size_t n, struct minter_answer *a)
{
	const size_t head = offsetof(struct minter_answer, values);
	char *at[WAY_VALUES_MAX + 1] = { a->values[0], a->values[1],
		a->values[2], a->reason };

	memcpy(a, p, MIN(n, head));
	for (size_t i = head, k = 0; i < n && k < ARRAY_LEN(at); i++) {
		if (p[i] == '|')
			k++;
		else
			*at[k]++ = (char)p[i];
	}
}

static void
check(const struct minter_answer *a, enum way_id way)
{
	size_t wanted = way_value(way, 0) != NULL ? 3 : 1;

	if (!a->minted) {
		assert(a->reason[0] != '\0');
		assert(memchr(a->reason, '\0', sizeof(a->reason)) != NULL);
		return;
	}
	assert(a->lifetime_s > 0 && a->lifetime_s <= MINTER_LIFETIME_MAX_S);
	for (size_t i = 0; i < WAY_VALUES_MAX; i++) {
		const char *v = a->values[i];

		assert(memchr(v, '\0', sizeof(a->values[i])) != NULL);
		assert((v[0] != '\0') == (i < wanted));
		for (; *v != '\0'; v++)
			assert(*v > 0x20 && *v < 0x7f);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_FREE struct minter_answer *a = NEW(struct minter_answer);
	struct err e = { 0 };

	if (n < 1 || n > MINTER_REASON_MAX)
		return 0;
	spread(p + 1, n - 1, a);
	if (p[0] & 1) /* one without end */
		memset(a->values[1], 'x', sizeof(a->values[1]));
	for (unsigned way = 0; way < WAYS; way++) {
		if (minter_answer_check(a, sizeof(*a), (enum way_id)way, &e) ==
		    0)
			check(a, (enum way_id)way);
		else
			assert(e.text[0] != '\0');
		assert(minter_answer_check(a, n, (enum way_id)way, &e) < 0);
	}
	return 0;
}
