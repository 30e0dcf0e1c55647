/* openshell gateway info */
#include "base/mem.h"
#include "cli/deploy.h"
#include "cli/emit.h"
#include "cli/state.h"

struct args {
	const char *name;
	unsigned output;
};

static const struct cli_opt opts[] = { DEPLOY_OPT(name), EMIT_OPT(output),
	OPT_END };

static const struct emit_col cols[] = {
	{ "Gateway", "gateway", 0, 0, EMIT_NAME },
	{ "Gateway endpoint", "endpoint", 0, 0, EMIT_PLAIN },
	{ "Type", "type", 0, 0, EMIT_PLAIN },
	{ "Remote host", "remote_host", 0, 0, EMIT_PLAIN },
	{ "Resolved host", "resolved_host", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, NULL, 18 };

static void
put(struct emit *m, const char *key, const char *v)
{
	if (v != NULL)
		emit_text(emit_root(m), key, v);
	else
		emit_null(emit_root(m), key);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_FREE char *name = deploy_name(c, a->name);
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_BUF struct buf head = BUF_INIT(64);
	AUTO_GATEWAY g = { 0 };

	if (state_gateway_load(name, &g, e) < 0)
		return e->code == ERR_NOT_FOUND
			   ? err_set(e, ERR_NOT_FOUND,
				 "No gateway metadata found for '%.100s'.",
				 name)
			   : -1;
	put(m, "gateway", g.name);
	put(m, "endpoint", g.endpoint);
	put(m, "type",
	    g.is_remote && g.remote_host == NULL ? "External registration"
						 : NULL);
	put(m, "remote_host", g.remote_host);
	put(m, "resolved_host", g.resolved_host);
	if (a->output == EMIT_TABLE) {
		cli_paint(&head, c->color_out, COLOR_HEADING, "Gateway Info");
		buf_puts(&head, "\n\n");
		if (cli_out(c, &head, e) < 0)
			return -1;
	}
	return emit_print(c, m, (enum emit_format)a->output, &table, e);
}

const struct cli_cmd cmd_gateway_info = {
	.path = "gateway info",
	.summary = "Show what is registered of a gateway",
	.about = "Shows the registration; nothing is asked of the gateway.",
	.examples = "openshell gateway info",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = run,
};
