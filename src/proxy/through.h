/*
 * through: what the operator says of the way out (http/egress.h), as the proxy
 * of a sandbox follows it: the addresses of the host, and the proxy that
 * tunnels lead through.
 *
 * Whatever leads through it was judged, resolved and checked (dest.c) as if it
 * did not; only the dial differs.
 */
#ifndef PROXY_THROUGH_H
#define PROXY_THROUGH_H

#include <stdbool.h>

#include "base/err.h"

struct px;
struct px_conn;

/* Reads the text of NET_START; before the process confines itself. */
int through_read(struct px *px, int fd, struct err *e) MUST_USE;
/* What it says is in force from here on. */
int through_open(struct px *px, struct err *e) MUST_USE;
void through_close(struct px *px);

/* c->addrs become what a name of the host stands for; false: c->dst is none. */
bool through_host(struct px_conn *c);
/* Attack: a tunnel to the proxy itself, in which the sandbox asks for more. */
bool through_is_proxy(const struct px_conn *c);
/* Does c, whose addresses are known, go by the upstream proxy? */
bool through_wants(const struct px_conn *c);
/*
 * Dials it: done as dial_start is, by px_conn's on_dialed.  The name of the
 * proxy is looked up first, which c->resolving then is.
 */
void through_dial(struct px_conn *c);
/* What may be told inside of why that failed. */
const char *through_shown(const struct err *e);

#endif
