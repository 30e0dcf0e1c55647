/*
 * synth: see synth.h.
 *
 * The n-th place is 198.18.0.0 + n + 1 and fd23:6f70:656e::n+1.  1,024 places
 * are searched one by one: a hash a place is 8 KiB, and it takes less time
 * than the query took to come here.
 */
#include "proxy/synth.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/rate.h"

struct place {
	char *host; /* NULL: free */
	uint64_t used; /* ms */
};

struct synth {
	uint64_t hash[SYNTH_MAX];
	struct place place[SYNTH_MAX];
	unsigned n; /* that were ever given */
	struct rate patterns;
};

/* 198.18.0.0/15 is for benchmarks between own machines (RFC 2544): nothing
 * outside answers there.  The other is a random prefix of fd00::/8. */
static const uint8_t base4[4] = { 198, 18, 0, 0 };
static const uint8_t base6[16] = { 0xfd, 0x23, 0x6f, 0x70, 0x65, 0x6e };
enum { BITS4 = 15, BITS6 = 48 };

struct synth *
synth_new(void)
{
	struct synth *s = NEW(struct synth);

	s->patterns = (struct rate) { .per_second = SYNTH_PATTERN_PER_SECOND,
		.burst = SYNTH_PATTERN_BURST };
	return s;
}

void
synth_free(struct synth *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n; i++)
		free(s->place[i].host);
	free(s);
}

/* FNV-1a.  Only a guess: names are compared. */
static uint64_t
hash_of(struct view v)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < v.n; i++)
		h = (h ^ (unsigned char)v.p[i]) * 1099511628211ULL;
	return h;
}

/* The place that was not used for longest; SYNTH_MAX when all are too new. */
static unsigned
free_place(struct synth *s, uint64_t now)
{
	unsigned oldest = 0;

	if (s->n < SYNTH_MAX)
		return s->n++;
	for (unsigned i = 1; i < SYNTH_MAX; i++)
		if (s->place[i].used < s->place[oldest].used)
			oldest = i;
	return now - s->place[oldest].used >= SYNTH_KEEP_MS ? oldest
							    : SYNTH_MAX;
}

static unsigned
find(const struct synth *s, struct view host, uint64_t hash)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->hash[i] == hash &&
		    view_eq(view_of(s->place[i].host), host))
			return i;
	return SYNTH_MAX;
}

static void
put_addrs(unsigned i, struct addr *v4, struct addr *v6)
{
	*v4 = (struct addr) { .family = 4 };
	*v6 = (struct addr) { .family = 6 };
	memcpy(v4->b, base4, sizeof(base4));
	memcpy(v6->b, base6, sizeof(base6));
	v4->b[2] = v6->b[14] = (uint8_t)((i + 1) >> 8);
	v4->b[3] = v6->b[15] = (uint8_t)(i + 1);
}

int
synth_give(struct synth *s, struct view host, bool pattern, uint64_t now_ms,
    struct addr *v4, struct addr *v6, struct err *e)
{
	uint64_t hash = hash_of(host);
	unsigned i = find(s, host, hash);

	if (i == SYNTH_MAX) {
		if (pattern && host.n > SYNTH_PATTERN_MAX)
			return err_set(e, ERR_LIMIT,
			    "a name that only a wildcard allows has at most "
			    "%d characters",
			    (int)SYNTH_PATTERN_MAX);
		if (pattern && !rate_take(&s->patterns, now_ms))
			return err_set(e, ERR_LIMIT,
			    "more than %d new names a second that only a "
			    "wildcard allows",
			    (int)SYNTH_PATTERN_PER_SECOND);
		i = free_place(s, now_ms);
		if (i == SYNTH_MAX)
			return err_set(e, ERR_LIMIT,
			    "more than %d names at a time", (int)SYNTH_MAX);
		free(s->place[i].host);
		s->place[i].host = view_dup(host);
		s->hash[i] = hash;
	}
	s->place[i].used = now_ms;
	put_addrs(i, v4, v6);
	return 0;
}

bool
synth_is(const struct addr *a)
{
	struct addr_net net = { .base.family = a->family,
		.bits = a->family == 4 ? BITS4 : BITS6 };

	memcpy(net.base.b, a->family == 4 ? base4 : base6,
	    a->family == 4 ? sizeof(base4) : sizeof(base6));
	return addr_in_net(a, &net);
}

const char *
synth_host(struct synth *s, const struct addr *a, uint64_t now_ms)
{
	struct addr v4, v6;
	unsigned i;

	if (s == NULL || !synth_is(a))
		return NULL;
	i = a->family == 4 ? (unsigned)a->b[2] << 8 | a->b[3]
			   : (unsigned)a->b[14] << 8 | a->b[15];
	if (i == 0 || i > s->n)
		return NULL;
	put_addrs(--i, &v4, &v6);
	if (!addr_eq(a, a->family == 4 ? &v4 : &v6))
		return NULL;
	s->place[i].used = now_ms;
	return s->place[i].host;
}
