/*
 * atoms: see atoms.h.
 *
 * A node stands for all strings that lead every automaton to the same state.
 * Only sets that the string can still get into are kept in it, so a node under
 * "/repos/" knows nothing of the hundred patterns that begin otherwise.
 */
#include "codec/atoms.h"

#include <stdlib.h>

#include "base/mem.h"
#include "codec/arena.h"

enum {
	NODES_MAX = 1 << 20,
	LIVE_MAX = 1 << 23, /* places kept over all nodes: 64 MiB */
	NONE = UINT32_MAX
};

struct live {
	uint32_t set, state;
};

struct node {
	uint32_t parent, chain; /* chain: the next one in its bucket */
	uint32_t first, n; /* in `live` */
	uint32_t depth;
	unsigned char byte; /* that led here from the parent */
};

/* A combination that has been told. */
struct seen {
	const uint64_t *in;
	struct seen *next;
};

struct search {
	const struct atoms_query *q;
	struct atoms_budget *budget;
	struct arena arena;
	unsigned char reps[256]; /* a byte of each class, the nicest first */
	unsigned nreps;
	size_t musts;
	bool somes;
	struct node *nodes;
	size_t n, cap;
	struct live *live;
	size_t nlive, live_cap;
	uint32_t *bucket;
	size_t mask;
	size_t words;
	struct seen *seen[256];
	struct err *e;
};

/* What people like to read comes first. */
static unsigned
rank(unsigned char b)
{
	static const char nice[] = "abcdefghijklmnopqrstuvwxyz0123456789"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ/.-_~";
	const char *at = b != 0 ? strchr(nice, b) : NULL;

	if (at != NULL)
		return (unsigned)(at - nice);
	return b > 0x20 && b < 0x7f ? 128u + b : 256u + b;
}

static int
by_rank(const void *ap, const void *bp)
{
	const unsigned char *a = ap, *b = bp;

	return (int)rank(*a) - (int)rank(*b);
}

static void
choose_bytes(struct search *s)
{
	struct byte_classes c = BYTE_CLASSES_INIT;
	bool has[256] = { false };

	for (size_t i = 0; i < s->q->n; i++)
		automaton_split(s->q->v[i].a, &c);
	for (unsigned b = 0; b < 256; b++) {
		unsigned k = c.of[b];

		if (!has[k] || rank((unsigned char)b) < rank(s->reps[k]))
			s->reps[k] = (unsigned char)b;
		has[k] = true;
	}
	s->nreps = c.n;
	qsort(s->reps, s->nreps, 1, by_rank);
}

static int
too_much(struct search *s)
{
	return err_set(s->e, ERR_LIMIT,
	    "the patterns are too intricate together: the search was given "
	    "up, and the answer is not known");
}

static size_t
hash_live(const struct live *v, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ v[i].set) * 0xff51afd7ed558ccdu;
		h = (h ^ v[i].state ^ h >> 31) * 0xc4ceb9fe1a85ec53u;
	}
	return (size_t)(h ^ h >> 29);
}

static void
rehash(struct search *s)
{
	s->mask = s->mask == 0 ? 1023 : 2 * s->mask + 1;
	s->bucket = mem_realloc(s->bucket, s->mask + 1, sizeof(*s->bucket));
	memset(s->bucket, 0xff, (s->mask + 1) * sizeof(*s->bucket));
	for (uint32_t i = 0; i < s->n; i++) {
		struct node *n = &s->nodes[i];
		size_t h = hash_live(s->live + n->first, n->n) & s->mask;

		n->chain = s->bucket[h];
		s->bucket[h] = i;
	}
}

/* Room for another node's places, which are written behind the others. */
static void
reserve(struct search *s)
{
	size_t need = s->nlive + s->q->n;

	if (need > s->live_cap) {
		s->live_cap = MAX(need, 2 * s->live_cap);
		s->live = mem_realloc(s->live, s->live_cap, sizeof(*s->live));
	}
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 256;
		s->nodes = mem_realloc(s->nodes, s->cap, sizeof(*s->nodes));
	}
	if (s->n > s->mask || s->bucket == NULL)
		rehash(s);
}

/* Keeps the `n` places behind the others, unless they are known. */
static int
add(struct search *s, uint32_t parent, unsigned char byte, size_t n)
{
	const struct live *v = s->live + s->nlive;
	size_t h = hash_live(v, n) & s->mask;

	for (uint32_t i = s->bucket[h]; i != NONE; i = s->nodes[i].chain)
		if (s->nodes[i].n == n &&
		    memcmp(s->live + s->nodes[i].first, v, n * sizeof(*v)) == 0)
			return 0;
	if (s->n == NODES_MAX || s->nlive + n > LIVE_MAX)
		return too_much(s);
	s->nodes[s->n] = (struct node) { .parent = parent,
		.chain = s->bucket[h],
		.first = (uint32_t)s->nlive,
		.n = (uint32_t)n,
		.depth = parent == NONE ? 0 : s->nodes[parent].depth + 1,
		.byte = byte };
	s->bucket[h] = (uint32_t)s->n++;
	s->nlive += n;
	return 0;
}

