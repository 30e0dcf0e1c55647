/* openshell run [OPTIONS] [--] [COMMAND]... */
#include <stdlib.h>

#include "cli/box_opts.h"
#include "cli/egress_opts.h"
#include "cli/middleware_opts.h"
#include "cli/run.h"

/* OPT names fields of `struct args`. */
#define args run_options

static const struct cli_opt opts[] = {
	{ .name = "policy",
	    .letter = 'p',
	    .kind = OPT_STR,
	    OPT(policy),
	    .value = "FILE",
	    .env = "OPENSHELL_SANDBOX_POLICY",
	    .hint = HINT_FILE,
	    .help = "What the command may reach and write",
	    .more = "Without a policy there is no network at all. The file is "
		    "watched: an edit is in force at once, an invalid one is "
		    "reported and the last good policy stays." },
	{ .name = "workdir",
	    .letter = 'w',
	    .kind = OPT_STR,
	    OPT(workdir),
	    .value = "DIR",
	    .hint = HINT_DIR,
	    .help = "Work here instead of in the current directory",
	    .more = "The work directory is bound at its own path, writable "
		    "when the policy says include_workdir. The home "
		    "directory, / and what contains them are refused unless "
		    "named here." },
	{ .name = "env",
	    .letter = 'e',
	    .kind = OPT_ENV,
	    OPT(env),
	    .value = "K[=V]",
	    .help = "Set a variable, or pass the user's on",
	    .more = "Nothing of the user's environment is passed but how to "
		    "show text (TERM, LANG, LC_*, TZ)." },
	{ .name = "provider",
	    .kind = OPT_LIST,
	    OPT(providers),
	    .value = "TYPE",
	    .hint = HINT_PROVIDER_TYPE,
	    .help = "Let it use your credentials of this type, unseen",
	    .more = "The type's variables that are set here (github: "
		    "GITHUB_TOKEN, GH_TOKEN; claude: ANTHROPIC_API_KEY ...) "
		    "are names inside, which stand for the values in requests "
		    "over TLS to the hosts of the type, where the policy "
		    "inspects them. The command never has the values." },
	{ .name = "advisor",
	    .kind = OPT_FLAG,
	    OPT(advisor),
	    .help = "Let the command ask for policy at http://policy.local",
	    .more = "There it may read the policy and what was denied, and "
		    "propose rules. Each is shown here; to allow it, put it "
		    "into the file of --policy, which the command is told." },
	{ .name = "timeout",
	    .letter = 't',
	    .kind = OPT_DURATION,
	    OPT(timeout_s),
	    .value = "DURATION",
	    .help = "End the command after this time (90, 5m, 1h30m)",
	    .more = "It gets SIGTERM, and after a grace period SIGKILL; the "
		    "exit status is 124." },
	{ .name = "tty",
	    .kind = OPT_SET,
	    OPT(tty),
	    .set = RUN_TTY_YES,
	    .help = "Give the command a terminal of its own",
	    .more = "The default when standard input and output are "
		    "terminals." },
	{ .name = "no-tty",
	    .kind = OPT_SET,
	    OPT(tty),
	    .set = RUN_TTY_NO,
	    .help = "Give the command pipes and files only" },
	BOX_BIND_OPTS, BOX_LIMIT_OPTS,
	{ .name = "trust",
	    .kind = OPT_STR,
	    OPT(trust),
	    .value = "FILE",
	    .env = "OPENSHELL_TRUST",
	    .hint = HINT_FILE,
	    .help = "Trust more roots (PEM) when connecting to servers",
	    .more = "Default: $SSL_CERT_FILE, besides the system's roots." },
	EGRESS_OPTS(egress), MIDDLEWARE_OPT(middlewares),
	{ .name = "events",
	    .kind = OPT_STR,
	    OPT(events),
	    .value = "FILE",
	    .hint = HINT_FILE,
	    .help = "Append every record to FILE, a JSON line each",
	    .more = "Each decision about traffic, and what happened to the "
		    "sandbox: its start and end, its protections, policies "
		    "and commands. 'openshell logs --file' shows them." },
	{ .name = "report",
	    .kind = OPT_STR,
	    OPT(report),
	    .value = "FILE",
	    .hint = HINT_FILE,
	    .help = "Write a JSON summary to FILE at the end" },
	{ .name = "quiet",
	    .letter = 'q',
	    .kind = OPT_FLAG,
	    OPT(quiet),
	    .help = "Print no notes, and no denials at the end" },
	OPT_END
};

static const struct cli_pos pos[] = {
	{ .name = "COMMAND",
	    .kind = OPT_LIST,
	    OPT(command),
	    .optional = true,
	    .trailing = true,
	    .hint = HINT_COMMAND,
	    .help = "The command and its arguments; a shell when left out" },
	{ 0 }
};

static int
run(struct cli *c, const void *argp, struct err *e)
{
	static const char *const levels[] = { "info", "debug", "trace" };
	int status;

	/* What the supervisor logs goes to the same stderr. */
	if (c->verbose > 0)
		(void)setenv("OPENSHELL_LOG_LEVEL",
		    levels[MIN(c->verbose, ARRAY_LEN(levels)) - 1], 1);
	status = run_sandbox(c, argp, e);
	if (status < 0)
		return err_wrap(e, "the sandbox could not be made");
	return status;
}

const struct cli_cmd cmd_run = {
	.path = "run",
	.summary = "Run a command in a sandbox of its own",
	.about =
	    "Makes a sandbox, runs the command in it and removes everything "
	    "when it ends. Inside there is the current directory, the "
	    "system's programs read-only, a private home and /tmp, nothing "
	    "of the user's home directory, and no network but a proxy that "
	    "judges every request by the policy. Needs no daemon and no "
	    "privilege, and leaves no state behind.\n"
	    "\n"
	    "With a terminal on standard input and output the command gets "
	    "one of its own, with job control. Otherwise the three streams "
	    "are kept apart and passed through unchanged; SIGINT, SIGTERM, "
	    "SIGHUP and SIGQUIT go to the command, and a second one ends the "
	    "sandbox.\n"
	    "\n"
	    "At the end each denied request is reported on standard error, "
	    "with its count.",
	.status = "That of the command; 128+N when signal N ended it; 124 "
		  "after --timeout; 125 when the sandbox could not be made or "
		  "broke; 126 when the command cannot be executed, 127 when "
		  "it is not found; 2 for a wrong command line.",
	.examples = "openshell run -- sh\n"
		    "openshell run --policy policy.yaml -- claude -p \"hi\"\n"
		    "openshell run -p policy.yaml --events log.jsonl -- codex "
		    "exec \"fix it\"",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct run_options),
	.fail_status = CLI_NO_SANDBOX,
	.run = run,
};
