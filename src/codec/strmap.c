#include "codec/strmap.h"

#include <string.h>

static uint32_t
hash_of(struct view v)
{
	const uint64_t k = 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio */
	uint64_t h = v.n * k, w;
	const char *p = v.p;
	size_t n = v.n;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	if (n > 0)
		memcpy(&w, p, n);
	h = (h ^ w) * k;
	h ^= h >> 32;
	h *= k;
	return (uint32_t)(h >> 32) | 1;
}

static struct strmap_slot *
slot_of(const struct strmap *m, struct view key, uint32_t hash)
{
	size_t i = hash >> 1;

	/* At most half of the slots are used, so a free one ends the search. */
	for (;; i++) {
		struct strmap_slot *s = &m->slots[i & (m->cap - 1)];

		if (s->hash == 0 || (s->hash == hash && view_eq(s->key, key)))
			return s;
	}
}

uint32_t
strmap_get(const struct strmap *m, struct view key)
{
	const struct strmap_slot *s;

	if (m->cap == 0)
		return STRMAP_NONE;
	s = slot_of(m, key, hash_of(key));
	return s->hash != 0 ? s->value : STRMAP_NONE;
}

static void
grow(struct strmap *m)
{
	struct strmap old = *m;

	m->cap = old.cap > 0 ? old.cap * 2 : 16;
	m->slots = ARENA_ARRAY(m->arena, m->cap, struct strmap_slot);
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].hash != 0)
			*slot_of(m, old.slots[i].key, old.slots[i].hash) =
			    old.slots[i];
}

uint32_t
strmap_add(struct strmap *m, struct view key, uint32_t value)
{
	uint32_t hash = hash_of(key);
	struct strmap_slot *s;

	if (m->n >= m->cap / 2)
		grow(m);
	s = slot_of(m, key, hash);
	if (s->hash == 0) {
		*s = (struct strmap_slot) { key, value, hash };
		m->n++;
	}
	return s->value;
}
