#include "codec/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { CHUNK = 16 << 10, ALIGN = 16 };

struct arena_chunk {
	struct arena_chunk *next;
	_Alignas(ALIGN) char bytes[];
};

void
arena_fini(struct arena *a)
{
	struct arena_chunk *c = a->head, *next;

	for (; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	*a = (struct arena) { 0 };
}

void *
arena_alloc(struct arena *a, size_t n, size_t size)
{
	struct arena_chunk *c;
	size_t want;
	void *p;

	if (__builtin_mul_overflow(n, size, &want) ||
	    want > (size_t)-1 / 2 - sizeof(*c) - ALIGN)
		abort(); /* callers bound n by the size of their input */
	want = (want + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (want > a->cap - a->used) {
		size_t cap = MAX(want, (size_t)CHUNK);

		c = mem_calloc(1, sizeof(*c) + cap);
		c->next = a->head;
		a->head = c;
		a->cap = cap;
		a->used = 0;
	}
	assert(a->head != NULL || want == 0);
	p = a->head != NULL ? a->head->bytes + a->used : NULL;
	a->used += want;
	return p;
}

struct view
arena_view(struct arena *a, struct view v)
{
	char *p = arena_alloc(a, v.n + 1, 1);

	if (v.n > 0)
		memcpy(p, v.p, v.n);
	return (struct view) { p, v.n };
}
