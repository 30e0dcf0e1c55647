/*
 * resolve: names to addresses, asynchronously, by asking given name servers.
 *
 * Over c-ares, because static programs cannot rely on NSS and the proxy has no
 * file access: no hosts file, no search list, no resolv.conf is read.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stddef.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/macros.h"
#include "net/addr.h"

enum { RESOLVE_ADDRS_MAX = 32, RESOLVE_TIMEOUT_MS = 5000 };

struct resolver; /* one a loop */
struct lookup; /* one question under way */

/*
 * On success `v` holds n addresses, IPv4 first, each family in the order of
 * the answer, and e is NULL; n is 0 when the name is there and has none.
 * Otherwise e is the cause, without the name (ERR_NOT_FOUND when there is no
 * such name, ERR_IO when no server gave an answer in time, ERR_LIMIT when there
 * were more addresses than RESOLVE_ADDRS_MAX).  The addresses are borrowed for
 * the call.
 */
typedef void resolve_fn(
    void *arg, const struct addr *v, size_t n, const struct err *e);

/*
 * `servers` is "address[:port]" or "[v6]:port", separated by commas or blanks;
 * at least one.  No file needs to be opened.
 */
int resolver_new(uv_loop_t *loop, struct view servers, struct resolver **out,
    struct err *e) MUST_USE;
/* Cancels every lookup without calling back; memory goes with the loop. */
void resolver_free(struct resolver *r);

/*
 * Asks for A and AAAA.  A literal is answered with itself.  `fn` is called
 * exactly once, always from the loop and never from inside this call, unless
 * the lookup is cancelled.  `host` is copied.
 */
struct lookup *resolve_start(
    struct resolver *r, struct view host, resolve_fn *fn, void *arg) MUST_USE;
/* After this `fn` is not called and the lookup is gone. */
void resolve_cancel(struct lookup *l);

#endif
