/*
 * automaton: a set of byte strings, as a deterministic automaton of which only
 * the part that is walked is ever built.
 */
#ifndef CODEC_AUTOMATON_H
#define CODEC_AUTOMATON_H

#include <stdint.h>

#include "codec/glob.h"

struct automaton;

/* No string of the set begins this way. */
#define AUTOMATON_DEAD 0u
#define AUTOMATON_START 1u
/* States one pattern may need; walking on is ERR_LIMIT then. */
enum { AUTOMATON_STATES_MAX = 8192 };

/* What the pattern matches.  `g` is borrowed and must outlive it. */
struct automaton *automaton_of_glob(const struct glob *g) MUST_USE;
/* That string alone; borrowed. */
struct automaton *automaton_of_word(struct view word) MUST_USE;
/*
 * "/x/y" with x in the first and y in the second, neither with a '/'; NULL:
 * any but the empty one.  Both are borrowed and must outlive it.
 */
struct automaton *automaton_of_pair(
    struct automaton *first, struct automaton *second) MUST_USE;

/*
 * A set given by its rules: step yields the next state (START comes first,
 * DEAD is a dead end), and bytes of one class are never told apart.
 */
struct automaton_rules {
	uint32_t (*step)(uint32_t state, unsigned char byte);
	bool (*accepts)(uint32_t state);
	unsigned (*class)(unsigned char byte);
};
struct automaton *automaton_of_rules(const struct automaton_rules *r) MUST_USE;
void automaton_free(struct automaton *a);

/* From a state that is not DEAD.  -1, ERR_LIMIT: too many states. */
int automaton_step(struct automaton *a, uint32_t state, unsigned char byte,
    uint32_t *next, struct err *e) MUST_USE;
bool automaton_accepts(const struct automaton *a, uint32_t state) MUST_USE;

/* A partition of the bytes. */
struct byte_classes {
	unsigned of[256], n;
};
#define BYTE_CLASSES_INIT ((struct byte_classes) { .n = 1 })
/* Splits classes until no two bytes of one are told apart by `a`. */
void automaton_split(const struct automaton *a, struct byte_classes *c);

#endif
