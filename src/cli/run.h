/*
 * run: `openshell run`, one sandbox from start to end.
 *
 * The owner's side of sandbox/session.h on one libuv loop.  This process
 * holds the user's terminal and files and the supervisor holds the sandbox;
 * when either ends, by whatever cause, the socket between them closes and the
 * other ends too.  Nothing is written but what an option names.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <sys/types.h>
#include <uv.h>

#include "audit/chain.h"
#include "cli/cli.h"
#include "cli/policy_file.h"
#include "cli/relay.h"
#include "cli/term.h"
#include "http/egress.h"
#include "rpc/services.h"
#include "sandbox/session.h"

enum run_tty { RUN_TTY_AUTO, RUN_TTY_YES, RUN_TTY_NO };

struct run_options {
	const char *policy, *workdir, *events, *report, *trust;
	struct cli_list env, ro, rw, command, providers;
	uint64_t memory, disk;
	unsigned pids, timeout_s;
	int tty; /* enum run_tty */
	bool quiet, advisor;
	struct egress_options egress;
	struct cli_list middlewares;
};

/* The exit status, or -1 when no sandbox could be made. */
int run_sandbox(
    struct cli *c, const struct run_options *o, struct err *e) MUST_USE;

/* --- run_spec.c: what is asked of the supervisor --- */

struct run_paths {
	char *cwd; /* where the command starts */
	char *workdir; /* what is bound as work directory */
	char *policy; /* real path of the policy file, or NULL */
	char *events, *report;
};
void run_paths_fini(struct run_paths *p);
int run_paths_find(
    const struct run_options *o, struct run_paths *p, struct err *e) MUST_USE;
/* May a program in the sandbox write where `path` lies? */
bool run_paths_writable(const struct run_options *o, const struct run_paths *p,
    const struct policy *policy, const char *path);
int run_spec_blob(const struct run_options *o, const struct run_paths *p,
    const struct services *services, int *fd, struct err *e) MUST_USE;
/* What is said of the way out, for the proxy of the sandbox alone. */
int run_egress_seal(
    const struct run_options *o, int *fd, struct err *e) MUST_USE;
int run_command_blob(const struct run_options *o, const struct run_paths *p,
    bool tty, int *fd, struct err *e) MUST_USE;

/* --- run_creds.c: credentials that the command never sees --- */

/* Their bytes (secrets/creds.h), sealed; *n of them. */
int run_creds_seal(
    const struct run_options *o, int *fd, size_t *n, struct err *e) MUST_USE;
/* Their names, for the command's environment. */
int run_creds_environ(
    const struct run_options *o, struct blob *b, struct err *e) MUST_USE;

/* --- run_record.c: what happened --- */

struct run_record {
	int events, report; /* descriptors, or -1 */
	struct audit_head head; /* of the chain in `events` */
	const char *events_path, *report_path;
	struct audit_summary *sum;
	int64_t started_ms;
	uint64_t started_mono;
	uint64_t revision;
	struct session_state state; /* protections, once isolated */
	bool isolated;
	bool told_end; /* the supervisor's last record has come */
};
void run_record_fini(struct run_record *r);
int run_record_open(
    const struct run_options *o, struct run_record *r, struct err *e) MUST_USE;
/* Lines of an EVENTS message. */
int run_record_events(
    struct run_record *r, struct view lines, struct err *e) MUST_USE;
/* One of our own. */
int run_record_event(
    struct run_record *r, struct audit_event *ev, struct err *e) MUST_USE;
/* "denied 3x curl -> POST api.github.com:443/x (policy p: reason)" a line. */
void run_record_denials(const struct run_record *r, struct buf *out);

struct run_result {
	int status; /* our exit status */
	const char *kind; /* "exit", "signal", "timeout", "not-found" ... */
	int detail; /* the command's status or signal */
	char text[SESSION_TEXT];
};
int run_record_report(struct run_record *r, const struct run_options *o,
    const struct policy *policy, const struct run_result *result,
    struct err *e) MUST_USE;

#endif
