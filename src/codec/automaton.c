/*
 * automaton: see automaton.h.  A glob's state is the set of places in the
 * pattern that are live, closed under the moves that read nothing; sets are
 * interned, so a state is a small number.
 */
#include "codec/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/glob_impl.h"

enum kind { OF_GLOB, OF_WORD, OF_PAIR, OF_RULES };

enum {
	UNKNOWN = UINT16_MAX,
	WORDS_MAX = (2 * GLOB_MAX + 2 + 63) / 64 /* of a set */
};

/* A determinised state: `row[byte]` is the next one, UNKNOWN until asked. */
struct dstate {
	uint16_t row[256];
	uint16_t chain; /* the next one in its bucket */
	bool accepts;
};

enum { BUCKETS = 512 };

struct automaton {
	enum kind kind;
	struct view word;
	struct automaton *part[2]; /* of a pair */
	const struct automaton_rules *rules;
	const struct glob *glob;
	size_t words; /* of a set */
	struct dstate *v;
	uint64_t *sets;
	size_t n, cap;
	uint16_t *bucket; /* first state of each hash; 0: none */
};

/* --- globs ------------------------------------------------------------- */

static void
put(uint64_t *set, size_t i)
{
	set[i / 64] |= (uint64_t)1 << (i % 64);
}

static bool
has(const uint64_t *set, size_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

/*
 * Follows what reads nothing, which always goes forward.  The places passed
 * through are left out, so that equal futures give equal sets.
 */
static void
close_set(const struct glob *g, uint64_t *set)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct glob_state *s = &g->states[i];

		if (!has(set, i))
			continue;
		switch ((enum glob_op)s->op) {
		case OP_FORK:
			put(set, i + 1);
			put(set, s->arg);
			break;
		case OP_JUMP:
			put(set, s->arg);
			break;
		case OP_STAR:
		case OP_GLOBSTAR:
			put(set, i + 1);
			continue;
		case OP_BYTE:
		case OP_ONE:
		case OP_CLASS:
		case OP_END:
			continue;
		}
		set[i / 64] &= ~((uint64_t)1 << (i % 64));
	}
}

/* A trailing "**" takes all that follows: nothing else matters then. */
static void
absorb(const struct glob *g, uint64_t *set, size_t words)
{
	size_t last = g->n - 2; /* before OP_END */

	if (g->n < 2 || g->states[last].op != OP_GLOBSTAR || !has(set, last))
		return;
	memset(set, 0, words * sizeof(*set));
	put(set, last);
	put(set, last + 1);
}

static size_t
hash_set(const uint64_t *set, size_t words)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (size_t w = 0; w < words; w++)
		h = (h ^ set[w]) * 0xff51afd7ed558ccdu, h ^= h >> 29;
	return (size_t)(h % BUCKETS);
}

static void
grow(struct automaton *a)
{
	if (a->n < a->cap)
		return;
	a->cap = a->cap > 0 ? 2 * a->cap : 8;
	a->v = mem_realloc(a->v, a->cap, sizeof(*a->v));
	a->sets = mem_realloc(a->sets, a->cap * a->words, sizeof(*a->sets));
}

/* The state of a closed set. */
static int
intern(struct automaton *a, const uint64_t *set, uint32_t *out, struct err *e)
{
	size_t bytes = a->words * sizeof(*set), h = hash_set(set, a->words);
	struct dstate *d;

	for (uint16_t i = a->bucket[h]; i != 0; i = a->v[i].chain)
		if (memcmp(a->sets + i * a->words, set, bytes) == 0) {
			*out = i;
			return 0;
		}
	if (a->n == AUTOMATON_STATES_MAX)
		return err_set(e, ERR_LIMIT,
		    "a pattern needs more than %d states",
		    AUTOMATON_STATES_MAX);
	grow(a);
	d = &a->v[a->n];
	memset(d->row, 0xff, sizeof(d->row)); /* UNKNOWN */
	d->accepts = has(set, a->glob->n - 1);
	d->chain = a->bucket[h];
	memcpy(a->sets + a->n * a->words, set, bytes);
	a->bucket[h] = (uint16_t)a->n;
	*out = (uint32_t)a->n++;
	return 0;
}

