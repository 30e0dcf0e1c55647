/* openshell provider refresh rotate NAME */
#include "cli/refresh.h"

struct args {
	const char *name;
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_STR,
					  OPT(name),
					  .hint = HINT_PROVIDER,
					  .help = "The provider" },
	{ 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_REACH struct reach *r = NULL;
	refresh_statuses *s = NULL;
	int rc;

	if (reach_open(c, &r, e) < 0 || refresh_rotate(r, a->name, &s, e) < 0)
		return -1;
	rc = a->output == EMIT_TABLE
		 ? cli_say(c, true, "Rotated provider", a->name, "", e)
		 : refresh_print(c, s, a->output, e);
	openshell__v1__get_provider_refresh_status_response__free_unpacked(
	    s, NULL);
	return rc;
}

const struct cli_cmd cmd_provider_refresh_rotate = {
	.path = "provider refresh rotate",
	.summary = "Get new credentials now",
	.about = "Has the gateway get new credentials now, whatever is due, "
		 "and waits for them. Running sandboxes have them when this "
		 "returns; a request that is under way ends with the old one. "
		 "When it fails the old ones stay until their end.",
	.examples = "openshell provider refresh rotate api",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
