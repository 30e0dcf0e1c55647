#include "keeper/ring.h"

#include <stdlib.h>

void
ring_init(struct ring *r)
{
	r->first = r->next = r->sent = 1;
	r->bytes = 0;
}

static void
drop_first(struct ring *r)
{
	size_t at = r->first % RING_LINES;

	openshell__v1__sandbox_log_line__free_unpacked(r->v[at], NULL);
	r->v[at] = NULL;
	r->bytes -= r->size[at];
	r->first++;
}

void
ring_fini(struct ring *r)
{
	while (r->first < r->next)
		drop_first(r);
}

void
ring_add(struct ring *r, Openshell__V1__SandboxLogLine *line)
{
	size_t n = openshell__v1__sandbox_log_line__get_packed_size(line) + 256;
	size_t at = r->next % RING_LINES;

	while (r->first < r->next &&
	       (r->next - r->first == RING_LINES || r->bytes + n > RING_BYTES))
		drop_first(r);
	r->v[at] = line;
	r->size[at] = n;
	r->bytes += n;
	r->next++;
}

void
ring_rewind(struct ring *r, uint64_t seq)
{
	/* Before the first: what is gone is counted when it is its turn. */
	r->sent = seq > r->next ? r->next : MAX(seq, 1);
}

Openshell__V1__SandboxLogLine *
ring_at(const struct ring *r, uint64_t seq)
{
	return seq >= r->first && seq < r->next ? r->v[seq % RING_LINES] : NULL;
}
