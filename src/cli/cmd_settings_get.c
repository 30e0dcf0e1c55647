/* openshell settings get [NAME] */
#include <stdlib.h>

#include "base/mem.h"
#include "cli/emit.h"
#include "cli/policy_remote.h"
#include "cli/reach.h"
#include "settings/settings.h"

typedef Openshell__Sandbox__V1__GetSandboxConfigResponse config_msg;
typedef Openshell__Sandbox__V1__GetGatewayConfigResponse global_msg;
typedef Openshell__Sandbox__V1__SettingValue value_msg;

struct args {
	const char *sandbox;
	bool global, json;
	unsigned output;
};

static const struct cli_opt opts[] = { { .name = "global",
					   .kind = OPT_FLAG,
					   OPT(global),
					   .help =
					       "What is set of every sandbox" },
	EMIT_OPT(output),
	{ .name = "json",
	    .kind = OPT_FLAG,
	    OPT(json),
	    .help = "As JSON whose values are all strings",
	    .hidden = true },
	OPT_END };

static const struct cli_pos pos[] = { REACH_POS(sandbox), { 0 } };

/* --- one setting --------------------------------------------------------- */

struct row {
	const char *key, *scope; /* NULL: of every sandbox, without a scope */
	const value_msg *value; /* NULL: set by nobody */
};

#define VALUE(k) OPENSHELL__SANDBOX__V1__SETTING_VALUE__VALUE_##k

/* As a person reads it. */
static void
put_value(const value_msg *m, struct buf *out)
{
	switch ((int)(m != NULL ? m->value_case : VALUE(_NOT_SET))) {
	case VALUE(STRING_VALUE):
		buf_puts(out, m->string_value);
		break;
	case VALUE(BOOL_VALUE):
		buf_puts(out, m->bool_value ? "true" : "false");
		break;
	case VALUE(INT_VALUE):
		buf_printf(out, "%lld", (long long)m->int_value);
		break;
	case VALUE(BYTES_VALUE):
		buf_printf(out, "<bytes:%zu>", m->bytes_value.len);
		break;
	default:
		buf_puts(out, "<unset>");
		break;
	}
}

static void
emit_value(
    struct emit_val *at, const char *key, const value_msg *m, bool as_text)
{
	AUTO_BUF struct buf text = BUF_INIT(65536);

	put_value(m, &text);
	if (!as_text && m == NULL)
		emit_null(at, key);
	else if (!as_text && m->value_case == VALUE(BOOL_VALUE))
		emit_bool(at, key, m->bool_value);
	else if (!as_text && m->value_case == VALUE(INT_VALUE))
		emit_int(at, key, m->int_value);
	else
		emit_str(at, key, buf_view(&text));
}

static int
by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static void
emit_rows(struct emit_val *at, const struct row *rows, size_t n, bool as_text)
{
	struct emit_val *all = emit_object(at, "settings");

	for (size_t i = 0; i < n; i++) {
		struct emit_val *one;

		if (rows[i].scope == NULL) {
			emit_value(all, rows[i].key, rows[i].value, as_text);
			continue;
		}
		one = emit_object(all, rows[i].key);
		emit_text(one, "scope", rows[i].scope);
		emit_value(one, "value", rows[i].value, as_text);
	}
}

/* "  KEY = VALUE (SCOPE)"; of one that nobody has set, what holds then. */
static void
put_row(const struct row *r, struct buf *out)
{
	const struct setting *known = setting_find(view_of(r->key));
	AUTO_BUF struct buf value = BUF_INIT(65536);

	put_value(r->value, &value);
	buf_puts(out, "  ");
	buf_put_escaped(out, view_of(r->key));
	buf_puts(out, " = ");
	buf_put_escaped(out, buf_view(&value));
	if (r->scope != NULL && r->value == NULL && known != NULL)
		buf_printf(out, " (%s: %s)", r->scope, known->initial);
	else if (r->scope != NULL)
		buf_printf(out, " (%s)", r->scope);
	buf_putc(out, '\n');
}

static int
print_rows(struct cli *c, const struct row *rows, size_t n, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);

	cli_paint(&b, c->color_out, COLOR_LABEL, "Settings:");
	buf_puts(&b, n > 0 ? "\n" : "      No settings available.\n");
	for (size_t i = 0; i < n; i++)
		put_row(&rows[i], &b);
	return cli_out(c, &b, e);
}

/* --- all of them --------------------------------------------------------- */

static const struct emit_col cols[] = {
	{ "Scope", "scope", 0, 0, EMIT_PLAIN },
	{ "Sandbox", "sandbox", 0, 0, EMIT_NAME },
	{ "Settings Rev", "settings_revision", 0, 0, EMIT_PLAIN },
	{ "Config Rev", "config_revision", 0, 0, EMIT_PLAIN },
	{ "Policy Source", "policy_source", 0, 0, EMIT_PLAIN },
	{ "Policy Hash", "policy_hash", 0, 0, EMIT_PLAIN },
	{ 0 },
};
static const struct emit_table table = { cols, NULL, 14 };

