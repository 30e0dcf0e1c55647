/* The resolver against a scripted name server on loopback. */
#include "test.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "net/resolve.h"

struct zone_row {
	const char *name;
	const char *a[3];
	const char *aaaa[3];
	int rcode;
	bool silent;
	bool a_twice; /* 40 copies of the A record */
};

static const struct zone_row zone[] = {
	{ "both.test", { "192.0.2.1", "192.0.2.2" },
	    { "2001:db8::1", "2001:db8::2" }, 0, false, false },
	{ "four.test", { "192.0.2.9" }, { NULL }, 0, false, false },
	{ "empty.test", { NULL }, { NULL }, 0, false, false },
	{ "broken.test", { NULL }, { NULL }, 2, false, false },
	{ "many.test", { "192.0.2.3" }, { NULL }, 0, false, true },
	{ "silent.test", { NULL }, { NULL }, 0, true, false },
};

struct fixture {
	uv_loop_t loop;
	uv_udp_t server;
	struct resolver *r;
	char last_name[256];
	int questions;
	/* result */
	int calls;
	size_t n;
	struct addr v[RESOLVE_ADDRS_MAX];
	struct err e;
};

static void
on_alloc(uv_handle_t *h UNUSED, size_t n UNUSED, uv_buf_t *b)
{
	static char space[2048];

	*b = uv_buf_init(space, sizeof(space));
}

static void
put_record(struct buf *b, const char *text)
{
	struct addr a = { 0 };

	CHECK(addr_parse(view_of(text), &a));
	buf_put(b, VIEW("\xc0\x0c\x00"));
	buf_putc(b, a.family == 4 ? 1 : 28);
	buf_put(b, VIEW("\x00\x01\x00\x00\x00\x3c\x00"));
	buf_putc(b, a.family == 4 ? 4 : 16);
	buf_put(b, (struct view) { (char *)a.b, a.family == 4 ? 4 : 16 });
}

static void
on_question(uv_udp_t *server, ssize_t n, const uv_buf_t *in,
    const struct sockaddr *from, unsigned flags UNUSED)
{
	struct fixture *f = server->data;
	AUTO_BUF struct buf out = BUF_INIT(4096);
	struct rd r = rd_of((struct view) { in->base, n > 0 ? (size_t)n : 0 });
	const struct zone_row *row = NULL;
	struct buf name = BUF_INIT(255);
	size_t labels, n_records = 0;
	uint16_t id, type;
	uv_buf_t b;

	if (n <= 0 || from == NULL)
		return;
	f->questions++;
	id = rd_be16(&r);
	(void)rd_view(&r, 10);
	while ((labels = rd_u8(&r)) > 0) {
		if (name.n > 0)
			buf_putc(&name, '.');
		buf_put(&name, rd_view(&r, labels));
	}
	type = rd_be16(&r);
	for (size_t i = 0; i < ARRAY_LEN(zone); i++)
		if (strcmp(zone[i].name, buf_str(&name)) == 0)
			row = &zone[i];
	(void)snprintf(
	    f->last_name, sizeof(f->last_name), "%s", buf_str(&name));
	buf_fini(&name);
	if (row != NULL && row->silent)
		return;
	buf_putc(&out, (char)(id >> 8));
	buf_putc(&out, (char)id);
	buf_putc(&out, (char)0x81);
	buf_putc(&out, (char)(0x80 | (row != NULL ? row->rcode : 3)));
	buf_put(&out, VIEW("\x00\x01\x00\x00\x00\x00\x00\x00"));
	buf_put(&out, (struct view) { in->base + 12, (size_t)n - r.n - 12 });
	buf_put(&out, VIEW("\x00\x01"));
	for (size_t i = 0; row != NULL && i < 3; i++) {
		const char *text = type == 1 ? row->a[i] : row->aaaa[i];

		for (int k = 0; text != NULL && k < (row->a_twice ? 40 : 1);
		     k++) {
			put_record(&out, text);
			n_records++;
		}
	}
	out.p[7] = (char)n_records;
	b = uv_buf_init(out.p, (unsigned)out.n);
	(void)uv_udp_try_send(server, &b, 1, from);
}

static void
on_resolve(void *arg, const struct addr *v, size_t n, const struct err *e)
{
	struct fixture *f = arg;

	f->calls++;
	f->n = n;
	memcpy(f->v, v, n * sizeof(*v));
	if (e != NULL)
		f->e = *e;
	CHECK(n == 0 || e == NULL);
	uv_stop(&f->loop);
}

