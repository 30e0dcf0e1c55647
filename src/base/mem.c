#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static NORETURN void
out_of_memory(void)
{
	static const char msg[] = "openshell: out of memory\n";

	(void)fwrite(msg, 1, sizeof(msg) - 1, stderr);
	abort();
}

void *
mem_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_realloc(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory();
	p = realloc(p, total ? total : 1);
	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_strndup(const char *p, size_t n)
{
	char *s;

	if (n == SIZE_MAX)
		out_of_memory();
	s = mem_calloc(n + 1, 1);
	if (n > 0)
		memcpy(s, p, n);
	return s;
}

char *
mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *
mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return s;
}

void
mem_free_at(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p));
	free(p);
}

void
mem_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

void
secret_init(struct secret *s, const void *p, size_t n)
{
	s->p = mem_calloc(n, 1);
	s->n = n;
	if (n > 0)
		memcpy(s->p, p, n);
}

void
secret_fini(struct secret *s)
{
	if (s->p != NULL) {
		mem_wipe(s->p, s->n);
		free(s->p);
	}
	s->p = NULL;
	s->n = 0;
}

/* Below the frames of this function and what it calls nothing is alive. */
__attribute__((noinline)) static void
settle_stack(void)
{
	enum { PAGE = 4096, KEPT = PAGE, FREED = 256 << 10 };
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t end = (here - KEPT) & ~(uintptr_t)(PAGE - 1);

	/* What lies below the stack's mapping is not mapped: stack_guard_gap.
	 */
	(void)madvise((void *)(end - FREED), FREED, MADV_DONTNEED);
}

void
mem_settle(void)
{
	(void)malloc_trim(0);
	settle_stack();
}

/* From the linker (ld(1)): all between is read-only and never written, as
 * nothing in it is relocated. */
extern const char __executable_start[], etext[];

void
mem_rest(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)__executable_start & ~(page - 1);
	uintptr_t to = ((uintptr_t)etext + page - 1) & ~(page - 1);

	mem_settle();
	(void)madvise((void *)from, to - from, MADV_DONTNEED);
}
