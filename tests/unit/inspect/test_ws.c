#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"
#include "inspect/ws.h"
#include "test.h"

static const struct ws_deflate plain,
    deflated = { .on = true, .window_bits = 15 };

struct run {
	struct ws_rx *rx;
	struct buf out; /* what would go on */
	struct buf said; /* events, a line each */
	unsigned code;
	struct err e;
};

static void
run_init(
    struct run *r, bool from_client, bool inspect, const struct ws_deflate *d)
{
	*r = (struct run) { .out = BUF_INIT(64 << 20),
		.said = BUF_INIT(64 << 20),
		.rx = ws_rx_new(from_client, inspect, d) };
}

static void
run_fini(struct run *r)
{
	ws_rx_free(r->rx);
	buf_fini(&r->out);
	buf_fini(&r->said);
}

static int
run_feed(struct run *r, struct view in, size_t step)
{
	struct ws_event ev;

	for (size_t at = 0; at < in.n;) {
		ssize_t n =
		    ws_rx_feed(r->rx, view_slice(in, at, MIN(in.n, at + step)),
			&r->out, &ev, &r->code, &r->e);

		if (n < 0)
			return -1;
		at += (size_t)n;
		if (ev.kind == WS_EV_TEXT)
			buf_printf(&r->said, "text %.*s\n", (int)ev.payload.n,
			    ev.payload.p);
		else if (ev.kind == WS_EV_CONTROL)
			buf_printf(
			    &r->said, "control %u %u\n", ev.opcode, ev.code);
	}
	return 0;
}

/* From a server, not inspected: what passes is what came, byte for byte. */
TEST(ws, passes_a_server_as_it_is)
{
	/* RFC 6455 section 5.7 */
	static const struct view frames[] = { VIEW("\x81\x05Hello"),
		VIEW("\x01\x03Hel\x80\x02lo"), VIEW("\x89\x05Hello"),
		VIEW("\x82\x00"), VIEW("\xc1\x02xy"),
		VIEW("\x88\x02\x03\xe8") };

	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		for (size_t step = 1; step < 8; step++) {
			struct run r;

			run_init(&r, false, false, &deflated);
			CHECK_INT(run_feed(&r, frames[i], step), ==, 0);
			CHECK(view_eq(buf_view(&r.out), frames[i]));
			CHECK(ws_rx_sends_whole(r.rx));
			run_fini(&r);
		}
}

