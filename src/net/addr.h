/*
 * addr: IPv4 and IPv6 addresses, networks, and what they are to a sandbox.
 *
 * Literals are parsed strictly: dotted quad without leading zeros, RFC 4291
 * text without a zone.  Numeric spellings that resolvers accept (127.1,
 * 0x7f000001) are not addresses here.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"

enum { ADDR_TEXT_MAX = 46 };

struct addr {
	uint8_t family; /* 4 or 6 */
	uint8_t b[16]; /* network order; the first 4 for IPv4, the rest zero */
};

/* A strict literal without brackets; false for anything else. */
bool addr_parse(struct view v, struct addr *out);
/* RFC 5952 text, NUL-terminated. Returns `out`. */
const char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX]);
/* IPv4-mapped IPv6 (::ffff:a.b.c.d) becomes IPv4, everything else stays. */
struct addr addr_unmap(struct addr a);
bool addr_eq(const struct addr *a, const struct addr *b);
/* 127.0.0.0/8 and ::1, also IPv4-mapped. */
bool addr_is_loopback(const struct addr *a);
/* false when the family is neither AF_INET nor AF_INET6. */
bool addr_from_sockaddr(
    const struct sockaddr *sa, struct addr *out, uint16_t *port);
socklen_t addr_to_sockaddr(
    const struct addr *a, uint16_t port, struct sockaddr_storage *out);

/* A network; `base` has its host bits cleared. */
struct addr_net {
	struct addr base;
	uint8_t bits;
};

/*
 * "address" or "address/bits"; host bits are cleared.  A network inside
 * ::ffff:0:0/96 becomes the IPv4 network it stands for.
 */
int addr_net_parse(struct view v, struct addr_net *out, struct err *e) MUST_USE;
/* IPv4-mapped addresses are compared after unmapping. */
bool addr_in_net(const struct addr *a, const struct addr_net *net);

enum addr_class {
	ADDR_PUBLIC,
	ADDR_INTERNAL, /* refused unless an allowed_ips entry names it */
	ADDR_BLOCKED /* refused always */
};

/*
 * The worst class of the address itself and of every IPv4 address it embeds
 * (IPv4-mapped, NAT64, 6to4, Teredo).  *range (may be NULL) names the range
 * that decided, a static string; "public" when none did.
 */
enum addr_class addr_class(const struct addr *a, const char **range);
/* etcd, Kubernetes API and kubelet ports, refused to every address. */
bool addr_port_blocked(uint16_t port);

#endif
