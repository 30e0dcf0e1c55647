/* openshell gateway select [NAME] */
#include "cli/deploy.h"
#include "cli/emit.h"
#include "cli/gateways.h"
#include "cli/state.h"

struct args {
	const char *name;
};

static const struct cli_pos pos[] = {
	{ .name = "NAME",
	    .kind = OPT_STR,
	    OPT(name),
	    .optional = true,
	    .hint = HINT_GATEWAY,
	    .help = "The gateway to use from now on" },
	{ 0 }
};

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_GATEWAY g = { 0 };

	if (a->name == NULL) {
		if (gateways_print(c, EMIT_TABLE, e) < 0)
			return -1;
		deploy_say(c, COLOR_HINT, "•", "-",
		    "Select a gateway with: openshell gateway select <name>");
		return 0;
	}
	if (state_gateway_load(a->name, &g, e) < 0) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		return err_set(e, ERR_NOT_FOUND,
		    "No gateway metadata found for '%.100s'.\n"
		    "See what is registered: openshell gateway list\n"
		    "Start one: openshell gateway start --name %.100s",
		    a->name, a->name);
	}
	if (state_set_active(a->name, e) < 0)
		return -1;
	deploy_say(
	    c, COLOR_OK, "✓", "*", "Active gateway set to '%s'", a->name);
	return 0;
}

const struct cli_cmd cmd_gateway_select = {
	.path = "gateway select",
	.summary = "Make a gateway the active one",
	.about = "Commands use the active gateway unless --gateway names "
		 "another. Without NAME the registered ones are listed.",
	.examples = "openshell gateway select work",
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
