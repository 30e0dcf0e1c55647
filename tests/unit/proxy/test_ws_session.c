#include "proxy/ws_session.h"
#include "secrets/rewrite.h"
#include "test.h"

static const struct ws_deflate plain;

struct owner {
	enum ws_verdict verdict;
	unsigned asked;
};

static enum ws_verdict
judge(void *arg, struct view text, struct buf *anew, struct buf *reason)
{
	struct owner *o = arg;

	o->asked++;
	if (view_eq(text, VIEW("bad"))) {
		buf_puts(reason, "not that");
		return WS_DENY;
	}
	if (view_eq(text, VIEW("name"))) {
		rw_out_init(anew, 100);
		buf_puts(anew, "value");
	}
	return o->verdict;
}

static void
start(struct ws_session *s, struct owner *o)
{
	*o = (struct owner) { .verdict = WS_ALLOW };
	ws_session_init(s, &plain, &plain, judge, NULL, o);
}

/* Everything of it taken. */
static void
say(struct ws_session *s, bool client, struct view v)
{
	size_t n = client ? ws_session_client(s, v) : ws_session_server(s, v);

	CHECK_INT(n, ==, v.n);
}

static void
say_text(struct ws_session *s, const char *text)
{
	AUTO_BUF struct buf b = BUF_INIT(1000);

	ws_put(&b, true, true, false, WS_TEXT, view_of(text));
	say(s, true, buf_view(&b));
}

/* The close frame at the end of what goes to the client. */
static unsigned
close_code(const struct buf *b)
{
	struct ws_frame f;
	struct err e;
	size_t at = 0;

	while (at < b->n) {
		ssize_t n =
		    ws_frame_parse(view_slice(buf_view(b), at, b->n), &f, &e);

		CHECK_INT(n, >, 0);
		at += (size_t)n;
		if (f.opcode == WS_CLOSE) {
			unsigned char hi = (unsigned char)b->p[at];
			unsigned char lo = (unsigned char)b->p[at + 1];

			if (f.masked) {
				hi ^= f.mask[0];
				lo ^= f.mask[1];
			}
			return (unsigned)hi << 8 | lo;
		}
		at += f.n;
	}
	return 0;
}

TEST(ws_session, passes_what_is_allowed_and_ends_at_what_is_not)
{
	struct ws_session s;
	struct owner o;

	start(&s, &o);
	say_text(&s, "good");
	CHECK_INT(s.to_server.n, ==, 2 + 4 + 4);
	buf_reset(&s.to_server);
	say_text(&s, "bad");
	CHECK(s.over);
	CHECK_INT(s.code, ==, WS_CLOSE_DENIED);
	CHECK_STR(s.reason, "not that");
	CHECK_INT(close_code(&s.to_client), ==, WS_CLOSE_DENIED);
	/* Nothing of the message went on, only the close. */
	CHECK_INT(close_code(&s.to_server), ==, WS_CLOSE_DENIED);
	CHECK_INT(s.to_server.n, ==, 2 + 4 + 2 + 8);
	CHECK_INT(o.asked, ==, 2);
	ws_session_fini(&s);
}

TEST(ws_session, waits_for_a_verdict_that_comes_later)
{
	struct ws_session s;
	struct owner o;

	start(&s, &o);
	o.verdict = WS_LATER;
	say_text(&s, "one");
	CHECK_INT(s.to_server.n, ==, 0);
	CHECK_INT(ws_session_client(&s, VIEW("\x81\x80\0\0\0\0")), ==, 0);
	ws_session_go_on(&s);
	CHECK_INT(s.to_server.n, ==, 0);
	o.verdict = WS_ALLOW;
	ws_session_go_on(&s);
	CHECK_INT(s.to_server.n, ==, 2 + 4 + 3);
	CHECK_INT(o.asked, ==, 3);
	ws_session_go_on(&s);
	CHECK_INT(o.asked, ==, 3);
	ws_session_fini(&s);
}

