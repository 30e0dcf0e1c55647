/* openshell provider create */
#include "base/mem.h"
#include "cli/refresh.h"
#include "cli/providers.h"

struct args {
	const char *name, *type;
	struct cli_list credentials, config;
	bool existing, env;
	struct refresh_args refresh;
};

static const struct cli_opt opts[] = { { .name = "name",
					   .kind = OPT_STR,
					   OPT(name),
					   .value = "NAME",
					   .required = true,
					   .help = "Its name" },
	{ .name = "type",
	    .kind = OPT_STR,
	    OPT(type),
	    .value = "TYPE",
	    .required = true,
	    .hint = HINT_PROVIDER_TYPE,
	    .help =
		"What it is: github, anthropic, openai, claude, generic ...",
	    .more = "The type says where its credentials may go. Those of a "
		    "generic one go nowhere but to the endpoints of a policy "
		    "that name the provider." },
	PROVIDER_OPTS,
#include "cli/refresh_rows.def"
	OPT_END };

static int
fill(struct cli *c, const struct args *a, provider_msg *p, struct err *e)
{
	const char *type = provider_type(a->type, e);

	if (type == NULL)
		return -1;
	p->name = mem_strdup(a->name);
	p->type = mem_strdup(type);
	if ((a->existing || a->env) && provider_discover(p, e) < 0)
		return -1;
	if (refresh_given(&a->refresh) &&
	    refresh_read(c, &a->refresh, &p->minting, e) < 0)
		return -1;
	return provider_add_credentials(c, p, &a->credentials, false, e) < 0 ||
		       provider_add_config(p, &a->config, e) < 0
		   ? -1
		   : 0;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_PROVIDER provider_msg *p = provider_new();
	AUTO_REACH struct reach *r = NULL;
	bool existing = a->existing || a->env,
	     minted = refresh_given(&a->refresh);

	if ((existing && a->credentials.n > 0) ||
	    (!existing && !minted && a->credentials.n == 0)) {
		(void)err_set(e, ERR_INVALID, "%s",
		    existing ? "--from-existing cannot be combined with "
			       "--credential"
			     : "give --credential or --from-existing, or say "
			       "how to get it (--oauth2-token-url ...)");
		return cli_misused(c, e);
	}
	if (fill(c, a, p, e) < 0 || reach_open(c, &r, e) < 0 ||
	    provider_send(r, "CreateProvider", p, NULL, e) < 0 ||
	    cli_say(c, true, "Created provider", a->name, "", e) < 0)
		return -1;
	return minted ? refresh_first(c, r, a->name, e) : CLI_OK;
}

const struct cli_cmd cmd_provider_create = {
	.path = "provider create",
	.summary = "Store credentials that sandboxes may use",
	.about =
	    "Stores credentials in the gateway, encrypted. A sandbox that is "
	    "given the provider (sandbox create --provider NAME) sees names in "
	    "its environment, never values: the proxy fills them in, over TLS, "
	    "in requests to the hosts that the provider's type names, and to "
	    "no other.\n\n"
	    "Instead of a credential the way to get one can be given: an OAuth "
	    "2.0 token for the SPIFFE identity of the gateway (the options of "
	    "oauth2 and spiffe), or the keys of an AWS role (those of aws). "
	    "The gateway gets it, and gets it anew before it ends; see "
	    "provider refresh.",
	.examples =
	    "openshell provider create --name gh --type github "
	    "--from-existing\n"
	    "openshell provider create --name gl --type gitlab --credential "
	    "GITLAB_TOKEN=-\n"
	    "openshell provider create --name db --type generic "
	    "--credential KEY@key.txt\n"
	    "openshell provider create --name api --type generic \\\n"
	    "    --oauth2-token-url https://login.example.com/token \\\n"
	    "    --oauth2-scope read --spiffe-socket /run/spire/agent.sock "
	    "\\\n"
	    "    --credential-key API_TOKEN",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
