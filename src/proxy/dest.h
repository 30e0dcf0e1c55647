/*
 * dest: may this connection go to these addresses?  Pure; no I/O.
 *
 * Attack: SSRF, DNS rebinding.  One bad address refuses the whole answer, and
 * the caller dials the very addresses that were checked here.
 */
#ifndef PROXY_DEST_H
#define PROXY_DEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/addr.h"
#include "policy/decide.h"

/* Addresses that are ours and can never be a destination. */
struct dest_own {
	struct addr addr;
	uint16_t port; /* 0: every port */
	const char *what; /* "the proxy itself" */
};

struct dest_rules {
	const struct dest_own *own;
	size_t n_own;
	/* What the names of the host (egress_is_alias) stand for. */
	const struct addr *hosts;
	size_t n_hosts;
};

/*
 * `host` is what the client asked for, `conn` the verdict over it, `v` the
 * whole answer of the resolver.  With allowed_ips lists every address must be
 * in every list (spec 3.6).  Without, internal addresses are refused, but for a
 * host that a person wrote exactly, a name or an address, when all are such
 * (8.9).  Always-blocked addresses stay refused in any case, but for one: where
 * a person wrote a name of the host, and the address is the one that it stands
 * for, and is loopback.  The metadata of clouds is never that.
 *
 * 0, or -1 with ERR_DENIED and the reason, which names addresses and is for
 * the record only, never for the sandbox.
 */
int dest_check(struct view host, uint16_t port, const struct policy_conn *conn,
    const struct addr *v, size_t n, const struct dest_rules *rules,
    struct err *e) MUST_USE;
/*
 * What the endpoint would have to say for these addresses to be allowed; out
 * stays empty when nothing it says could do that.  For the record only.
 */
void dest_suggest(uint16_t port, const struct addr *v, size_t n,
    const struct dest_rules *rules, struct buf *out);

#endif
