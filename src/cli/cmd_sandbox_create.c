/* openshell sandbox create [FLAGS] [--] [COMMAND...] */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/box_opts.h"
#include "cli/create.h"
#include "cli/later.h"
#include "cli/providers.h"
#include "cli/session.h"

#define args create_options

static const struct cli_opt opts[] = {
	{ .name = "name",
	    .kind = OPT_STR,
	    OPT(name),
	    .value = "NAME",
	    .help = "Its name; the gateway makes one up when left out" },
	{ .name = "policy",
	    .letter = 'p',
	    .kind = OPT_STR,
	    OPT(policy),
	    .value = "FILE",
	    .env = "OPENSHELL_SANDBOX_POLICY",
	    .hint = HINT_FILE,
	    .help = "What it may reach and write",
	    .more = "Without a policy there is no network at all. It can be "
		    "changed later: openshell policy set." },
	{ .name = "env",
	    .letter = 'e',
	    .kind = OPT_ENV,
	    OPT(env),
	    .value = "K[=V]",
	    .help = "Set a variable for every command in it" },
	{ .name = "workdir",
	    .letter = 'w',
	    .kind = OPT_STR,
	    OPT(workdir),
	    .value = "DIR",
	    .hint = HINT_DIR,
	    .help = "Bind this directory and work in it",
	    .more = "Without it, commands work in /sandbox, which is the "
		    "sandbox's own and goes with it." },
	BOX_BIND_OPTS, BOX_LIMIT_OPTS,
	{ .name = "upload",
	    .kind = OPT_STR,
	    OPT(upload),
	    .value = "LOCAL[:DEST]",
	    .hint = HINT_FILE,
	    .help = "Copy files in before anything runs",
	    .more = "As 'sandbox upload' does; DEST is /sandbox when left "
		    "out." },
	{ .name = "no-git-ignore",
	    .kind = OPT_FLAG,
	    OPT(no_git_ignore),
	    .help = "With --upload: send also what git ignores" },
	{ .name = "trust",
	    .kind = OPT_STR,
	    OPT(trust),
	    .value = "FILE",
	    .env = "OPENSHELL_TRUST",
	    .hint = HINT_FILE,
	    .help = "Trust more roots (PEM) when connecting to servers" },
	{ .name = "tty",
	    .kind = OPT_SET,
	    OPT(tty),
	    .set = ATTACH_TTY_YES,
	    .help = "Give the command a terminal of its own" },
	{ .name = "no-tty",
	    .kind = OPT_SET,
	    OPT(tty),
	    .set = ATTACH_TTY_NO,
	    .help = "Give the command pipes only" },
	{ .name = "no-keep",
	    .kind = OPT_FLAG,
	    OPT(no_keep),
	    .help = "Delete it when the command or shell ends" },
	{ .name = "keep", .kind = OPT_FLAG, OPT(keep), .hidden = true },
	{ .name = "detach",
	    .letter = 'd',
	    .kind = OPT_FLAG,
	    OPT(detach),
	    .help = "Print its name and return; run nothing in it" },
	{ .name = "provider",
	    .kind = OPT_LIST,
	    OPT(providers),
	    .value = "NAME",
	    .hint = HINT_PROVIDER,
	    .help = "Let it use the credentials of this provider",
	    .more = "Its programs see names in place of values; the proxy "
		    "fills them in. One that is missing and named like a type "
		    "is made from the user's variables, once that is allowed. "
		    "A provider of the command's type is used unasked." },
	{ .name = "auto-providers",
	    .kind = OPT_SET,
	    OPT(auto_providers),
	    .set = PROVIDERS_YES,
	    .help = "Make providers that are missing from local credentials" },
	{ .name = "no-auto-providers",
	    .kind = OPT_SET,
	    OPT(auto_providers),
	    .set = PROVIDERS_NO,
	    .help = "Make no provider, and use none but those named" },
	LATER_REMOTE_OPTS(remote, key),
	{ .name = "from",
	    .kind = OPT_STR,
	    OPT(from),
	    .value = "IMAGE",
	    .help = "Image to make it from, where the driver has images" },
	{ .name = "gpu",
	    .kind = OPT_FLAG,
	    OPT(gpu),
	    .help = "Give it a GPU, where the driver has any" },
	{ .name = "editor",
	    .kind = OPT_STR,
	    OPT(editor),
	    .value = "EDITOR",
	    .help = "Refused: there is no SSH into sandboxes yet",
	    .hidden = true },
	{ .name = "forward",
	    .kind = OPT_STR,
	    OPT(forward),
	    .value = "[BIND:]PORT",
	    .help = "Refused: there is no SSH into sandboxes yet",
	    .hidden = true },
	{ .name = "no-bootstrap",
	    .kind = OPT_SET,
	    OPT(no_bootstrap),
	    .set = 1,
	    .help = "Fail when there is no gateway, instead of starting one" },
	{ .name = "bootstrap",
	    .kind = OPT_SET,
	    OPT(no_bootstrap),
	    .set = 0,
	    .hidden = true },
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
	return create_sandbox(c, argp, e);
}

const struct cli_cmd cmd_sandbox_create = {
	.path = "sandbox create",
	.summary = "Make a sandbox that stays, and run a command in it",
	.about =
	    "Makes a sandbox, waits until it is ready, and runs the command "
	    "or a shell in it. The sandbox stays until it is deleted, with "
	    "or without a terminal, with or without its gateway; --no-keep "
	    "deletes it at the end.\n"
	    "\n"
	    "When no gateway runs, one is started.",
	.status = "That of the command, as in `openshell sandbox exec`; 1 "
		  "when the sandbox could not be made.",
	.examples = "openshell sandbox create --name demo\n"
		    "openshell sandbox create --policy policy.yaml -- claude "
		    "-p \"hi\"\n"
		    "openshell sandbox create --detach --name worker",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct create_options),
	.run = run,
};
