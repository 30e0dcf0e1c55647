/*
 * mem: allocation that cannot fail.  Out of memory aborts: every buffer a
 * peer can size has a bound, so only our own limits decide how much is asked.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/macros.h"

/* Zeroed storage for n objects of `size` bytes; n * size must not overflow. */
void *mem_calloc(size_t n, size_t size) MUST_USE;
/* Grows or shrinks; new bytes are not initialised. */
void *mem_realloc(void *p, size_t n, size_t size) MUST_USE;
char *mem_strdup(const char *s) MUST_USE;
/* n bytes of p and a NUL. */
char *mem_strndup(const char *p, size_t n) MUST_USE;
/* Formats into fresh storage. */
char *mem_printf(const char *fmt, ...) MUST_USE PRINTF(1, 2);

#define NEW(type) ((type *)mem_calloc(1, sizeof(type)))

void mem_free_at(void *pp); /* for CLEANUP: frees *(void **)pp */
#define AUTO_FREE CLEANUP(mem_free_at)

/*
 * Bytes that must not linger: wiped on release, refused by every log and print
 * function (they take no struct secret).
 */
struct secret {
	unsigned char *p;
	size_t n;
};

void secret_init(struct secret *s, const void *p, size_t n); /* copies */
void secret_fini(struct secret *s);
/* Clears memory in a way the compiler keeps. */
void mem_wipe(void *p, size_t n);

/*
 * Gives back what a start needed and waiting does not: free pages of the heap
 * and the stack below the caller.  Of the main thread only; harmless and some
 * microseconds when there is nothing.
 */
void mem_settle(void);
/*
 * The same for a process that will do nothing for long: the pages of its code
 * leave it too.  They stay in the page cache, from where they come back at a
 * fault each (16 at once), and can be reclaimed like any file's.
 */
void mem_rest(void);

#endif
