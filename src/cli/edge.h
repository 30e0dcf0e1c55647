/*
 * edge: gateways behind an edge that wants a person's token (cli spec 5.2 to
 * 5.4): the token, the way through, and how to get one.
 */
#ifndef CLI_EDGE_H
#define CLI_EDGE_H

#include "cli/cli.h"

#define EDGE_AUTH_MODE "cloudflare_jwt"

enum { EDGE_TOKEN_MAX = 16384, EDGE_SOON_S = 300 };

/* --- edge_token.c --- */

/* Of the characters of a JWT (RFC 7515) alone: it goes into header fields. */
bool edge_token_valid(struct view token);
/* The `exp` claim, in seconds since 1970; false when it has none to be read. */
bool edge_token_expiry(struct view token, int64_t *at);
/*
 * The token stored for a gateway, the caller's (edge_token_free).  -1 and
 * ERR_NOT_FOUND: none, or one that has expired; *e says how to get another.
 * *soon: seconds until it expires when that is near, else 0.
 */
int edge_token_load(
    const char *gateway, char **out, unsigned *soon, struct err *e) MUST_USE;
int edge_token_save(
    const char *gateway, const char *token, struct err *e) MUST_USE;
void edge_token_free(char **token);
#define AUTO_TOKEN CLEANUP(edge_token_free)

/* --- edge_tunnel.c --- */

/*
 * A connection to the gateway behind the edge at `url` (https://): bytes go as
 * WebSocket messages over one GET, which is all that the edge lets pass.  A
 * process of its own carries them until *fd is closed; nobody else can use it.
 */
int edge_tunnel_open(const char *gateway, const char *url, const char *token,
    int *fd, struct err *e) MUST_USE;

/* --- edge_callback.c: what the browser posts, judged without any I/O --- */

enum edge_outcome {
	EDGE_MORE, /* not whole yet: nothing is answered */
	EDGE_GO_ON, /* answered; the flow goes on */
	EDGE_STRANGER, /* answered; another origin, too many end the flow */
	EDGE_OVER, /* answered; the flow has failed */
	EDGE_TOKEN /* answered; *token is there */
};
struct edge_expect {
	const char *origin; /* of the gateway; NULL: none is known */
	const char *code;
};
enum { EDGE_BODY_MAX = 65536 };
/*
 * `request` is all bytes of a connection so far.  The answer, after which it
 * is closed, goes to `out`; *token is the caller's (edge_token_free).
 */
enum edge_outcome edge_callback(struct view request,
    const struct edge_expect *want, struct buf *out, char **token);
/* scheme://host[:port] of an endpoint, the caller's; NULL: it has none. */
char *edge_origin(const char *endpoint);
/* Seven letters and digits as XXX-XXXX. */
enum { EDGE_CODE_SIZE = 9 };
void edge_code(char out[EDGE_CODE_SIZE]);

/* --- edge_login.c --- */

/* The browser flow; the token is stored. */
int edge_login(struct cli *c, const char *gateway, const char *endpoint,
    struct err *e) MUST_USE;

#endif
