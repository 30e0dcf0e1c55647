/* openshell provider delete NAME... */
#include "base/mem.h"
#include "cli/providers.h"

struct args {
	struct cli_list names;
	bool force;
};

static const struct cli_opt opts[] = {
	{ .name = "force",
	    .kind = OPT_FLAG,
	    OPT(force),
	    .help = "Also when sandboxes use it",
	    .more = "Their programs' next request with one of its credentials "
		    "is refused." },
	OPT_END
};

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_LIST,
					  OPT(names),
					  .hint = HINT_PROVIDER,
					  .help = "The providers to delete" },
	{ 0 } };

static int
delete_one(
    struct cli *c, struct reach *r, const char *name, bool force, struct err *e)
{
	Openshell__V1__DeleteProviderRequest q =
	    OPENSHELL__V1__DELETE_PROVIDER_REQUEST__INIT;
	Openshell__V1__DeleteProviderResponse *d = NULL;
	AUTO_FREE char *copy = mem_strdup(name);
	bool was;

	q.name = copy;
	q.force = force;
	if (reach_call(r, "DeleteProvider", &q.base,
		&openshell__v1__delete_provider_response__descriptor, &d, NULL,
		e) < 0)
		return err_wrap(e, "delete provider %.100s", name);
	was = d->deleted;
	openshell__v1__delete_provider_response__free_unpacked(d, NULL);
	return cli_say(c, was, was ? "Deleted provider" : "Provider", name,
	    was ? "" : " not found", e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_REACH struct reach *r = NULL;
	int status = CLI_OK;

	if (reach_open(c, &r, e) < 0)
		return -1;
	for (size_t i = 0; i < a->names.n; i++) {
		struct err why;

		/* One that fails does not keep the others. */
		if (delete_one(c, r, a->names.v[i], a->force, &why) == 0)
			continue;
		cli_print_error(c, &why);
		status = CLI_FAILED;
	}
	return status;
}

const struct cli_cmd cmd_provider_delete = {
	.path = "provider delete",
	.summary = "Delete providers",
	.about = "Deletes providers and their credentials. One that a sandbox "
		 "uses is refused; with --force its credentials are taken from "
		 "the sandbox at once.",
	.status = "0, also when there was no such provider; 1 when one could "
		  "not be deleted.",
	.examples = "openshell provider delete gh\n"
		    "openshell provider delete --force gh",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
