/* openshell provider update NAME */
#include "base/mem.h"
#include "cli/providers.h"

struct args {
	const char *name;
	struct cli_list credentials, config;
	bool existing, env;
};

static const struct cli_opt opts[] = { PROVIDER_OPTS, OPT_END };

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_STR,
					  OPT(name),
					  .hint = HINT_PROVIDER,
					  .help = "The provider" },
	{ 0 } };

static int
discover(struct reach *r, const char *name, provider_msg *p, struct err *e)
{
	AUTO_PROVIDER provider_msg *now = NULL;

	if (provider_find(r, name, &now, NULL, e) < 0)
		return -1;
	p->type = mem_strdup(now->type);
	return provider_discover(p, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_PROVIDER provider_msg *p = provider_new();
	AUTO_REACH struct reach *r = NULL;
	bool existing = a->existing || a->env;

	if ((existing && a->credentials.n > 0) ||
	    (!existing && a->credentials.n == 0 && a->config.n == 0)) {
		(void)err_set(e, ERR_INVALID, "%s",
		    existing ? "--from-existing cannot be combined with "
			       "--credential"
			     : "give --credential, --from-existing or "
			       "--config");
		return cli_misused(c, e);
	}
	p->name = mem_strdup(a->name);
	if (provider_add_credentials(c, p, &a->credentials, true, e) < 0 ||
	    provider_add_config(p, &a->config, e) < 0 ||
	    reach_open(c, &r, e) < 0)
		return -1;
	if (existing && discover(r, a->name, p, e) < 0)
		return -1;
	if (provider_send(r, "UpdateProvider", p, NULL, e) < 0)
		return -1;
	return cli_say(c, true, "Updated provider", a->name, "", e);
}

const struct cli_cmd cmd_provider_update = {
	.path = "provider update",
	.summary = "Change or take away credentials",
	.about = "Changes the credentials named, and leaves the others. "
		 "Running sandboxes have the new values at once: their "
		 "programs hold names, which stand for the newest value. "
		 "`--credential KEY=` takes one away.",
	.examples = "openshell provider update gh --from-existing\n"
		    "openshell provider update work --credential "
		    "ANTHROPIC_API_KEY=-",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
