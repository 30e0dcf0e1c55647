/* openshell gateway restart */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/state.h"

struct args {
	const char *name;
};

static const struct cli_opt opts[] = { DEPLOY_OPT(name), OPT_END };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = deploy_name(c, a->name);
	AUTO_FREE char *had = NULL;
	AUTO_GATEWAY g = { 0 };
	struct err ignored;
	struct deploy_options o = { .name = name };
	struct deploy_state s;
	bool known, was;

	if (deploy_check_local(name, e) < 0 || deploy_look(name, &s, e) < 0)
		return -1;
	known = state_gateway_load(name, &g, &ignored) == 0;
	if (!known && !s.exists)
		return err_set(e, ERR_NOT_FOUND,
		    "There is no gateway %.100s to restart.\n"
		    "Start one: openshell gateway start --name %.100s",
		    name, name);
	if (known)
		o.plaintext = strncmp(g.endpoint, "http:", 5) == 0;
	if (deploy_had(name, &o, &had, e) < 0)
		return -1;
	deploy_say(c, COLOR_HINT, "•", "-", "Stopping gateway %s...", name);
	if (deploy_stop(name, &was, e) < 0)
		return -1;
	return deploy_start(c, &o, e);
}

const struct cli_cmd cmd_gateway_restart = {
	.path = "gateway restart",
	.summary = "Stop a gateway and start it again",
	.about =
	    "Ends the gateway and starts it again with all it has, and as it "
	    "was started: port, --plaintext, --disable-gateway-auth, "
	    "--log-level, the upstream proxy and middlewares. Its "
	    "sandboxes do not notice but for commands that ran through it: "
	    "these end.",
	.examples = "openshell gateway restart",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
