/*
 * session: a command or shell in a sandbox that a gateway keeps, with the
 * user's terminal or streams, over one ExecSandboxInteractive call.
 *
 * Flow is slowed both ways: while standard output takes nothing the call is
 * held, and while the gateway takes nothing standard input is not read.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/cli.h"
#include "openshell.pb-c.h"
#include "rpc/rpc.h"

enum attach_tty { ATTACH_TTY_AUTO, ATTACH_TTY_YES, ATTACH_TTY_NO };

struct attach_options {
	const char *sandbox; /* its name, for what is said */
	struct cli_list command; /* empty: the sandbox's login shell */
	struct cli_list env; /* K=V, or K for the user's value */
	const char *workdir; /* or NULL */
	unsigned timeout_s; /* 0: none */
	int tty; /* enum attach_tty */
	bool detach_keys; /* Ctrl-P Ctrl-Q leaves the session */
};

/*
 * Runs it to its end.  The exit status: the command's, 128+N for signal N, 124
 * after the timeout, 126/127 as a shell has it, 128+N when signal N came twice
 * and we gave up waiting.  -1 when it could not be started or the gateway or
 * the sandbox went away meanwhile; *e names which, and the fix.  The terminal
 * and the flags of the streams are as before in every case.
 */
int session_attach(struct cli *c, struct rpc_client *rpc,
    const char *sandbox_id, const struct attach_options *o,
    struct err *e) MUST_USE;

/* --- session_ask.c --- */
/*
 * The request, the caller's; the terminal's size is not in it.  -1 when a
 * variable to pass on is not set.
 */
int session_request(const char *sandbox_id, const struct attach_options *o,
    bool tty, Openshell__V1__ExecSandboxRequest **out, struct err *e) MUST_USE;

#endif
