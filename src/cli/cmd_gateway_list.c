/* openshell gateway list */
#include "cli/emit.h"
#include "cli/gateways.h"

struct args {
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;

	return gateways_print(c, a->output, e);
}

const struct cli_cmd cmd_gateway_list = {
	.path = "gateway list",
	.summary = "List the registered gateways",
	.about = "Lists the gateways that this user has registered; the "
		 "active one is marked.",
	.examples = "openshell gateway list",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
