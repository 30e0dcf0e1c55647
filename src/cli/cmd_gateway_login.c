/* openshell gateway login [NAME] */
#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/edge.h"
#include "cli/state.h"

struct args {
	const char *name;
};

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_STR,
					  OPT(name),
					  .optional = true,
					  .hint = HINT_GATEWAY,
					  .help = "The gateway; the active one "
						  "when left out" },
	{ 0 } };

/* The word, else --gateway or OPENSHELL_GATEWAY, else the active one. */
static char *
which(const struct cli *c, const char *given)
{
	if (given == NULL)
		given = c->gateway;
	return given != NULL ? mem_strdup(given) : state_active();
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = which(c, a->name);
	AUTO_GATEWAY g = { 0 };

	if (name == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "No active gateway.\n"
		    "Name one: openshell gateway login <name>\n"
		    "Or choose one: openshell gateway select <name>");
	if (state_gateway_load(name, &g, e) < 0)
		return -1;
	if (g.auth_mode == NULL || strcmp(g.auth_mode, EDGE_AUTH_MODE) != 0)
		return err_set(e, ERR_INVALID,
		    "Gateway '%.100s' does not use edge authentication.\n"
		    "It is reached with the certificates that 'gateway start' "
		    "stored; nothing needs to be done.",
		    name);
	if (edge_login(c, name, g.endpoint, e) < 0)
		return err_wrap(e, "not logged in to gateway '%.100s'", name);
	deploy_say(
	    c, COLOR_OK, "✓", "*", "Authenticated to gateway '%.100s'", name);
	return CLI_OK;
}

const struct cli_cmd cmd_gateway_login = {
	.path = "gateway login",
	.summary = "Get a token for a gateway behind an edge",
	.about =
	    "Opens a page of the gateway in the browser and waits two minutes "
	    "for the token that it sends back to this machine. Compare the "
	    "code that is shown with that of the page before you confirm. "
	    "With OPENSHELL_NO_BROWSER=1, or without a terminal, the address "
	    "is printed instead. The token is stored beside the registration, "
	    "for you alone.",
	.examples = "openshell gateway login work",
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
