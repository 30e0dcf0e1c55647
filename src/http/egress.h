/*
 * egress: what the operator says about the way out of sandboxes, as a text that
 * the owner of a sandbox seals and its proxy reads.  A line each:
 *
 *   host ADDRESS              what the names of the host stand for
 *   closed ADDRESS PORT       never a destination: our own listeners
 *   any-binary                destinations alone are judged, not programs
 *   proxy http://HOST:PORT    tunnels go through it (http/uproxy.h)
 *   no-proxy LIST             ... but for these
 *   by-hostname               it is asked for names, not for addresses
 *   auth-file PATH            its login; until egress_complete
 *   login BASE64              the same; from then on
 *
 * It comes from arguments of the operator alone: the environment of a sandbox,
 * or of whoever makes one, has no say (spec 8.9).  What is wrong in it is
 * fatal: a proxy that was asked for is never left out.
 */
#ifndef HTTP_EGRESS_H
#define HTTP_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "http/target.h"
#include "net/addr.h"

enum {
	EGRESS_TEXT_MAX = 32768,
	EGRESS_LOGIN_MAX = 1024, /* user, colon, password */
	EGRESS_HOSTS_MAX = 4,
	EGRESS_CLOSED_MAX = 8,
	EGRESS_EXEMPT_MAX = 128
};

/* The options by which it is said; borrowed. */
struct egress_options {
	const char *proxy; /* http://HOST:PORT; NULL: none */
	const char *no_proxy; /* list, or NULL */
	const char *auth_file; /* absolute, or NULL */
	bool auth_insecure; /* it is known that the login goes in the clear */
	bool by_hostname;
	bool any_binary;
};

/*
 * Appends the lines of the options.  All of them are checked, with the file of
 * the login; -1 names the option and what is wrong with it.
 */
int egress_write(
    const struct egress_options *o, struct buf *out, struct err *e) MUST_USE;
/*
 * Appends `text` with the login in place of the name of its file.  `out` then
 * holds a secret; BUF_INIT(EGRESS_TEXT_MAX), and egress_wipe ends it.
 */
int egress_complete(struct view text, struct buf *out, struct err *e) MUST_USE;

/* The file that such a text names; empty: none. */
struct view egress_auth_file(struct view text);
/* For what egress_complete wrote; frees it too. */
void egress_wipe(struct buf *b);

/* Sandboxes of this machine: its names are its loopback. */
#define EGRESS_THIS_HOST "host 127.0.0.1\nhost ::1\n"

/* Whose addresses need no proxy. */
struct egress_exempt {
	enum { EXEMPT_ALL, EXEMPT_NAME, EXEMPT_NET } kind;
	uint16_t port; /* 0: every port */
	struct view name; /* it and what is below it */
	struct addr_net net;
};

struct egress_closed {
	struct addr addr;
	uint16_t port;
};

struct egress {
	struct addr hosts[EGRESS_HOSTS_MAX];
	size_t n_hosts;
	struct egress_closed closed[EGRESS_CLOSED_MAX];
	size_t n_closed;
	bool has_proxy, by_hostname, any_binary;
	struct authority proxy;
	struct view login; /* base64, for Proxy-Authorization: Basic */
	struct egress_exempt exempt[EGRESS_EXEMPT_MAX];
	size_t n_exempt;
};

/* A complete text; views in *out point into it. */
int egress_parse(struct view text, struct egress *out, struct err *e) MUST_USE;

/*
 * Does a connection to these addresses of `host` go out without the proxy?
 * Loopback does, by its addresses and never by a name (Attack: a name that
 * says localhost and means another place).  A network is meant only when all
 * addresses lie in it.
 */
bool egress_is_exempt(const struct egress *g, struct view host, uint16_t port,
    const struct addr *v, size_t n);

/* host.openshell.internal, host.containers.internal, host.docker.internal */
bool egress_is_alias(struct view host);

#endif
