#include "cli/gateways.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cli/emit.h"
#include "cli/state.h"

static const struct emit_col cols[] = {
	{ "", "mark", 1, 0, EMIT_PLAIN },
	{ "NAME", "name", 4, 0, EMIT_NAME },
	{ "ENDPOINT", "endpoint", 8, 0, EMIT_PLAIN },
	{ "TYPE", "type", 4, 0, EMIT_PLAIN },
	{ "AUTH", "auth", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols,
	"No gateways found.\n\nDeploy a gateway with: openshell gateway start",
	0 };

static const char *
type_of(const struct state_gateway *g)
{
	if (g->auth_mode != NULL && strcmp(g->auth_mode, "cloudflare_jwt") == 0)
		return "cloud";
	return g->is_remote ? "remote" : "local";
}

static void
add(struct emit *m, const char *name, bool active, bool table_form)
{
	AUTO_GATEWAY g = { 0 };
	struct emit_val *row;
	struct err ignored;

	if (state_gateway_load(name, &g, &ignored) < 0)
		return;
	row = emit_object(emit_root(m), NULL);
	if (table_form)
		emit_text(row, "mark", active ? "*" : " ");
	emit_text(row, "name", name);
	emit_text(row, "endpoint", g.endpoint);
	emit_text(row, "type", type_of(&g));
	emit_text(row, "auth", g.auth_mode != NULL ? g.auth_mode : "unknown");
	if (!table_form)
		emit_bool(row, "active", active);
}

int
gateways_print(struct cli *c, unsigned format, struct err *e)
{
	AUTO_EMIT struct emit *m = emit_new(EMIT_LIST);
	AUTO_FREE char *active = state_active();
	char **names = NULL;
	size_t n = 0;
	int rc = state_gateways(&names, &n, e);

	for (size_t i = 0; i < n; i++)
		add(m, names[i],
		    active != NULL && strcmp(active, names[i]) == 0,
		    format == EMIT_TABLE);
	state_names_free(names);
	return rc < 0 ? -1
		      : emit_print(c, m, (enum emit_format)format, &table, e);
}
