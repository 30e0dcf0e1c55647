/*
 * What one direction of a WebSocket says does not depend on how its bytes
 * were split, and what is sent on says the same to another reader, binary
 * messages byte by byte; what went on before something was refused is the
 * beginning of what came, and refused for that alone.  The first byte chooses
 * the direction and what was agreed on.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "inspect/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct said {
	struct buf out; /* sent on */
	struct buf events;
	bool failed;
	unsigned code;
};

static void
note(struct said *s, const struct ws_event *ev)
{
	if (ev->kind != WS_EV_TEXT && ev->kind != WS_EV_CONTROL)
		return;
	buf_printf(&s->events, "%d %u %u %zu:", (int)ev->kind, ev->opcode,
	    ev->code, ev->payload.n);
	buf_put(&s->events, ev->payload);
}

static void
listen_to(struct view in, uint8_t how, size_t step, struct said *s)
{
	struct ws_deflate d = { .on = (how & 4) != 0,
		.no_context = (how & 8) != 0,
		.window_bits = 15 };
	struct ws_rx *rx = ws_rx_new((how & 1) != 0, (how & 2) != 0, &d);

	*s = (struct said) { .out = BUF_INIT(1 << 26),
		.events = BUF_INIT(1 << 26) };
	for (size_t at = 0; at < in.n && !s->failed;) {
		size_t to = step == 0 || step > in.n - at ? in.n : at + step;
		struct ws_event ev;
		struct err e;
		ssize_t n = ws_rx_feed(
		    rx, view_slice(in, at, to), &s->out, &ev, &s->code, &e);

		if (n < 0) {
			s->failed = true;
			assert(s->code >= 1002 && s->code <= 1013);
			break;
		}
		assert(n > 0);
		at += (size_t)n;
		note(s, &ev);
	}
	ws_rx_free(rx);
}

static void
forget(struct said *s)
{
	buf_fini(&s->out);
	buf_fini(&s->events);
}

/* The payloads of binary messages, as far as they go, by the frames alone. */
static void
read_binary(struct view in, struct buf *out)
{
	struct ws_frame f;
	bool binary = false;
	struct err e;

	for (;;) {
		ssize_t head = ws_frame_parse(in, &f, &e);
		size_t from, n;

		/* Behind a close frame there is nothing. */
		if (head <= 0 || f.opcode == WS_CLOSE)
			return;
		in = view_slice(in, (size_t)head, in.n);
		n = (size_t)MIN(f.n, (uint64_t)in.n);
		if (f.opcode == WS_TEXT || f.opcode == WS_BINARY)
			binary = f.opcode == WS_BINARY;
		if (f.opcode == WS_BINARY)
			buf_puts(out, f.rsv1 ? "|z" : "|");
		from = out->n;
		if (binary && f.opcode <= WS_BINARY) {
			buf_put(out, view_slice(in, 0, n));
			if (f.masked)
				ws_mask(out->p + from, n, f.mask, 0);
		}
		in = view_slice(in, n, in.n);
	}
}

static void
check_sent(struct view in, const struct said *s, uint8_t how)
{
	AUTO_BUF struct buf was = BUF_INIT(1 << 26), is = BUF_INIT(1 << 26);
	struct said other;

	listen_to(buf_view(&s->out), how, 0, &other);
	assert(!other.failed || (s->failed && other.code == s->code));
	assert(s->failed ||
	       view_eq(buf_view(&s->events), buf_view(&other.events)));
	forget(&other);
	read_binary(in, &was);
	read_binary(buf_view(&s->out), &is);
	assert(is.n == was.n || (s->failed && is.n < was.n));
	assert(is.n == 0 || memcmp(is.p, was.p, is.n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const size_t steps[] = { 1, 3, 16 };
	struct view in = { (const char *)p, n };
	struct said whole, other;
	uint8_t how;

	if (n == 0)
		return 0;
	how = p[0];
	in = view_slice(in, 1, n);
	listen_to(in, how, 0, &whole);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		listen_to(in, how, steps[i], &other);
		assert(whole.failed == other.failed);
		assert(whole.code == other.code || !whole.failed);
		assert(
		    view_eq(buf_view(&whole.events), buf_view(&other.events)));
		/* Masks are random; all else is of one size. */
		assert(whole.failed || whole.out.n == other.out.n);
		forget(&other);
	}
	check_sent(in, &whole, how);
	forget(&whole);
	return 0;
}
