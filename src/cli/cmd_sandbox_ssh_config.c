/* openshell sandbox ssh-config [NAME] */
#include "cli/later.h"
#include "cli/reach.h"

struct args {
	const char *sandbox;
};

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c UNUSED, const void *argp UNUSED, struct err *e)
{
	return later_ssh("sandbox ssh-config", e);
}

const struct cli_cmd cmd_sandbox_ssh_config = {
	.path = "sandbox ssh-config",
	.summary = "Refused: there is no SSH into sandboxes yet",
	.hidden = true,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