static int
begin(struct search *s)
{
	s->words = (s->q->n + 63) / 64;
	choose_bytes(s);
	reserve(s);
	for (size_t i = 0; i < s->q->n; i++) {
		s->musts += s->q->v[i].role == ATOMS_MUST;
		s->somes |= s->q->v[i].role == ATOMS_SOME;
		s->live[i] = (struct live) { (uint32_t)i, AUTOMATON_START };
	}
	return add(s, NONE, 0, s->q->n);
}

/* One byte further; a node that nothing can come of is not kept. */
static int
advance(struct search *s, uint32_t at, unsigned char byte)
{
	const struct node *from;
	size_t n = 0, musts = 0, somes = 0;

	reserve(s);
	from = &s->nodes[at];
	if (s->budget->left <= from->n)
		return too_much(s);
	s->budget->left -= from->n + 1;
	for (size_t i = 0; i < from->n; i++) {
		struct live l = s->live[from->first + i];
		const struct atoms_set *set = &s->q->v[l.set];

		if (automaton_step(set->a, l.state, byte, &l.state, s->e) < 0)
			return -1;
		if (l.state == AUTOMATON_DEAD) {
			if (set->role == ATOMS_MUST)
				return 0;
			continue;
		}
		musts += set->role == ATOMS_MUST;
		somes += set->role == ATOMS_SOME;
		s->live[s->nlive + n++] = l;
	}
	if (musts < s->musts || (s->somes && somes == 0))
		return 0;
	return add(s, at, byte, n);
}

/* The sets that the node's strings are in; false when they do not count. */
static bool
combination(const struct search *s, const struct node *n, uint64_t *in)
{
	size_t musts = 0, somes = 0;

	memset(in, 0, s->words * sizeof(*in));
	for (size_t i = 0; i < n->n; i++) {
		const struct live *l = &s->live[n->first + i];
		const struct atoms_set *set = &s->q->v[l->set];

		if (!automaton_accepts(set->a, l->state))
			continue;
		in[l->set / 64] |= (uint64_t)1 << (l->set % 64);
		musts += set->role == ATOMS_MUST;
		somes += set->role == ATOMS_SOME;
	}
	return musts == s->musts && (!s->somes || somes > 0);
}

/* True the first time. */
static bool
is_new(struct search *s, const uint64_t *in)
{
	size_t bytes = s->words * sizeof(*in);
	uint64_t h = 0;
	struct seen **at, *it;
	uint64_t *copy;

	for (size_t w = 0; w < s->words; w++)
		h = (h ^ in[w]) * 0xff51afd7ed558ccdu, h ^= h >> 32;
	at = &s->seen[h % ARRAY_LEN(s->seen)];
	for (it = *at; it != NULL; it = it->next)
		if (memcmp(it->in, in, bytes) == 0)
			return false;
	copy = ARENA_ARRAY(&s->arena, s->words, uint64_t);
	memcpy(copy, in, bytes);
	it = ARENA_NEW(&s->arena, struct seen);
	*it = (struct seen) { copy, *at };
	*at = it;
	return true;
}

static struct view
word_of(const struct search *s, uint32_t at, char *to)
{
	size_t n = s->nodes[at].depth;

	for (size_t i = n; i > 0; i--) {
		to[i - 1] = (char)s->nodes[at].byte;
		at = s->nodes[at].parent;
	}
	return (struct view) { to, n };
}

static int
search(struct search *s, atoms_found *found, void *ctx)
{
	AUTO_FREE uint64_t *in = mem_calloc(s->words + 1, sizeof(*in));
	AUTO_FREE char *word = mem_calloc(s->q->longest + 1, 1);

	for (uint32_t at = 0; at < s->n; at++) {
		if (combination(s, &s->nodes[at], in) && is_new(s, in) &&
		    found(ctx, word_of(s, at, word), in))
			return 0;
		if (s->nodes[at].depth == s->q->longest)
			continue;
		for (unsigned i = 0; i < s->nreps; i++)
			if (advance(s, at, s->reps[i]) < 0)
				return -1;
	}
	return 0;
}

int
atoms_find(const struct atoms_query *q, struct atoms_budget *b,
    atoms_found *found, void *ctx, struct err *e)
{
	struct search s = { .q = q, .budget = b, .e = e };
	int rc = begin(&s);

	if (rc == 0)
		rc = search(&s, found, ctx);
	arena_fini(&s.arena);
	free(s.nodes);
	free(s.live);
	free(s.bucket);
	return rc;
}