TEST(ws_session, puts_no_close_into_the_middle_of_a_frame)
{
	struct ws_session s;
	struct owner o;

	start(&s, &o);
	say(&s, false,
	    VIEW("\x82\x05"
		 "abc")); /* two bytes to come */
	say(&s, true,
	    VIEW("\x82\x85\0\0\0\0"
		 "abc"));
	ws_session_end(&s, WS_CLOSE_RESTART, VIEW("new policy"));
	CHECK_INT(s.to_client.n, ==, 2 + 3);
	CHECK_INT(s.to_server.n, ==, 2 + 4 + 3);
	ws_session_fini(&s);

	/* A text that is put together has sent nothing yet. */
	start(&s, &o);
	say(&s, true,
	    VIEW("\x81\x85\0\0\0\0"
		 "abc"));
	CHECK(ws_session_assembling(&s));
	ws_session_end(&s, WS_CLOSE_RESTART, VIEW("new policy"));
	CHECK_INT(close_code(&s.to_client), ==, WS_CLOSE_RESTART);
	CHECK_INT(close_code(&s.to_server), ==, WS_CLOSE_RESTART);
	ws_session_fini(&s);
}

TEST(ws_session, ends_both_sides_when_one_breaks_the_protocol)
{
	struct ws_session s;
	struct owner o;

	start(&s, &o);
	(void)ws_session_client(&s, VIEW("\x81\x01x"));
	CHECK_INT(close_code(&s.to_client), ==, WS_CLOSE_PROTOCOL);
	CHECK_INT(close_code(&s.to_server), ==, WS_CLOSE_PROTOCOL);
	ws_session_fini(&s);
	start(&s, &o);
	(void)ws_session_server(&s, VIEW("\x81\x81\0\0\0\0x"));
	CHECK_INT(close_code(&s.to_client), ==, WS_CLOSE_PROTOCOL);
	CHECK_INT(ws_session_client(&s, VIEW("x")), ==, 0);
	ws_session_fini(&s);
}

TEST(ws_session, takes_no_more_than_can_be_sent)
{
	static char block[16 << 10];
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct ws_session s;
	struct owner o;

	start(&s, &o);
	for (int i = 0; i < 8; i++)
		ws_put(&b, false, true, false, WS_BINARY,
		    (struct view) { block, sizeof(block) });
	CHECK_INT(ws_session_server(&s, buf_view(&b)), <, b.n);
	CHECK_INT(s.to_client.n, <, 64 << 10);
	ws_session_fini(&s);
}

/* Of the first frame in it. */
static struct view
payload(struct buf *b)
{
	struct ws_frame f;
	struct err e;
	ssize_t n = ws_frame_parse(buf_view(b), &f, &e);

	CHECK(n > 0 && f.fin && !f.rsv1 && f.opcode == WS_TEXT);
	CHECK_INT(b->n, ==, (size_t)n + f.n);
	if (f.masked)
		ws_mask(b->p + n, (size_t)f.n, f.mask, 0);
	return view_slice(buf_view(b), (size_t)n, b->n);
}

static bool
hide(void *arg UNUSED, struct view text, struct buf *anew)
{
	if (!view_eq(text, VIEW("value")))
		return false;
	rw_out_init(anew, 100);
	buf_puts(anew, "*****");
	return true;
}

TEST(ws_session, what_is_put_in_the_place_of_a_message_goes_on)
{
	struct ws_session s;
	struct owner o;

	start(&s, &o);
	say_text(&s, "name");
	CHECK(memmem(s.to_server.p, s.to_server.n, "value", 5) == NULL);
	CHECK_VIEW(payload(&s.to_server), "value");
	ws_session_fini(&s);
}

/* Bytewise, in fragments; what is beside it goes on as it was. */
TEST(ws_session, text_of_the_server_is_masked_when_somebody_looks)
{
	static const struct {
		const char *text, *heard;
	} rows[] = { { "value", "*****" }, { "other", "other" } };

	for (unsigned looks = 0; looks < 2; looks++)
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			AUTO_BUF struct buf b = BUF_INIT(100);
			struct owner o = { .verdict = WS_ALLOW };
			struct view v = view_of(rows[i].text);
			struct ws_session s;

			ws_session_init(
			    &s, &plain, &plain, judge, looks ? hide : NULL, &o);
			ws_put(&b, false, false, false, WS_TEXT,
			    view_slice(v, 0, 2));
			ws_put(&b, false, true, false, WS_CONTINUATION,
			    view_slice(v, 2, v.n));
			for (size_t k = 0; k < b.n; k++)
				say(&s, false,
				    view_slice(buf_view(&b), k, k + 1));
			if (looks)
				CHECK_VIEW(
				    payload(&s.to_client), rows[i].heard);
			else
				CHECK(s.to_client.n > 0 && o.asked == 0);
			ws_session_fini(&s);
		}
}
