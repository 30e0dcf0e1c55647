/*
 * term: the user's terminal, raw while a command inside has one of its own.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/err.h"

struct term {
	int fd; /* borrowed */
	struct termios saved;
	bool raw;
};

/*
 * Raw mode until term_restore, which a fault of our own program calls too.
 * One terminal at a time.
 */
int term_raw(struct term *t, int fd, struct err *e) MUST_USE;
/* Does nothing when not raw.  Any number of times. */
void term_restore(struct term *t);
/* Rows and columns of the first of n descriptors that is a terminal. */
void term_size(const int *fds, size_t n, uint16_t *rows, uint16_t *cols);

#endif
