/*
 * relay: bytes both ways, uninspected, with back-pressure: what one side does
 * not take stays in the other's buffer, and a full buffer is not read into.
 * The end of one direction is passed on as FIN; the other goes on.
 */
#include "proxy/px.h"

enum { RAW_IDLE_MS = 4 * 3600 * 1000 };

/* From `from` to `to`.  -1: the tunnel is over. */
static int
pump(struct px_conn *c, struct px_end *from, struct px_end *to)
{
	struct err e;
	enum px_io_result r = px_flush(to, &e);

	while (r == PX_IO_OK && !to->fin) {
		struct view v = px_in(from);
		size_t n = 0;

		if (v.n > 0) {
			r = px_write_through(to, v, &n, &e);
			px_eat(from, n);
			c->last_io = uv_now(&c->px->loop);
			continue;
		}
		if (from->eof) {
			px_end_fin(to);
			break;
		}
		r = px_fill(from, &e);
		if (r == PX_IO_EOF)
			r = PX_IO_OK;
	}
	if (r == PX_IO_FAIL)
		return -1;
	from->reading = !from->eof && !px_in_full(from);
	return 0;
}

enum px_next
px_raw(struct px_conn *c)
{
	if (pump(c, &c->client, &c->up) < 0 ||
	    pump(c, &c->up, &c->client) < 0) {
		/* Attack: a cut stream taken for a whole one. */
		px_close(c, true);
		return PX_WAIT;
	}
	if (c->client.fin && c->up.fin)
		return PX_CLOSE;
	if (c->last_io == 0)
		c->last_io = uv_now(&c->px->loop);
	c->deadline = c->last_io + RAW_IDLE_MS;
	return PX_WAIT;
}
