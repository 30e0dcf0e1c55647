#include "proxy/pool.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/px.h"
#include "test.h"

/* A proxy with nothing but a loop, and what stands for one connection. */
struct rig {
	struct px px;
	struct px_conn c;
};

static struct rig *
rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct view pem;
	struct err e;

	CHECK(r != NULL);
	CHECK_INT(uv_loop_init(&r->px.loop), ==, 0);
	CHECK_INT(px_io_new(&r->px.io, &pem, &e), ==, 0);
	r->c.px = &r->px;
	r->c.up = (struct px_end) { .io = r->px.io, .fd = -1 };
	r->c.dst = (struct authority) { .host = "a.example.test", .port = 443 };
	CHECK(addr_parse(VIEW("192.0.43.8"), &r->c.chosen));
	return r;
}

static void
rig_free(struct rig *r)
{
	px_end_close(&r->c.up, false);
	px_pool_free(r->px.pool);
	(void)uv_run(&r->px.loop, UV_RUN_DEFAULT);
	CHECK_INT(uv_loop_close(&r->px.loop), ==, 0);
	px_io_free(r->px.io);
	free(r);
}

/* Gives the pool a connection; the upstream's end of it. */
static int
give(struct rig *r)
{
	int fd[2];
	struct err e;

	CHECK_INT(socketpair(AF_UNIX,
		      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd),
	    ==, 0);
	CHECK_INT(px_end_open(&r->c.up, &r->px.loop, fd[0], &e), ==, 0);
	px_pool_give(&r->c);
	CHECK(!px_end_is_open(&r->c.up));
	return fd[1];
}

/* Whether our side of it is closed. */
static bool
dropped(int peer)
{
	char byte;

	return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool
take(struct rig *r)
{
	bool took = px_pool_take(&r->c);

	CHECK_INT(took, ==, px_end_is_open(&r->c.up));
	px_end_close(&r->c.up, false);
	return took;
}

TEST(pool, gives_what_it_was_given_once)
{
	struct rig *r = rig_new();
	int peer = give(r);

	CHECK(!dropped(peer));
	CHECK(px_pool_take(&r->c));
	CHECK_INT(send(peer, "x", 1, 0), ==, 1);
	r->c.up.ready = true;
	r->c.up.budget = 1;
	CHECK_INT(px_fill(&r->c.up, &(struct err) { 0 }), ==, PX_IO_OK);
	px_end_close(&r->c.up, false);
	CHECK(!take(r));
	(void)close(peer);
	rig_free(r);
}

TEST(pool, another_host_or_port_gets_none)
{
	struct rig *r = rig_new();
	int peer = give(r);

	r->c.dst.port = 8443;
	CHECK(!take(r));
	r->c.dst = (struct authority) { .host = "b.example.test", .port = 443 };
	CHECK(!take(r));
	r->c.dst = (struct authority) { .host = "a.example.test", .port = 443 };
	CHECK(take(r));
	(void)close(peer);
	rig_free(r);
}

/* The address was fine for one program; for the next one its own policy
 * decides, and the connection stays for those that may have it. */
TEST(pool, address_must_suit_the_one_who_takes)
{
	static const struct policy_net inside = {
		.family = 4, .prefix = 8, .addr = { 10 }
	};
	struct rig *r = rig_new();
	int peer;

	r->c.conn.nets[0].v = &inside;
	r->c.conn.nets[0].n = 1;
	peer = give(r); /* 192.0.43.8 */
	r->c.conn.n_nets = 1;
	CHECK(!take(r));
	CHECK(!dropped(peer));
	r->c.conn.n_nets = 0;
	CHECK(take(r));
	(void)close(peer);
	CHECK(addr_parse(VIEW("10.0.0.1"), &r->c.chosen));
	peer = give(r);
	CHECK(!take(r)); /* internal, without allowed_ips */
	CHECK(!dropped(peer));
	r->c.conn.n_nets = 1;
	CHECK(take(r));
	(void)close(peer);
	rig_free(r);
}

TEST(pool, unclean_connections_are_not_kept)
{
	struct rig *r = rig_new();
	int fd[2];
	struct err e;

	CHECK_INT(socketpair(AF_UNIX,
		      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd),
	    ==, 0);
	CHECK_INT(px_end_open(&r->c.up, &r->px.loop, fd[0], &e), ==, 0);
	CHECK_INT(send(fd[1], "x", 1, 0), ==, 1);
	px_pool_give(&r->c);
	CHECK(dropped(fd[1]));
	(void)close(fd[1]);
	CHECK_INT(socketpair(AF_UNIX,
		      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd),
	    ==, 0);
	CHECK_INT(px_end_open(&r->c.up, &r->px.loop, fd[0], &e), ==, 0);
	px_put(&r->c.up, VIEW("unsent"));
	px_pool_give(&r->c);
	CHECK(dropped(fd[1]));
	(void)close(fd[1]);
	CHECK(!take(r));
	rig_free(r);
}

TEST(pool, words_and_ends_while_idle_drop_it)
{
	struct rig *r = rig_new();
	int peer = give(r);

	CHECK_INT(send(peer, "x", 1, 0), ==, 1);
	CHECK(!take(r)); /* before the loop told of it */
	CHECK(dropped(peer));
	(void)close(peer);
	peer = give(r);
	CHECK_INT(send(peer, "x", 1, 0), ==, 1);
	(void)uv_run(&r->px.loop, UV_RUN_NOWAIT);
	CHECK(dropped(peer));
	(void)close(peer);
	(void)close(give(r));
	CHECK(!take(r));
	rig_free(r);
}

TEST(pool, idle_time_is_bounded_and_told)
{
	struct rig *r = rig_new();
	int old, young;

	r->px.loop.time -= POOL_IDLE_MS + 1000;
	old = give(r);
	r->px.loop.time += POOL_IDLE_MS - 2000;
	young = give(r);
	CHECK(!dropped(old));
	(void)uv_run(&r->px.loop, UV_RUN_NOWAIT); /* takes the true time */
	CHECK(dropped(old));
	CHECK(!dropped(young));
	CHECK(px_pool_take(&r->c));
	CHECK(r->c.rested >= 3000);
	(void)close(old);
	(void)close(young);
	rig_free(r);
}

TEST(pool, numbers_are_bounded_oldest_first)
{
	struct rig *r = rig_new();
	int peer[POOL_MAX + POOL_PER_KEY], n = 0, gone = 0;

	for (int i = 0; i <= POOL_PER_KEY; i++)
		peer[n++] = give(r);
	CHECK(dropped(peer[0]));
	for (int i = 1; i < n; i++)
		CHECK(!dropped(peer[i]));
	for (uint16_t port = 1; n < (int)ARRAY_LEN(peer); port++) {
		r->c.dst.port = port;
		peer[n++] = give(r);
	}
	for (int i = 0; i < n; i++) {
		bool is = dropped(peer[i]);

		gone += is;
		CHECK_INT(is, ==, i < POOL_PER_KEY);
	}
	CHECK_INT(n - gone, ==, POOL_MAX);
	px_pool_flush(&r->px);
	for (int i = 0; i < n; i++) {
		CHECK(dropped(peer[i]));
		(void)close(peer[i]);
	}
	rig_free(r);
}
