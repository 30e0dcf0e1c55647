#include "proxy/told.h"

#include <stdlib.h>

#include "base/mem.h"
#include "proxy/rate.h"

enum {
	SEEN_MAX = 4096,
	REPEAT_MS = 1000,
	CHEAP_PER_SECOND = 20,
	CHEAP_BURST = 200
};

struct told {
	struct {
		uint64_t key, at, held;
	} v[SEEN_MAX];
	struct rate cheap;
	uint64_t missed; /* for want of rate */
};

struct told *
told_of(struct told **t)
{
	if (*t != NULL)
		return *t;
	*t = NEW(struct told);
	(*t)->cheap = (struct rate) { .per_second = CHEAP_PER_SECOND,
		.burst = CHEAP_BURST };
	return *t;
}

void
told_free(struct told *t)
{
	free(t);
}

/* FNV-1a.  Two that collide count as one only while both are of one key. */
uint64_t
told_key(const struct view *parts, size_t n)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < parts[i].n; j++)
			h = (h ^ (unsigned char)parts[i].p[j]) *
			    1099511628211ULL;
		h = (h ^ 0x100) * 1099511628211ULL; /* the end of a part */
	}
	return h | 1; /* 0 is a free place */
}

bool
told_tell(
    struct told *t, uint64_t key, bool cheap, uint64_t now_ms, uint64_t *held)
{
	unsigned i = key % SEEN_MAX;

	*held = 0;
	if (t->v[i].key == key && now_ms - t->v[i].at < REPEAT_MS) {
		t->v[i].held++;
		return false;
	}
	if (cheap && !rate_take(&t->cheap, now_ms)) {
		t->missed++;
		return false;
	}
	if (t->v[i].key == key)
		*held = t->v[i].held;
	if (cheap) {
		*held += t->missed;
		t->missed = 0;
	}
	t->v[i].key = key;
	t->v[i].at = now_ms;
	t->v[i].held = 0;
	return true;
}
