/*
 * What one direction of a WebSocket says does not depend on how its bytes
 * were split, and what is sent on says the same to another reader.  The first
 * byte chooses the direction and what was agreed on.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

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
	if (!whole.failed) {
		listen_to(buf_view(&whole.out), how, 0, &other);
		assert(!other.failed);
		assert(
		    view_eq(buf_view(&whole.events), buf_view(&other.events)));
		forget(&other);
	}
	forget(&whole);
	return 0;
}
