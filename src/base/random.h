/*
 * random: bytes from the kernel's generator, getrandom(2).
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* Fills p; aborts if the kernel cannot give randomness. */
void random_bytes(void *p, size_t n);
/* n lower-case hexadecimal digits and a NUL. */
void random_hex(char *out, size_t n);

#endif
