#include "secrets/locked.h"

#include <sys/mman.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/mem.h"

/* Sizes are whole pages, of the largest size there is on what we run on. */
enum { PAGE = 65536 };

int
locked_new(size_t n, struct locked *out, struct err *e)
{
	size_t size = (MAX(n, (size_t)1) + PAGE - 1) / PAGE * PAGE;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_sys(e, "memory for credentials");
	*out = (struct locked) { p, n, size, mlock(p, n) == 0 };
#ifdef MADV_DONTDUMP
	(void)madvise(p, size, MADV_DONTDUMP);
#endif
#ifdef MADV_WIPEONFORK
	(void)madvise(p, size, MADV_WIPEONFORK);
#endif
	return 0;
}

void
locked_free(struct locked *l)
{
	if (l->p == NULL)
		return;
	mem_wipe(l->p, l->n);
	(void)munmap(l->p, l->size);
	*l = (struct locked) { 0 };
}

void
locked_process(void)
{
#ifdef __linux__
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
