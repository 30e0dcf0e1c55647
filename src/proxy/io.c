#include "proxy/io.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "tls/ca.h"
#include "tls/mint.h"
#include "tls/trust.h"

enum { POOL_MAX = 32, BULK = 8192 };

struct px_io {
	struct ca *ca;
	struct mint *mint;
	struct trust *trust;
	struct tls_server *server;
	struct tls_client *client;
	char *pool[POOL_MAX];
	unsigned n_pool;
};

int
px_io_new(struct px_io **out, struct view *pem, struct err *e)
{
	struct px_io *io = NEW(struct px_io);

	if (ca_new(&io->ca, e) < 0) {
		px_io_free(io);
		return err_wrap(e, "make the CA of the sandbox");
	}
	*pem = ca_pem(io->ca);
	*out = io;
	return 0;
}

void
px_io_trust(struct px_io *io, int fd)
{
	trust_free(io->trust);
	io->trust = trust_new_fd(fd);
}

void
px_io_free(struct px_io *io)
{
	if (io == NULL)
		return;
	tls_server_free(io->server);
	tls_client_free(io->client);
	mint_free(io->mint);
	trust_free(io->trust);
	ca_free(io->ca);
	px_io_give_back(io);
	free(io);
}

void
px_io_give_back(struct px_io *io)
{
	while (io->n_pool > 0)
		free(io->pool[--io->n_pool]);
}

int
px_io_tls(struct px_io *io, struct err *e)
{
	if (io->client != NULL)
		return 0;
	if (trust_store(io->trust, e) == NULL)
		return -1;
	if (io->mint == NULL && mint_new(io->ca, &io->mint, e) < 0)
		return -1;
	if (io->server == NULL && tls_server_new(io->mint, &io->server, e) < 0)
		return -1;
	return tls_client_new(io->trust, &io->client, e);
}

static void
block_take(struct px_io *io, struct px_block *b)
{
	if (b->p != NULL)
		return;
	b->p = io->n_pool > 0 ? io->pool[--io->n_pool]
			      : mem_realloc(NULL, PX_BLOCK, 1);
	b->at = b->n = 0;
}

static void
block_give(struct px_io *io, struct px_block *b)
{
	if (b->p == NULL)
		return;
	if (io->n_pool < POOL_MAX)
		io->pool[io->n_pool++] = b->p;
	else
		free(b->p);
	*b = (struct px_block) { 0 };
}

static void
block_compact(struct px_block *b)
{
	if (b->at == 0)
		return;
	memmove(b->p, b->p + b->at, b->n - b->at);
	b->n -= b->at;
	b->at = 0;
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct px_end *end = p->data;

	/* An error shows itself at the next read or write; libuv stops a
	 * handle that had one. */
	if (status < 0)
		end->mask = 0;
	if (status < 0 || (events & (UV_READABLE | UV_DISCONNECT)))
		end->ready = true;
	if (status < 0 || (events & UV_WRITABLE)) {
		end->blocked = false;
		end->tls_write = false;
	}
	end->fired |= events;
	end->wake(end);
}

static void
on_closed(uv_handle_t *h)
{
	free(h);
}

int
px_end_open(struct px_end *end, uv_loop_t *loop, int fd, struct err *e)
{
	uv_poll_t *poll = NEW(uv_poll_t);
	int r = uv_poll_init(loop, poll, fd);

	if (r < 0) {
		free(poll);
		(void)close(fd);
		return err_set(e, ERR_IO, "watch a socket: %s", uv_strerror(r));
	}
	poll->data = end;
	end->poll = poll;
	end->fd = fd;
	end->s = stream_new(fd);
	end->ready = true;
	return 0;
}

void
px_end_open_port(
    struct px_end *end, const struct px_port_ops *ops, void *port, bool secure)
{
	end->port = ops;
	end->port_arg = port;
	end->secure = secure;
	end->ready = true;
}

