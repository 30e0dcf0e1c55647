/* openshell provider refresh delete NAME */
#include "base/mem.h"
#include "cli/reach.h"

struct args {
	const char *name;
};

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
	Openshell__V1__DeleteProviderRefreshRequest q =
	    OPENSHELL__V1__DELETE_PROVIDER_REFRESH_REQUEST__INIT;
	Openshell__V1__DeleteProviderRefreshResponse *d = NULL;
	AUTO_FREE char *copy = mem_strdup(a->name);
	AUTO_REACH struct reach *r = NULL;
	bool was;

	q.provider = copy;
	if (reach_open(c, &r, e) < 0 ||
	    reach_call(r, "DeleteProviderRefresh", &q.base,
		&openshell__v1__delete_provider_refresh_response__descriptor,
		&d, NULL, e) < 0)
		return -1;
	was = d->deleted;
	openshell__v1__delete_provider_refresh_response__free_unpacked(d, NULL);
	return cli_say(c, was, was ? "No longer minted: provider" : "Provider",
	    a->name, was ? "" : " is not minted", e);
}

const struct cli_cmd cmd_provider_refresh_delete = {
	.path = "provider refresh delete",
	.summary = "Get no more credentials for a provider",
	.about = "The gateway forgets how it got them, and takes away what it "
		 "got. The provider stays with the credentials that were "
		 "given; one that has none cannot be left so: delete it.",
	.examples = "openshell provider refresh delete api",
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