static void
fixture_init(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int len = sizeof(at);
	char servers[64];
	struct err e;

	memset(f, 0, sizeof(*f));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_INT(uv_loop_init(&f->loop), ==, 0);
	CHECK_INT(uv_udp_init(&f->loop, &f->server), ==, 0);
	f->server.data = f;
	CHECK_INT(uv_udp_bind(&f->server, (struct sockaddr *)&at, 0), ==, 0);
	CHECK_INT(uv_udp_getsockname(&f->server, (struct sockaddr *)&at, &len),
	    ==, 0);
	CHECK_INT(uv_udp_recv_start(&f->server, on_alloc, on_question), ==, 0);
	(void)snprintf(
	    servers, sizeof(servers), "127.0.0.1:%u", ntohs(at.sin_port));
	if (resolver_new(&f->loop, view_of(servers), &f->r, &e) < 0)
		fail_msg("%s", e.text);
}

static void
fixture_fini(struct fixture *f)
{
	resolver_free(f->r);
	uv_close((uv_handle_t *)&f->server, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	CHECK_INT(uv_loop_close(&f->loop), ==, 0);
}

static void
ask(struct fixture *f, const char *host)
{
	f->calls = 0;
	f->n = 0;
	f->e = (struct err) { 0 };
	CHECK(resolve_start(f->r, view_of(host), on_resolve, f) != NULL);
	CHECK_INT(f->calls, ==, 0);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	CHECK_INT(f->calls, ==, 1);
}

TEST(resolve, gives_all_addresses_in_order)
{
	static const char *const want[] = { "192.0.2.1", "192.0.2.2",
		"2001:db8::1", "2001:db8::2" };
	char text[ADDR_TEXT_MAX];
	struct fixture f;

	fixture_init(&f);
	ask(&f, "both.test");
	CHECK_INT(f.n, ==, 4);
	for (size_t i = 0; i < f.n; i++)
		CHECK_STR(addr_format(&f.v[i], text), want[i]);
	ask(&f, "four.test");
	CHECK_INT(f.n, ==, 1);
	fixture_fini(&f);
}

TEST(resolve, says_why_there_is_none)
{
	struct fixture f;

	fixture_init(&f);
	ask(&f, "this-host-does-not-exist.invalid");
	CHECK_INT(f.e.code, ==, ERR_NOT_FOUND);
	CHECK_HAS(f.e.text, "not found");
	CHECK_STR(f.last_name, "this-host-does-not-exist.invalid");
	ask(&f, "empty.test");
	CHECK_INT(f.n, ==, 0);
	CHECK_INT(f.e.code, ==, ERR_NONE);
	ask(&f, "broken.test");
	CHECK_INT(f.e.code, ==, ERR_IO);
	ask(&f, "many.test");
	CHECK_INT(f.e.code, ==, ERR_LIMIT);
	ask(&f, "");
	CHECK_INT(f.n, ==, 0);
	fixture_fini(&f);
}

TEST(resolve, literals_and_localhost_ask_nobody)
{
	struct fixture f;

	fixture_init(&f);
	ask(&f, "192.0.2.7");
	CHECK_INT(f.n, ==, 1);
	ask(&f, "2001:db8::7");
	CHECK_INT(f.n, ==, 1);
	/* classed as internal afterwards, whoever answers. */
	ask(&f, "localhost");
	CHECK_INT(f.n, ==, 2);
	CHECK_INT(addr_class(&f.v[0], NULL), ==, ADDR_BLOCKED);
	ask(&f, "a.LocalHost");
	CHECK_INT(f.n, ==, 2);
	CHECK_INT(f.questions, ==, 0);
	fixture_fini(&f);
}

TEST(resolve, cancelled_or_freed_says_nothing)
{
	struct fixture f;
	struct lookup *l;

	fixture_init(&f);
	l = resolve_start(f.r, VIEW("silent.test"), on_resolve, &f);
	CHECK(resolve_start(f.r, VIEW("silent.test"), on_resolve, &f) != NULL);
	(void)uv_run(&f.loop, UV_RUN_ONCE);
	resolve_cancel(l);
	fixture_fini(&f);
	CHECK_INT(f.calls, ==, 0);
}

TEST(resolve, refuses_bad_servers)
{
	static const char *const bad[] = { "", " ", "not-an-address",
		"1.2.3.4:port" };
	struct resolver *r;
	uv_loop_t loop;
	struct err e;

	CHECK_INT(uv_loop_init(&loop), ==, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (resolver_new(&loop, view_of(bad[i]), &r, &e) == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
}
