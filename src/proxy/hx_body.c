/*
 * hx_body: bodies on their way, decoded and framed anew.  Not one byte goes on
 * by being next to something allowed; the state of a body is O(1).
 */
#include "proxy/hx.h"

enum {
	DIRECT_MIN = 4096 /* from here copying costs more than a write */
};

bool
hx_has_body(const struct h1_head *h)
{
	return h->framing != H1_BODY_NONE &&
	       (h->framing != H1_BODY_LENGTH || h->content_length > 0);
}

void
hx_body_start(struct hx_body *b, const struct h1_head *h)
{
	b->framing = h->framing;
	b->left = h->content_length;
	b->done = !hx_has_body(h);
	b->guarded = false;
	b->scan.n = 0;
	h1_chunk_init(&b->chunk);
	buf_fini(&b->trailers);
	b->trailers = BUF_INIT(HX_TRAILERS_MAX);
	b->chunk.keep = &b->trailers;
}

void
hx_put_chunk(struct px_end *to, struct view data)
{
	char line[24];
	struct buf b = { .p = line, .cap = sizeof(line), .max = sizeof(line) };

	h1_write_chunk_head(&b, data.n);
	px_put(to, buf_view(&b));
	px_put(to, data);
	px_put(to, H1_CHUNK_END);
}

/*
 * Trailers go on between the streams of HTTP/2, which gRPC needs; a peer of
 * HTTP/1.1 need not expect them, and is spared them (RFC 9110 section 6.5.1).
 */
void
hx_put_last(struct hx_body *b, struct px_end *to)
{
	AUTO_BUF struct buf out = BUF_INIT(HX_TRAILERS_MAX + 16);
	struct h1_head h;
	struct err e;

	if (b->trailers.n <= 2 || to->port == NULL ||
	    h1_parse_trailers(buf_view(&b->trailers), &h, &e) < 0) {
		px_put(to, H1_CHUNK_LAST);
		return;
	}
	h1_write_chunk_last(&h, &out);
	px_put(to, buf_view(&out));
}

/* Nothing of `data` goes when a placeholder would be whole with it. */
static bool
passes(struct hx_body *b, struct view data, struct err *e)
{
	if (!b->guarded || !ph_scan_sees(&b->scan, data))
		return true;
	(void)err_set(e, ERR_DENIED, HX_PLACEHOLDER);
	return false;
}

/* One piece of a chunked body. */
static enum px_io_result
move_chunked(struct hx_body *b, struct px_end *from, struct px_end *to,
    bool rechunk, struct err *e)
{
	struct view in = px_in(from), data = { 0 };
	size_t room = px_out_room(to);
	ssize_t used;

	if (room < DIRECT_MIN + b->trailers.n)
		return PX_IO_AGAIN;
	in.n = MIN(in.n, room - HX_CHUNK_ROOM - b->trailers.n);
	used = h1_chunk_feed(&b->chunk, in, &data, e);
	if (used < 0 || !passes(b, data, e))
		return PX_IO_FAIL;
	if (b->guarded)
		ph_scan_went(&b->scan, data);
	if (data.n > 0 && rechunk)
		hx_put_chunk(to, data);
	else
		px_put(to, data);
	px_eat(from, (size_t)used);
	b->done = b->chunk.done;
	if (b->done && rechunk)
		hx_put_last(b, to);
	return PX_IO_OK;
}

/* One piece of a body whose bytes are its data. */
static enum px_io_result
move_plain(
    struct hx_body *b, struct px_end *from, struct px_end *to, struct err *e)
{
	struct view v = px_in(from);
	enum px_io_result r = PX_IO_OK;
	size_t n = 0;

	if (b->framing == H1_BODY_LENGTH && v.n > b->left)
		v.n = (size_t)b->left;
	if (!passes(b, v, e))
		return PX_IO_FAIL;
	if (px_out_pending(to) == 0 && (v.n >= DIRECT_MIN || to->blocked)) {
		r = px_write_through(to, v, &n, e);
		if (r == PX_IO_FAIL)
			r = PX_IO_AGAIN; /* `failed` says it */
	} else {
		n = MIN(v.n, px_out_room(to));
		px_put(to, view_slice(v, 0, n));
		if (n == 0)
			return PX_IO_AGAIN;
	}
	if (b->guarded)
		ph_scan_went(&b->scan, view_slice(v, 0, n));
	px_eat(from, n);
	if (b->framing == H1_BODY_LENGTH) {
		b->left -= n;
		b->done = b->left == 0;
	}
	return r;
}

static enum px_io_result
move_all(struct hx_body *b, struct px_end *from, struct px_end *to,
    bool rechunk, bool *progress, struct err *e)
{
	enum px_io_result r;

	while (!b->done) {
		if (to->failed)
			return PX_IO_AGAIN;
		if (px_in(from).n == 0) {
			r = px_fill(from, e);
			if (r != PX_IO_OK)
				return r;
			px_end_more(to, px_end_has_more(from));
		}
		r = b->framing == H1_BODY_CHUNKED
			? move_chunked(b, from, to, rechunk, e)
			: move_plain(b, from, to, e);
		if (r != PX_IO_OK)
			return r;
		*progress = true;
	}
	return PX_IO_OK;
}

enum px_io_result
hx_move_body(struct hx_body *b, struct px_end *from, struct px_end *to,
    bool rechunk, bool *progress, struct err *e)
{
	enum px_io_result r = move_all(b, from, to, rechunk, progress, e);

	px_end_more(to, false);
	return r;
}

enum px_io_result
hx_take(struct hx_body *b, struct px_end *from, struct view *data, size_t *used,
    struct err *e)
{
	struct view in = px_in(from);
	ssize_t n;

	*data = (struct view) { 0 };
	*used = 0;
	if (in.n == 0) {
		enum px_io_result r = px_fill(from, e);

		if (r != PX_IO_OK)
			return r;
		in = px_in(from);
	}
	if (b->framing == H1_BODY_CHUNKED) {
		n = h1_chunk_feed(&b->chunk, in, data, e);
		if (n < 0)
			return PX_IO_FAIL;
		b->done = b->chunk.done;
		*used = (size_t)n;
		return PX_IO_OK;
	}
	if (b->framing == H1_BODY_LENGTH) {
		in.n = (size_t)MIN(b->left, (uint64_t)in.n);
		b->left -= in.n;
		b->done = b->left == 0;
	}
	*data = in;
	*used = in.n;
	return PX_IO_OK;
}
