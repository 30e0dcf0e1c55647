/* shelf: a store in a directory of its own. */
#ifndef TESTS_UNIT_STORE_SHELF_H
#define TESTS_UNIT_STORE_SHELF_H

#include "store/store.h"

struct shelf {
	char dir[64], path[96];
	struct store *s;
};

/* A new directory (0700), nothing in it. */
void shelf_make(struct shelf *t);
/* Opens; fails the test when it cannot. */
void shelf_open(struct shelf *t);
/* Closes and opens again. */
void shelf_again(struct shelf *t);
/* Closes and removes everything. */
void shelf_end(struct shelf *t);

#endif
