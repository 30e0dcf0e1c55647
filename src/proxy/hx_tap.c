/*
 * hx_tap: an answer on its way through those that look at it, or change it.
 * What comes out is framed anew, as its length is not known beforehand.
 */
#include "proxy/hx.h"

enum { TAPPED_MAX = 2 << 20, PUT_MAX = 16384 };

static const struct hx_tap *const taps[] = {
#define TAP(name) &tap_##name,
#include "proxy/taps.def"
#undef TAP
	NULL
};
_Static_assert(ARRAY_LEN(taps) - 1 <= HX_TAPS_MAX, "room for every tap");

int
hx_tap_head(struct px_conn *c, struct h1_head *h, struct err *e)
{
	struct hx_tapped *t = &c->hx.tapped;
	int most = 0;

	for (size_t i = 0; taps[i] != NULL; i++) {
		void *state = NULL;
		int r = taps[i]->head(c, h, &state, e);

		if (r < 0)
			return -1;
		if (r == 0 || h->status < 200)
			continue;
		t->tap[t->n] = taps[i];
		t->state[t->n++] = state;
		most = MAX(most, r);
	}
	if (most > 0)
		t->out = BUF_INIT(TAPPED_MAX);
	return most;
}

void
hx_tap_end(struct px_conn *c)
{
	struct hx_tapped *t = &c->hx.tapped;

	for (size_t i = 0; i < t->n; i++)
		t->tap[i]->end(t->state[i]);
	buf_fini(&t->out);
	buf_fini(&t->head);
	*t = (struct hx_tapped) { 0 };
}

/* One piece through all of them, into t->out. */
static int
pass(struct hx_tapped *t, struct view in, bool last, struct err *e)
{
	AUTO_BUF struct buf a = BUF_INIT(TAPPED_MAX), b = BUF_INIT(TAPPED_MAX);
	struct buf *from = &a, *to = &b;

	for (size_t i = 0; i < t->n; i++) {
		struct buf *out = i + 1 == t->n ? &t->out : to;

		if (out != &t->out)
			buf_reset(out);
		if (t->tap[i]->body(t->state[i], in, last, out, e) < 0)
			return -1;
		if (out->full)
			return err_set(e, ERR_LIMIT, "the answer is too long");
		in = buf_view(out);
		to = from;
		from = out;
	}
	return 0;
}

/* All is there; what comes behind the body is looked at, too. */
static void
pass_trailers(struct hx_tapped *t, struct buf *lines)
{
	for (size_t i = 0; i < t->n && lines->n > 0; i++)
		if (t->tap[i]->trailers != NULL)
			t->tap[i]->trailers(t->state[i], lines->p, lines->n);
}

/* The head, once there is a word about what follows it. */
static bool
put_head(struct px_conn *c)
{
	struct hx_tapped *t = &c->hx.tapped;

	if (t->head.n == 0 || (t->out.n == 0 && !t->last))
		return true;
	if (px_out_room(&c->client) < t->head.n)
		return false;
	px_put(&c->client, buf_view(&t->head));
	buf_fini(&t->head);
	c->hx.started = true;
	return true;
}

/* What the taps let go, to the client.  False when it takes no more now. */
static bool
drain(struct px_conn *c, bool *progress)
{
	struct hx_tapped *t = &c->hx.tapped;

	if (!put_head(c))
		return false;
	while (t->at < t->out.n) {
		size_t room = px_out_room(&c->client);
		size_t n = MIN(t->out.n - t->at, PUT_MAX);
		struct view v;

		if (room < HX_CHUNK_ROOM * 2)
			return false;
		n = MIN(n, room - HX_CHUNK_ROOM);
		v = view_slice(buf_view(&t->out), t->at, t->at + n);
		if (c->hx.rechunk)
			hx_put_chunk(&c->client, v);
		else
			px_put(&c->client, v);
		t->at += n;
		*progress = true;
	}
	buf_reset(&t->out);
	t->at = 0;
	return true;
}

enum px_io_result
hx_tap_move(struct px_conn *c, bool *progress, struct err *e)
{
	struct hx_tapped *t = &c->hx.tapped;
	struct hx_body *b = &c->hx.resp;

	while (!c->client.failed && drain(c, progress)) {
		enum px_io_result r;
		struct view data = { 0 };
		size_t used = 0;

		if (t->last) {
			if (px_out_room(&c->client) <
			    HX_CHUNK_ROOM + b->trailers.n)
				break;
			if (c->hx.rechunk)
				hx_put_last(b, &c->client);
			return PX_IO_OK;
		}
		/* A server that makes the taps say much is not read faster
		 * than it is recorded. */
		if (px_waits_events(c))
			break;
		r = b->done ? PX_IO_OK : hx_take(b, &c->up, &data, &used, e);
		if (r == PX_IO_EOF && b->framing == H1_BODY_UNTIL_CLOSE)
			b->done = true;
		else if (r != PX_IO_OK)
			return r;
		t->last = b->done;
		if (pass(t, data, t->last, e) < 0) {
			t->refused = true;
			return PX_IO_FAIL;
		}
		if (t->last)
			pass_trailers(t, &b->trailers);
		px_eat(&c->up, used);
		*progress = true;
	}
	return PX_IO_AGAIN;
}
