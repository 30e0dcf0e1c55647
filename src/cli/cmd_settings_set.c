/* openshell settings set [NAME] --key KEY --value VALUE */
#include "cli/reach.h"
#include "cli/setting_change.h"

struct args {
	const char *sandbox, *key, *value;
	bool global, yes;
};

static const struct cli_opt opts[] = { SETTING_KEY_OPT(key),
	{ .name = "value",
	    .kind = OPT_STR,
	    OPT(value),
	    .value = "VALUE",
	    .required = true,
	    .help = "What it becomes",
	    .more = "A bool is written true, yes, y, on, 1 or false, no, n, "
		    "off, 0." },
	SETTING_GLOBAL_OPT(global), SETTING_YES_OPT(yes), OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	const struct setting *row = setting_find(view_trim(view_of(a->key)));
	struct setting_value v;
	const struct setting_change h = { .sandbox = a->sandbox,
		.global = a->global,
		.yes = a->yes,
		.key = row != NULL ? row->key : a->key,
		.value = &v };

	if (row == NULL)
		return setting_unknown(view_of(a->key), e);
	if (setting_parse(row, view_of(a->value), &v, e) < 0)
		return -1;
	return setting_change(c, &h, e);
}

const struct cli_cmd cmd_settings_set = {
	.path = "settings set",
	.summary = "Set a setting of a sandbox, or of all",
	.about = "Running sandboxes have it at once. One that is set for every "
		 "sandbox (--global) holds over their own, and these cannot be "
		 "changed until it is deleted.",
	.examples =
	    "openshell settings set demo --key agent_policy_proposals_enabled "
	    "--value true\n"
	    "openshell settings set --global --key proposal_approval_mode "
	    "--value auto",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
