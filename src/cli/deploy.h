/*
 * deploy: gateways of this machine, as processes: started, stopped, looked at.
 *
 * A gateway runs when somebody holds the lock on its gateway.pid; a number in
 * a file proves nothing.
 */
#ifndef CLI_DEPLOY_H
#define CLI_DEPLOY_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "http/egress.h"

struct deploy_state {
	bool exists; /* it has a state directory with a lock file */
	bool running;
	bool foreign; /* the lock is held, but by no gateway */
	pid_t pid; /* when running */
	unsigned port; /* 0: not known */
	size_t sandboxes; /* directories of sandboxes */
};
int deploy_look(
    const char *name, struct deploy_state *out, struct err *e) MUST_USE;

struct deploy_options {
	const char *name;
	unsigned port; /* 0: what it had, else 8080 */
	bool port_given;
	bool plaintext, no_auth;
	const char *log_level; /* or NULL */
	struct egress_options egress; /* paths absolute */
	const char *middlewares; /* rpc/services.h; NULL: none */
};
/*
 * Starts it, or finds it running; registers it and makes it active.  Progress
 * goes to stderr.  Two at once end with one gateway, and both succeed.
 */
int deploy_start(
    struct cli *c, const struct deploy_options *o, struct err *e) MUST_USE;
/* --- deploy_options.c --- */
int deploy_keep(const char *state_dir, const struct deploy_options *o,
    struct err *e) MUST_USE;
/*
 * What it was last started with, save the port; *text is the caller's, and the
 * strings of *o point into it.  What is not known stays as it is.
 */
int deploy_had(const char *name, struct deploy_options *o, char **text,
    struct err *e) MUST_USE;
bool deploy_same_egress(
    const struct egress_options *a, const struct egress_options *b);
/* *was: it ran.  TERM, ten seconds, KILL. */
int deploy_stop(const char *name, bool *was, struct err *e) MUST_USE;
/*
 * Stops it and removes all it kept; its sandboxes are deleted first (by the
 * gateway, started for that if need be).
 */
int deploy_destroy(struct cli *c, const char *name, struct err *e) MUST_USE;

/*
 * The gateway that a command about gateways means: `given`, else --gateway or
 * OPENSHELL_GATEWAY, else the active one, else "openshell".  The caller's.
 */
char *deploy_name(const struct cli *c, const char *given) MUST_USE;
/* The row of the option that gives it; `field` is a const char *. */
#define DEPLOY_OPT(field) \
	{ \
		.name = "name", .kind = OPT_STR, OPT(field), .value = "NAME", \
		.hint = HINT_GATEWAY, \
		.help = "The gateway; the active one when left out" \
	}
/* -1 when that name is registered as a gateway of another machine. */
int deploy_check_local(const char *name, struct err *e) MUST_USE;

/* "✓ TEXT" on stderr. */
void deploy_say(struct cli *c, enum cli_color color, const char *mark,
    const char *ascii, const char *fmt, ...) PRINTF(5, 6);

#endif