static void
read_byte(
    const struct glob *g, const uint64_t *from, unsigned char b, uint64_t *to)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct glob_state *s = &g->states[i];

		if (!has(from, i))
			continue;
		switch ((enum glob_op)s->op) {
		case OP_BYTE:
			if (s->byte == b)
				put(to, i + 1);
			break;
		case OP_ONE:
			if (b != g->delim)
				put(to, i + 1);
			break;
		case OP_CLASS:
			if (glob_class_has(&g->classes[s->arg], b))
				put(to, i + 1);
			break;
		case OP_STAR:
			if (b != g->delim)
				put(to, i);
			break;
		case OP_GLOBSTAR:
			put(to, i);
			break;
		case OP_FORK:
		case OP_JUMP:
		case OP_END:
			break;
		}
	}
}

static int
step_glob(struct automaton *a, uint32_t state, unsigned char byte,
    uint32_t *next, struct err *e)
{
	uint64_t to[WORDS_MAX], any = 0;

	*next = a->v[state].row[byte];
	if (*next != UNKNOWN)
		return 0;
	memset(to, 0, a->words * sizeof(*to));
	read_byte(a->glob, a->sets + state * a->words, byte, to);
	close_set(a->glob, to);
	absorb(a->glob, to, a->words);
	for (size_t w = 0; w < a->words; w++)
		any |= to[w];
	*next = AUTOMATON_DEAD;
	if (any != 0 && intern(a, to, next, e) < 0)
		return -1;
	a->v[state].row[byte] = (uint16_t)*next;
	return 0;
}

struct automaton *
automaton_of_glob(const struct glob *g)
{
	struct automaton *a = NEW(struct automaton);
	uint64_t start[WORDS_MAX] = { 1 };
	uint32_t at;
	struct err e;

	a->kind = OF_GLOB;
	a->glob = g;
	a->words = (g->n + 63) / 64;
	a->bucket = mem_calloc(BUCKETS, sizeof(*a->bucket));
	grow(a);
	a->n = 1; /* DEAD has no set */
	close_set(g, start);
	absorb(g, start, a->words);
	(void)intern(a, start, &at, &e); /* the first of them: START */
	return a;
}

/* --- the others -------------------------------------------------------- */

struct automaton *
automaton_of_word(struct view word)
{
	struct automaton *a = NEW(struct automaton);

	a->kind = OF_WORD;
	a->word = word;
	return a;
}

struct automaton *
automaton_of_rules(const struct automaton_rules *r)
{
	struct automaton *a = NEW(struct automaton);

	a->kind = OF_RULES;
	a->rules = r;
	return a;
}

/*
 * A pair's state behind START is that of the part it is in, and which one that
 * is.  What the first part was is forgotten behind it: there it was accepted.
 */
static uint32_t
pair_state(unsigned part, uint32_t state)
{
	return AUTOMATON_START + 1 + 2 * (state - AUTOMATON_START) + part;
}

static unsigned
pair_part(uint32_t state)
{
	return (state - AUTOMATON_START - 1) % 2;
}

static uint32_t
pair_inner(uint32_t state)
{
	return AUTOMATON_START + (state - AUTOMATON_START - 1) / 2;
}

/* Of any string: START, and one more once it is not empty. */
static bool
part_accepts(const struct automaton *a, uint32_t state)
{
	return a != NULL ? automaton_accepts(a, state)
			 : state != AUTOMATON_START;
}

static int
step_pair(struct automaton *a, uint32_t state, unsigned char byte,
    uint32_t *next, struct err *e)
{
	uint32_t inner = AUTOMATON_START + 1;
	struct automaton *in;
	unsigned part;

	*next = AUTOMATON_DEAD;
	if (state == AUTOMATON_START) {
		if (byte == '/')
			*next = pair_state(0, AUTOMATON_START);
		return 0;
	}
	part = pair_part(state);
	in = a->part[part];
	if (byte == '/') {
		if (part == 0 && part_accepts(in, pair_inner(state)))
			*next = pair_state(1, AUTOMATON_START);
		return 0;
	}
	if (in != NULL &&
	    automaton_step(in, pair_inner(state), byte, &inner, e) < 0)
		return -1;
	if (inner != AUTOMATON_DEAD)
		*next = pair_state(part, inner);
	return 0;
}

