/*
 * client: one connection to a gateway.
 *
 * Calls made before the connection stands wait in a list; when it ends, every
 * call gets UNAVAILABLE with the reason and then `lost` is called.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "rpc/client_impl.h"

enum { CONNECT_MS = 10000, PING_MS = 10000, ANSWER_MAX = 64 << 20 };

/* --- memory -------------------------------------------------------------- */

/* Freed, its connection closed, and no call of it under way. */
void
rpc_client_release(struct rpc_client *c)
{
	if (!c->freed || c->c.turn != NULL || c->calls != NULL)
		return;
	rpc_turn_free(c->turn);
	free(c);
}

static void
on_released(struct rpc_conn *conn)
{
	struct rpc_client *c = CONTAINER_OF(conn, struct rpc_client, c);

	c->c.turn = NULL;
	rpc_client_release(c);
}

static void
give_back(struct rpc_client *c)
{
	nghttp2_session_callbacks_del(c->callbacks);
	nghttp2_option_del(c->options);
	c->callbacks = NULL;
	c->options = NULL;
	SSL_CTX_free(c->ctx);
	c->ctx = NULL;
	free(c->url);
	free(c->host);
	if (c->bearer != NULL)
		mem_wipe(c->bearer, strlen(c->bearer));
	free(c->bearer);
	while (c->n_metadata > 0) {
		char *value = c->values[--c->n_metadata];

		mem_wipe(value, strlen(value));
		free(value);
		free(c->names[c->n_metadata]);
	}
	dial_name_cancel(take_ptr(c->dial));
	c->url = c->host = c->bearer = NULL;
	fd_close(&c->dirfd);
}

/* --- the connection ------------------------------------------------------ */

static int
on_bytes(struct rpc_conn *conn, struct view v, struct err *e)
{
	return rpc_conn_feed_h2(conn, v, e);
}

static void
on_late(void *arg)
{
	struct rpc_client *c = arg;
	struct err e;

	(void)err_set(&e, ERR_AGAIN, "%s did not answer in time", c->url);
	rpc_conn_close(&c->c, &e);
}

static bool
has_h2(SSL *ssl)
{
	const unsigned char *p;
	unsigned n;

	SSL_get0_alpn_selected(ssl, &p, &n);
	return n == 2 && memcmp(p, "h2", 2) == 0;
}

static void
on_open(struct rpc_conn *conn)
{
	struct rpc_client *c = CONTAINER_OF(conn, struct rpc_client, c);
	struct err e;
	int rc;

	if (conn->ssl != NULL && !has_h2(conn->ssl)) {
		(void)err_set(
		    &e, ERR_PROTO, "%s does not speak HTTP/2", c->url);
		rpc_conn_close(conn, &e);
		return;
	}
	rc =
	    nghttp2_session_client_new2(&conn->h2, c->callbacks, c, c->options);
	if (rc != 0 || rpc_conn_settings(conn->h2, &e) < 0) {
		(void)err_set(&e, ERR_INTERNAL, "cannot start HTTP/2");
		rpc_conn_close(conn, &e);
		return;
	}
	rpc_conn_keepalive(conn, PING_MS);
	c->up = true;
	for (struct rpc_out *o = c->calls; o != NULL; o = o->next)
		rpc_out_submit(o);
	rpc_conn_wake(conn);
	if (c->hooks.ready != NULL)
		c->hooks.ready(c->hooks.ctx);
}

/*
 * A call that may end now.  One whose owner is just being told something, and
 * who frees the client meanwhile, ends when its owner has returned.
 */
static struct rpc_out *
idle_call(struct rpc_client *c)
{
	struct rpc_out *o = c->calls;

	for (; o != NULL && (o->busy || o->telling); o = o->next)
		o->over |= c->over;
	return o;
}

static void
on_over(struct rpc_conn *conn, const struct err *e)
{
	struct rpc_client *c = CONTAINER_OF(conn, struct rpc_client, c);

	c->over = true;
	c->up = false;
	c->why = *e;
	if (c->why.sys == 0 && c->why.code == ERR_NONE)
		c->why.code = ERR_IO;
	for (struct rpc_out *o; (o = idle_call(c)) != NULL;) {
		rpc_out_status(o, RPC_UNAVAILABLE, e->text);
		rpc_out_over(o);
	}
	if (!c->freed && c->hooks.lost != NULL)
		c->hooks.lost(c->hooks.ctx, &c->why);
}

static const struct rpc_conn_ops ops = { on_bytes, on_open, on_over };

void
rpc_client_begin(struct rpc_client *c)
{
	SSL *ssl = NULL;
	struct err e;

	if (c->ctx != NULL &&
	    (ssl = mutual_client(c->ctx, c->host, &e)) == NULL) {
		rpc_conn_close(&c->c, &e);
		return;
	}
	rpc_conn_start(&c->c, ssl);
}

int
rpc_client_conn(struct rpc_client *c, enum rpc_transport t, struct err *e)
{
	if (rpc_conn_init(&c->c, c->turn, t, &ops, c, e) < 0)
		return -1;
	c->c.released = on_released;
	return 0;
}

static void
make_session_parts(struct rpc_client *c)
{
	if (nghttp2_session_callbacks_new(&c->callbacks) != 0)
		abort(); /* out of memory, as everywhere */
	rpc_out_callbacks(c->callbacks);
	c->options = rpc_conn_options();
}

int
rpc_client_new(uv_loop_t *loop, const struct rpc_target *t,
    const struct rpc_client_hooks *hooks, struct rpc_client **out,
    struct err *e)
{
	struct rpc_client *c = NEW(struct rpc_client);

	c->dirfd = -1;
	c->answer_max = t->answer_max > 0 ? t->answer_max : ANSWER_MAX;
	c->url = mem_strdup(t->url);
	c->bearer = t->bearer != NULL ? mem_strdup(t->bearer) : NULL;
	for (const struct rpc_metadata *m = t->metadata;
	     m != NULL && m->name != NULL && c->n_metadata < METADATA_MAX;
	     m++) {
		c->names[c->n_metadata] = mem_strdup(m->name);
		c->values[c->n_metadata++] = mem_strdup(m->value);
	}
	if (hooks != NULL)
		c->hooks = *hooks;
	make_session_parts(c);
	c->turn = rpc_turn_new(loop, e);
	if (c->turn == NULL || rpc_client_dial(c, t, e) < 0) {
		struct err why = *e;

		rpc_client_free(c);
		*e = why;
		return -1;
	}
	if (t->fd == NULL) {
		deadline_init(&c->c.deadline, on_late, c);
		deadline_set(c->turn->deadlines, &c->c.deadline,
		    t->connect_ms > 0 ? t->connect_ms : CONNECT_MS);
	}
	*out = c;
	return 0;
}

void
rpc_client_free(struct rpc_client *c)
{
	struct err e;

	if (c == NULL || c->freed)
		return;
	c->freed = true;
	for (struct rpc_out *o = c->calls; o != NULL; o = o->next)
		o->detached = true;
	if (c->c.turn != NULL && !c->over) {
		(void)err_set(&e, ERR_IO, "the client ends");
		rpc_conn_close(&c->c, &e);
	}
	for (struct rpc_out *o; (o = idle_call(c)) != NULL;)
		rpc_out_over(o);
	give_back(c);
	/* Never connected, or its handle is closed already. */
	rpc_client_release(c);
}

uv_loop_t *
rpc_client_loop(const struct rpc_client *c)
{
	return c->turn->loop;
}
