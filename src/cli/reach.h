/*
 * reach: the gateway a command talks to, and the sandbox it means.
 *
 * OPENSHELL_GATEWAY, else `active_gateway`, names a directory of client state
 * whose metadata.json has the endpoint and whose mtls/ the certificates.
 */
#ifndef CLI_REACH_H
#define CLI_REACH_H

#include <uv.h>

#include "cli/cli.h"
#include "rpc/rpc.h"

struct reach;

/* Loop, connection being made.  Errors name the fix. */
int reach_open(struct reach **out, struct err *e) MUST_USE;
void reach_close(struct reach *r);
void reach_close_at(struct reach **r);
#define AUTO_REACH CLEANUP(reach_close_at)
struct rpc_client *reach_rpc(struct reach *r);
/* A new connection in place of one that was lost, or NULL; ctx is a reach. */
struct rpc_client *reach_again(void *ctx);
/*
 * The given name, else the last used one (said on stderr); NULL and *e when
 * there is none.  Lives as long as r.
 */
const char *reach_sandbox(
    struct cli *c, struct reach *r, const char *given, struct err *e);
/* Its id, the caller's; NULL and *e. */
char *reach_sandbox_id(struct reach *r, const char *name, struct err *e);
void reach_remember(struct reach *r, const char *sandbox);

/*
 * Candidates for completion, "NAME\tTEXT" a line.  Whatever goes wrong, within
 * two seconds, there are none.
 */
void reach_offer_sandboxes(const char *word, struct buf *out);
void reach_offer_gateways(const char *word, struct buf *out);

#endif
