#include "proxy/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "proxy/px.h"

/* Tickets that arrive late are read; more of them than this is a nuisance. */
enum { POOL_WAKES_MAX = 4 };

/* Oldest first: the order in which they came is that in which they expire. */
struct entry {
	struct entry *prev, *next;
	struct px_pool *pool;
	struct px_end end;
	struct addr addr;
	uint64_t since; /* loop time, ms */
	unsigned wakes;
	bool tls, through;
	uint16_t port;
	char host[]; /* ends with NUL */
};

struct px_pool {
	uv_timer_t timer;
	struct entry *first, *last;
	unsigned n;
};

static void
entry_unlink(struct entry *en)
{
	struct px_pool *pool = en->pool;

	*(en->prev != NULL ? &en->prev->next : &pool->first) = en->next;
	*(en->next != NULL ? &en->next->prev : &pool->last) = en->prev;
	pool->n--;
}

static void
entry_drop(struct entry *en)
{
	entry_unlink(en);
	px_end_close(&en->end, false);
	free(en);
}

static void on_timer(uv_timer_t *timer);

static void
arm_timer(struct px_pool *pool)
{
	uint64_t now = uv_now(pool->timer.loop), at;

	if (pool->first == NULL) {
		(void)uv_timer_stop(&pool->timer);
		return;
	}
	at = pool->first->since + POOL_IDLE_MS;
	(void)uv_timer_start(
	    &pool->timer, on_timer, at > now ? at - now : 0, 0);
}

static void
on_timer(uv_timer_t *timer)
{
	struct px_pool *pool = timer->data;
	uint64_t now = uv_now(timer->loop);

	while (pool->first != NULL && now - pool->first->since >= POOL_IDLE_MS)
		entry_drop(pool->first);
	arm_timer(pool);
}

static struct px_pool *
px_pool_new(uv_loop_t *loop)
{
	struct px_pool *pool = NEW(struct px_pool);

	(void)uv_timer_init(loop, &pool->timer);
	pool->timer.data = pool;
	return pool;
}

static void
drop_all(struct px_pool *pool)
{
	while (pool->first != NULL)
		entry_drop(pool->first);
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

void
px_pool_free(struct px_pool *pool)
{
	if (pool == NULL)
		return;
	drop_all(pool);
	uv_close((uv_handle_t *)&pool->timer, on_closed);
}

void
px_pool_flush(struct px *px)
{
	if (px->pool != NULL)
		drop_all(px->pool);
}

/* Whether the upstream said nothing since; a TLS ticket is not a word. */
static bool
silent(struct px_end *end)
{
	struct err e;
	char byte;

	if (recv(end->fd, &byte, 1, MSG_PEEK) < 0)
		return errno == EAGAIN && !stream_pending(end->s);
	end->ready = true;
	end->budget = 1;
	return px_fill(end, &e) == PX_IO_AGAIN;
}

static void
on_wake(struct px_end *end)
{
	struct entry *en = end->owner;

	if (++en->wakes > POOL_WAKES_MAX || !silent(end)) {
		entry_drop(en);
		return;
	}
	end->reading = true;
	px_end_arm(end);
}

static bool
same(const struct entry *en, const char *host, uint16_t port)
{
	return en->port == port && strcmp(en->host, host) == 0;
}

/* The oldest of its key when that has enough, or else of all. */
static void
make_room(struct px_pool *pool, const struct entry *new)
{
	struct entry *oldest = NULL;
	unsigned n = 0;

	for (struct entry *en = pool->first; en != NULL; en = en->next)
		if (same(en, new->host, new->port) && en->tls == new->tls) {
			n++;
			if (oldest == NULL)
				oldest = en;
		}
	if (n >= POOL_PER_KEY)
		entry_drop(oldest);
	else if (pool->n >= POOL_MAX)
		entry_drop(pool->first);
}

void
px_pool_give(struct px_conn *c)
{
	struct px *px = c->px;
	struct entry *en;
	size_t host_n = strlen(c->dst.host) + 1;
	struct px_end *up = &c->up;
	struct err e;

	up->budget = 1;
	if (up->port != NULL || px->ending || up->eof || up->fin ||
	    up->failed || px_in(up).n > 0 || px_out_pending(up) > 0 ||
	    px_fill(up, &e) != PX_IO_AGAIN) {
		px_end_close(up, false);
		return;
	}
	if (px->pool == NULL)
		px->pool = px_pool_new(&px->loop);
	en = mem_realloc(NULL, 1, sizeof(*en) + host_n);
	*en = (struct entry) { .pool = px->pool,
		.addr = c->chosen,
		.since = uv_now(&px->loop),
		.tls = c->tls,
		.through = c->through,
		.port = c->dst.port };
	memcpy(en->host, c->dst.host, host_n);
	en->end = (struct px_end) {
		.owner = en, .io = px->io, .wake = on_wake, .fd = -1
	};
	make_room(px->pool, en);
	px_end_move(&en->end, up);
	en->end.reading = true;
	px_end_arm(&en->end);
	en->prev = px->pool->last;
	*(en->prev != NULL ? &en->prev->next : &px->pool->first) = en;
	px->pool->last = en;
	if (px->pool->n++ == 0)
		arm_timer(px->pool);
}

bool
px_pool_take(struct px_conn *c)
{
	struct px_pool *pool = c->px->pool;
	struct entry *en, *prev;
	struct err e;

	/* The youngest first: most likely to stand, and the rest may expire. */
	for (en = pool != NULL ? pool->last : NULL; en != NULL; en = prev) {
		prev = en->prev;
		if (!same(en, c->dst.host, c->dst.port) ||
		    dest_check(view_of(c->dst.host), c->dst.port, &c->conn,
			&en->addr, 1, &c->px->dest, &e) < 0)
			continue;
		if (!silent(&en->end)) {
			entry_drop(en);
			continue;
		}
		entry_unlink(en);
		px_end_move(&c->up, &en->end);
		c->chosen = en->addr;
		c->through = en->through;
		c->rested = uv_now(&c->px->loop) - en->since;
		free(en);
		return true;
	}
	return false;
}
