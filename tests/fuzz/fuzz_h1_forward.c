/*
 * Requests on their way through the proxy's own body mover and buffers, however
 * they arrive: what leaves is the same messages, to a lax receiver too, and not
 * a byte that belongs to none of them.  Whatever is refused or cut short has
 * left nothing behind its last good byte.  The first byte chooses the size of
 * the pieces.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "h1_same.h"
#include "proxy/hx.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { IN_MAX = 8192, OUT_MAX = 64 * IN_MAX, MESSAGES = 64 };

enum end { AT_HEAD, IN_HEAD, BAD_HEAD, IN_BODY, BAD_BODY };

/* A stream read at once, with nothing of the proxy but the parsers. */
struct read {
	struct buf said; /* every head and body in one form */
	size_t n; /* messages whose head was read */
	enum end end;
	bool too_many; /* fields */
};

static void
say_head(struct buf *b, const struct h1_head *h)
{
	buf_put(b, h->method);
	buf_putc(b, ' ');
	buf_put(b, h->target);
	buf_printf(b, " %u %d ", h->minor, (int)h->framing);
	if (h->framing == H1_BODY_LENGTH)
		buf_printf(b, "%llu ", (unsigned long long)h->content_length);
	buf_put(b, h->host);
	for (size_t i = h1_next_kept(h, 0); i < h->n_fields;
	     i = h1_next_kept(h, i + 1)) {
		buf_putc(b, '\n');
		buf_put(b, h->fields[i].name);
		buf_putc(b, ':');
		buf_put(b, h->fields[i].value);
	}
	buf_putc(b, '\n');
}

/* The body at the front of *in, as far as it goes. */
static enum end
read_body(const struct h1_head *h, struct view *in, struct buf *said)
{
	struct h1_chunk c;
	struct view data;
	struct err e;

	if (h->framing == H1_BODY_LENGTH) {
		size_t n = (size_t)MIN(h->content_length, (uint64_t)in->n);

		buf_put(said, view_slice(*in, 0, n));
		*in = view_slice(*in, n, in->n);
		return n == h->content_length ? AT_HEAD : IN_BODY;
	}
	if (h->framing != H1_BODY_CHUNKED)
		return AT_HEAD;
	h1_chunk_init(&c);
	while (!c.done) {
		ssize_t used = h1_chunk_feed(&c, *in, &data, &e);

		if (used < 0)
			return BAD_BODY;
		if (used == 0)
			return IN_BODY;
		buf_put(said, data);
		*in = view_slice(*in, (size_t)used, in->n);
	}
	return AT_HEAD;
}

static void
read_all(struct view in, bool lax, struct read *r)
{
	static struct h1_head h;

	*r = (struct read) { .said = BUF_INIT(OUT_MAX) };
	while (in.n > 0 && r->end == AT_HEAD && r->n < MESSAGES) {
		struct h1_refusal why;
		size_t scanned = 0;
		struct err e;
		ssize_t n = h1_head_end(in, H1_REQUEST_HEAD_MAX, &scanned, &e);
		struct view head = view_slice(in, 0, n > 0 ? (size_t)n : 0);

		r->end = n == 0 ? IN_HEAD : BAD_HEAD;
		if (n <= 0)
			return;
		if (h1_parse_request(head, &h, &why, &e) < 0) {
			r->too_many = why.status == 431;
			return;
		}
		if (lax)
			h1_check_lax(head, &h);
		say_head(&r->said, &h);
		in = view_slice(in, (size_t)n, in.n);
		r->end = read_body(&h, &in, &r->said);
		buf_puts(&r->said, r->end == AT_HEAD ? "\nwhole\n" : "");
		r->n++;
	}
	assert(!r->said.full);
}

/* The proxy: an end to read from, an end to write to, and their far sides. */
struct way {
	struct px_end from, to;
	int client, upstream;
	struct hx_body body;
	bool in_body, stop;
	size_t scanned, heads;
	struct buf out;
};

static struct px_io *io;
static uv_loop_t loop;

static void
ignore(struct px_end *end)
{
	(void)end;
}

