/* openshell policy get [NAME] */
#include "cli/policy_remote.h"
#include "cli/reach.h"

struct args {
	const char *sandbox;
	bool full, global;
	unsigned rev, output;
};

static const struct cli_opt opts[] = {
	{ .name = "rev",
	    .kind = OPT_UINT,
	    OPT(rev),
	    .value = "N",
	    .max = UINT32_MAX,
	    .help = "That revision; the latest when left out or 0" },
	{ .name = "full",
	    .kind = OPT_FLAG,
	    OPT(full),
	    .help = "Print the policy too, as YAML" },
	{ .name = "global",
	    .kind = OPT_FLAG,
	    OPT(global),
	    .help = "The policy of every sandbox" },
	{ .name = "output",
	    .letter = 'o',
	    .kind = OPT_ENUM,
	    OPT(output),
	    .value = "FORMAT",
	    .choices = policy_shows,
	    .help = "How to print",
	    .more = "auto is a table on a terminal, and elsewhere yaml: the "
		    "policy alone, which 'policy set' takes." },
	OPT_END
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
	return policy_show_revision(
	    c, &p, a->rev, a->full, (enum policy_show)a->output, e);
}

const struct cli_cmd cmd_policy_get = {
	.path = "policy get",
	.summary = "Show the policy of a sandbox",
	.about = "Shows a revision and whether the sandbox has it in force.",
	.examples = "openshell policy get demo --full\n"
		    "openshell policy get demo -o yaml > policy.yaml",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