static enum emit_format
format_of(const struct args *a)
{
	return a->json ? EMIT_JSON : (enum emit_format)a->output;
}

/* In a table they follow it. */
static void
add_rows(const struct args *a, struct emit *m, struct row *rows, size_t n)
{
	if (n > 0)
		qsort(rows, n, sizeof(*rows), by_key);
	if (format_of(a) != EMIT_TABLE)
		emit_rows(emit_root(m), rows, n, a->json);
}

static int
print(struct cli *c, const struct args *a, const struct emit *m,
    const struct row *rows, size_t n, struct err *e)
{
	if (emit_print(c, m, format_of(a), &table, e) < 0)
		return -1;
	return format_of(a) == EMIT_TABLE ? print_rows(c, rows, n, e) : 0;
}

static const char *
scope_name(int scope)
{
	switch (scope) {
	case OPENSHELL__SANDBOX__V1__SETTING_SCOPE__SETTING_SCOPE_GLOBAL:
		return "global";
	case OPENSHELL__SANDBOX__V1__SETTING_SCOPE__SETTING_SCOPE_SANDBOX:
		return "sandbox";
	default:
		return "unset";
	}
}

static int
of_sandbox(struct cli *c, const struct args *a, const struct policy_place *p,
    struct err *e)
{
	Openshell__Sandbox__V1__GetSandboxConfigRequest q =
	    OPENSHELL__SANDBOX__V1__GET_SANDBOX_CONFIG_REQUEST__INIT;
	AUTO_FREE char *id = reach_sandbox_id(p->reach, p->sandbox, e);
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_FREE struct row *rows = NULL;
	AUTO_MSG config_msg *r = NULL;
	size_t n = 0;

	q.sandbox_id = id;
	if (id == NULL ||
	    reach_call(p->reach, "GetSandboxConfig", &q.base,
		&openshell__sandbox__v1__get_sandbox_config_response__descriptor,
		&r, NULL, e) < 0)
		return -1;
	rows = mem_calloc(r->n_settings + 1, sizeof(*rows));
	for (size_t i = 0; i < r->n_settings; i++)
		if (r->settings[i]->value != NULL)
			rows[n++] = (struct row) { r->settings[i]->key,
				scope_name((int)r->settings[i]->value->scope),
				r->settings[i]->value->value };
	emit_uint(emit_root(m), "config_revision", r->config_revision);
	emit_text(emit_root(m), "policy_hash", r->policy_hash);
	emit_text(emit_root(m), "policy_source",
	    r->policy_source ==
		    OPENSHELL__SANDBOX__V1__POLICY_SOURCE__POLICY_SOURCE_GLOBAL
		? "global"
		: "sandbox");
	emit_text(emit_root(m), "sandbox", p->sandbox);
	add_rows(a, m, rows, n);
	return print(c, a, m, rows, n, e);
}

static int
of_all(struct cli *c, const struct args *a, const struct policy_place *p,
    struct err *e)
{
	Openshell__Sandbox__V1__GetGatewayConfigRequest q =
	    OPENSHELL__SANDBOX__V1__GET_GATEWAY_CONFIG_REQUEST__INIT;
	AUTO_EMIT struct emit *m = emit_new(EMIT_OBJECT);
	AUTO_FREE struct row *rows = NULL;
	AUTO_MSG global_msg *r = NULL;

	if (reach_call(p->reach, "GetGatewayConfig", &q.base,
		&openshell__sandbox__v1__get_gateway_config_response__descriptor,
		&r, NULL, e) < 0)
		return -1;
	rows = mem_calloc(r->n_settings + 1, sizeof(*rows));
	for (size_t i = 0; i < r->n_settings; i++)
		rows[i] = (struct row) { r->settings[i]->key, NULL,
			r->settings[i]->value };
	emit_text(emit_root(m), "scope", "global");
	add_rows(a, m, rows, r->n_settings);
	emit_uint(emit_root(m), "settings_revision", r->settings_revision);
	return print(c, a, m, rows, r->n_settings, e);
}

static int
run(struct cli *c, const void *argp, struct err *e)
{
	const struct args *a = argp;
	AUTO_REACH struct reach *r = NULL;
	struct policy_place p;

	if (a->global && a->sandbox != NULL)
		return err_set(e, ERR_INVALID,
		    "settings get --global does not accept a sandbox name");
	if (reach_open(c, &r, e) < 0 ||
	    policy_place_find(c, r, a->global, a->sandbox, &p, e) < 0)
		return -1;
	return a->global ? of_all(c, a, &p, e) : of_sandbox(c, a, &p, e);
}

const struct cli_cmd cmd_settings_get = {
	.path = "settings get",
	.summary = "Show the settings of a sandbox, or of all",
	.about =
	    "Shows every setting, its value, and who set it: the sandbox's "
	    "own, or the one of every sandbox (global), which holds over "
	    "it.",
	.examples = "openshell settings get demo\n"
		    "openshell settings get --global -o json",
	.opts = opts,
	.pos = pos,
	.args_size = sizeof(struct args),
	.run = run,
};
