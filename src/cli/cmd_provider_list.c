/* openshell provider list */
#include "cli/list_opts.h"
#include "cli/providers.h"

struct args {
	unsigned limit, offset, output;
	bool names;
};

static const struct cli_opt opts[] = { LIST_PAGE_OPTS("providers"),
	LIST_NAMES_OPT, EMIT_OPT(output), OPT_END };

static const struct emit_col cols[] = {
	{ "NAME", "name", 4, 0, EMIT_NAME },
	{ "TYPE", "type", 4, 0, EMIT_PLAIN },
	{ "CREDENTIAL_KEYS", "credentials", 16, 0, EMIT_PLAIN },
	{ "CONFIG_KEYS", "configs", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, "No providers found.", 0 };

static int
print_names(
    struct cli *c, const Openshell__V1__ListProvidersResponse *l, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	for (size_t i = 0; i < l->n_providers; i++) {
		buf_put_escaped(&b, view_of(l->providers[i]->name));
		buf_putc(&b, '\n');
	}
	return cli_out(c, &b, e);
}

static int
print(struct cli *c, const Openshell__V1__ListProvidersResponse *l,
    unsigned format, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);

	for (size_t i = 0; i < l->n_providers; i++)
		provider_emit(emit_object(emit_root(m), NULL), l->providers[i],
		    format == EMIT_TABLE);
	return emit_print(c, m, (enum emit_format)format, &table, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	Openshell__V1__ListProvidersRequest q =
	    OPENSHELL__V1__LIST_PROVIDERS_REQUEST__INIT;
	Openshell__V1__ListProvidersResponse *l = NULL;
	AUTO_REACH struct reach *r = NULL;
	int rc;

	if (reach_open(c, &r, e) < 0)
		return -1;
	q.limit = a->limit;
	q.offset = a->offset;
	if (reach_call(r, "ListProviders", &q.base,
		&openshell__v1__list_providers_response__descriptor, &l, NULL,
		e) < 0)
		return -1;
	rc = a->names ? print_names(c, l, e) : print(c, l, a->output, e);
	openshell__v1__list_providers_response__free_unpacked(l, NULL);
	return rc;
}

const struct cli_cmd cmd_provider_list = {
	.path = "provider list",
	.summary = "List providers",
	.about = "Lists the providers of the gateway, oldest first.",
	.examples = "openshell provider list\n"
		    "openshell provider list -o json",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
