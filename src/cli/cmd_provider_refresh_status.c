/* openshell provider refresh status [NAME] */
#include "base/mem.h"
#include "cli/refresh.h"

struct args {
	const char *name;
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_STR,
					  OPT(name),
					  .optional = true,
					  .hint = HINT_PROVIDER,
					  .help = "One provider; default: all "
						  "that are minted" },
	{ 0 } };

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__GetProviderRefreshStatusRequest q =
	    OPENSHELL__V1__GET_PROVIDER_REFRESH_STATUS_REQUEST__INIT;
	AUTO_FREE char *copy = mem_strdup(a->name != NULL ? a->name : "");
	AUTO_REACH struct reach *r = NULL;
	refresh_statuses *s = NULL;
	int rc;

	q.provider = copy;
	if (reach_open(c, &r, e) < 0 ||
	    reach_call(r, "GetProviderRefreshStatus", &q.base,
		&openshell__v1__get_provider_refresh_status_response__descriptor,
		&s, NULL, e) < 0)
		return -1;
	rc = refresh_print(c, s, a->output, e);
	openshell__v1__get_provider_refresh_status_response__free_unpacked(
	    s, NULL);
	return rc;
}

const struct cli_cmd cmd_provider_refresh_status = {
	.path = "provider refresh status",
	.summary = "Show when credentials were minted, and when they will be",
	.about = "Shows the providers whose credentials the gateway gets by "
		 "itself: the last time, the end of what they have, the next "
		 "time, and why the last try failed if it did. AVAILABLE says "
		 "whether sandboxes have something to use now.",
	.examples = "openshell provider refresh status\n"
		    "openshell provider refresh status api -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
