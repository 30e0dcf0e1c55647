/* openshell policy delete --global */
#include "cli/confirm.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

struct args {
	bool global, yes;
};

static const struct cli_opt opts[] = {
	{ .name = "global",
	    .kind = OPT_FLAG,
	    OPT(global),
	    .help = "Delete the policy that holds for every sandbox",
	    .more = "Each sandbox returns to its own policy at once, which "
		    "can then be changed again." },
	{ .name = "yes",
	    .letter = 'y',
	    .kind = OPT_FLAG,
	    OPT(yes),
	    .help = "Do not ask before a global change" },
	OPT_END
};

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_REACH struct reach *r = NULL;
	struct policy_place p;

	if (!a->global)
		return err_set(e, ERR_INVALID,
		    "sandbox policy delete is not supported; use --global to "
		    "remove global policy lock");
	if (!a->yes && confirm_global(c, "deletes", "the policy", e) < 0)
		return -1;
	if (reach_open(c, &r, e) < 0 ||
	    policy_place_find(c, r, true, NULL, &p, e) < 0)
		return -1;
	return policy_delete_global(c, &p, e);
}

const struct cli_cmd cmd_policy_delete = {
	.path = "policy delete",
	.summary = "Delete the policy that holds for every sandbox",
	.about = "Each sandbox returns to the policy it had of its own. The "
		 "revisions stay and 'policy list --global' shows them.",
	.examples = "openshell policy delete --global",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
