/*
 * pool: upstream connections that answered cleanly and whose client left, kept
 * for the next client connection to the same host and port.
 *
 * Only connections of inspected endpoints come here: every request on them is
 * judged and framed anew, so that one client leaves nothing behind that the
 * next could read.  The verdict over the new connection, the dest.c check of
 * its address under that verdict, and the record are made as for a new one;
 * what is saved is the name lookup, the dial and the TLS handshake.
 */
#ifndef PROXY_POOL_H
#define PROXY_POOL_H

#include <stdbool.h>
#include <uv.h>

enum {
	POOL_MAX = 64, /* in all */
	POOL_PER_KEY = 8, /* with one host, port and TLS or none */
	POOL_IDLE_MS = 30000,
	/* Servers close what is idle for some seconds: a request that may not
	 * be sent twice takes only a connection younger than this. */
	POOL_FRESH_MS = 2000
};

struct px;
struct px_conn;
struct px_pool;

/* Closes all; the handles close with the loop's next turns. */
void px_pool_free(struct px_pool *pool);
/*
 * Keeps c->up if it is clean: nothing unread, nothing unsent.  That the last
 * exchange was complete, and nothing happened that ties the connection to its
 * client, is the caller's to know.  c->up is closed afterwards in any case.
 */
void px_pool_give(struct px_conn *c);
/*
 * Gives c a connection to c->dst as c->up, with its address in c->chosen and
 * its idle time in c->rested, when there is one that still stands and whose
 * address c->conn allows.
 */
bool px_pool_take(struct px_conn *c);
/* Whatever the connections were checked against has changed. */
void px_pool_flush(struct px *px);

#endif
