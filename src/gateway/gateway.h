/*
 * gateway: the control plane on one libuv loop.  Everything here runs on that
 * loop's thread.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"
#include "rpc/rpc.h"
#include "store/store.h"

struct gateway_config {
	const char *name; /* of the gateway */
	const char *state_dir; /* absolute: $HOME/.openshell/gateways/NAME */
	const char *driver; /* a row of drivers.def: "native" */
	const char *endpoint; /* where supervisors dial: "unix:..." */
	const char *default_image;
	const char *egress; /* lines about the way out (http/egress.h) */
	const char *services; /* registered middlewares (rpc/services.h) */
	uint16_t port; /* of its TCP listener, on loopback */
	uid_t owner; /* Unix-socket peers of this uid are the user */
	bool open_access; /* TLS without client certificates, or no TLS: whoever
			     connects to the TCP port is the user */
};

struct gateway;

/*
 * Opens the driver, reads the store, reconciles with what runs
 * (gateway-api 8.2).  `store` is borrowed.
 */
int gateway_new(uv_loop_t *loop, const struct gateway_config *config,
    struct store *store, struct gateway **out, struct err *e) MUST_USE;
/*
 * It is about to stop: what would stay open for ever (watches, sessions that
 * no command uses) ends now, with UNAVAILABLE; sandboxes dial again.
 */
void gateway_drain(struct gateway *g);
/* Sandboxes stay as they are. */
void gateway_free(struct gateway *g);

/* For rpc_server_new: the rows of methods.def, and allow and http hooks. */
const struct rpc_method *gateway_methods(size_t *n);
struct rpc_server_hooks gateway_hooks(struct gateway *g);

#endif