TEST(ws, assembles_what_a_client_says)
{
	/* "Hello" masked, RFC 6455 5.7; in two fragments with a ping between */
	static const struct view frames[] = {
		VIEW("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
		VIEW("\x01\x83\0\0\0\0Hel\x89\x80\1\2\3\4\x80\x82\0\0\0\0lo"),
	};
	static const char *const said[] = { "text Hello\n",
		"control 9 0\ntext Hello\n" };

	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		for (size_t step = 1; step < 12; step++) {
			struct run r, again;

			run_init(&r, true, true, &plain);
			CHECK_INT(run_feed(&r, frames[i], step), ==, 0);
			CHECK_STR(buf_str(&r.said), said[i]);
			/* What goes on says the same. */
			run_init(&again, true, true, &plain);
			CHECK_INT(
			    run_feed(&again, buf_view(&r.out), 1000), ==, 0);
			CHECK_STR(buf_str(&again.said), said[i]);
			run_fini(&again);
			run_fini(&r);
		}
}

TEST(ws, refuses_frames_the_standard_forbids)
{
	static const struct {
		struct view frame;
		bool from_client;
		unsigned code;
	} rows[] = {
		{ VIEW("\x81\x05Hello"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x81\x81\0\0\0\0x"), false, WS_CLOSE_PROTOCOL },
		{ VIEW("\xa1\x80"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\xc1\x80\0\0\0\0"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x83\x80\0\0\0\0"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x8b\x80\0\0\0\0"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x80\x80\0\0\0\0"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x09\x80\0\0\0\0"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x89\xfe\x00\x7e"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x82\xfe\x00\x7d\0\0\0\0"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), true,
		    WS_CLOSE_PROTOCOL },
		{ VIEW("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"), true,
		    WS_CLOSE_PROTOCOL },
		{ VIEW("\x01\x80\0\0\0\0\x01\x80\0\0\0\0"), true,
		    WS_CLOSE_PROTOCOL },
		{ VIEW("\x88\x81\0\0\0\0\x03"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x88\x82\0\0\0\0\x03\xed"), true, WS_CLOSE_PROTOCOL },
		{ VIEW("\x88\x83\0\0\0\0\x03\xe8\xff"), true,
		    WS_CLOSE_BAD_UTF8 },
		{ VIEW("\x81\x81\0\0\0\0\xff"), true, WS_CLOSE_BAD_UTF8 },
		{ VIEW("\x81\x82\0\0\0\0\xe2\x82"), true, WS_CLOSE_BAD_UTF8 },
		/* At the first byte that cannot be, not at the end. */
		{ VIEW("\x01\x82\0\0\0\0\xed\xa0"), true, WS_CLOSE_BAD_UTF8 },
		{ VIEW("\x81\xff\0\0\0\0\0\x40\0\x01\0\0\0\0"), true,
		    WS_CLOSE_TOO_BIG },
		{ VIEW("\x82\xff\0\0\0\0\x01\0\0\x01\0\0\0\0"), true,
		    WS_CLOSE_TOO_BIG },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r;

		run_init(&r, rows[i].from_client, true, &plain);
		CHECK_INT(run_feed(&r, rows[i].frame, 1000), ==, -1);
		CHECK_INT(r.code, ==, rows[i].code);
		/* For good. */
		CHECK_INT(run_feed(&r, VIEW("\x81\x80\0\0\0\0"), 10), ==, -1);
		run_fini(&r);
	}
}

TEST(ws, bounds_the_fragments_of_a_message)
{
	struct run r;
	int i;

	run_init(&r, true, true, &plain);
	CHECK_INT(run_feed(&r, VIEW("\x01\x80\0\0\0\0"), 10), ==, 0);
	for (i = 1; i < WS_FRAGMENTS_MAX; i++)
		CHECK_INT(run_feed(&r, VIEW("\x00\x80\0\0\0\0"), 10), ==, 0);
	CHECK_INT(run_feed(&r, VIEW("\x00\x80\0\0\0\0"), 10), ==, -1);
	CHECK_INT(r.code, ==, WS_CLOSE_TOO_BIG);
	run_fini(&r);
}

TEST(ws, drops_what_follows_a_close)
{
	struct run r;

	run_init(&r, true, true, &plain);
	CHECK_INT(run_feed(&r, VIEW("\x88\x80\0\0\0\0\x81\x81\0\0\0\0x"), 100),
	    ==, 0);
	CHECK_STR(buf_str(&r.said), "control 8 1005\n");
	run_fini(&r);
}

/* ---- permessage-deflate ------------------------------------------------- */

static void
compress_to(z_stream *z, struct view text, struct buf *out)
{
	unsigned char room[70000];

	z->next_in = (unsigned char *)(uintptr_t)text.p;
	z->avail_in = (unsigned)text.n;
	z->next_out = room;
	z->avail_out = sizeof(room);
	CHECK_INT(deflate(z, Z_SYNC_FLUSH), ==, Z_OK);
	/* Section 7.2.1: without the last four bytes. */
	buf_put(out,
	    (struct view) { (char *)room, sizeof(room) - z->avail_out - 4 });
}

TEST(ws, inflates_with_the_window_of_what_came_before)
{
	/* RFC 7692 section 7.2.3.1 and .2: "Hello", and again with context */
	static const struct view twice =
	    VIEW("\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00"
		 "\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00");
	/* In fragments; then uncompressed, though it was agreed on. */
	static const struct view split =
	    VIEW("\x41\x83\0\0\0\0\xf2\x48\xcd\x80\x84\0\0\0\0\xc9\xc9\x07\x00"
		 "\x81\x82\0\0\0\0ok");

	for (size_t step = 1; step < 40; step += 4) {
		struct run r;

		run_init(&r, true, true, &(struct ws_deflate) { .on = true });
		CHECK_INT(run_feed(&r, twice, step), ==, 0);
		CHECK_STR(buf_str(&r.said), "text Hello\ntext Hello\n");
		run_fini(&r);
		run_init(&r, true, true, &(struct ws_deflate) { .on = true });
		CHECK_INT(run_feed(&r, split, step), ==, 0);
		CHECK_STR(buf_str(&r.said), "text Hello\ntext ok\n");
		run_fini(&r);
	}
}

TEST(ws, refuses_a_bomb_and_what_does_not_inflate)
{
	static const struct view bad[] = {
		/* without context, a distance that reaches back */
		VIEW("\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00"
		     "\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00"),
		VIEW("\xc1\x81\0\0\0\0\xff"),
		VIEW("\xc1\x80\0\0\0\0"),
		/* a final block: RFC 7692 7.2.3.4 */
		VIEW("\xc1\x88\0\0\0\0\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
	};
	AUTO_FREE char *zeros = mem_calloc(1, 8 << 20);
	AUTO_BUF struct buf bomb = BUF_INIT(1 << 20);
	AUTO_BUF struct buf wire = BUF_INIT(1 << 20);
	z_stream z = { 0 };
	struct run r;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		run_init(&r, true, true,
		    &(struct ws_deflate) { .on = true, .no_context = true });
		CHECK_INT(run_feed(&r, bad[i], 1000), ==, -1);
		CHECK_INT(r.code, ==, WS_CLOSE_PROTOCOL);
		run_fini(&r);
	}
	CHECK_INT(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY),
	    ==, Z_OK);
	memset(zeros, 'a', 8 << 20);
	compress_to(&z, (struct view) { zeros, 8 << 20 }, &bomb);
	(void)deflateEnd(&z);
	for (int opcode = WS_TEXT; opcode <= WS_BINARY; opcode++) {
		buf_reset(&wire);
		ws_put(&wire, true, true, true, (enum ws_opcode)opcode,
		    buf_view(&bomb));
		run_init(&r, true, true, &(struct ws_deflate) { .on = true });
		CHECK_INT(run_feed(&r, buf_view(&wire), 1000), ==, -1);
		CHECK_INT(r.code, ==, WS_CLOSE_TOO_BIG);
		run_fini(&r);
	}
}

/* Of a binary message, whose head has gone on by then. */
TEST(ws, passes_nothing_of_a_payload_that_it_refuses)
{
	const struct view head = VIEW("\xc2\x03");
	struct run r;

	for (size_t step = 1; step <= 5; step += 4) {
		run_init(&r, false, true, &deflated);
		CHECK_INT(
		    run_feed(&r, VIEW("\xc2\x03\xff\xff\xff"), step), ==, -1);
		CHECK_INT(r.code, ==, WS_CLOSE_PROTOCOL);
		CHECK(view_eq(buf_view(&r.out), head));
		run_fini(&r);
	}
}

/* ---- the handshake ------------------------------------------------------ */

TEST(ws, answers_a_key)
{
	char accept[WS_ACCEPT_SIZE];

	/* RFC 6455 section 1.3 */
	ws_accept(VIEW("dGhlIHNhbXBsZSBub25jZQ=="), accept);
	CHECK_STR(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	CHECK(ws_key_valid(VIEW("dGhlIHNhbXBsZSBub25jZQ==")));
	CHECK(!ws_key_valid(VIEW("dGhlIHNhbXBsZSBub25jZQ=")));
	CHECK(!ws_key_valid(VIEW("dGhlIHNhbXBsZSBub25jZ!==")));
}

TEST(ws, agrees_on_nothing_but_permessage_deflate)
{
	static const struct {
		const char *answer;
		int r;
		bool on, client_no_context;
	} rows[] = {
		{ "", 0, false, false },
		{ "permessage-deflate", 0, true, false },
		{ "permessage-deflate; client_no_context_takeover; "
		  "server_max_window_bits=10",
		    0, true, true },
		{ "Permessage-Deflate;client_max_window_bits=\"12\"", 0, true,
		    false },
		{ "permessage-deflate; client_max_window_bits", -1, false,
		    false },
		{ "permessage-deflate; client_max_window_bits=16", -1, false,
		    false },
		{ "permessage-deflate; client_max_window_bits=08", -1, false,
		    false },
		{ "permessage-deflate; x=1", -1, false, false },
		{ "permessage-deflate; server_no_context_takeover; "
		  "server_no_context_takeover",
		    -1, false, false },
		{ "permessage-deflate, permessage-deflate", -1, false, false },
		{ "x-webkit-deflate-frame", -1, false, false },
	};
	struct ws_deflate c, s;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(
		    ws_extensions_agreed(view_of(rows[i].answer), &c, &s, &e),
		    ==, rows[i].r);
		if (rows[i].r < 0)
			continue;
		CHECK_INT(c.on, ==, rows[i].on);
		CHECK_INT(s.on, ==, rows[i].on);
		CHECK_INT(c.no_context, ==, rows[i].client_no_context);
	}
}

TEST(ws, offers_only_what_it_can_inspect)
{
	AUTO_BUF struct buf out = BUF_INIT(1000);

	ws_extensions_offer(
	    VIEW("x-webkit-deflate-frame, permessage-deflate; "
		 "client_max_window_bits, permessage-deflate; odd, bbf"),
	    &out);
	CHECK_STR(buf_str(&out), "permessage-deflate; client_max_window_bits");
}

TEST(ws, closes_with_a_reason_that_fits)
{
	AUTO_BUF struct buf out = BUF_INIT(1000);
	char reason[200];

	memset(reason, 'x', sizeof(reason));
	ws_put_close(&out, false, WS_CLOSE_DENIED,
	    (struct view) { reason, sizeof(reason) });
	CHECK_INT(out.n, ==, 2 + WS_CONTROL_MAX);
	CHECK_INT(memcmp(out.p, "\x88\x7d\x03\xf0xxx", 7), ==, 0);
}
