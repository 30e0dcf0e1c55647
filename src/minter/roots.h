/* roots: where systems keep the roots that they trust; ends with NULL. */
#ifndef MINTER_ROOTS_H
#define MINTER_ROOTS_H

extern const char *const minter_roots[];

#endif
