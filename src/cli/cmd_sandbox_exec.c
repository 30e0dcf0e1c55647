/* openshell sandbox exec [NAME] -- COMMAND... */
#include "base/mem.h"
#include "cli/reach.h"
#include "cli/session.h"

struct args {
	const char *sandbox, *first, *workdir;
	struct cli_list words, env;
	unsigned timeout_s;
	int tty;
};

static const struct cli_opt opts[] = {
	{ .name = "name",
	    .letter = 'n',
	    .kind = OPT_STR,
	    OPT(sandbox),
	    .value = "NAME",
	    .hint = HINT_SANDBOX,
	    .help = "The sandbox, instead of a first word NAME" },
	{ .name = "workdir",
	    .letter = 'w',
	    .kind = OPT_STR,
	    OPT(workdir),
	    .value = "DIR",
	    .help = "Where the command starts, a path inside" },
	{ .name = "env",
	    .letter = 'e',
	    .kind = OPT_ENV,
	    OPT(env),
	    .value = "K[=V]",
	    .help = "Set a variable, or pass the user's on",
	    .more = "Nothing of the user's environment is passed but how to "
		    "show text (TERM, LANG, LC_*, TZ, NO_COLOR)." },
	{ .name = "timeout",
	    .letter = 't',
	    .kind = OPT_DURATION,
	    OPT(timeout_s),
	    .value = "DURATION",
	    .help = "End the command after this time (90, 5m, 1h30m)" },
	{ .name = "tty",
	    .kind = OPT_SET,
	    OPT(tty),
	    .set = ATTACH_TTY_YES,
	    .help = "Give the command a terminal of its own",
	    .more = "The default when standard input and output are "
		    "terminals." },
	{ .name = "no-tty",
	    .kind = OPT_SET,
	    OPT(tty),
	    .set = ATTACH_TTY_NO,
	    .help = "Keep the three streams apart" },
	OPT_END
};

static const struct cli_pos pos[] = {
	{ .name = "NAME",
	    .kind = OPT_STR,
	    OPT(first),
	    .optional = true,
	    .before_dashes = true,
	    .hint = HINT_SANDBOX,
	    .help = "The sandbox; the last used one when left out" },
	{ .name = "COMMAND",
	    .kind = OPT_LIST,
	    OPT(words),
	    .trailing = true,
	    .hint = HINT_COMMAND,
	    .help = "The command and its arguments, after '--'" },
	{ 0 }
};

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	struct attach_options o = { .command = a->words,
		.env = a->env,
		.workdir = a->workdir,
		.timeout_s = a->timeout_s,
		.tty = a->tty };
	const char *given = a->sandbox;
	AUTO_REACH struct reach *r = NULL;
	AUTO_FREE char *id = NULL;

	if (given != NULL && a->first != NULL) {
		(void)err_set(e, ERR_INVALID,
		    "two sandboxes are named: '%.80s' and '%.80s'\n"
		    "with -n write the command after '--'",
		    given, a->first);
		return cli_misused(c, e);
	}
	if (given == NULL)
		given = a->first;
	if (reach_open(c, &r, e) < 0)
		return -1;
	o.sandbox = reach_sandbox(c, r, given, e);
	if (o.sandbox == NULL)
		return -1;
	id = reach_ready_id(c, r, o.sandbox, e);
	if (id == NULL)
		return -1;
	return session_attach(c, reach_rpc(r), id, &o, e);
}

const struct cli_cmd cmd_sandbox_exec = {
	.path = "sandbox exec",
	.summary = "Run a command in a sandbox that runs",
	.about = "Runs the command and ends as it does. Standard input, output "
		 "and error are kept apart and passed unchanged, or, on a "
		 "terminal, the command gets one of its own. Signals INT, "
		 "TERM, HUP, QUIT, USR1 and USR2 go to the command; a second "
		 "one gives up. A sandbox that is starting, or coming back "
		 "after a restart of its gateway, is waited for.",
	.status = "That of the command; 128+N when signal N ended it; 124 "
		  "after --timeout; 126 when it cannot be executed, 127 when "
		  "it is not found; 1 when the sandbox or the gateway cannot "
		  "be reached or went away; 2 for a wrong command line.",
	.examples = "openshell sandbox exec demo -- sh -c 'exit 7'\n"
		    "openshell sandbox exec -n demo --workdir /sandbox -- ls",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
