/* openshell policy set [NAME] --policy FILE */
#include "cli/confirm.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"

struct args {
	const char *sandbox, *policy;
	bool wait, global, yes;
	unsigned timeout_s;
};

enum { TIMEOUT_S = 60 };

static const struct cli_opt opts[] = {
	{ .name = "policy",
	    .letter = 'p',
	    .kind = OPT_STR,
	    OPT(policy),
	    .value = "FILE",
	    .required = true,
	    .hint = HINT_FILE,
	    .help = "The policy, or - for standard input" },
	{ .name = "wait",
	    .kind = OPT_FLAG,
	    OPT(wait),
	    .help = "Return when the sandbox has acknowledged it" },
	{ .name = "timeout",
	    .kind = OPT_DURATION,
	    OPT(timeout_s),
	    .value = "DURATION",
	    .help = "How long --wait waits; 60 s when left out" },
	{ .name = "global",
	    .kind = OPT_FLAG,
	    OPT(global),
	    .help = "Set the policy of every sandbox",
	    .more = "It stands in the place of each sandbox's own policy from "
		    "then on, also of those made later, until 'policy delete "
		    "--global'; till then no sandbox's own can be changed. "
		    "Sandboxes that run take its network policies, new ones "
		    "also the sections that cannot change while they run, as "
		    "far as the file has them." },
	{ .name = "yes",
	    .letter = 'y',
	    .kind = OPT_FLAG,
	    OPT(yes),
	    .help = "Do not ask before a global change" },
	OPT_END
};

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_UPLOAD struct policy_upload u = { 0 };
	AUTO_REACH struct reach *r = NULL;
	struct policy_place p;
	int rc;

	if (a->global && a->wait)
		return err_set(e, ERR_INVALID,
		    "--wait is not supported for global policies\n"
		    "they take effect at once; leave out --wait");
	rc = policy_upload_read(c, a->policy, &u, e);
	if (rc != 0)
		return rc < 0 ? -1 : CLI_FAILED;
	if (a->global && !a->yes &&
	    confirm_global(c, "updates", "the policy", e) < 0)
		return -1;
	if (reach_open(c, &r, e) < 0 ||
	    policy_place_find(c, r, a->global, a->sandbox, &p, e) < 0)
		return -1;
	if (a->global)
		return policy_push_global(c, &p, &u, e);
	return policy_push(
	    c, &p, &u, a->wait, a->timeout_s > 0 ? a->timeout_s : TIMEOUT_S, e);
}

const struct cli_cmd cmd_policy_set = {
	.path = "policy set",
	.summary = "Set the policy of a sandbox that runs",
	.about = "Checks the file here first and reports every fault with its "
		 "line and column, then gives it to the gateway, which pushes "
		 "it to the sandbox. Open connections are judged by it from "
		 "then on. Sections that cannot change while a sandbox runs "
		 "(filesystem_policy, landlock, process) and that the file "
		 "leaves out stay as the sandbox has them.",
	.status = "0, or 1 when the policy is invalid or the sandbox refused "
		  "it, 124 when --wait reached its timeout, 2 for a wrong "
		  "command line.",
	.examples = "openshell policy set demo --policy policy.yaml --wait\n"
		    "openshell policy set --global --policy policy.yaml",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
