/* openshell sandbox connect [NAME] */
#include "base/mem.h"
#include "cli/later.h"
#include "cli/reach.h"
#include "cli/session.h"

struct args {
	const char *sandbox, *editor;
};

static const struct cli_opt opts[] = {
	{ .name = "editor",
	    .kind = OPT_STR,
	    OPT(editor),
	    .value = "EDITOR",
	    .help = "Refused: there is no SSH into sandboxes yet",
	    .hidden = true },
	OPT_END
};

enum { CONNECT_FAILED = 255 }; /* as ssh(1) has it */

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	struct attach_options o = { .tty = ATTACH_TTY_YES,
		.detach_keys = true };
	AUTO_REACH struct reach *r = NULL;
	AUTO_FREE char *id = NULL;
	int status;

	if (a->editor != NULL)
		return later_ssh("--editor", e);
	if (reach_open(c, &r, e) < 0)
		return -1;
	o.sandbox = reach_sandbox(c, r, a->sandbox, e);
	if (o.sandbox == NULL)
		return -1;
	id = reach_ready_id(c, r, o.sandbox, e);
	if (id == NULL)
		return -1;
	/* Before the session: it may end with this process. */
	reach_remember(r, o.sandbox);
	status = session_attach(c, reach_rpc(r), id, &o, e);
	if (status >= 0)
		return status;
	/* As ssh: what failed was the way, not the shell. */
	cli_print_error(c, e);
	return CONNECT_FAILED;
}

const struct cli_cmd cmd_sandbox_connect = {
	.path = "sandbox connect",
	.summary = "Open a shell in a sandbox",
	.about = "Opens the login shell of the sandbox in the user's terminal. "
		 "Ctrl-P Ctrl-Q leaves the session; the sandbox keeps running "
		 "in any case.",
	.status = "That of the shell; 255 when the session could not be "
		  "opened or was lost; 1 when there is no such sandbox or no "
		  "gateway; 2 for a wrong command line.",
	.examples = "openshell sandbox connect demo",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
