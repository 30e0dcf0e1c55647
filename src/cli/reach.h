/*
 * reach: the gateway a command talks to, and the sandbox it means (cli spec
 * section 4).
 *
 * --gateway-endpoint, else --gateway or OPENSHELL_GATEWAY, else the active
 * gateway.  The name selects metadata.json and the certificates in mtls/, or
 * the token of an edge.
 */
#ifndef CLI_REACH_H
#define CLI_REACH_H

#include <uv.h>

#include "cli/cli.h"
#include "openshell.pb-c.h"
#include "rpc/rpc.h"

struct reach;

/*
 * Loop, connection being made.  Errors name the fix; ERR_NOT_FOUND: there is
 * no gateway to talk to.
 */
int reach_open(const struct cli *c, struct reach **out, struct err *e) MUST_USE;
/*
 * Which one that is, without connecting: name ("" when not registered) and
 * URL, the caller's.
 */
int reach_target(
    const struct cli *c, char **name, char **url, struct err *e) MUST_USE;
/*
 * The status that its HTTP health answers, of a gateway whose calls do not
 * answer; -1 when HTTP does not either.
 */
int reach_healthz(
    const struct cli *c, unsigned *status, struct err *e) MUST_USE;
/* The gateway's name, or "" for an endpoint that is not registered. */
const char *reach_name(const struct reach *r);
/* An edge token goes with every call, in the place of certificates. */
bool reach_has_token(const struct reach *r);
/*
 * A unary call of openshell.v1.OpenShell.  0 and *answer, the caller's; -1
 * with a sentence that names the gateway and the fix when it is not there.
 */
int reach_call(struct reach *r, const char *method, const ProtobufCMessage *m,
    const ProtobufCMessageDescriptor *type, void *answer, enum rpc_code *code,
    struct err *e) MUST_USE;
/* A sandbox by name, the caller's. */
int reach_find(struct reach *r, const char *name,
    Openshell__Datamodel__V1__Sandbox **out, struct err *e) MUST_USE;
uv_loop_t *reach_loop(struct reach *r);
void reach_close_at(struct reach **r);
#define AUTO_REACH CLEANUP(reach_close_at)
struct rpc_client *reach_rpc(struct reach *r);
/* A new connection in place of one that was lost, or NULL. */
struct rpc_client *reach_again(struct reach *r);
/*
 * The given name, else the last used one (said on stderr); NULL and *e when
 * there is none.  Lives as long as r.
 */
const char *reach_sandbox(
    struct cli *c, struct reach *r, const char *given, struct err *e);
/* The row of the word that gives it; `field` is a const char *. */
#define REACH_POS(field) \
	{ \
		.name = "NAME", .kind = OPT_STR, OPT(field), .optional = true, \
		.hint = HINT_SANDBOX, \
		.help = "The sandbox; the last used one when left out" \
	}
/* Its id, the caller's; NULL and *e. */
char *reach_sandbox_id(struct reach *r, const char *name, struct err *e);
/*
 * The same; when it is starting or coming back it is waited for, 30 s at most.
 */
char *reach_ready_id(
    struct cli *c, struct reach *r, const char *name, struct err *e);
/* NULL forgets. */
void reach_remember(struct reach *r, const char *sandbox);

/*
 * Candidates for completion, "NAME\tTEXT" a line.  Whatever goes wrong, within
 * two seconds, there are none.
 */
void reach_offer_sandboxes(const char *word, struct buf *out);
void reach_offer_providers(const char *word, struct buf *out);
void reach_offer_gateways(const char *word, struct buf *out);

#endif
