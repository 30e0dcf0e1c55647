/*
 * driver: what places a sandbox somewhere (gateway-api 9.1).  One file each,
 * a row in drivers.def.  All calls are of the gateway's loop thread and return
 * at once; what takes time is told through `hooks`.
 */
#ifndef DRIVERS_DRIVER_H
#define DRIVERS_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "datamodel.pb-c.h"

typedef Openshell__Datamodel__V1__Sandbox driver_sandbox;
typedef Openshell__Datamodel__V1__SandboxSpec driver_spec;

/* What runs, as the driver sees it. */
struct driver_instance {
	char id[40]; /* of the sandbox */
	pid_t pid; /* of its supervisor, 0 unknown */
	bool running;
	char why[256]; /* it ended, as it left word; or "" */
};

struct driver_hooks {
	/* Progress: reason is Scheduled, Pulling, Pulled, Started, or others
	 * (gateway-api 8.4). */
	void (*event)(void *ctx, const char *id, bool warning,
	    const char *reason, const char *message);
	/* The supervisor of that sandbox ended, whoever ended it. */
	void (*gone)(void *ctx, const char *id, const char *why);
	void *ctx;
};

struct driver_config {
	uv_loop_t *loop;
	const char
	    *state_dir; /* .../gateways/NAME: the driver owns sandboxes/ */
	const char *gateway; /* its name */
	const char *endpoint; /* where supervisors dial: "unix:PATH" */
	const char *egress; /* lines about the way out (http/egress.h) */
	const char *services; /* registered middlewares (rpc/services.h) */
	uint16_t port; /* of the gateway, on loopback */
};

struct driver; /* an open driver; drivers put their own state behind it */

struct driver_ops {
	const char *name;
	int (*open)(const struct driver_config *c, const struct driver_hooks *h,
	    struct driver **out, struct err *e);
	/* Leaves every sandbox running. */
	void (*close)(struct driver *d);
	/* Without side effects: can this be made here?  Names every reason. */
	int (*validate)(
	    struct driver *d, const driver_spec *spec, struct err *e);
	/*
	 * Starts the supervisor: idempotent by id.  `token` is the identity it
	 * dials with.  It says Ready itself, through its session.
	 */
	int (*create)(struct driver *d, const driver_sandbox *s,
	    const char *token, struct err *e);
	/*
	 * Ends it by force if need be, and removes all it left.  done(ctx, id,
	 * existed, why) later; why is NULL when everything is gone.
	 */
	void (*remove)(struct driver *d, const char *id, unsigned grace_ms,
	    void (*done)(
		void *ctx, const char *id, bool existed, const char *why),
	    void *ctx);
	/*
	 * The directory of the records that its keeper stored, as
	 * keeper/journal.h lays them out; ERR_NOT_FOUND: there are none.  The
	 * caller closes it.
	 */
	int (*records)(
	    struct driver *d, const char *id, int *dirfd, struct err *e);
	/* Every object of this gateway that is there; each is borrowed. */
	int (*list)(struct driver *d,
	    int (*each)(void *ctx, const struct driver_instance *i), void *ctx,
	    struct err *e);
};

extern const struct driver_ops *const drivers[]; /* NULL-terminated */
const struct driver_ops *driver_find(const char *name);

#endif
