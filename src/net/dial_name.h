/*
 * dial_name: a TCP connection to a host by its name, for programs of the user:
 * what hosts(5) says, else the name servers of resolv.conf(5).
 *
 * Not for the proxy, which checks addresses before it dials them.  No search
 * list and no other source: a static program has no NSS.
 */
#ifndef NET_DIAL_NAME_H
#define NET_DIAL_NAME_H

#include "net/dial.h"

struct dial_name;

/*
 * `host` (copied) is a literal without brackets, or a name.  `fn` as that of
 * dial_start: once, never from inside this call, unless it is cancelled.
 */
struct dial_name *dial_name_start(uv_loop_t *loop, const char *host,
    uint16_t port, dial_fn *fn, void *arg) MUST_USE;
void dial_name_cancel(struct dial_name *d);

/*
 * Addresses of `host` in the text of a hosts file, at most `max`; the number.
 */
size_t hosts_find(
    struct view text, const char *host, struct addr *out, size_t max);
/* "address,address" of the nameserver lines of a resolv.conf, appended. */
void resolv_conf_servers(struct view text, struct buf *out);

#endif
