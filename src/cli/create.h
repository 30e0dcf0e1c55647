/* create: `sandbox create`, from the policy file to the session's end. */
#ifndef CLI_CREATE_H
#define CLI_CREATE_H

#include "cli/cli.h"
#include "openshell.pb-c.h"

struct create_options {
	const char *name, *policy, *workdir, *trust;
	const char *from, *upload, *editor, *forward, *remote, *key;
	struct cli_list env, ro, rw, command, providers;
	uint64_t memory, disk;
	unsigned pids;
	int tty; /* enum attach_tty */
	int no_bootstrap;
	int auto_providers; /* enum provider_auto */
	bool keep, no_keep, detach, gpu, no_git_ignore;
};

/* The exit status, or -1 when no sandbox could be made. */
int create_sandbox(
    struct cli *c, const struct create_options *o, struct err *e) MUST_USE;

/* --- create_spec.c --- */
/*
 * What is asked of the gateway, from options and surroundings; 0, 1 when the
 * policy has errors (all printed), -1.  Nothing was made yet.
 */
int create_request(struct cli *c, const struct create_options *o,
    Openshell__V1__CreateSandboxRequest **out, struct err *e) MUST_USE;

/* --- create_wait.c --- */
struct reach;
/* Shows progress until it is ready (0); 128+N when signal N came; -1. */
int create_wait(struct cli *c, struct reach *r,
    const Openshell__Datamodel__V1__Sandbox *s, struct err *e) MUST_USE;

#endif