static bool
pair_accepts(const struct automaton *a, uint32_t state)
{
	return state != AUTOMATON_START && pair_part(state) == 1 &&
	       part_accepts(a->part[1], pair_inner(state));
}

struct automaton *
automaton_of_pair(struct automaton *first, struct automaton *second)
{
	struct automaton *a = NEW(struct automaton);

	a->kind = OF_PAIR;
	a->part[0] = first;
	a->part[1] = second;
	return a;
}

void
automaton_free(struct automaton *a)
{
	if (a == NULL)
		return;
	free(a->v);
	free(a->sets);
	free(a->bucket);
	free(a);
}

int
automaton_step(struct automaton *a, uint32_t state, unsigned char byte,
    uint32_t *next, struct err *e)
{
	size_t at = state - AUTOMATON_START; /* of a word: bytes read */

	switch (a->kind) {
	case OF_GLOB:
		return step_glob(a, state, byte, next, e);
	case OF_WORD:
		*next = at < a->word.n && (unsigned char)a->word.p[at] == byte
			    ? state + 1
			    : AUTOMATON_DEAD;
		break;
	case OF_PAIR:
		return step_pair(a, state, byte, next, e);
	case OF_RULES:
		*next = a->rules->step(state, byte);
		break;
	}
	return 0;
}

bool
automaton_accepts(const struct automaton *a, uint32_t state)
{
	if (state == AUTOMATON_DEAD)
		return false;
	switch (a->kind) {
	case OF_GLOB:
		return a->v[state].accepts;
	case OF_WORD:
		return state - AUTOMATON_START == a->word.n;
	case OF_PAIR:
		return pair_accepts(a, state);
	case OF_RULES:
		return a->rules->accepts(state);
	}
	return false;
}

/* --- byte classes ------------------------------------------------------ */

/* Splits each class by what `key` says of its bytes. */
static void
split(struct byte_classes *c, const unsigned key[256])
{
	struct byte_classes out = { .n = 0 };
	unsigned first[256]; /* a byte of each new class */

	for (unsigned b = 0; b < 256; b++) {
		unsigned k = 0;

		while (k < out.n &&
		       (c->of[first[k]] != c->of[b] || key[first[k]] != key[b]))
			k++;
		if (k == out.n)
			first[out.n++] = b;
		out.of[b] = k;
	}
	*c = out;
}

/* Alone in its class from here on. */
static void
single_out(struct byte_classes *c, unsigned char b)
{
	for (unsigned i = 0; i < 256; i++)
		if (i != b && c->of[i] == c->of[b]) {
			c->of[b] = c->n++;
			return;
		}
}

static void
split_glob(const struct glob *g, struct byte_classes *c)
{
	unsigned key[256];

	single_out(c, g->delim);
	for (size_t i = 0; i < g->n; i++) {
		const struct glob_state *s = &g->states[i];

		if (s->op == OP_BYTE)
			single_out(c, s->byte);
		if (s->op != OP_CLASS)
			continue;
		for (unsigned b = 0; b < 256; b++)
			key[b] = glob_class_has(
			    &g->classes[s->arg], (unsigned char)b);
		split(c, key);
	}
}

void
automaton_split(const struct automaton *a, struct byte_classes *c)
{
	unsigned key[256];

	switch (a->kind) {
	case OF_GLOB:
		split_glob(a->glob, c);
		return;
	case OF_WORD:
		for (size_t i = 0; i < a->word.n; i++)
			single_out(c, (unsigned char)a->word.p[i]);
		return;
	case OF_PAIR:
		single_out(c, '/');
		for (unsigned i = 0; i < ARRAY_LEN(a->part); i++)
			if (a->part[i] != NULL)
				automaton_split(a->part[i], c);
		return;
	case OF_RULES:
		for (unsigned b = 0; b < 256; b++)
			key[b] = a->rules->class((unsigned char)b);
		split(c, key);
		return;
	}
}
