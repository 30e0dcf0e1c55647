/* openshell provider get NAME */
#include "cli/providers.h"

struct args {
	const char *name;
	unsigned output;
};

static const struct cli_opt opts[] = { EMIT_OPT(output), OPT_END };

static const struct cli_pos pos[] = { { .name = "NAME",
					  .kind = OPT_STR,
					  OPT(name),
					  .hint = HINT_PROVIDER,
					  .help = "The provider" },
	{ 0 } };

static const struct emit_col cols[] = {
	{ "Id", "id", 0, 0, EMIT_PLAIN },
	{ "Name", "name", 0, 0, EMIT_NAME },
	{ "Type", "type", 0, 0, EMIT_PLAIN },
	{ "Credential keys", "credential_keys", 0, 0, EMIT_PLAIN },
	{ "Config keys", "config", 0, 0, EMIT_PLAIN },
	{ "Minted by", "minting", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, NULL, 17 };

static int
heading(struct cli *c, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(64);

	cli_paint(&b, c->color_out, COLOR_HEADING, "Provider:");
	buf_puts(&b, "\n\n");
	return cli_out(c, &b, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_PROVIDER provider_msg *p = NULL;
	AUTO_REACH struct reach *r = NULL;

	if (reach_open(c, &r, e) < 0 ||
	    provider_find(r, a->name, &p, NULL, e) < 0)
		return -1;
	provider_emit(emit_root(m), p, a->output == EMIT_TABLE);
	if (a->output == EMIT_TABLE && heading(c, e) < 0)
		return -1;
	return emit_print(c, m, (enum emit_format)a->output, &table, e);
}

const struct cli_cmd cmd_provider_get = {
	.path = "provider get",
	.summary = "Show a provider, without its secrets",
	.about = "Shows what a provider has: the names of its credentials, "
		 "never their values. No command shows them.",
	.examples = "openshell provider get gh\n"
		    "openshell provider get gh -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
