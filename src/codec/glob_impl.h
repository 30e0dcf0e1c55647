/*
 * glob_impl: the automaton a pattern becomes.  Private to glob.c, which says
 * how it works, glob_overlap.c and automaton.c.
 */
#ifndef CODEC_GLOB_IMPL_H
#define CODEC_GLOB_IMPL_H

#include <stdint.h>

#include "codec/glob.h"

enum glob_op {
	OP_BYTE, /* reads `byte` */
	OP_ONE, /* reads any byte but D */
	OP_CLASS, /* reads a byte of classes[arg] */
	OP_STAR, /* reads any byte but D and stays; or goes on */
	OP_GLOBSTAR, /* reads any byte and stays; or goes on */
	OP_FORK, /* goes on, and to arg */
	OP_JUMP, /* goes to arg */
	OP_END
};

struct glob_state {
	uint8_t op, byte;
	uint16_t arg;
};

struct glob_class {
	uint64_t bits[4];
};

struct glob {
	struct glob_state *states; /* in one piece with this */
	size_t n;
	struct glob_class *classes;
	struct view prefix; /* the leading OP_BYTE states as text */
	unsigned char delim;
};

static inline bool
glob_class_has(const struct glob_class *k, unsigned char b)
{
	return k->bits[b / 64] >> (b % 64) & 1;
}

#endif