void
px_end_arm(struct px_end *end)
{
	int mask = 0;

	if (end->poll == NULL)
		return;
	/* Not while a read would give something that nobody wants yet: the
	 * event would come again and again. */
	if (end->reading && !end->ready && !end->eof)
		mask |= UV_READABLE;
	if (!end->failed &&
	    (end->blocked || end->tls_write || px_out_pending(end) > 0))
		mask |= UV_WRITABLE;
	mask |= end->mask & ~end->fired;
	end->fired = 0;
	if (mask == end->mask)
		return;
	end->mask = mask;
	if (mask == 0)
		(void)uv_poll_stop(end->poll);
	else
		(void)uv_poll_start(end->poll, mask, on_poll);
}

/* As if it had never been open. */
static void
end_reset(struct px_end *end)
{
	*end = (struct px_end) {
		.owner = end->owner, .io = end->io, .wake = end->wake, .fd = -1
	};
}

void
px_end_close(struct px_end *end, bool reset)
{
	struct linger now = { 1, 0 };

	if (end->port != NULL) {
		end->port->close(end->port_arg, reset);
		block_give(end->io, &end->in);
		block_give(end->io, &end->out);
		end_reset(end);
		return;
	}
	if (end->poll == NULL)
		return;
	uv_close((uv_handle_t *)end->poll, on_closed);
	if (reset)
		(void)setsockopt(
		    end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	stream_free(end->s);
	block_give(end->io, &end->in);
	block_give(end->io, &end->out);
	end_reset(end);
}

void
px_end_move(struct px_end *to, struct px_end *from)
{
	void *owner = to->owner;
	void (*wake)(struct px_end *) = to->wake;

	*to = *from;
	to->owner = owner;
	to->wake = wake;
	to->poll->data = to;
	end_reset(from);
}

size_t
px_out_room(const struct px_end *end)
{
	return PX_BLOCK - px_out_pending(end);
}

bool
px_in_full(const struct px_end *end)
{
	return end->in.n - end->in.at == PX_BLOCK;
}

static ssize_t
read_some(struct px_end *end, char *p, size_t n, struct err *e)
{
	return end->port != NULL ? end->port->read(end->port_arg, p, n, e)
				 : stream_read(end->s, p, n, e);
}

/* After bytes came: another read may give more without an event. */
static bool
may_have_more(const struct px_end *end, size_t got, size_t room)
{
	return end->port != NULL || got == room || got >= BULK ||
	       stream_pending(end->s);
}

enum px_io_result
px_fill(struct px_end *end, struct err *e)
{
	struct px_block *b = &end->in;
	ssize_t got;
	size_t room;

	if (end->eof)
		return PX_IO_EOF;
	if (!end->ready || px_in_full(end) || end->budget == 0)
		return PX_IO_AGAIN;
	end->budget--;
	block_take(end->io, b);
	if (b->n > PX_BLOCK - BULK * 2)
		block_compact(b);
	room = PX_BLOCK - b->n;
	got = read_some(end, b->p + b->n, room, e);
	if (got > 0) {
		b->n += (uint32_t)got;
		end->ready = may_have_more(end, (size_t)got, room);
		return PX_IO_OK;
	}
	if (b->n == b->at)
		block_give(end->io, b);
	if (got < 0 && e->code == ERR_AGAIN) {
		if (end->port != NULL) /* asking again costs next to nothing */
			return PX_IO_AGAIN;
		end->ready = false;
		end->tls_write = (stream_wants(end->s) & STREAM_WRITE) != 0;
		return PX_IO_AGAIN;
	}
	end->eof = true;
	return got == 0 ? PX_IO_EOF : PX_IO_FAIL;
}

void
px_eat(struct px_end *end, size_t n)
{
	end->in.at += (uint32_t)n;
	if (end->in.at == end->in.n)
		block_give(end->io, &end->in);
}

void
px_put(struct px_end *end, struct view v)
{
	struct px_block *b = &end->out;

	if (v.n == 0 || end->failed || end->fin)
		return;
	block_take(end->io, b);
	if (b->n + v.n > PX_BLOCK)
		block_compact(b);
	memcpy(b->p + b->n, v.p, v.n);
	b->n += (uint32_t)v.n;
}

static enum px_io_result
write_some(struct px_end *end, struct view v, size_t *n, struct err *e)
{
	ssize_t done = end->port != NULL ? end->port->write(end->port_arg, v, e)
					 : stream_write(end->s, v, e);

	*n = 0;
	if (done >= 0) {
		*n = (size_t)done;
		end->blocked = false;
		return PX_IO_OK;
	}
	if (e->code == ERR_AGAIN) {
		end->blocked = true;
		return PX_IO_AGAIN;
	}
	end->failed = true;
	block_give(end->io, &end->out);
	return PX_IO_FAIL;
}

enum px_io_result
px_flush(struct px_end *end, struct err *e)
{
	if (end->failed)
		return err_set(e, ERR_IO, "the peer takes no more"), PX_IO_FAIL;
	while (px_out_pending(end) > 0) {
		struct px_block *b = &end->out;
		size_t n;
		enum px_io_result r = write_some(
		    end, (struct view) { b->p + b->at, b->n - b->at }, &n, e);

		if (r != PX_IO_OK)
			return r;
		b->at += (uint32_t)n;
	}
	block_give(end->io, &end->out);
	return PX_IO_OK;
}

enum px_io_result
px_write_through(struct px_end *end, struct view v, size_t *n, struct err *e)
{
	*n = 0;
	if (end->failed)
		return err_set(e, ERR_IO, "the peer takes no more"), PX_IO_FAIL;
	return v.n == 0 ? PX_IO_OK : write_some(end, v, n, e);
}

bool
px_end_has_more(const struct px_end *end)
{
	return end->port == NULL && end->budget > 0 &&
	       (end->ready || stream_pending(end->s));
}

void
px_end_more(struct px_end *end, bool more)
{
	if (end->port == NULL && end->s != NULL)
		stream_more(end->s, more);
}

void
px_end_fin(struct px_end *end)
{
	struct err e;

	if (end->fin || !px_end_is_open(end))
		return;
	end->fin = true;
	if (end->port != NULL) {
		end->port->fin(end->port_arg);
		return;
	}
	/* Best effort: the peer learns the end from FIN in any case. */
	if (stream_shutdown(end->s, &e) < 0)
		(void)shutdown(end->fd, SHUT_WR);
}

int
px_tls_accept(
    struct px_end *end, const char *host, unsigned alpn, struct err *e)
{
	struct view first = px_in(end);

	if (px_io_tls(end->io, e) < 0 || stream_unread(end->s, first, e) < 0)
		return -1;
	px_eat(end, first.n);
	end->ready = true;
	return stream_accept(end->s, end->io->server, view_of(host), alpn, e);
}

int
px_tls_connect(struct px_end *end, const char *host, uint16_t port,
    unsigned alpn, struct err *e)
{
	if (px_io_tls(end->io, e) < 0)
		return -1;
	end->ready = true;
	return stream_connect(
	    end->s, end->io->client, view_of(host), port, alpn, e);
}

enum px_io_result
px_tls_handshake(struct px_end *end, struct err *e)
{
	unsigned wants;

	if (stream_handshake(end->s, e) == 0) {
		end->ready = true;
		end->tls_write = false;
		return PX_IO_OK;
	}
	if (e->code != ERR_AGAIN)
		return PX_IO_FAIL;
	wants = stream_wants(end->s);
	end->ready = false;
	end->reading = (wants & STREAM_READ) != 0;
	end->tls_write = (wants & STREAM_WRITE) != 0;
	return PX_IO_AGAIN;
}

void
px_tls_alert(struct px_end *end, uint8_t description)
{
	const char record[] = { 21, 3, 3, 0, 2, 2, (char)description };

	px_put(end, (struct view) { record, sizeof(record) });
}
