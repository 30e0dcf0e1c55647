/* openshell sandbox list */
#include "cli/boxes.h"
#include "cli/list_opts.h"
#include "cli/reach.h"

struct args {
	unsigned limit, offset, output;
	bool ids, names;
};

static const struct cli_opt opts[] = { LIST_PAGE_OPTS("sandboxes"),
	{ .name = "ids", .kind = OPT_FLAG, OPT(ids), .help = "Print ids only" },
	LIST_NAMES_OPT, EMIT_OPT(output), OPT_END };

static const struct emit_col cols[] = {
	{ "NAME", "name", 4, 0, EMIT_NAME },
	{ "NAMESPACE", "namespace", 9, 0, EMIT_PLAIN },
	{ "CREATED", "created_at", 19, 0, EMIT_PLAIN },
	{ "PHASE", "phase", 0, 0, EMIT_PHASE },
	{ 0 },
};
static const struct emit_table table = { cols, "No sandboxes found.", 0 };

static int
print_words(struct cli *c, const Openshell__V1__ListSandboxesResponse *l,
    bool ids, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	for (size_t i = 0; i < l->n_sandboxes; i++) {
		buf_put_escaped(&b,
		    view_of(ids ? l->sandboxes[i]->id : l->sandboxes[i]->name));
		buf_putc(&b, '\n');
	}
	return cli_out(c, &b, e);
}

static int
print(struct cli *c, const Openshell__V1__ListSandboxesResponse *l,
    unsigned format, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);

	for (size_t i = 0; i < l->n_sandboxes; i++)
		box_emit(emit_object(emit_root(m), NULL), l->sandboxes[i]);
	return emit_print(c, m, (enum emit_format)format, &table, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__ListSandboxesRequest q =
	    OPENSHELL__V1__LIST_SANDBOXES_REQUEST__INIT;
	Openshell__V1__ListSandboxesResponse *l = NULL;
	AUTO_REACH struct reach *r = NULL;
	int rc;

	if (a->ids && a->names) {
		(void)err_set(e, ERR_INVALID,
		    "--ids and --names cannot be used together");
		return cli_misused(c, e);
	}
	if (reach_open(c, &r, e) < 0)
		return -1;
	q.limit = a->limit;
	q.offset = a->offset;
	if (reach_call(r, "ListSandboxes", &q.base,
		&openshell__v1__list_sandboxes_response__descriptor, &l, NULL,
		e) < 0)
		return -1;
	rc = a->ids || a->names ? print_words(c, l, a->ids, e)
				: print(c, l, a->output, e);
	openshell__v1__list_sandboxes_response__free_unpacked(l, NULL);
	return rc;
}

const struct cli_cmd cmd_sandbox_list = {
	.path = "sandbox list",
	.summary = "List sandboxes",
	.about = "Lists the sandboxes of the gateway, oldest first.",
	.examples = "openshell sandbox list\n"
		    "openshell sandbox list -o json",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
