/* openshell sandbox delete NAME... | --all */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/reach.h"
#include "cli/state.h"

struct args {
	struct cli_list names;
	bool all;
};

enum { PAGE = 500 };

static const struct cli_opt opts[] = {
	{ .name = "all",
	    .kind = OPT_FLAG,
	    OPT(all),
	    .help = "Delete every sandbox of the gateway" },
	OPT_END
};

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_LIST,
					  OPT(names),
					  .optional = true,
					  .hint = HINT_SANDBOX,
					  .help = "The sandboxes to delete" },
	{ 0 } };

static int
delete_one(struct cli *c, struct reach *r, const char *name, struct err *e)
{
	Openshell__V1__DeleteSandboxRequest q =
	    OPENSHELL__V1__DELETE_SANDBOX_REQUEST__INIT;
	Openshell__V1__DeleteSandboxResponse *d = NULL;
	AUTO_FREE char *copy = mem_strdup(name);
	AUTO_FREE char *last = NULL;
	enum rpc_code code = RPC_OK;
	bool gone;

	q.name = copy;
	if (reach_call(r, "DeleteSandbox", &q.base,
		&openshell__v1__delete_sandbox_response__descriptor, &d, &code,
		e) < 0 &&
	    code != RPC_NOT_FOUND)
		return err_wrap(e, "delete sandbox %.100s", name);
	gone = code != RPC_NOT_FOUND;
	openshell__v1__delete_sandbox_response__free_unpacked(d, NULL);
	last =
	    reach_name(r)[0] != '\0' ? state_last_sandbox(reach_name(r)) : NULL;
	if (last != NULL && strcmp(last, name) == 0)
		reach_remember(r, NULL);
	return cli_say(c, gone, gone ? "Deleted sandbox" : "Sandbox", name,
	    gone ? "" : " not found", e);
}

/* One that fails does not keep the others. */
static int
delete_and_tell(struct cli *c, struct reach *r, const char *name, int *status)
{
	struct err e;

	if (delete_one(c, r, name, &e) == 0)
		return 0;
	cli_print_error(c, &e);
	*status = CLI_FAILED;
	return -1;
}

static int
delete_all(struct cli *c, struct reach *r, int *status, struct err *e)
{
	uint32_t failed = 0;
	size_t n, seen = 0;

	do {
		Openshell__V1__ListSandboxesRequest q =
		    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;
		Openshell__V1__ListSandboxesResponse *l = NULL;

		q.limit = PAGE;
		q.offset = failed; /* what failed stays in front */
		if (reach_call(r, "ListSandboxes", &q.base,
			&openshell__v1__list_sandboxes_response__descriptor, &l,
			NULL, e) < 0)
			return -1;
		n = l->n_sandboxes;
		seen += n;
		for (size_t i = 0; i < n; i++)
			if (delete_and_tell(
				c, r, l->sandboxes[i]->name, status) < 0)
				failed++;
		openshell__v1__list_sandboxes_response__free_unpacked(l, NULL);
	} while (n > 0);
	if (seen == 0) {
		AUTO_BUF struct buf b = BUF_INIT(64);

		buf_puts(&b, "No sandboxes to delete.\n");
		return cli_out(c, &b, e);
	}
	return 0;
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_REACH struct reach *r = NULL;
	int status = CLI_OK;

	if (a->all == (a->names.n > 0)) {
		(void)err_set(e, ERR_INVALID,
		    "name the sandboxes to delete, or give --all (not both)");
		return cli_misused(c, e);
	}
	if (reach_open(c, &r, e) < 0)
		return -1;
	if (a->all && delete_all(c, r, &status, e) < 0)
		return -1;
	for (size_t i = 0; i < a->names.n; i++)
		(void)delete_and_tell(c, r, a->names.v[i], &status);
	return status;
}

const struct cli_cmd cmd_sandbox_delete = {
	.path = "sandbox delete",
	.summary = "Delete sandboxes",
	.about = "Ends everything that runs in the sandboxes and removes all "
		 "that was theirs: processes, namespaces, files, records. It "
		 "returns when they are gone.",
	.status = "0, also when there was no such sandbox; 1 when one could "
		  "not be deleted.",
	.examples = "openshell sandbox delete demo\n"
		    "openshell sandbox delete --all",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
