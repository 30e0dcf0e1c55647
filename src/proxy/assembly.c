#include "proxy/assembly.h"

#include "base/bytes.h"

uint64_t
assembly_deadline(struct assembly *a, uint64_t now, bool went_on)
{
	if (a->began == 0)
		a->began = a->went_on = now;
	if (went_on)
		a->went_on = now;
	return MIN(a->went_on + ASSEMBLY_MORE_S * 1000,
	    a->began + ASSEMBLY_WHOLE_S * 1000);
}
