/*
 * uproxy: a connection that leads through the operator's own HTTP proxy, by
 * CONNECT (RFC 9110 section 9.3.6).
 *
 * What the proxy answers is hostile like any peer's: one strict head of bounded
 * length, and not a byte beyond it is taken from the socket, since that is the
 * tunnel's.  Nothing it says is passed on but the status.
 */
#ifndef HTTP_UPROXY_H
#define HTTP_UPROXY_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/dial.h"

enum { UPROXY_HEAD_MAX = 8192 };

/* The answer as far as it is there. */
struct uproxy_answer {
	struct buf head;
	size_t scanned;
	unsigned status; /* once done */
};

void uproxy_answer_init(struct uproxy_answer *a);
void uproxy_answer_fini(struct uproxy_answer *a);
/*
 * Bytes of `in` that belong to the head: all of them until *done, and none
 * behind it.  -1 when it is no final answer of HTTP/1.
 */
MUST_USE ssize_t uproxy_answer_feed(
    struct uproxy_answer *a, struct view in, bool *done, struct err *e);

struct uproxy_dial;

/*
 * Dials one of the proxy's addresses and asks for `target` ("host:port").
 * `login` is what follows "Basic "; empty: none.  All is copied.  `fn` as that
 * of dial_start, with the address of the proxy; ERR_DENIED when it said no.
 * How long it may take is the caller's to bound.
 */
struct uproxy_dial *uproxy_dial_start(uv_loop_t *loop, const struct addr *v,
    size_t n, uint16_t port, struct view target, struct view login, dial_fn *fn,
    void *arg) MUST_USE;
/* The same over a connection to the proxy that stands (taken over); `fn` gets
 * no address.  NULL when it cannot be watched. */
struct uproxy_dial *uproxy_dial_over(uv_loop_t *loop, int fd,
    struct view target, struct view login, dial_fn *fn, void *arg,
    struct err *e) MUST_USE;
void uproxy_dial_cancel(struct uproxy_dial *d);

#endif
