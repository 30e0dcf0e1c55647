/*
 * dial: a TCP connection to one of several addresses, which the caller has
 * checked.  No name is looked up here (Attack: DNS rebinding).
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"
#include "net/addr.h"

enum {
	DIAL_STAGGER_MS = 250, /* before the next address joins in */
	DIAL_ADDR_TIMEOUT_MS = 10000,
	DIAL_TIMEOUT_MS = 30000,
	DIAL_ADDRS_MAX = 32
};

struct dial;

/*
 * On success fd >= 0 is the caller's: connected, non-blocking, close-on-exec,
 * TCP_NODELAY and SO_KEEPALIVE set; `to` is the address it reached and e is
 * NULL.  Otherwise fd is -1 and e has the reason of the last failure.
 */
typedef void dial_fn(
    void *arg, int fd, const struct addr *to, const struct err *e);

/*
 * Tries the addresses in order; a silent one is joined by the next after
 * DIAL_STAGGER_MS (RFC 8305), a refused one at once.  `v` is copied (at most
 * DIAL_ADDRS_MAX).  `fn` is called exactly once, from the loop and never from
 * inside this call, unless the dial is cancelled.
 */
struct dial *dial_start(uv_loop_t *loop, const struct addr *v, size_t n,
    uint16_t port, dial_fn *fn, void *arg) MUST_USE;
/* After this `fn` is not called and the dial is gone. */
void dial_cancel(struct dial *d);

#endif
