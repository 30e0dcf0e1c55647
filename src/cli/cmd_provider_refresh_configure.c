/* openshell provider refresh configure NAME */
#include "base/mem.h"
#include "cli/refresh.h"
#include "cli/providers.h"

struct args {
	const char *name;
	struct refresh_args refresh;
};

static const struct cli_opt opts[] = {
#include "cli/refresh_rows.def"
	OPT_END
};

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_STR,
					  OPT(name),
					  .hint = HINT_PROVIDER,
					  .help = "The provider" },
	{ 0 } };

static int
configure(struct reach *r, const char *name, minting_msg *how, struct err *e)
{
	Openshell__V1__ConfigureProviderRefreshRequest q =
	    OPENSHELL__V1__CONFIGURE_PROVIDER_REFRESH_REQUEST__INIT;
	Openshell__V1__ProviderResponse *answer = NULL;
	AUTO_FREE char *copy = mem_strdup(name);

	q.provider = copy;
	q.minting = how;
	if (reach_call(r, "ConfigureProviderRefresh", &q.base,
		&openshell__v1__provider_response__descriptor, &answer, NULL,
		e) < 0)
		return -1;
	openshell__v1__provider_response__free_unpacked(answer, NULL);
	return 0;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	/* Holds the message, and wipes it. */
	AUTO_PROVIDER provider_msg *p = provider_new();
	AUTO_REACH struct reach *r = NULL;

	if (refresh_read(c, &a->refresh, &p->minting, e) < 0 ||
	    reach_open(c, &r, e) < 0 ||
	    configure(r, a->name, p->minting, e) < 0 ||
	    cli_say(c, true, "Configured provider", a->name, "", e) < 0)
		return -1;
	return refresh_first(c, r, a->name, e);
}

const struct cli_cmd cmd_provider_refresh_configure = {
	.path = "provider refresh configure",
	.summary = "Say anew how credentials are made",
	.about = "Replaces all that was said of how the gateway gets the "
		 "credentials of a provider, but keeps its secrets when none "
		 "is given and the way is the same. What was minted before is "
		 "taken away, and new ones are asked for at once.",
	.examples = "openshell provider refresh configure api \\\n"
		    "    --oauth2-token-url https://login.example.com/token "
		    "\\\n"
		    "    --oauth2-scope \"read write\" \\\n"
		    "    --spiffe-socket /run/spire/agent.sock "
		    "--credential-key API_TOKEN",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