static void
open_end(struct px_end *end, int *far)
{
	int fds[2], rc;
	struct err e;

	*end = (struct px_end) { .io = io, .fd = -1, .wake = ignore };
	rc = socketpair(
	    AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
	assert(rc == 0);
	rc = px_end_open(end, &loop, fds[0], &e);
	assert(rc == 0);
	*far = fds[1];
}

/* What the upstream has been sent by now. */
static void
drain(struct way *w)
{
	char bytes[16384];
	struct err e;
	ssize_t n;

	while (
	    px_flush(&w->to, &e) == PX_IO_AGAIN || px_out_pending(&w->to) > 0) {
		n = read(w->upstream, bytes, sizeof(bytes));
		assert(n > 0);
		buf_put(&w->out, (struct view) { bytes, (size_t)n });
		w->to.blocked = false;
	}
	while ((n = read(w->upstream, bytes, sizeof(bytes))) > 0)
		buf_put(&w->out, (struct view) { bytes, (size_t)n });
	w->to.blocked = false;
}

/* A head that is there goes on; false when more must come first. */
static bool
move_head(struct way *w)
{
	static struct h1_head h;
	AUTO_BUF struct buf out = BUF_INIT(PX_BLOCK);
	struct view in = px_in(&w->from);
	struct h1_write how = { 0 };
	struct h1_refusal why;
	struct err e;
	ssize_t n = h1_head_end(in, H1_REQUEST_HEAD_MAX, &w->scanned, &e);

	if (n == 0 && px_fill(&w->from, &e) == PX_IO_OK)
		return true;
	if (n == 0)
		return false;
	w->stop =
	    n < 0 || w->heads == MESSAGES ||
	    h1_parse_request(view_slice(in, 0, (size_t)n), &h, &why, &e) < 0;
	if (w->stop)
		return false;
	how = (struct h1_write) {
		.target = h.target, .host = h.host, .close = !h.keep_alive
	};
	n = h1_write_request(&h, &how, &out, &e) == 0 ? n : -1;
	assert(n > 0 && px_out_room(&w->to) >= out.n);
	px_put(&w->to, buf_view(&out));
	hx_body_start(&w->body, &h);
	px_eat(&w->from, (size_t)n);
	w->in_body = true;
	w->scanned = 0;
	w->heads++;
	return true;
}

static bool
move_body(struct way *w)
{
	bool progress = false;
	struct err e;
	enum px_io_result r =
	    hx_move_body(&w->body, &w->from, &w->to, true, &progress, &e);

	w->in_body = r != PX_IO_OK;
	w->stop = r == PX_IO_FAIL;
	return r == PX_IO_OK || (r == PX_IO_AGAIN && progress);
}

static void
forward(struct view in, size_t step, struct buf *out)
{
	struct way w = { .out = BUF_INIT(OUT_MAX) };

	open_end(&w.from, &w.client);
	open_end(&w.to, &w.upstream);
	for (size_t at = 0; at < in.n && !w.stop; at += step) {
		struct view piece = view_slice(in, at, at + step);
		ssize_t n = write(w.client, piece.p, piece.n);

		assert(n == (ssize_t)piece.n);
		w.from.ready = true;
		w.from.budget = 1000;
		while (!w.stop && (w.in_body ? move_body(&w) : move_head(&w)))
			drain(&w);
		drain(&w);
	}
	assert(!w.out.full);
	*out = w.out;
	buf_fini(&w.body.trailers);
	px_end_close(&w.from, false);
	px_end_close(&w.to, false);
	(void)close(w.client);
	(void)close(w.upstream);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
}

static void
check(struct view in, size_t step)
{
	struct read want, got;
	struct buf out;

	forward(in, step, &out);
	read_all(in, false, &want);
	read_all(buf_view(&out), true, &got);
	/* Connection may be one field more than was parsed. */
	if (!got.too_many) {
		assert(want.n == got.n);
		assert(view_eq(buf_view(&want.said), buf_view(&got.said)));
		/* Of what was refused or is not whole no more has left. */
		assert(got.end == (want.end >= IN_BODY ? IN_BODY : AT_HEAD));
	}
	buf_fini(&want.said);
	buf_fini(&got.said);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct view in, pem;
	struct err e;
	int rc;

	if (io == NULL) {
		rc = px_io_new(&io, &pem, &e);
		assert(rc == 0 && uv_loop_init(&loop) == 0);
	}
	if (n < 2 || n > IN_MAX)
		return 0;
	in = (struct view) { (const char *)p + 1, n - 1 };
	check(in, in.n);
	check(in, 1u + 4u * p[0]);
	return 0;
}
