/* openshell gateway stop */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/later.h"
#include "cli/state.h"

struct args {
	const char *name, *remote, *key;
};

static const struct cli_opt opts[] = { DEPLOY_OPT(name),
	LATER_REMOTE_OPTS(remote, key), OPT_END };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = deploy_name(c, a->name);
	struct deploy_state s;
	bool was;

	if (a->remote != NULL || a->key != NULL)
		return later_remote("stopped", e);
	if (deploy_check_local(name, e) < 0 || deploy_look(name, &s, e) < 0)
		return -1;
	deploy_say(c, COLOR_HINT, "•", "-", "Stopping gateway %s...", name);
	if (deploy_stop(name, &was, e) < 0)
		return -1;
	deploy_say(c, COLOR_OK, "✓", "*", "Gateway %s %s.", name,
	    was ? "stopped" : "was not running");
	if (was && s.sandboxes > 0)
		deploy_say(c, COLOR_HINT, "•", "-",
		    "%zu sandbox%s go%s on without it.", s.sandboxes,
		    s.sandboxes == 1 ? "" : "es", s.sandboxes == 1 ? "es" : "");
	return 0;
}

const struct cli_cmd cmd_gateway_stop = {
	.path = "gateway stop",
	.summary = "Stop a gateway; its sandboxes go on",
	.about =
	    "Ends the gateway of this machine. Its sandboxes go on running "
	    "and enforcing their policies; `openshell gateway start` takes "
	    "them up again.",
	.examples = "openshell gateway stop",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
