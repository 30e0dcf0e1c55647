/* openshell settings delete [NAME] --key KEY */
#include "cli/reach.h"
#include "cli/setting_change.h"

struct args {
	const char *sandbox, *key;
	bool global, yes;
};

static const struct cli_opt opts[] = { SETTING_KEY_OPT(key),
	SETTING_GLOBAL_OPT(global), SETTING_YES_OPT(yes), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	const struct setting_change h = { .sandbox = a->sandbox,
		.global = a->global,
		.yes = a->yes,
		.key = a->key };

	return setting_change(c, &h, e);
}

const struct cli_cmd cmd_settings_delete = {
	.path = "settings delete",
	.summary = "Take back a setting of a sandbox, or of all",
	.about =
	    "What holds then is what is set for every sandbox, or of the "
	    "sandbox itself, or the setting's initial value. A setting that "
	    "this version no longer knows can be deleted too.",
	.examples =
	    "openshell settings delete demo --key "
	    "agent_policy_proposals_enabled\n"
	    "openshell settings delete --global --key proposal_approval_mode",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
