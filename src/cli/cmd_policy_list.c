/* openshell policy list [NAME] */
#include "cli/emit.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

struct args {
	const char *sandbox;
	bool global;
	unsigned limit, output;
};

enum { LIMIT = 20, LIMIT_MAX = 1000 };

static const struct cli_opt opts[] = {
	{ .name = "limit",
	    .kind = OPT_UINT,
	    OPT(limit),
	    .value = "N",
	    .min = 1,
	    .max = LIMIT_MAX,
	    .help = "Show at most N revisions; 20 when left out" },
	{ .name = "global",
	    .kind = OPT_FLAG,
	    OPT(global),
	    .help = "Revisions of the policy of every sandbox" },
	EMIT_OPT(output), OPT_END
};

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_REACH struct reach *r = NULL;
	struct policy_place p;

	if (reach_open(c, &r, e) < 0 ||
	    policy_place_find(c, r, a->global, a->sandbox, &p, e) < 0)
		return -1;
	return policy_show_list(
	    c, &p, a->limit > 0 ? a->limit : LIMIT, a->output, e);
}

const struct cli_cmd cmd_policy_list = {
	.path = "policy list",
	.summary = "List the revisions of a sandbox's policy",
	.examples = "openshell policy list demo -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
